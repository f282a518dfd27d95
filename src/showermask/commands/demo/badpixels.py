"""Find known bad pixels of a synthetic detector, and compare with the truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from showermask.defects.darks import search_darks
from showermask.defects.flats import search_flats
from showermask.defects.options import DarkOptions, FlatOptions
from showermask.exceptions import OutputError
from showermask.exposure.images import ImageReader
from showermask.synthetic.detectors import SyntheticDetector

__all__ = ["run_badpixels_demo"]

_DARKS, _FLATS = 10, 3


def run_badpixels_demo(folder: Path) -> Iterator[str]:
    """Write darks and flats with known bad pixels, search them, and yield a table.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Where the exposures are written.

    Yields
    ------
    str
        Lines for people.

    Raises
    ------
    OutputError
        When the directory can't be made.
    """
    detector = SyntheticDetector(image_shape=(256, 256), each=20, seed=20261120)
    darks, flats = folder / "darks", folder / "flats"
    try:
        for path in (darks, flats):
            path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: can't be made ({error.strerror})") from error
    yield f"writing {_DARKS} darks and {_FLATS} flats of 256 x 256 pixels"
    for number in range(_DARKS):
        name = f"jw99999{number:03d}001_02101_00001_mirimage_jump.fits"
        detector.dark(number).save(str(darks / name))
    for number in range(_FLATS):
        name = f"jw99998{number:03d}001_02101_00001_mirimage_jump.fits"
        detector.flat(number).save(str(flats / name))
    found = search_darks([ImageReader(path) for path in sorted(darks.iterdir())], DarkOptions())
    found += search_flats([ImageReader(path) for path in sorted(flats.iterdir())], FlatOptions())
    yield f"{'':13s}{'true':>6s}{'found':>7s}{'right':>7s}  what such a pixel does"
    is_bad = np.any(list(detector.truth.values()), axis=0)
    wrong = 0
    for one in found:
        mask, truth = one.mask(detector.image_shape), detector.truth[one.kind.name]
        wrong += int(np.count_nonzero(mask & ~is_bad))
        yield (
            f"{one.kind.name:13s}{np.count_nonzero(truth):6d}{len(one):7d}"
            f"{np.count_nonzero(mask & truth):7d}  {one.kind.meaning}"
        )
    yield f"good pixels that are called bad: {wrong} of {np.count_nonzero(~is_bad)}"
    yield "the same, with region file and page:"
    yield f"  showermask badpixels --darks {darks} --flats {flats} -o {folder / 'found'}"
