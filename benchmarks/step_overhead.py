"""Compare ``strun manual_shower_mask`` with a step that does nothing, on a 500 MB jump file.

Run as ``python benchmarks/step_overhead.py [RUNS]``. The two run in turn, each writing a product
that is not there yet, to a disk at rest. Medians of wall-clock time and of peak memory are printed,
and the ratios pair by pair.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from showermask import RegionFile, write_regions
from showermask.synthetic.ramps import RampBuilder

HERE = Path(__file__).parent
STRUN = Path(sys.executable).with_name("strun")
BUILDER = RampBuilder(ngroups=95, ny=1024, nx=1032)


def run(arguments: list[str], folder: Path) -> tuple[float, float]:
    """Run a command; return its time in s and its peak memory in MB."""
    for product in (folder / "x_jump_showermask.fits", folder / "x_nothingstep.fits"):
        product.unlink(missing_ok=True)
    os.sync()
    environment = {
        **os.environ,
        "PYTHONPATH": str(HERE),
        "STPIPE_DISABLE_CRDS_STEPPARS": "true",
    }
    start = time.perf_counter()
    process = subprocess.Popen(
        [str(STRUN), *arguments], cwd=folder, env=environment, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"strun {' '.join(arguments)} failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def write_input(folder: Path) -> None:
    """Write the jump file and a region file with 30 showers."""
    from mask_speed import draw_showers
    from stdatamodels.jwst import datamodels

    ramp = datamodels.RampModel(data=np.ones(BUILDER.shape, np.float32), groupdq=BUILDER.group_dq())
    ramp.save(str(folder / "x_jump.fits"))
    showers = draw_showers(30, BUILDER.shape, largest=60, seed=1)
    write_regions(folder / "x_showers.yaml", RegionFile(showers=tuple(showers)))


def main(runs: int) -> None:
    """Measure and print."""
    commands = {
        "manual_shower_mask": ["manual_shower_mask", "x_jump.fits"],
        "nothing": ["nothing_step.NothingStep", "x_jump.fits"],
    }
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        folder = Path(scratch)
        write_input(folder)
        size = (folder / "x_jump.fits").stat().st_size / 1e6
        for turn in range(runs + 1):
            for name, arguments in commands.items():
                figure = run(arguments, folder)
                if turn:  # the first turn warms up
                    figures[name].append(figure)
    print(f"jump file of {size:.0f} MB, {runs} runs each in turn:")
    for name, values in figures.items():
        seconds, megabytes = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"  {name:20s} {seconds:6.2f} s {megabytes:8.0f} MB")
    pairs = list(zip(*figures.values(), strict=True))
    for index, what in enumerate(("time", "peak memory")):
        ratios = sorted(ours[index] / nothing[index] for ours, nothing in pairs)
        print(
            f"  {what}: ratio {statistics.median(ratios):.3f} "
            f"(least {ratios[0]:.3f}, most {ratios[-1]:.3f})"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
