"""The elliptical Gaussian that fits a signal best, by its moments."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from showermask.regionfile.ellipse import Ellipse

__all__ = ["Profile", "fit_profile"]

_ROUNDS = 14
#: Standard deviations along the axes, in cells: a cell is wide itself; and in units of the size
#: that something was found with, along the longer axis and as the geometric mean of both.
_LEAST, _LONGEST, _LARGEST = 0.7, 4.0, 2.0
#: A step of the moments is taken so far, and the centre moves by so many sigmas of the start.
_DAMPING, _FARTHEST = 0.8, 2.5
#: The longer axis, in units of the shorter.
_THINNEST = 12.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Profile:
    """An elliptical Gaussian.

    Parameters
    ----------
    x, y : float
        Centre, in cells.
    covariance : `numpy.ndarray`
        ``(2, 2)`` in cells squared, of x and y.
    significance : float
        Signal-to-noise ratio of the signal, weighted with it.
    """

    x: float
    y: float
    covariance: NDArray[np.float64]
    significance: float

    def radius(self, rows: slice, columns: slice) -> NDArray[np.float64]:
        """Return the distance from the centre in standard deviations, ``(rows, columns)``."""
        y = np.arange(rows.start, rows.stop, dtype=float)[:, np.newaxis]
        return self.distance(np.arange(columns.start, columns.stop, dtype=float), y)

    def distance(self, x: Any, y: Any) -> NDArray[np.float64]:
        """Return the distance of places from the centre in standard deviations."""
        dx, dy = x - self.x, y - self.y
        (xx, xy), (_, yy) = np.linalg.inv(self.covariance)
        radius: NDArray[np.float64] = np.sqrt(
            np.maximum(xx * dx**2 + 2 * xy * dx * dy + yy * dy**2, 0)
        )
        return radius

    def weights(self, rows: slice, columns: slice) -> NDArray[np.float64]:
        """Return the Gaussian, 1 at its centre, ``(rows, columns)``."""
        gaussian: NDArray[np.float64] = np.exp(-0.5 * self.radius(rows, columns) ** 2)
        return gaussian

    @cached_property
    def axes(self) -> tuple[float, float]:
        """Standard deviations along the longer and the shorter axis, in cells."""
        shorter, longer = np.sqrt(np.linalg.eigvalsh(self.covariance))
        return float(longer), float(shorter)

    def ellipse(self, sigmas: float) -> Ellipse:
        """Return the ellipse so many standard deviations away from the centre, in cells."""
        _, vectors = np.linalg.eigh(self.covariance)
        longer, shorter = self.axes
        theta = math.degrees(math.atan2(vectors[1, 1], vectors[0, 1]))
        return Ellipse(x=self.x, y=self.y, a=sigmas * longer, b=sigmas * shorter, theta=theta)


def fit_profile(
    signal: NDArray[np.float64],
    power: NDArray[np.float64],
    x: float,
    y: float,
    sigma: float,
    *,
    found: float,
    covariance: NDArray[np.float64] | None = None,
) -> Profile | None:
    """Fit an elliptical Gaussian to a signal, from a start.

    Parameters
    ----------
    signal, power : `numpy.ndarray`
        ``(rows, columns)``: the signal of each cell, and its variance.
    x, y, sigma : float
        Centre and standard deviation of the start, in cells.
    found : float
        Standard deviation of the Gaussian that it was found with, in cells.
    covariance : `numpy.ndarray`, optional
        Covariance of the start, instead of a round one.

    Returns
    -------
    Profile or None
        The Gaussian; of all steps the one with the highest signal-to-noise ratio. None where the
        signal is not positive.

    Notes
    -----
    The moments under a Gaussian weight are those of a Gaussian that is narrower by the weight; the
    fit ends where weight and Gaussian are the same (adaptive moments, Bernstein & Jarvis 2002, AJ
    123, 583).
    """
    rows, columns = (slice(0, size) for size in signal.shape)
    dy = np.arange(signal.shape[0], dtype=float)[:, np.newaxis] * np.ones(signal.shape[1])
    dx = np.arange(signal.shape[1], dtype=float) * np.ones((signal.shape[0], 1))
    start_x, start_y = x, y
    shape = np.eye(2) * sigma**2 if covariance is None else covariance
    best: Profile | None = None
    for _ in range(_ROUNDS):
        now = Profile(x=x, y=y, covariance=shape, significance=0.0)
        weight = now.weights(rows, columns)
        weighted = weight * signal
        total, noise = float(weighted.sum()), math.sqrt(float(np.sum(weight**2 * power)))
        if total <= 0 or noise <= 0:
            break
        significance = total / noise
        if best is None or significance > best.significance:
            best = Profile(x=x, y=y, covariance=shape, significance=significance)
        elif significance < 0.97 * best.significance:
            break
        new_x, new_y = float((weighted * dx).sum() / total), float((weighted * dy).sum() / total)
        off_x, off_y = dx - new_x, dy - new_y
        moments = [float((weighted * p).sum()) / total for p in (off_x**2, off_x * off_y, off_y**2)]
        measured = 2 * np.array([[moments[0], moments[1]], [moments[1], moments[2]]])
        new_shape = _limited((1 - _DAMPING) * shape + _DAMPING * measured, found)
        away = math.hypot(new_x - start_x, new_y - start_y)
        part = min(1.0, _FARTHEST * sigma / away) if away > 0 else 1.0
        new_x, new_y = start_x + part * (new_x - start_x), start_y + part * (new_y - start_y)
        moved = math.hypot(new_x - x, new_y - y) + float(np.abs(new_shape - shape).max()) ** 0.5
        x, y, shape = new_x, new_y, new_shape
        if moved < 0.05:
            break
    return best


def _limited(covariance: NDArray[np.float64], found: float) -> NDArray[np.float64]:
    """Return a covariance with axes that are neither too small, too large nor too different."""
    values, vectors = np.linalg.eigh(covariance)
    values = np.clip(values, _LEAST**2, max(_LEAST, _LONGEST * found) ** 2)
    values = np.maximum(values, values.max() / _THINNEST**2)
    values *= min(1.0, max(_LEAST, _LARGEST * found) ** 2 / math.sqrt(values.prod()))
    limited: NDArray[np.float64] = (vectors * values) @ vectors.T
    return limited
