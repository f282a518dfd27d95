"""Ellipses on a pixel grid.

Pixel centres are at integers: pixel 0 spans -0.5 … 0.5. ``x`` counts columns and ``y`` rows, from
zero; arrays are indexed ``[y, x]``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ellipse"]


@dataclass(frozen=True, kw_only=True)
class Ellipse:
    """An ellipse given by its centre, semi-axes and position angle.

    Parameters
    ----------
    x, y : float
        Centre: column and row in pixels, zero-based.
    a, b : float
        Semi-axes in pixels, both > 0. ``a`` lies along ``theta``; neither has to be the larger.
    theta : float
        Angle from +x to the ``a`` axis in degrees, counter-clockwise (+x towards +y).
    """

    x: float
    y: float
    a: float
    b: float
    theta: float

    def box(self, shape: tuple[int, int]) -> tuple[slice, slice]:
        """Return the part of a frame that the ellipse can reach.

        Parameters
        ----------
        shape : tuple of int
            Frame shape ``(ny, nx)``.

        Returns
        -------
        tuple of slice
            ``(rows, columns)``, clipped to the frame; empty where the ellipse lies outside.
        """
        cos, sin = self._direction
        half_width = math.hypot(self.a * cos, self.b * sin)
        half_height = math.hypot(self.a * sin, self.b * cos)
        ny, nx = shape
        return _clip(self.y, half_height, ny), _clip(self.x, half_width, nx)

    def inside(self, rows: slice, columns: slice) -> NDArray[np.bool_]:
        """Tell which pixels of a box have their centre inside or on the ellipse.

        Parameters
        ----------
        rows, columns : slice
            The box, as `box` returns it.

        Returns
        -------
        `numpy.ndarray`
            ``(rows, columns)`` bool.

        Notes
        -----
        The arithmetic is that of `astropy.modeling.functional_models.Ellipse2D` to the last bit,
        so that both agree also on pixels whose centre is on the ellipse within rounding.
        """
        cos, sin = self._direction
        dy = np.arange(rows.start, rows.stop, dtype=np.float64)[:, np.newaxis] - self.y
        dx = np.arange(columns.start, columns.stop, dtype=np.float64) - self.x
        along_a = dx * cos + dy * sin
        along_b = -(dx * sin) + dy * cos
        with np.errstate(over="ignore"):  # of the tiniest axes: infinitely far out is outside
            along_a /= self.a
            along_b /= self.b
            along_a *= along_a
            along_b *= along_b
            along_a += along_b
        return along_a <= 1.0

    def radius(
        self, x: NDArray[np.float64] | float, y: NDArray[np.float64] | float
    ) -> NDArray[np.float64]:
        """Return how far places are from the centre, in units of the ellipse.

        Parameters
        ----------
        x, y : `numpy.ndarray` or float
            Columns and rows in pixels, of shapes that go together.

        Returns
        -------
        `numpy.ndarray`
            0 at the centre, 1 on the ellipse, more outside.
        """
        cos, sin = self._direction
        dx, dy = np.asarray(x) - self.x, np.asarray(y) - self.y
        far: NDArray[np.float64] = np.hypot(
            (dx * cos + dy * sin) / self.a, (dy * cos - dx * sin) / self.b
        )
        return far

    def points(self, count: int = 90) -> NDArray[np.float64]:
        """Return points on the ellipse, evenly spaced in angle.

        Parameters
        ----------
        count : int, optional
            How many.

        Returns
        -------
        `numpy.ndarray`
            ``(count, 2)``: columns and rows in pixels.
        """
        cos, sin = self._direction
        angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
        along_a, along_b = self.a * np.cos(angle), self.b * np.sin(angle)
        return np.stack(
            [self.x + along_a * cos - along_b * sin, self.y + along_a * sin + along_b * cos], axis=1
        )

    @property
    def _direction(self) -> tuple[np.float64, np.float64]:
        angle = np.radians(self.theta)
        return np.cos(angle), np.sin(angle)


def _clip(centre: float, reach: float, size: int) -> slice:
    """Return the pixels within ``reach`` of ``centre``, clipped to ``0 … size``."""
    start = math.floor(min(max(centre - reach, 0.0), size))
    stop = math.ceil(min(max(centre + reach, -1.0), size - 1.0)) + 1
    return slice(start, max(start, stop))
