"""The noise of glow-sized areas, told from the rest of the frame.

The noise of a pixel does not tell that of an area: drifts, interference and what follows a reset
are alike in neighbouring pixels. The amplitude of a course, averaged over areas of the size of a
glow, scatters over the frame by more than white noise would make it; by as much a glow must stand
out more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from showermask.glow.ramp_noise import RampNoise

__all__ = ["CELL", "NoiseField", "binned"]

#: Pixels of a cell, along each axis.
CELL = 4
#: Standard deviation of the Gaussian that stands for a glow, in units of its radius.
_SIGMA = 0.5
#: A cell counts where so much of the Gaussian around it is known; so many cells are needed.
_LEAST_PART, _LEAST_CELLS = 0.6, 40
_LEAST_DIFFERENCES = 4
#: Differences that tell the scatter, at least.
_SAMPLED = 8
#: The scatter is told from the range of such a part of the areas, so many standard deviations of a
#: normal distribution: structures have longer tails than its middle tells, and sources are rare.
_PART, _OF_NORMAL = 0.85, 1.44
_UNCERTAIN = 1.2


def binned(differences: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean of each cell of differences, and how many values it has.

    Parameters
    ----------
    differences : `numpy.ndarray`
        ``(n, rows, columns)``; NaN where unknown. What is left over at the edges is dropped.

    Returns
    -------
    mean, count : `numpy.ndarray`
        ``(n, rows / CELL, columns / CELL)`` float32.
    """
    _, ny, nx = differences.shape
    cut = differences[:, : ny // CELL * CELL, : nx // CELL * CELL]
    known = np.isfinite(cut)
    total = _summed(np.where(known, cut, np.float32(0)))
    count = _summed(known.astype(np.float32))
    return np.divide(total, count, out=np.zeros_like(total), where=count > 0), count


def _summed(cube: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sum of each cell; strided additions are several times as quick as two axes."""
    rows = cube[:, ::CELL].copy()
    for k in range(1, CELL):
        rows += cube[:, k::CELL]
    cells: NDArray[np.float32] = rows[:, :, ::CELL].copy()
    for k in range(1, CELL):
        cells += rows[:, :, k::CELL]
    return cells


@dataclass(frozen=True, kw_only=True, eq=False)
class NoiseField:
    """Differences of a frame, or of strips of it, in cells, without what is to be taken out.

    Parameters
    ----------
    cells, counts : `numpy.ndarray`
        ``(ndiff, rows, columns)``, from `binned`; counts are 0 where showers are.
    noise : RampNoise
        The noise of a pixel.
    rate : float
        Rate of a typical pixel, in DN a group.
    """

    cells: NDArray[np.float32]
    counts: NDArray[np.float32]
    noise: RampNoise
    rate: float

    @property
    def is_told(self) -> bool:
        """Whether there is enough beside the showers to tell the noise of areas."""
        there = np.median(self.counts, axis=0) > _LEAST_PART * CELL**2
        return int(np.count_nonzero(there)) >= _LEAST_CELLS

    def excess(self, course: NDArray[np.float64], radius: float) -> float:
        """Return the scatter of areas in units of what white noise would make, at least 1.

        Parameters
        ----------
        course : `numpy.ndarray`
            ``(ndiff,)``: light of each difference.
        radius : float
            Radius of the areas, in pixels.

        Returns
        -------
        float
            1 where noise is white, or there is too little to tell.
        """
        which = np.flatnonzero(np.median(self.counts, axis=(1, 2)) > 0.3 * CELL**2)
        if len(which) < _LEAST_DIFFERENCES:
            return 1.0
        covariance = self.noise.covariance(which, self.rate)
        filters = np.linalg.solve(covariance, np.stack([course[which], np.ones(len(which))]).T)
        of_glow, of_rate = filters.T
        weights = of_glow - of_rate * (of_glow.sum() / of_rate.sum())
        power = float(weights @ covariance @ weights)
        # What is not known of a cell in a difference is as its mean, which is 0.
        there = self.counts[which].mean(axis=0)
        signal = np.tensordot(weights, self.cells[which], 1)[np.newaxis]
        scaled = _in_white_noise(signal, there, power, radius)
        if scaled is None:
            return 1.0
        # Few independent areas tell it badly.
        sigma = _sigma(radius)
        areas = scaled.shape[1] / max(1.0, 4 * np.pi * sigma**2)
        return max(1.0, float(_scatter(scaled)[0])) * (1 + _UNCERTAIN / float(np.sqrt(areas)))

    def scatter(self, radius: float) -> float:
        """Return the scatter of areas in single differences, in the same units; at least 1.

        Parameters
        ----------
        radius : float
            Radius of the areas, in pixels.

        Returns
        -------
        float
            Median over the differences; 1 where noise is white, or there is too little to tell.
        """
        which = np.flatnonzero(np.median(self.counts, axis=(1, 2)) > 0.3 * CELL**2)
        if len(which) < _LEAST_DIFFERENCES:
            return 1.0
        there = self.counts[which].mean(axis=0)
        power = float(self.noise.variance(self.rate))
        sample = which[:: max(1, len(which) // _SAMPLED)]
        scaled = _in_white_noise(self.cells[sample], there, power, radius)
        return 1.0 if scaled is None else max(1.0, float(np.median(_scatter(scaled))))


def _sigma(radius: float) -> float:
    """Return the standard deviation, in cells, of the Gaussian that stands for an area."""
    return max(0.5, _SIGMA * radius / CELL)


def _in_white_noise(
    signals: NDArray[np.floating], there: NDArray[np.floating], power: float, radius: float
) -> NDArray[np.float64] | None:
    """Return what areas hold in units of what white noise would make, less its median.

    Parameters
    ----------
    signals : `numpy.ndarray`
        ``(n, rows, columns)``: means of cells.
    there : `numpy.ndarray`
        ``(rows, columns)``: pixels of each cell that are known.
    power : float
        Variance of a pixel.
    radius : float
        Radius of the areas, in pixels.

    Returns
    -------
    `numpy.ndarray` or None
        ``(n, nknown)``; None where too few areas are known.
    """
    sigma = _sigma(radius)
    total = gaussian_filter(there, sigma, mode="constant")
    known = total > _LEAST_PART * CELL**2
    if not power > 0 or np.count_nonzero(known) < _LEAST_CELLS:
        return None
    # Of a Gaussian squared, which is a narrower one.
    expected = power * gaussian_filter(there, sigma / np.sqrt(2), mode="constant")
    expected /= 4 * np.pi * sigma**2
    smooth = gaussian_filter(signals * there, (0, sigma, sigma), mode="constant")
    scaled: NDArray[np.float64] = smooth[:, known] / np.sqrt(expected[known])
    return scaled - np.median(scaled, axis=1, keepdims=True)


def _scatter(scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scatter of each row, of which long tails are a part."""
    scatter: NDArray[np.float64] = np.quantile(np.abs(scaled), _PART, axis=1) / _OF_NORMAL
    return scatter
