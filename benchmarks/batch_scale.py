"""Time a batch of thousands of small exposures: its plan, and a run in which all is up to date.

For each number of exposures it prints the time of ``--dry-run`` (to masked, and to i2d with its
mosaics) and of a run in which all is up to date, the peak memory of the process, and the exponent
of the growth from one number to the next. Products and records of that run are copies of the
inputs, made here, for masking them would take an hour; with ``--run`` they are masked, and the
memory of the process that hands out the jobs is printed too.

Run: python benchmarks/batch_scale.py [--run] [EXPOSURES ...]
"""

import argparse
import math
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from astropy.io import fits

from showermask import RegionFile, Shower, write_regions
from showermask.cli import main as showermask
from showermask.commands.batch.parameters import MaskParameters
from showermask.commands.batch.plan import Request, find_matches, make_plan
from showermask.pipeline.manifest import FileState, write_manifest
from showermask.synthetic.ramps import RampBuilder

_SHOWER = Shower(integration=0, group=2, x=8, y=8, a=4, b=3, theta=0)
_FILTERS = ("F770W", "F1000W", "F1130W", "F1280W")
#: Exposures of a mosaic.
_PER_MOSAIC = 20


def main(counts: list[int], *, is_run: bool) -> None:
    """Measure each number of exposures."""
    before: dict[str, tuple[int, float]] = {}
    for count in counts:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            make(folder, count)
            ways = {
                "plan to masked": ["--dry-run"],
                "plan to i2d": ["--to", "i2d", "--dry-run"],
            }
            ways |= {"run": [], "all up to date": []} if is_run else {"all up to date": []}
            for name, options in ways.items():
                if name == "all up to date" and not is_run:
                    make_products(folder)
                seconds, memory = measured(folder, options)
                line = f"{count:6d} exposures, {name:14s}: {seconds:7.1f} s, {memory / 1e6:5.0f} MB"
                if name in before:
                    other, earlier = before[name]
                    exponent = math.log(seconds / earlier) / math.log(count / other)
                    line += f", exponent {exponent:.2f} from {other}"
                print(line, flush=True)
                before[name] = count, seconds


def make(folder: Path, count: int) -> None:
    """Make ramps of 5 groups of 16 x 16 pixels, and their region files."""
    for name in ("data", "regions"):
        (folder / name).mkdir()
    model = RampBuilder(ngroups=5, ny=16, nx=16).model()
    model.meta.exposure.type = "MIR_IMAGE"
    model.save(str(folder / "one_jump.fits"))
    model.close()
    with fits.open(folder / "one_jump.fits") as hdus:
        for number in range(count):
            visit, exposure = divmod(number, _PER_MOSAIC)
            root = f"jw{visit:05d}001001_02101_{exposure:05d}_mirimage"
            header = hdus[0].header
            header["PROGRAM"], header["TARGPROP"] = f"{visit:05d}", "field"
            header["FILTER"] = _FILTERS[visit % len(_FILTERS)]
            header["FILENAME"] = f"{root}_jump.fits"
            hdus.writeto(folder / "data" / f"{root}_jump.fits")
            write_regions(
                folder / "regions" / f"{root}_showers.yaml",
                RegionFile(showers=(_SHOWER,), exposure=root),
            )


def make_products(folder: Path) -> None:
    """Write products and records as if a batch had been run."""
    output = folder / "out"
    output.mkdir()
    request = Request(regions=folder / "regions", data=(folder / "data",), output=output)
    plan = make_plan(request, find_matches(request), MaskParameters())
    records = {}
    for planned in plan.planned:
        product = output / planned.match.input.name
        shutil.copyfile(planned.match.input, product)
        outputs = (FileState.of_file(product),)
        records[planned.match.exposure] = replace(planned.record, status="done", outputs=outputs)
    write_manifest(output, records)


def measured(folder: Path, options: list[str]) -> tuple[float, int]:
    """Run a batch in a process of its own; return its time and its peak memory."""
    output = folder / ("i2d" if "i2d" in options else "out")
    arguments = ["batch", str(folder / "regions"), str(folder / "data"), "-o", str(output)]
    command = [sys.executable, __file__, "--one", *arguments, *options]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return seconds, int(done.stdout.split()[-1])


def one(arguments: list[str]) -> None:
    """Run a command in this process, and print its peak memory."""
    code = showermask(arguments)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    sys.exit(code)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", action="store_true")
    parser.add_argument("counts", metavar="EXPOSURES", type=int, nargs="*", default=[1000, 10000])
    given = parser.parse_args()
    main(given.counts or [1000, 10000], is_run=given.run)
