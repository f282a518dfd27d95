"""Measure the peak memory of a mosaic of full frames, by the number of its exposures.

Each runs in a process of its own; printed are the peak and what is above a worker that has done
nothing. ``showermask.commands.batch.mosaic_job`` has these.

Run: python benchmarks/mosaic_memory.py
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from showermask import RegionFile, write_regions
from showermask.synthetic.crds_cache import Detector, build_cache, cache_environment
from showermask.synthetic.programme import build_programme

_SHAPE = (1024, 1032)


def main() -> None:
    """Calibrate four exposures, and make mosaics of some of them."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        # In a process of its own: the peak of a parent counts as its children's.
        subprocess.run([sys.executable, __file__, "make", scratch], check=True)
        environment = {**os.environ, **cache_environment(folder / "crds")}
        batch = ["batch", "regions", "data", "-o", "out", "--to", "i2d", "-j", "1"]
        command = [sys.executable, "-m", "showermask", *batch]
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        for count in (0, 2, 3, 4):
            command = [sys.executable, __file__, str(count), scratch]
            done = subprocess.run(
                command, env=environment, check=True, capture_output=True, text=True
            )
            idle, peak, size = (int(word) / 1e6 for word in done.stdout.split()[-3:])
            print(
                f"{count} exposures, {size:4.0f} MB: peak {peak:4.0f} MB, {peak - idle:4.0f} above",
                flush=True,
            )


def make(folder: Path) -> None:
    """Make the programme, its region files and the reference files."""
    programme = build_programme(folder / "data", image_shape=_SHAPE, ngroups=5, filters=("F770W",))
    (folder / "regions").mkdir()
    for root, showers in programme.showers.items():
        write_regions(
            folder / "regions" / f"{root}_showers.yaml", RegionFile(exposure=root, showers=showers)
        )
    detector = Detector(ny=_SHAPE[0], nx=_SHAPE[1], subarray="FULL")
    build_cache(folder / "crds", detector, has_sky=True)


def one(count: int, folder: Path) -> None:
    """Make a mosaic in this process, and print memory before, at the peak, and the files' size."""
    import distributed  # noqa: F401  # what a worker has imported

    from showermask.commands.batch.associations import Association
    from showermask.commands.batch.parameters import StepParameters
    from showermask.commands.batch.stages.mosaic import make_mosaic
    from showermask.commands.batch.stages.parameters import split_by_stage

    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    members = tuple(sorted((folder / "out").glob("*_cal.fits"))[:count])
    if members:
        roots = tuple(path.name.removesuffix("_cal.fits") for path in members)
        parameters = split_by_stage(StepParameters(), "i2d")["image3"]
        with tempfile.TemporaryDirectory(dir=folder) as output:
            association = Association(name="mosaic", exposures=roots)
            make_mosaic(association, members, Path(output), parameters, None)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(idle, peak, sum(path.stat().st_size for path in members))


if __name__ == "__main__":
    if sys.argv[1:2] == ["make"]:
        make(Path(sys.argv[2]))
    elif len(sys.argv) > 1:
        one(int(sys.argv[1]), Path(sys.argv[2]))
    else:
        main()
