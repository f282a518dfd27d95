"""Time and memory of the search in ten full-frame darks of 40 groups, against reading them.

Run: OPENBLAS_NUM_THREADS=1 python benchmarks/badpixels/speed.py FOLDER

The darks are made in FOLDER (2.2 GB) where they are not there.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np

from showermask.defects.darks import search_darks
from showermask.defects.options import DarkOptions
from showermask.exposure.images import ImageReader
from showermask.synthetic.detectors import SyntheticDetector

_DARKS, _ROWS = 10, 64


def main(folder: Path) -> None:
    """Make the darks, read and search them, and print."""
    detector = SyntheticDetector(image_shape=(1024, 1032), each=300)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"dark{number}_jump.fits" for number in range(_DARKS)]
    for number, path in enumerate(paths):
        if not path.exists():
            detector.dark(number).save(str(path))
    readers = [ImageReader(path) for path in paths]
    cached = min(_read(readers) for _ in range(2))
    reading = _open(paths)
    Path("/proc/self/clear_refs").write_text("5")
    before = _memory("VmRSS")
    started = time.monotonic()
    found = search_darks(readers, DarkOptions(), threads=os.cpu_count() or 1)
    spent = time.monotonic() - started
    peak = _memory("VmHWM")
    print(
        f"search {spent:.1f} s; reading as datamodels {reading:.1f} s ({spent / reading:.2f} "
        f"times), the bytes alone from memory {cached:.1f} s ({spent / cached:.1f} times)"
    )
    print(f"peak memory {peak / 1e6:.0f} MB, {(peak - before) / 1e6:.0f} MB above that before")
    is_bad = np.any(list(detector.truth.values()), axis=0)
    for one in found:
        mask, truth = one.mask(detector.image_shape), detector.truth[one.kind.name]
        hits = np.count_nonzero(mask & truth)
        print(
            f"{one.kind.name:14s} recall {hits / np.count_nonzero(truth):.3f}, precision "
            f"{hits / max(1, len(one)):.3f}, on good pixels {np.count_nonzero(mask & ~is_bad)}"
        )


def _read(readers: list[ImageReader]) -> float:
    """Read data and flags of all darks, some rows at a time; return the time."""
    started = time.monotonic()
    ny, nx = readers[0].exposure.image_shape
    for reader in readers:
        with reader:
            for start in range(0, ny, _ROWS):
                box = slice(start, min(ny, start + _ROWS)), slice(0, nx)
                for group in range(reader.stack_shape[1]):
                    reader.window(0, group, box)
                    reader.dq_window(0, group, box)
    return time.monotonic() - started


def _open(paths: list[Path]) -> float:
    """Read the darks as jwst does; return the time."""
    from stdatamodels.jwst import datamodels

    started = time.monotonic()
    for path in paths:
        with datamodels.open(path) as model:
            np.array(model.data)
            np.array(model.groupdq)
    return time.monotonic() - started


def _memory(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(f"{key}:")]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]))
