"""Shapes of DS9 as the ``regions`` package reads them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from astropy import units
from regions import CirclePixelRegion, PolygonPixelRegion, Regions

from showermask.exceptions import ConvertError

__all__ = ["GEOMETRY", "numbers_of", "parsed"]

#: The numbers of an ellipse.
GEOMETRY = ("x", "y", "a", "b", "theta")


def parsed(line: str) -> list[Any]:
    """Return the shapes that ``regions`` reads of a line: all of it, or an error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            shapes = list(Regions.parse(f"image\n{line}\n", format="ds9"))
        except Exception as error:
            raise ConvertError(f"{line[:40]!r} can't be read ({error})") from error
    if caught or len(shapes) != 1:
        reason = str(caught[0].message) if caught else f"{len(shapes)} shapes"
        raise ConvertError(f"{line[:40]!r} can't be read ({reason})")
    return shapes


def numbers_of(shape: Any) -> list[float]:
    """Return x, y, a, b and theta of an ellipse or circle, x and y of all corners of a polygon."""
    if isinstance(shape, PolygonPixelRegion):
        corners = np.stack([shape.vertices.x, shape.vertices.y], axis=1)
        return [float(value) for value in corners.ravel()]
    if isinstance(shape, CirclePixelRegion):
        a = b = float(shape.radius)
        theta = 0.0
    else:
        a, b = float(shape.width) / 2, float(shape.height) / 2
        theta = float(shape.angle.to_value(units.deg))
    return [float(shape.center.x), float(shape.center.y), a, b, theta]
