"""The duration for which a glow is worth masking, and the noise that a mask costs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

__all__ = ["best_last_group", "noise_ratio", "part_removed"]

#: A glow is light that adds up over all its pixels, noise is not: what a mask adds to the noise of
#: a pixel counts by so much against what it leaves of the glow there.
_HARM = 0.22
#: Mean absolute value of a Gaussian, in units of its sigma.
_MEAN_ABS = math.sqrt(2 / math.pi)


def best_last_group(
    glow: NDArray[np.float64],
    *,
    noise: float,
    correlation: float,
    first_group: int,
    valid: NDArray[np.bool_],
) -> int | None:
    """Return where a mask should end: where what is left of a glow costs less than masking it.

    Masked groups take the glow out of the rate, and make the rate noisier; both are compared with
    what the glow adds to the rate of a pixel. The rate is taken to be the best one for the noise,
    from the differences of groups that are both unmasked, which is close to what ``ramp_fit`` does.

    Parameters
    ----------
    glow : `numpy.ndarray`
        ``(ndiff,)``: what a pixel of the glow adds to each difference in DN.
    noise : float
        Noise of a pixel in one difference in DN.
    correlation : float
        Correlation of that noise from one difference to the next.
    first_group : int
        First masked group.
    valid : `numpy.ndarray`
        ``(ndiff,)``: differences that the ramp fit uses.

    Returns
    -------
    int or None
        The last group to mask, inclusive; None for all to the end.
    """
    ndiff = len(glow)
    added, variance = _rate(glow, noise, correlation, valid)
    if not added > 0:
        return None
    best, best_cost = None, math.inf
    for last in range(first_group, ndiff + 1):
        usable = _usable(valid, slice(first_group, last + 1))
        if np.count_nonzero(usable) == 0:
            break
        left, noisier = _rate(glow, noise, correlation, usable)
        harm = _MEAN_ABS * math.sqrt(max(0.0, noisier - variance))
        cost = math.hypot(left, _HARM * harm) / added
        if cost < best_cost:
            best, best_cost = last, cost
    if best is None or not valid[best + 1 :].any():
        return None
    return best


def part_removed(
    glow: NDArray[np.float64], valid: NDArray[np.bool_], groups: slice, correlation: float
) -> float:
    """Return the part of the light of a glow that a mask takes out of the rate.

    Parameters
    ----------
    glow : `numpy.ndarray`
        ``(ndiff,)``: the light of each difference.
    valid : `numpy.ndarray`
        ``(ndiff,)``: differences that the ramp fit uses.
    groups : slice
        Masked groups.
    correlation : float
        Correlation of the noise of one difference with the next.

    Returns
    -------
    float
        1 if nothing is left of it; NaN where there is none.
    """
    usable = _usable(valid, groups)
    before = _rate(glow, 1.0, correlation, valid)[0] if valid.any() else 0.0
    if not before > 0 or not usable.any():
        return math.nan if not before > 0 else 1.0
    return 1 - _rate(glow, 1.0, correlation, usable)[0] / before


def _usable(valid: NDArray[np.bool_], groups: slice) -> NDArray[np.bool_]:
    """Return the differences that are left when some groups are masked."""
    usable = valid.copy()
    usable[max(0, groups.start - 1) : groups.stop] = False
    return usable


def noise_ratio(valid: NDArray[np.bool_], groups: slice, correlation: float) -> float:
    """Return the noise of a rate without some groups, in units of that with them.

    Parameters
    ----------
    valid : `numpy.ndarray`
        ``(ndiff,)``: differences that the ramp fit uses.
    groups : slice
        Masked groups.
    correlation : float
        Correlation of the noise of one difference with the next.

    Returns
    -------
    float
        1 or more; infinite where no difference is left.
    """
    usable = _usable(valid, groups)
    if not usable.any():
        return math.inf
    nothing = np.zeros(len(valid))
    before, after = (_rate(nothing, 1.0, correlation, kept)[1] for kept in (valid, usable))
    return math.sqrt(max(1.0, after / before))


def _rate(
    glow: NDArray[np.float64], noise: float, correlation: float, usable: NDArray[np.bool_]
) -> tuple[float, float]:
    """Return what the glow adds to the best mean of the usable differences, and its variance."""
    chosen = np.flatnonzero(usable)
    if len(chosen) == 1:
        return float(glow[chosen[0]]), noise**2
    banded = np.ones((2, len(chosen)))
    banded[0, 1:] = correlation * (np.diff(chosen) == 1)
    weights = solveh_banded(banded, np.ones(len(chosen)))
    total = weights.sum()
    return float(weights @ glow[chosen] / total), float(noise**2 / total)
