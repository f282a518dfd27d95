"""Score the search for bad pixels on synthetic darks and flats with known ones.

Run: python benchmarks/badpixels/score.py FIRST_SEED COUNT [--size N] [--each N] [--strength S]
         [--ints N]
"""

import argparse
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from showermask.defects.darks import search_darks
from showermask.defects.flats import search_flats
from showermask.defects.options import DarkOptions, FlatOptions
from showermask.exposure.images import ImageReader
from showermask.synthetic.detectors import SyntheticDetector


def main() -> None:
    """Make, search and score; print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("first", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--each", type=int, default=40)
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--ints", type=int, default=10)
    options = parser.parse_args()
    hits, true, found, wrong = Counter(), Counter(), Counter(), Counter()
    pixels = 0
    for seed in range(options.first, options.first + options.count):
        detector = SyntheticDetector(
            image_shape=(options.size, options.size),
            each=options.each,
            strength=options.strength,
            seed=seed,
        )
        is_bad = np.any(list(detector.truth.values()), axis=0)
        for one in search(detector, options.ints):
            mask = one.mask(detector.image_shape)
            truth = detector.truth[one.kind.name]
            hits[one.kind.name] += np.count_nonzero(mask & truth)
            true[one.kind.name] += np.count_nonzero(truth)
            found[one.kind.name] += np.count_nonzero(mask)
            wrong[one.kind.name] += np.count_nonzero(mask & ~is_bad)
        pixels += options.size**2
    print(f"{'':14s} true found recall precision, on good pixels a full frame")
    for kind, number in true.items():
        print(
            f"{kind:14s} {number:4d} {found[kind]:5d} {hits[kind] / max(1, number):6.3f} "
            f"{hits[kind] / max(1, found[kind]):9.3f} {wrong[kind] * 1024 * 1032 / pixels:9.1f}"
        )
    print(f"all on good pixels a full frame: {wrong.total() * 1024 * 1032 / pixels:.1f}")


def search(detector: SyntheticDetector, ints: int) -> list:
    """Make darks and flats, and search them."""
    with tempfile.TemporaryDirectory() as scratch:
        darks, flats = [], []
        for number in range(ints):
            path = Path(scratch) / f"dark{number}_jump.fits"
            detector.dark(number).save(str(path))
            darks.append(ImageReader(path))
        for number in range(3):
            path = Path(scratch) / f"flat{number}_jump.fits"
            detector.flat(number).save(str(path))
            flats.append(ImageReader(path))
        return search_darks(darks, DarkOptions()) + search_flats(flats, FlatOptions())


if __name__ == "__main__":
    main()
