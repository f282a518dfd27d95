"""The noise of a ramp, told from its own scatter: no reference file is needed.

The difference of two groups has the noise of two reads and of the photons in between. Neighbouring
differences share a read, which makes them anticorrelated; photons do not. So variance and
correlation of the differences tell both apart, and how the variance grows with the rate tells the
gain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from showermask.glow.differences import Images, level_and_noise, medians, read_differences

__all__ = ["RampNoise", "measure_ramp_noise"]

#: Strips of the frame that are read, and their rows.
_STRIPS, _ROWS = 8, 12
#: Classes of pixels by their rate, as quantiles.
_CLASSES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98)
#: Products of neighbouring residuals are cut off at so many times their noise.
_CLIP = 3.0
_LEAST_PIXELS = 30


@dataclass(frozen=True, kw_only=True)
class RampNoise:
    """The noise of the differences of a ramp.

    Parameters
    ----------
    read : float
        Variance that reading makes in a difference, in DN²: twice that of a group.
    gain : float
        Electrons per DN (averaged over what a group is made of); infinite where photons make no
        noise that can be seen.
    """

    read: float
    gain: float

    def variance(self, rate: NDArray[np.floating] | float) -> NDArray[np.float64]:
        """Return the variance of a difference in DN², for rates in DN a group."""
        variance: NDArray[np.float64] = self.read + np.maximum(rate, 0.0) / self.gain
        return variance

    def correlation(self, rate: float) -> float:
        """Return the correlation of a difference with the next one: -0.5 (reading) to 0."""
        total = float(self.variance(rate))
        return -0.5 * self.read / total if total > 0 else 0.0

    def covariance(self, which: NDArray[np.intp], rate: float) -> NDArray[np.float64]:
        """Return the covariance of some differences of a pixel.

        Parameters
        ----------
        which : `numpy.ndarray`
            ``(n,)``: the differences, ascending.
        rate : float
            Rate of the pixel, in DN a group.

        Returns
        -------
        `numpy.ndarray`
            ``(n, n)`` in DN².
        """
        matrix = np.eye(len(which))
        beside = np.flatnonzero(np.diff(which) == 1)
        matrix[beside, beside + 1] = matrix[beside + 1, beside] = self.correlation(rate)
        return matrix * float(self.variance(rate))


def measure_ramp_noise(images: Images, integration: int, image_shape: tuple[int, int]) -> RampNoise:
    """Measure the noise of an integration.

    Parameters
    ----------
    images : Images
        The ramp.
    integration : int
        Which integration, zero-based.
    image_shape : tuple of int
        Rows and columns.

    Returns
    -------
    RampNoise
        Its noise.
    """
    ny, nx = image_shape
    starts = np.unique(np.linspace(0, max(0, ny - _ROWS), _STRIPS).astype(int))
    levels, variances, covariances = [], [], []
    for start in starts:
        box = slice(int(start), min(int(start) + _ROWS, ny)), slice(0, nx)
        differences = read_differences(images, integration, image_shape, box).values
        level, noise = level_and_noise(differences)
        differences -= level
        differences -= np.nan_to_num(_frame_drift(differences))
        known = (np.isfinite(noise) & (noise > 0)).ravel()
        flat = differences.reshape(len(differences), -1)[:, known]
        levels.append(level.ravel()[known])
        variances.append(_mean_square(flat, flat))
        covariances.append(_mean_square(flat[1:], flat[:-1]) + variances[-1] / len(flat))
    level, variance = np.concatenate(levels), np.concatenate(variances)
    covariance = np.concatenate(covariances)
    if len(level) < _LEAST_PIXELS:
        return RampNoise(read=float(np.median(variance)) if len(variance) else 1.0, gain=math.inf)
    return _of_classes(level, variance, covariance)


def _frame_drift(residuals: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the median of each row of each difference, ``(ndiff, rows, 1)``."""
    ndiff, nrows, ncolumns = residuals.shape
    of_rows = medians(residuals.reshape(-1, ncolumns).T)
    return of_rows.reshape(ndiff, nrows, 1)


def _mean_square(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean product of each column, that of outliers cut off; NaN left out."""
    product = one * other
    both = np.isfinite(product)
    count = np.maximum(both.sum(axis=0), 1)
    product = np.where(both, product, 0)
    limit = _CLIP**2 * np.median(np.abs(product), axis=0) / 0.455
    clipped = np.clip(product, -limit, limit)
    mean: NDArray[np.float64] = clipped.sum(axis=0, dtype=np.float64) / count
    return mean * (len(one) / max(1, len(one) - 1))


def _of_classes(
    level: NDArray[np.float32],
    variance: NDArray[np.float64],
    covariance: NDArray[np.float64],
) -> RampNoise:
    """Return the noise that the pixels of all classes have."""
    limits = [*np.quantile(level, _CLASSES), np.inf]
    faint = level < limits[1]
    total = float(np.median(variance[faint]))
    # Each read makes -1 times its own variance of the product of the differences beside it.
    read = float(np.clip(-2 * np.mean(covariance[faint]), 0.0, total))
    photons, rates = [total - read], [max(0.0, float(np.median(level[faint])))]
    for low, high in pairwise(limits[1:]):
        here = (level >= low) & (level < high)
        if np.count_nonzero(here) >= _LEAST_PIXELS:
            photons.append(float(np.median(variance[here])) - read)
            rates.append(float(np.median(level[here])))
    rate, photon = np.array(rates), np.maximum(photons, 0.0)
    power = float(rate @ photon)
    gain = float(rate @ rate) / power if power > 0 else math.inf
    return RampNoise(read=read or 1e-6 * total or 1.0, gain=gain)
