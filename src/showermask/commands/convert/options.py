"""Options of a conversion: facts that a file of another format does not hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from showermask.exceptions import ConvertError
from showermask.exposure.detectors import frame_shape_of
from showermask.exposure.product import Exposure
from showermask.masking.footprint import find_footprints, masked_pixels
from showermask.regionfile.content import RegionFile
from showermask.regionfile.entry import Entry

__all__ = ["ConvertOptions", "ReferenceOptions"]


@dataclass(frozen=True, kw_only=True)
class ReferenceOptions:
    """Facts that a reference file has and a region file has not."""

    #: A MASK reference whose flags are kept.
    base: Path | None = None
    #: A raw exposure on which the pipeline has to be able to use it.
    check: Path | None = None
    author: str = "showermask"
    pedigree: str = "GROUND"
    description: str = "Bad pixels, found in darks and flats"


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """Facts that the user adds to a file."""

    #: What the regions are for.
    exposure: Exposure | None = None
    #: Of entries that have none.
    integration: int | None = None
    group: int | None = None
    last_group: int | None = None
    #: Index of the first pixel, 0 or 1, in lists of pixels.
    origin: int | None = None
    #: Whether the axes of the original tool are taken as it drew them, half of what it masked.
    is_drawn_size: bool = False
    #: The file to be made.
    output: Path = Path()
    #: File of the exposure.
    path: Path | None = None
    #: Whether files that exist may be replaced.
    overwrite: bool = False
    #: Of MASK references.
    reference: ReferenceOptions = ReferenceOptions()

    @property
    def image_shape(self) -> tuple[int, int] | None:
        """Rows and columns, where known."""
        return self.exposure.image_shape if self.exposure is not None else None

    @property
    def times(self) -> dict[str, int]:
        """Integration and groups, those that are given."""
        given = {"integration": self.integration, "group": self.group}
        given["last_group"] = self.last_group
        return {name: value for name, value in given.items() if value is not None}

    def image_shape_for(self, path: Path, why: str) -> tuple[int, int]:
        """Return rows and columns."""
        if self.image_shape is None:
            raise ConvertError(f"{path}: {why}, for which the frame is needed; give --exposure")
        return self.image_shape

    def empty(self, *entries: Entry) -> RegionFile:
        """Return a region file with some entries: for the exposure, if it is known."""
        if self.exposure is None:
            return RegionFile(entries=entries)
        return replace(RegionFile.for_exposure(self.exposure), entries=entries)

    def image(self, region_file: RegionFile, output: Path) -> NDArray[np.bool_]:
        """Return the pixels of an image that are masked at any time.

        Parameters
        ----------
        region_file : RegionFile
            The region file; its accepted entries are masked.
        output : `~pathlib.Path`
            The file to be made, for messages.

        Returns
        -------
        `numpy.ndarray`
            ``(ny, nx)`` bool.
        """
        if region_file.detector is not None:
            whole = self.image_shape or frame_shape_of(region_file.detector)
            cut = region_file if self.exposure is None else region_file.cut_to(self.exposure)
            return masked_pixels(find_footprints(cut.accepted, whole), whole)
        shape = self.image_shape or (region_file.shape[2:] if region_file.shape else None)
        if shape is None:
            shape = self.image_shape_for(output, "is for a whole frame")
        return masked_pixels(find_footprints(region_file.accepted, shape), shape)
