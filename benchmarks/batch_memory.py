"""Measure the peak memory of one exposure, by target and product, full frame of 40 groups.

Each runs in a process of its own; printed are the peak and, in units of the input file, what is
above a worker that has done nothing. ``showermask.commands.batch.job`` has these.

Run: python benchmarks/batch_memory.py [GROUPS]
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from showermask import RegionFile, Shower, write_regions
from showermask.synthetic.crds_cache import Detector, build_cache, cache_environment
from showermask.synthetic.ramps import RampBuilder

_ROOT = "jw99999001001_02101_00001_mirimage"
_SHOWER = Shower(integration=0, group=9, x=500, y=400, a=60, b=40, theta=30)


def main(ngroups: int) -> None:
    """Make the products, run every way in a process of its own, print a line for each."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        # In a process of its own too: the peak of a parent counts as its children's.
        subprocess.run([sys.executable, __file__, "make", str(ngroups), scratch], check=True)
        environment = {**os.environ, **cache_environment(folder / "crds")}
        idle = measured(environment, "none", "none", folder)
        print(f"worker that has done nothing: {idle / 1e6:.0f} MB")
        for target, kind in (
            ("rate", "uncal"),
            ("rate", "jump"),
            ("masked", "jump"),
            ("rate", "rateints"),
            ("masked", "rateints"),
            ("masked", "rate"),
        ):
            path = folder / f"{_ROOT}_{kind}.fits"
            size = path.stat().st_size
            peak = measured(environment, target, kind, folder)
            print(
                f"{kind:8s} to {target:6s}: file {size / 1e6:4.0f} MB, peak {peak / 1e6:5.0f} MB, "
                f"{(peak - idle) / size:5.2f} times the file",
                flush=True,
            )


def make(ngroups: int, folder: Path) -> None:
    """Make the ramps, the region file and the reference files."""
    builder = RampBuilder(ngroups=ngroups, ny=1024, nx=1032, readnoise=6.0, seed=1)
    builder.raw_model(subarray="FULL").save(str(folder / f"{_ROOT}_uncal.fits"))
    builder.model(subarray="FULL").save(str(folder / f"{_ROOT}_jump.fits"))
    write_regions(folder / "regions.yaml", RegionFile(showers=(_SHOWER,)))
    build_cache(folder / "crds", Detector(ny=1024, nx=1032, subarray="FULL"))


def measured(environment: dict[str, str], target: str, kind: str, folder: Path) -> int:
    """Run one way in a process of its own and return its peak memory in bytes."""
    command = [sys.executable, __file__, "one", target, kind, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


def one(target: str, kind: str, folder: Path) -> None:
    """Do it in this process, and print the peak."""
    import distributed  # noqa: F401  # what a worker has imported

    from showermask.commands.batch.parameters import StepParameters
    from showermask.commands.batch.stages.products import make_products

    if target != "none":
        with tempfile.TemporaryDirectory(dir=folder) as output:
            make_products(
                folder / f"{_ROOT}_{kind}.fits",
                kind,
                files={"region_file": str(folder / "regions.yaml"), "detector_file": "none"},
                target=target,
                folder=Path(output),
                step_parameters=StepParameters(),
            )
            for file in Path(output).glob("*_rate*.fits"):
                if kind == "uncal":
                    file.replace(folder / file.name)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        one(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    elif sys.argv[1:2] == ["make"]:
        make(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
