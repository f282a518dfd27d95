"""Entries of a region file as objects of astropy-regions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from showermask.regionfile.badpixels import BadPixels, ranges_of
from showermask.regionfile.entry import Entry, Status
from showermask.regionfile.polygon import Polygon
from showermask.regionfile.shower import Shower

if TYPE_CHECKING:
    from regions import PixelRegion, Regions

__all__ = ["shapes_of"]

_COLOURS = {Status.ACCEPTED: "lime", Status.CANDIDATE: "gold", Status.REJECTED: "red"}


def shapes_of(entries: Iterable[Entry], image_shape: tuple[int, int] | None) -> Regions:
    """Return entries as pixel regions.

    Parameters
    ----------
    entries : iterable of Shower, BadPixels or Polygon
        The entries.
    image_shape : tuple of int or None
        Rows and columns, which tell how far ``all`` goes.

    Returns
    -------
    `~regions.Regions`
        Ellipses, polygons, and points or rectangles for bad pixels; one for each range of a mask.
        ``meta`` has the comment as ``text`` and the values of the entry as ``tag``.

    Raises
    ------
    PixelsError
        When the mask of an entry has not been read.
    """
    from regions import Regions

    return Regions([shape for entry in entries for shape in _shapes(entry, image_shape)])


def _shapes(entry: Entry, image_shape: tuple[int, int] | None) -> list[PixelRegion]:
    from astropy.units import deg
    from regions import EllipsePixelRegion, PixCoord, PolygonPixelRegion, RegionMeta, RegionVisual

    said = {name: value for name, value in entry.to_mapping().items() if name != "comment"}
    about = ("integration", "group", "last_group", "status", "score", "kind", "source")
    common: dict[str, Any] = {
        "meta": RegionMeta(
            {
                "text": entry.comment or "",
                "tag": [f"{name}={said[name]}" for name in about if name in said],
            }
        ),
        "visual": RegionVisual({"color": _COLOURS[entry.status]}),
    }
    if isinstance(entry, Shower):
        centre = PixCoord(entry.x, entry.y)
        size = {"width": 2 * entry.a, "height": 2 * entry.b}
        return [EllipsePixelRegion(centre, **size, angle=entry.theta * deg, **common)]
    if isinstance(entry, Polygon):
        x, y = np.transpose(entry.vertices)
        return [PolygonPixelRegion(PixCoord(x, y), **common)]
    return [_rectangle(box, common) for box in _boxes(entry, image_shape)]


def _boxes(entry: Entry, image_shape: tuple[int, int] | None) -> list[tuple[int, int, int, int]]:
    """Return the first and last column and row of the parts of bad pixels."""
    parts: list[tuple[Any, Any]] = [(getattr(entry, "x", None), getattr(entry, "y", None))]
    if isinstance(entry, BadPixels) and entry.mask is not None:
        box, inside = entry.pixels((0, 0))
        full = np.zeros([part.stop for part in box], bool)
        full[box] = inside
        parts = list(ranges_of(full))
    ny, nx = image_shape or (1, 1)
    return [(*_ends(x, nx), *_ends(y, ny)) for x, y in parts]


def _ends(value: Any, size: int) -> tuple[int, int]:
    if isinstance(value, str):
        return 0, size - 1
    first, last = value if isinstance(value, tuple) else (value, value)
    return int(first), int(last)


def _rectangle(box: tuple[int, int, int, int], common: dict[str, Any]) -> PixelRegion:
    from regions import PixCoord, PointPixelRegion, RectanglePixelRegion

    left, right, bottom, top = box
    centre = PixCoord((left + right) / 2, (bottom + top) / 2)
    if (left, bottom) == (right, top):
        return PointPixelRegion(centre, **common)
    return RectanglePixelRegion(centre, width=right - left + 1, height=top - bottom + 1, **common)
