"""Telegraph noise: a sequence of values that two levels tell better than one.

The values are parted in two classes so that the scatter within the classes is least. With the
scatter ``s1`` of all and ``s2`` within the classes, ``n`` values and the part ``p`` of them in one
class, the logarithm of the ratio of the likelihoods is ``n ln(s1 / s2) - n H(p)``, with the entropy
``H``: it is below 0 for values of a normal distribution.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["two_levels"]

#: Values of each level: so many, and such a part.
_LEAST, _LEAST_PART = 3, 0.1
_TINY = 1e-12


def two_levels(
    values: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]:
    """Compare two levels with one.

    Parameters
    ----------
    values : `numpy.ndarray`
        ``(n, npixels)``: values of each pixel in the order of time; none is NaN.

    Returns
    -------
    likelihood : `numpy.ndarray`
        ``(npixels,)``: natural logarithm of the likelihood ratio; very low for too few values.
    step : `numpy.ndarray`
        ``(npixels,)``: distance of the levels.
    changes : `numpy.ndarray`
        ``(npixels,)``: how often the pixel goes from one level to the other.
    """
    n, npixels = values.shape
    least = max(_LEAST, int(np.ceil(_LEAST_PART * n)))
    if n < 2 * least or not npixels:
        nothing = np.zeros(npixels, np.float32)
        return np.full(npixels, -np.inf, np.float32), nothing, np.zeros(npixels, np.intp)
    ordered = np.sort(values, axis=0).astype(np.float64)
    ordered -= ordered.mean(axis=0)
    below = np.cumsum(ordered, axis=0)[:-1]
    count = np.arange(1, n)[:, np.newaxis]
    # What the two means take away from the scatter: the sum of all is 0.
    between = below**2 * (1 / count + 1 / (n - count))
    allowed = slice(least - 1, n - least)
    split = np.argmax(between[allowed], axis=0) + least - 1
    pixels = np.arange(npixels)
    total = np.sum(ordered**2, axis=0)
    within = np.maximum(total - between[split, pixels], _TINY + 1e-9 * total)
    part = (split + 1) / n
    entropy = -part * np.log(part) - (1 - part) * np.log(1 - part)
    likelihood = 0.5 * n * np.log(np.maximum(total, _TINY) / within) - n * entropy
    low, high = below[split, pixels] / (split + 1), -below[split, pixels] / (n - split - 1)
    limit = (ordered[split, pixels] + ordered[split + 1, pixels]) / 2
    is_high = values - values.mean(axis=0, dtype=np.float64) > limit
    changes = np.count_nonzero(is_high[1:] != is_high[:-1], axis=0)
    return likelihood.astype(np.float32), (high - low).astype(np.float32), changes
