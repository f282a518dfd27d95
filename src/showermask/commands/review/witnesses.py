"""Other integrations and exposures that saw the place of an entry: a source is there each time."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from showermask.commands.review.exposures import Review
from showermask.exceptions import EntryError, ShowermaskError
from showermask.exposure.images import ImageReader
from showermask.exposure.names import product_suffix
from showermask.exposure.sky import read_wcs
from showermask.glow.evidence import Evidence
from showermask.regionfile.entry import Entry, box_within, grow_box

__all__ = ["Witnesses", "beside", "has_neighbours", "is_alike"]

#: Integrations, and exposures of the folder, that are shown at most: the nearest.
_INTEGRATIONS, _EXPOSURES = 6, 8
#: Margin of a thumbnail, in sizes of the entry, and at least, in pixels.
_MARGIN, _LEAST_MARGIN = 1.0, 12
#: Pixels around a thumbnail from which level and noise are told.
_SURROUNDINGS = 80


def has_neighbours(path: Path) -> bool:
    """Tell whether the folder of an exposure has others of the same product."""
    return bool(beside(path))


class Witnesses:
    """Finds where the place of an entry was seen, and what was there."""

    def __init__(self, review: Review) -> None:
        self._review = review
        self._readers: dict[Path, ImageReader | None] = {}
        self._opening = threading.Lock()

    def find(self, number: int, reader: ImageReader, entry: Entry) -> list[dict[str, Any]]:
        """Return the witnesses of an entry: what each is, and where the place lies in it."""
        found: list[dict[str, Any]] = []
        own = entry.integration or 0
        nints = reader.stack_shape[0]
        near = sorted((abs(i - own), i) for i in range(nints) if i != own)[:_INTEGRATIONS]
        cx, cy = _centre(entry)
        for _, integration in near:
            found.append(
                {
                    "witness": f"i{integration}",
                    "number": number,
                    "integration": integration,
                    "title": f"integration {integration}",
                    "x": cx,
                    "y": cy,
                }
            )
        by_path = {item.exposure_path: k for k, item in enumerate(self._review.items)}
        for k, path in enumerate(self._others(number, reader)):
            place = _place(reader.path, path, cx, cy)
            if place is None:
                continue
            x, y, is_sky = place
            other = self._reader(path)
            ny, nx = reader.exposure.image_shape
            if other is None or not (0 <= x < nx and 0 <= y < ny):
                continue
            found.append(
                {
                    "witness": f"e{k}",
                    "number": by_path.get(path),
                    "integration": min(own, other.stack_shape[0] - 1),
                    "title": f"{path.name}, same {'sky' if is_sky else 'pixel'}",
                    "x": round(x, 1),
                    "y": round(y, 1),
                }
            )
        return found

    def image(
        self,
        number: int,
        reader: ImageReader,
        entry: Entry,
        witness: Any,
        course: NDArray[np.float64] | None,
    ) -> tuple[NDArray[np.float32], tuple[float, float]]:
        """Return the evidence image around the place, there or in the exposure itself.

        And the column and row of the place in that image.
        """
        there, moved, integration = reader, entry, entry.integration or 0
        if witness is not None:
            known = {found["witness"]: found for found in self.find(number, reader, entry)}
            if witness not in known:
                raise ShowermaskError(f"witness is {witness!r}, expected one of the list")
            found = known[witness]
            integration = found["integration"]
            if witness.startswith("e"):
                there = self._need_reader(self._others(number, reader)[int(witness[1:])])
                cx, cy = _centre(entry)
                moved = entry.moved(found["x"] - cx, found["y"] - cy)
        shape = there.exposure.image_shape
        box, inside = moved.pixels(shape)
        if not inside.any():
            raise EntryError("lies off the image of the witness")
        size = max(part.stop - part.start for part in box)
        around = grow_box(box, max(_LEAST_MARGIN, round(_MARGIN * size)), shape)
        if course is not None and there.stack_shape[1] != len(course) + 1:
            course = None
        evidence = Evidence.of_entry(there, moved, integration=integration, course=course)
        wide = grow_box(around, _SURROUNDINGS, shape)
        image = evidence.image(box=wide)
        x, y = _centre(moved)
        return image[box_within(around, wide)], (x - around[1].start, y - around[0].start)

    def _others(self, number: int, reader: ImageReader) -> list[Path]:
        """Return the nearest exposures of the folder with the same product, detector and array."""
        own = self._review.items[number].exposure_path
        others = beside(own)
        names = sorted([own, *others])
        at = names.index(own)
        near = sorted(others, key=lambda path: (abs(names.index(path) - at), path))
        chosen: list[Path] = []
        for path in near[: 3 * _EXPOSURES]:
            other = self._reader(path)
            if other is not None and is_alike(reader, other):
                chosen.append(path)
            if len(chosen) == _EXPOSURES:
                break
        return chosen

    def _reader(self, path: Path) -> ImageReader | None:
        """Return the reader of an exposure, None if it is none."""
        with self._opening:
            if path not in self._readers:
                try:
                    self._readers[path] = ImageReader(path)
                except (ShowermaskError, OSError, KeyError):
                    self._readers[path] = None
            return self._readers[path]

    def _need_reader(self, path: Path) -> ImageReader:
        reader = self._reader(path)
        if reader is None:
            raise ShowermaskError(f"{path.name}: can't be read")
        return reader


def beside(own: Path) -> list[Path]:
    """Return the other files of the folder with the same product suffix, by name."""
    suffix = product_suffix(own)
    return sorted(
        path
        for path in own.parent.iterdir()
        if path != own and path.suffix == ".fits" and product_suffix(path) == suffix
    )


def is_alike(one: ImageReader, other: ImageReader) -> bool:
    """Tell whether two exposures have the same product, detector, subarray and image shape."""
    a, b = one.exposure, other.exposure
    return (a.product, a.detector, a.subarray, a.image_shape) == (
        b.product,
        b.detector,
        b.subarray,
        b.image_shape,
    )


def _centre(entry: Entry) -> tuple[float, float]:
    outline = entry.outline()
    if outline is None:
        raise EntryError("has no place to be seen elsewhere, expected a shower or a polygon")
    x, y = (outline.min(axis=0) + outline.max(axis=0)) / 2
    return float(x), float(y)


def _place(own: Path, other: Path, x: float, y: float) -> tuple[float, float, bool] | None:
    """Return where the sky behind a pixel lies in another exposure; the same pixel without a WCS.

    None where the other exposure does not see it.
    """
    here, there = _wcs(own), _wcs(other)
    if here is None or there is None:
        return x, y, False
    ra, dec = here.all_pix2world(x, y, 0)
    found = there.all_world2pix(ra, dec, 0, quiet=True)
    if not np.all(np.isfinite(found)):
        return None
    return float(found[0]), float(found[1]), True


@lru_cache(maxsize=256)
def _wcs(path: Path) -> Any | None:
    try:
        return read_wcs(path)
    except (OSError, KeyError):
        return None
