"""The polygon: a shower, or anything else, of a shape that no ellipse has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from showermask.exceptions import PolygonError
from showermask.regionfile.entry import Action, Box, Entry, Status

__all__ = ["Polygon"]


@dataclass(frozen=True, kw_only=True)
class Polygon(Entry):
    """A polygon, and the groups of one integration that are bad inside.

    The attributes are the keys of the region file.

    Parameters
    ----------
    integration : int
        Integration, zero-based within the file.
    group : int
        First affected group, zero-based.
    last_group : int, optional
        Last affected group, inclusive; to the end of the integration without it.
    vertices : sequence of tuple of float
        3 to 1000 corners, each column and row in pixels, zero-based, relative to the subarray;
        pixel centres at integers. The line closes by itself, may be concave, and must not cross
        itself.
    status : Status or str, optional
        Only accepted polygons are applied.
    flags : tuple of str, optional
        Names of the data-quality flags to set; the step's default without it.
    comment : str, optional
        What the reviewer wants to be remembered.
    source : str, optional
        Where the polygon comes from: ``manual``, ``ds9`` …
    score : float, optional
        Signal-to-noise ratio, from ``propose``.
    action : Action or str, optional
        Whether its pixels are flagged (``mask``, the default), or its light is taken out of a ramp
        where that can be done well (``subtract``, ``auto``).
    probability : float, optional
        Probability of being a shower, 0 to 1, from ``propose``.
    kind : str, optional
        What it may be instead of a shower, from ``propose``: ``moving target``, ``latent`` …

    Raises
    ------
    PolygonError
        When a value is not valid; names all that is wrong.
    """

    SECTION = "polygons"
    NOUN = "polygon"
    KEYWORD = "SHWMNPLY"
    _ERROR = PolygonError

    integration: int
    group: int
    last_group: int | None = None
    vertices: tuple[tuple[float, float], ...]
    status: Status = Status.ACCEPTED
    flags: tuple[str, ...] | None = None
    comment: str | None = None
    source: str | None = None
    score: float | None = None
    action: Action = Action.MASK
    probability: float | None = None
    kind: str | None = None

    def _normalise(self) -> None:
        super()._normalise()
        object.__setattr__(self, "action", Action(self.action or Action.MASK))
        vertices = tuple((float(x), float(y)) for x, y in self.vertices)
        object.__setattr__(self, "vertices", vertices)
        for name in ("score", "probability"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else float(value))

    @property
    def location(self) -> str:
        """The number of corners and the extent, for people."""
        (x0, y0), (x1, y1) = self.outline().min(axis=0), self.outline().max(axis=0)
        return f"{len(self.vertices)} corners, x {x0:g} to {x1:g}, y {y0:g} to {y1:g}"

    def pixels(self, image_shape: tuple[int, int]) -> tuple[Box, NDArray[np.bool_]]:
        """Return the pixels of an image whose centre is inside or on the edge (even-odd rule)."""
        corners = self.outline()
        low, high = np.ceil(corners.min(axis=0)), np.floor(corners.max(axis=0))
        ny, nx = image_shape
        columns, rows = (
            slice(first := int(np.clip(a, 0, size)), max(first, int(np.clip(b + 1, 0, size))))
            for a, b, size in zip(low, high, (nx, ny), strict=True)
        )
        return (rows, columns), _inside(corners, rows, columns)

    def radius(self, rows: slice, columns: slice) -> NDArray[np.float64]:
        """Return how far pixels are inside or outside of the edge, which is 1.

        The unit is the radius of a circle of the same area.
        """
        corners = self.outline()
        sign = np.where(_inside(corners, rows, columns), -1.0, 1.0)
        size = math.sqrt(max(self.area, 1.0) / math.pi)
        far: NDArray[np.float64] = np.maximum(
            1 + sign * _distance(corners, rows, columns) / size, 0.0
        )
        return far

    @property
    def centre(self) -> tuple[float, float]:
        """Column and row of the middle of its pixels, in pixels."""
        corners = self.outline()
        x, y = corners.T
        turns = x * np.roll(y, -1) - np.roll(x, -1) * y
        if not turns.sum():
            return float(x.mean()), float(y.mean())
        weights = turns / (3 * turns.sum())
        middle = ((corners + np.roll(corners, -1, axis=0)) * weights[:, np.newaxis]).sum(axis=0)
        return float(middle[0]), float(middle[1])

    @property
    def area(self) -> float:
        """Area in pixels."""
        x, y = self.outline().T
        return abs(float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))) / 2

    def contains(self, x: float, y: float) -> bool:
        """Tell whether the pixel of a place is inside or on the edge."""
        row, column = round(y), round(x)
        corners = self.outline()
        return bool(_inside(corners, slice(row, row + 1), slice(column, column + 1))[0, 0])

    def outline(self) -> NDArray[np.float64]:
        """Return the corners."""
        return np.array(self.vertices, np.float64)

    def moved(self, dx: float, dy: float) -> Polygon:
        """Return the polygon as it is elsewhere, so many pixels away."""
        return replace(self, vertices=tuple((x + dx, y + dy) for x, y in self.vertices))

    def advice_outside(self, image_shape: tuple[int, int]) -> str:
        """Return what may be wrong where the polygon covers no pixel; empty if not known."""
        values = {**self.values(), "vertices": tuple((y, x) for x, y in self.vertices)}
        swapped = Polygon.from_mapping(values, is_valid=True)
        return "are x and y swapped?" if swapped.pixels(image_shape)[1].any() else ""

    @classmethod
    def relations(cls, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield what is wrong between some valid values: a key, and a sentence about it."""
        yield from super().relations(values)
        if "vertices" in values:
            corners = np.array(values["vertices"], np.float64)
            if np.all(corners[0] == corners[-1]):
                yield "vertices", "ends where it begins; leave out the last corner"
                return
            crossing = _crossing(corners)
            if crossing is not None:
                i, j = crossing
                text = (
                    f"has sides {i} and {j} that cross or touch, expected a line that does not "
                    "meet itself; split it into polygons that do not"
                )
                yield "vertices", text


