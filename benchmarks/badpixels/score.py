"""Score the search for bad pixels on synthetic darks and flats with known ones.

Run: python benchmarks/badpixels/score.py FIRST_SEED COUNT [--size N] [--each N] [--strength S]
         [--ints N] [--cdp]

With ``--cdp`` the bad pixels lie where those of MIRI's imager do (CDP-7 mask, full frame; in the
folder that SHOWERMASK_REALDATA names).
"""

import argparse
import os
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
    parser.add_argument("--cdp", action="store_true")
    options = parser.parse_args()
    places = cdp_places() if options.cdp else None
    shape = (1024, 1032) if options.cdp else (options.size, options.size)
    hits, true, found, wrong = Counter(), Counter(), Counter(), Counter()
    pixels = 0
    for seed in range(options.first, options.first + options.count):
        detector = SyntheticDetector(
            image_shape=shape,
            places=places,
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
        pixels += shape[0] * shape[1]
    print(f"{'':14s} true found recall precision, on good pixels a full frame")
    for kind, number in true.items():
        print(
            f"{kind:14s} {number:4d} {found[kind]:5d} {hits[kind] / max(1, number):6.3f} "
            f"{hits[kind] / max(1, found[kind]):9.3f} {wrong[kind] * 1024 * 1032 / pixels:9.1f}"
        )
    print(f"all on good pixels a full frame: {wrong.total() * 1024 * 1032 / pixels:.1f}")


def cdp_places() -> dict[str, np.ndarray]:
    """Return where MIRI's imager has bad pixels, by kind."""
    from astropy.io import fits

    folder = Path(os.environ["SHOWERMASK_REALDATA"]) / "miri"
    (path,) = folder.glob("MIRI_FM_MIRIMAGE_MASK_*.fits.gz")
    flags = fits.getdata(path, "DQ")
    bits = {"dead": 2, "hot": 4, "noisy": 8, "rc": 16}
    inside = np.zeros(flags.shape, bool)
    inside[:, 5:-5] = True  # the columns beside reference pixels are flagged as a whole
    found = {kind: (flags & bit > 0) & inside for kind, bit in bits.items()}
    found["noisy"] &= flags == bits["noisy"]
    return found


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
