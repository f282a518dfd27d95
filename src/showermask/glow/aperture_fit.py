"""The ellipse in which a glow stands out most."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from showermask.regionfile.ellipse import Ellipse
from showermask.regionfile.entry import Box

__all__ = ["best_aperture", "soft_mask"]


def best_aperture(
    signal: NDArray[np.float64],
    power: NDArray[np.float64],
    start: Ellipse,
    window: Box,
    *,
    smallest: float,
    largest: float,
) -> Ellipse:
    """Return the ellipse near another in which a signal stands out most.

    Parameters
    ----------
    signal, power : `numpy.ndarray`
        ``(rows, columns)``: the signal of each cell of the window, and its variance.
    start : Ellipse
        An ellipse near the signal, in cells.
    window : tuple of slice
        Rows and columns of the window.
    smallest, largest : float
        Limits of the semi-axes, in cells.

    Returns
    -------
    Ellipse
        The ellipse whose sum has the largest signal-to-noise ratio, in cells.
    """
    first = window[1].start, window[0].start
    last = window[1].stop - 1, window[0].stop - 1

    def ellipse(p: NDArray[np.float64]) -> Ellipse:
        a, b = np.clip(np.exp(p[2:4]), smallest, largest)
        x, y = np.clip(p[:2], first, last)
        return Ellipse(x=float(x), y=float(y), a=float(a), b=float(b), theta=math.degrees(p[4]))

    def missed(p: NDArray[np.float64]) -> float:
        mask = soft_mask(ellipse(p), window)
        noise = math.sqrt(np.sum(mask**2 * power))
        return -float(np.sum(mask * signal)) / noise if noise > 0 else 0.0

    guess = np.array(
        [start.x, start.y, math.log(start.a), math.log(start.b), math.radians(start.theta)]
    )
    step = np.array([0.3 * start.b, 0.3 * start.b, 0.25, 0.25, 0.3])
    simplex = np.vstack([guess, guess + np.diag(step)])
    found = minimize(
        missed,
        guess,
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "maxfev": 220, "xatol": 0.02, "fatol": 0.01},
    )
    return ellipse(found.x)


def soft_mask(ellipse: Ellipse, window: Box) -> NDArray[np.float64]:
    """Return how much of each cell is inside, smoothly, so that a fit has a slope to follow.

    Parameters
    ----------
    ellipse : Ellipse
        The ellipse, in cells.
    window : tuple of slice
        Rows and columns.

    Returns
    -------
    `numpy.ndarray`
        ``(rows, columns)``, 0 to 1.
    """
    rows, columns = window
    y = np.arange(rows.start, rows.stop, dtype=float)[:, np.newaxis]
    x = np.arange(columns.start, columns.stop, dtype=float)
    edge = (1 - ellipse.radius(x, y)) * math.sqrt(ellipse.a * ellipse.b)
    mask: NDArray[np.float64] = np.clip(edge + 0.5, 0, 1)
    return mask
