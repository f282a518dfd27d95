"""The difference between found pixels and those of an earlier file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from showermask.commands.badpixels.inputs import ExposureSet
from showermask.exceptions import ExposureError
from showermask.exposure.detectors import frame_shape_of
from showermask.exposure.dq import pixel_flags
from showermask.regionfile.content import RegionFile
from showermask.regionfile.entry import Status
from showermask.regionfile.reader import EXTENSIONS, read_regions

__all__ = ["Changes", "Earlier", "read_earlier"]

_LISTED = 20


@dataclass(frozen=True)
class Changes:
    """The difference between found pixels and earlier ones."""

    name: str
    #: Numbers of pixels that are new, gone, and in both.
    new: int
    gone: int
    both: int
    #: Some of those that are new and gone, ``(x, y)``.
    new_pixels: tuple[tuple[int, int], ...]
    gone_pixels: tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Earlier:
    """The bad pixels of an earlier region file or MASK reference.

    Parameters
    ----------
    name : str
        Name of the file.
    pixels : `numpy.ndarray`
        ``(ny, nx)`` bool, of the whole detector.
    """

    name: str
    pixels: NDArray[np.bool_]

    def compare(self, region_file: RegionFile) -> Changes:
        """Return the difference between these pixels and those of a region file."""
        now = _pixels_of(region_file, self.pixels.shape)
        new, gone = now & ~self.pixels, self.pixels & ~now
        return Changes(
            name=self.name,
            new=int(new.sum()),
            gone=int(gone.sum()),
            both=int((now & self.pixels).sum()),
            new_pixels=_some(new),
            gone_pixels=_some(gone),
        )


def read_earlier(path: Path, sets: Sequence[ExposureSet]) -> Earlier:
    """Read the file to compare with, before anything is searched.

    Parameters
    ----------
    path : `~pathlib.Path`
        A region file of a detector, or a MASK reference (FITS).
    sets : sequence of ExposureSet
        The exposures that are to be searched.

    Returns
    -------
    Earlier
        Its pixels.

    Raises
    ------
    ExposureError
        When it can't be read, or is of another detector.
    RegionFileError
        When it is not a valid region file.
    """
    detectors = sorted({one.detector for one in sets})
    if path.suffix.lower() in EXTENSIONS:
        region_file = read_regions(path)
        found = region_file.detector
        shape = frame_shape_of(found or "")
        pixels = None if found is None else _pixels_of(region_file, shape)
    else:
        found, pixels = _mask_pixels(path)
    if pixels is None or found is None or detectors != [found]:
        raise ExposureError(
            f"{path}: is of {found or 'an exposure'}, expected a file of {', '.join(detectors)}, "
            "and darks and flats of that detector alone"
        )
    return Earlier(path.name, pixels)


def _mask_pixels(path: Path) -> tuple[str | None, NDArray[np.bool_] | None]:
    """Return the detector of a MASK reference, and its bad pixels without reference pixels."""
    from stdatamodels.jwst.datamodels import MaskModel

    try:
        with MaskModel(str(path)) as model:
            flags = np.array(model.dq, np.uint32)
            detector = model.meta.instrument.detector
    except Exception as error:
        raise ExposureError(
            f"{path}: can't be read ({type(error).__name__}: {error}), expected a region file or a "
            "MASK reference"
        ) from error
    if detector is None or flags.shape != frame_shape_of(detector):
        raise ExposureError(
            f"{path}: has the shape {flags.shape} and the detector {detector}, expected a MASK "
            "reference of a whole detector"
        )
    is_reference = (flags & np.uint32(pixel_flags()["REFERENCE_PIXEL"])) > 0
    return detector, (flags != 0) & ~is_reference


def _pixels_of(region_file: RegionFile, frame_shape: tuple[int, ...]) -> NDArray[np.bool_]:
    ny, nx = frame_shape
    image = np.zeros((ny, nx), bool)
    for entry in region_file.pixels:
        if entry.status is not Status.REJECTED:
            box, inside = entry.pixels((ny, nx))
            image[box] |= inside
    return image


def _some(mask: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    y, x = np.nonzero(mask)
    return tuple((int(a), int(b)) for a, b in zip(x[:_LISTED], y[:_LISTED], strict=True))
