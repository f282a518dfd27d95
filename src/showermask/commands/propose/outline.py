"""The outline of a glow: the ellipse, or the polygon, that holds most of its light."""

from __future__ import annotations

import math

import numpy as np
from contourpy import contour_generator
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, binary_fill_holes, label

from showermask.regionfile.ellipse import Ellipse

__all__ = ["find_outline"]

#: Part of the light in the map of a glow that is to be inside a polygon; the map is a little wider
#: than the glow.
_PART = 0.85
#: An ellipse must hold so much of the light that a contour of the same area holds; the ellipse of
#: the glow so much of all, and have so much of its area in common with the contour.
_GOOD_ENOUGH, _WHOLE, _AGREES = 0.8, 0.7, 0.5
#: Corners of a polygon are left out where it moves by less than so many pixels.
_TOLERANCE = 0.7
#: Pieces that are so many cells apart are joined.
_MOST_APART = 6
_MOST_CORNERS = 200


def find_outline(image: NDArray[np.float32], ellipse: Ellipse) -> Ellipse | NDArray[np.float64]:
    """Return the outline of a glow: its ellipse, or a polygon that holds clearly more.

    Parameters
    ----------
    image : `numpy.ndarray`
        ``(rows, columns)``: the light of each cell, nowhere negative.
    ellipse : Ellipse
        The ellipse of the glow, in cells.

    Returns
    -------
    Ellipse or `numpy.ndarray`
        The ellipse; one around most of the light, where it holds much less of that; or, where no
        ellipse holds four fifths of what a contour of the same area holds, or that of the glow has
        another shape than its contour, the corners ``(n, 2)`` of a polygon, x and y in cells.
    """
    inside = _brightest(image)
    if inside is None:
        return ellipse
    of_contour = _ellipse_of(inside)
    within = _within(ellipse, image)
    agrees = np.sum(within & inside) >= _AGREES * np.sum(within | inside)
    held = float(image[_within(of_contour, image)].sum())
    if not agrees or held < _GOOD_ENOUGH * float(image[inside].sum()):
        corners = _polygon_of(inside)
        if corners is not None:
            return corners
    is_whole = float(image[within].sum()) >= _WHOLE * float(image.sum())
    return ellipse if is_whole else of_contour


def _brightest(image: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Return the fewest cells that hold most of the light."""
    ordered = np.sort(image, axis=None)[::-1]
    total = np.cumsum(ordered, dtype=np.float64)
    if not total[-1] > 0:
        return None
    inside: NDArray[np.bool_] = image >= ordered[np.searchsorted(total, _PART * total[-1])]
    return inside & (image > 0)


def _within(ellipse: Ellipse, image: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the cells of an image that are within an ellipse."""
    height, width = image.shape
    y, x = np.arange(height, dtype=float)[:, np.newaxis], np.arange(width, dtype=float)
    return np.asarray(ellipse.radius(x, y) <= 1, bool)


def _ellipse_of(inside: NDArray[np.bool_]) -> Ellipse:
    """Return the ellipse with the moments and the area of some cells."""
    rows, columns = np.nonzero(inside)
    places = np.stack([columns, rows]).astype(float)
    covariance = np.atleast_2d(np.cov(places, bias=True)) + np.eye(2) / 12
    values, vectors = np.linalg.eigh(covariance)
    b, a = 2 * np.sqrt(values) * math.sqrt(len(rows) / (4 * math.pi * math.sqrt(values.prod())))
    theta = math.degrees(math.atan2(vectors[1, 1], vectors[0, 1]))
    return Ellipse(x=columns.mean(), y=rows.mean(), a=float(a), b=float(b), theta=theta)


def _polygon_of(inside: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """Return the corners of the line around some cells, in one piece and without holes."""
    padded = np.pad(inside, _MOST_APART + 1)
    area = np.count_nonzero(inside)
    for reach in range(_MOST_APART + 1):
        closed = padded if not reach else binary_closing(padded, np.ones((3, 3)), iterations=reach)
        pieces, count = label(closed)
        sizes = np.bincount(pieces.ravel())[1:]
        if not count:
            return None
        if sizes.max() >= _PART * area:
            break
    whole = binary_fill_holes(pieces == 1 + int(np.argmax(sizes)))
    lines = contour_generator(z=whole.astype(float)).lines(0.5)
    line = max((np.asarray(one) for one in lines), key=len)[:-1] - (_MOST_APART + 1)
    tolerance = _TOLERANCE
    corners = _simplified(line, tolerance)
    while len(corners) > _MOST_CORNERS:
        tolerance *= 1.5
        corners = _simplified(line, tolerance)
    return corners if len(corners) >= 3 else None


def _simplified(line: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """Leave out the corners of a closed line that matter least (Douglas & Peucker 1973)."""
    start = int(np.argmax(np.hypot(*(line - line.mean(axis=0)).T)))
    closed = np.roll(line, -start, axis=0)
    closed = np.vstack([closed, closed[:1]])
    keep = np.zeros(len(closed), bool)
    keep[[0, -1]] = True
    far = int(np.argmax(np.hypot(*(closed - closed[0]).T)))
    keep[far] = True
    open_parts = [(0, far), (far, len(closed) - 1)]
    while open_parts:
        first, last = open_parts.pop()
        if last - first < 2:
            continue
        along = closed[last] - closed[first]
        off = closed[first + 1 : last] - closed[first]
        length = float(np.hypot(*along))
        distance = (
            np.abs(along[0] * off[:, 1] - along[1] * off[:, 0]) / length
            if length > 0
            else np.hypot(*off.T)
        )
        worst = int(np.argmax(distance))
        if distance[worst] > tolerance:
            middle = first + 1 + worst
            keep[middle] = True
            open_parts += [(first, middle), (middle, last)]
    return closed[keep][:-1]
