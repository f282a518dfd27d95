"""The course of a glow that began before the ramp: a mean over models.

Nothing before such a glow shows what is constant. A slow glow and a constant source fit a light
curve equally well, so that each single best fit is wrong by chance. The mean over models of one
and two decaying exponentials, each as likely as it fits, takes away part of the light; where the
models disagree on what the glow adds to the rate, less is taken away, which makes the expected
error least.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from showermask.glow.light_curve import LightCurve

__all__ = ["IdleCourse", "average_idle_course"]

#: Decay times that are tried: how many, and the shortest in units of the time between groups.
_DECAYS, _SHORTEST = 12, 0.7
#: Two decay times of a model are so many steps apart, at least.
_APART = 2
#: By how much in half of chi-square a model must be better for each exponential that it has.
_COMPLEXITY = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class IdleCourse:
    """The course of a glow that began before the ramp.

    Parameters
    ----------
    light : `numpy.ndarray`
        ``(ndiff,)``: light of each difference, in the units of the light curve.
    certainty : float
        By what part of this the expected error is least: ``1 / (1 + error**2)``.
    error : float
        Standard deviation, over the models, of what the glow adds to the rate; in units of it.
    """

    light: NDArray[np.float64]
    certainty: float
    error: float


def average_idle_course(
    curve: LightCurve,
    onset: int,
    *,
    longest: float,
    has_first: bool = False,
    level: tuple[float, float] | None = None,
) -> IdleCourse | None:
    """Return the mean course of a glow over all models that fit a light curve.

    Parameters
    ----------
    curve : LightCurve
        The light curve.
    onset : int
        First difference that shows the glow.
    longest : float
        The longest decay time, in units of the time between groups.
    has_first : bool, optional
        Whether the first difference may have any part of the light: the glow began in it.
    level : tuple of float, optional
        The constant below the glow and its variance, where other integrations tell it.

    Returns
    -------
    IdleCourse or None
        The course; None where no model fits.
    """
    times = np.arange(len(curve.values)) - float(onset)
    decays = np.geomspace(_SHORTEST, max(longest, 3.0), _DECAYS)
    lit = times >= 0
    exponentials = np.where(
        lit[:, np.newaxis], np.exp(-np.maximum(times, 0)[:, np.newaxis] / decays), 0.0
    )
    others = [np.ones(len(times))] + ([(times == 0).astype(float)] if has_first else [])
    nothers = len(others)
    columns = np.column_stack([*others, exponentials])
    known = curve.known
    white = solve_triangular(
        curve.noise_root, np.column_stack([curve.values[known], columns[known]]), lower=True
    )
    if level is not None:
        row = np.zeros(white.shape[1])
        row[:2] = np.array([level[0], 1.0]) / np.sqrt(level[1])
        white = np.vstack([white, row])
    models: list[tuple[int, ...]] = [(k,) for k in range(_DECAYS)]
    models += [(j, k) for j, k in combinations(range(_DECAYS), 2) if k - j >= _APART]
    found = [_fit(white, columns, nothers, model) for model in models]
    fitted = [one for one in found if one is not None and one[2][lit].min(initial=0.0) >= 0]
    if not fitted:
        return None
    chi_squares, sizes = np.array([one[:2] for one in fitted]).T
    lights = np.array([one[2] for one in fitted])
    scale = max(1.0, chi_squares.min() / max(1, np.count_nonzero(known) - 3))
    likely = -chi_squares / scale / 2 - _COMPLEXITY * sizes
    likely = np.exp(likely - likely.max())
    likely /= likely.sum()
    light = likely @ lights
    # What each model adds to the rate: the slope of its sum over the groups, but for a factor.
    centred = np.arange(len(times)) - (len(times) - 1) / 2
    added = np.cumsum(lights, axis=1) @ centred
    mean = float(likely @ added)
    if not light.any() or mean == 0:
        return None
    error = float(np.sqrt(max(0.0, float(likely @ added**2) - mean**2))) / abs(mean)
    return IdleCourse(light=light, certainty=1 / (1 + error**2), error=error)


def _fit(
    white: NDArray[np.float64],
    columns: NDArray[np.float64],
    nothers: int,
    model: tuple[int, ...],
) -> tuple[float, int, NDArray[np.float64]] | None:
    """Return chi-square, number of exponentials, and light; None where one is negative."""
    chosen = [*range(nothers), *(nothers + k for k in model)]
    matrix = white[:, 1:][:, chosen]
    amounts, *_ = np.linalg.lstsq(matrix, white[:, 0], rcond=None)
    if (amounts[nothers:] < 0).any():
        return None
    light = columns[:, chosen[1:]] @ amounts[1:]
    misfit = white[:, 0] - matrix @ amounts
    return float(misfit @ misfit), len(model), light