def _inside(corners: NDArray[np.float64], rows: slice, columns: slice) -> NDArray[np.bool_]:
    """Return which pixel centres of a box are inside a polygon or on its edge.

    Row by row, the sides that pass the row cut it at some columns; a pixel is inside where an odd
    number of cuts lies to its left.
    """
    x = np.arange(columns.start, columns.stop, dtype=np.float64)
    inside = np.zeros((rows.stop - rows.start, len(x)), bool)
    (x0, y0), (x1, y1) = corners.T, np.roll(corners, -1, axis=0).T
    for line, y in zip(inside, range(rows.start, rows.stop), strict=True):
        passes = (y0 <= y) != (y1 <= y)
        steps = (x1[passes] - x0[passes]) / (y1[passes] - y0[passes])
        cuts = np.sort(x0[passes] + (y - y0[passes]) * steps)
        line[np.searchsorted(cuts, x) % 2 == 1] = True
    return inside | _on_edge(corners, rows, columns)


def _on_edge(corners: NDArray[np.float64], rows: slice, columns: slice) -> NDArray[np.bool_]:
    """Return which pixel centres of a box are on a side of a polygon, within rounding.

    A side is followed along the axis in which it is longer; at each whole step there, the nearest
    centre is on the side if it is as near as rounding.
    """
    on_edge = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
    slack = 1e-12 * max(1.0, float(np.abs(corners).max()))
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        axis = int(abs(end[1] - start[1]) > abs(end[0] - start[0]))
        low, high = sorted((float(start[axis]), float(end[axis])))
        box = (rows, columns)[1 - axis]
        steps = np.arange(
            max(box.start, int(np.ceil(low))), min(box.stop - 1, int(np.floor(high))) + 1
        )
        slope = (end[1 - axis] - start[1 - axis]) / (end[axis] - start[axis])
        across = start[1 - axis] + (steps - start[axis]) * slope
        nearest = np.rint(across).astype(np.int64)
        is_on = np.abs(across - nearest) <= slack
        x, y = (steps, nearest) if axis == 0 else (nearest, steps)
        is_on &= (x >= columns.start) & (x < columns.stop) & (y >= rows.start) & (y < rows.stop)
        on_edge[y[is_on] - rows.start, x[is_on] - columns.start] = True
    return on_edge


def _crossing(corners: NDArray[np.float64]) -> tuple[int, int] | None:
    """Return the first two sides of a polygon that meet anywhere but at a corner they share."""
    starts, ends = corners, np.roll(corners, -1, axis=0)
    n = len(corners)
    repeated = np.flatnonzero(np.all(starts == ends, axis=1))
    if len(repeated):
        return int(repeated[0]), int((repeated[0] + 1) % n)
    low, high = np.minimum(starts, ends), np.maximum(starts, ends)
    near = np.ones((n, n), bool)
    for axis in (0, 1):
        near &= low[:, np.newaxis, axis] <= high[np.newaxis, :, axis]
        near &= high[:, np.newaxis, axis] >= low[np.newaxis, :, axis]
    first, second = np.nonzero(np.triu(near, 1))
    meets = _meets(starts[first], ends[first], starts[second], ends[second])
    for i, j in zip(first[meets].tolist(), second[meets].tolist(), strict=True):
        is_next = j == i + 1 or (i == 0 and j == n - 1)
        if not is_next or _folds_back(corners, i, j):
            return i, j
    return None


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    product: NDArray[np.float64] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return product


def _meets(
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    other_start: NDArray[np.float64],
    other_end: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return which pairs of sides, whose boxes overlap, have a point in common."""
    d, other = end - start, other_end - other_start
    p, q = np.sign(_cross(d, other_start - start)), np.sign(_cross(d, other_end - start))
    r, s = np.sign(_cross(other, start - other_start)), np.sign(_cross(other, end - other_start))
    meets: NDArray[np.bool_] = (p * q <= 0) & (r * s <= 0)
    return meets


def _folds_back(corners: NDArray[np.float64], i: int, j: int) -> bool:
    """Tell whether a side goes back along the side before it."""
    first, second = (i, j) if j == i + 1 else (j, i)
    corner = corners[second]
    before, after = corners[first] - corner, corners[(second + 1) % len(corners)] - corner
    return bool(_cross(before, after) == 0 and np.dot(before, after) > 0)


def _distance(corners: NDArray[np.float64], rows: slice, columns: slice) -> NDArray[np.float64]:
    """Return the distance of the pixels of a box from a closed line, in pixels."""
    y = np.arange(rows.start, rows.stop, dtype=np.float64)[:, np.newaxis]
    x = np.arange(columns.start, columns.stop, dtype=np.float64)
    nearest = np.full((len(y), len(x)), np.inf)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        dx, dy = x1 - x0, y1 - y0
        length = dx * dx + dy * dy
        along = np.clip(((x - x0) * dx + (y - y0) * dy) / length, 0, 1) if length > 0 else 0.0
        away = (x - x0 - along * dx) ** 2 + (y - y0 - along * dy) ** 2
        np.minimum(nearest, away, out=nearest)
    distance: NDArray[np.float64] = np.sqrt(nearest)
    return distance
