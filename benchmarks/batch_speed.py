"""Time a batch against a shell loop that does the same by strun, in one run.

1. Small jump files, to masked, against ``strun manual_shower_mask``.
2. Small raw ramps, to rates, on two workers, against ``strun calwebb_detector1`` (no mask).

Run: python benchmarks/batch_speed.py [JUMP_FILES [RAW_FILES]]
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from showermask import RegionFile, Shower, write_regions
from showermask.synthetic.crds_cache import Detector, build_cache, cache_environment
from showermask.synthetic.ramps import RampBuilder

_BIN = Path(sys.executable).parent
_SHOWER = Shower(integration=0, group=5, x=28, y=20, a=6, b=4, theta=30)


def main(jump_files: int, raw_files: int) -> None:
    """Run both comparisons."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cache = build_cache(folder / "crds", Detector(ny=128, nx=136, subarray="SUB128"))
        environment = {**os.environ, **cache_environment(cache)}
        make(folder / "jump", jump_files, is_raw=False)
        compare(folder / "jump", environment, "manual_shower_mask", "--region_file=", ())
        make(folder / "uncal", raw_files, is_raw=True)
        compare(folder / "uncal", environment, "calwebb_detector1", None, ("--to", "rate"))


def make(folder: Path, count: int, *, is_raw: bool) -> None:
    """Make exposures of 10 groups of 128 x 136 pixels, and their region files."""
    for name in ("data", "regions"):
        (folder / name).mkdir(parents=True)
    for seed in range(count):
        builder = RampBuilder(ngroups=10, ny=128, nx=136, readnoise=6.0, pedestal=1000, seed=seed)
        root = f"jw99999001001_02101_{seed:05d}_mirimage"
        model = builder.raw_model() if is_raw else builder.model()
        model.save(str(folder / "data" / f"{root}_{'uncal' if is_raw else 'jump'}.fits"))
        model.close()
        write_regions(
            folder / "regions" / f"{root}_showers.yaml",
            RegionFile(showers=(replace(_SHOWER),), exposure=root),
        )


def compare(
    folder: Path, environment: dict[str, str], step: str, option: str | None, batch: tuple[str, ...]
) -> None:
    """Time the loop and the batch, and print their ratio."""
    files = sorted((folder / "data").iterdir())
    (folder / "loop").mkdir()
    started = time.monotonic()
    for file in files:
        root = file.stem.rpartition("_")[0]
        given = [f"{option}{folder}/regions/{root}_showers.yaml"] if option else []
        run([_BIN / "strun", step, file, *given, f"--output_dir={folder}/loop"], environment)
    loop = time.monotonic() - started
    started = time.monotonic()
    command = [_BIN / "showermask", "batch", folder / "regions", folder / "data", "-j", "2"]
    run([*command, "-o", folder / "batch", *batch], environment)
    whole = time.monotonic() - started
    print(
        f"{len(files)} files, strun {step} in a loop {loop:.1f} s, batch {whole:.1f} s: "
        f"{loop / whole:.1f} times",
        flush=True,
    )


def run(command: list[str | Path], environment: dict[str, str]) -> None:
    """Run a command that has to succeed."""
    subprocess.run(list(map(str, command)), env=environment, capture_output=True, check=True)


if __name__ == "__main__":
    counts = [int(argument) for argument in sys.argv[1:]]
    main(*(counts + [200, 8][len(counts) :]))
