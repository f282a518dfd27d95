"""Look for glows: filter in time, smooth in space, take the strongest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter

from showermask.glow.time_filters import TimeFilters
from showermask.propose.residuals import BIN, Residuals, sum_bins

__all__ = ["Peak", "find_peaks"]

#: Smoothing, as the sigma of a Gaussian in bins of each level, which are BIN times as large as
#: those of the level before.
_SIGMA = 1.6
_LEVELS = 5
_LEAST_BINS = 12  # of a level, along either axis
_CHUNK = 8  # filters at a time, to bound memory


@dataclass(frozen=True, kw_only=True)
class Peak:
    """A place at which something stands out."""

    #: Column and row in pixels of the frame.
    x: float
    y: float
    #: Sigma in pixels of the Gaussian that it was found with.
    size: float
    #: The filter that it was found with.
    filter: int
    #: Signal-to-noise ratio.
    significance: float
    #: By how much the noise was found to be more than expected, at that size and with that
    #: filter.
    excess: float


def find_peaks(residuals: Residuals, filters: TimeFilters, threshold: float) -> list[Peak]:
    """Return all local maxima of the filtered residuals, the strongest first."""
    peaks: list[Peak] = []
    weighted = residuals.values * residuals.weights
    weights, read_part = residuals.weights, residuals.read_part
    for level in range(_LEVELS):
        if min(weights.shape[1:]) < _LEAST_BINS:
            break
        best, which, widths = _strongest(weighted, weights, read_part, filters)
        bin_size = BIN ** (level + 1)
        for row, column in _maxima(best, threshold):
            peaks.append(
                Peak(
                    x=(column + 0.5) * bin_size - 0.5,
                    y=(row + 0.5) * bin_size - 0.5,
                    size=_SIGMA * bin_size,
                    filter=int(which[row, column]),
                    significance=float(best[row, column]),
                    excess=float(widths[which[row, column]]),
                )
            )
        weighted, weights = sum_bins(weighted), sum_bins(weights)
        read_part = sum_bins(read_part[np.newaxis])[0] / BIN**2
    return sorted(peaks, key=lambda peak: -peak.significance)


def _strongest(
    weighted: NDArray[np.float32],
    weights: NDArray[np.float32],
    read_part: NDArray[np.float32],
    filters: TimeFilters,
) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.float64]]:
    """Return, for each bin, the highest significance of all filters, and which filter it is.

    And, for each filter, by how much the noise is more than expected; significance is less by that.
    """
    ndiff, height, width = weighted.shape
    signal = np.empty((ndiff, height * width), np.float32)
    power = np.empty_like(signal)
    for k in range(ndiff):
        signal[k] = gaussian_filter(weighted[k], _SIGMA, truncate=3.0).ravel()
        power[k] = gaussian_filter(weights[k], _SIGMA / np.sqrt(2), truncate=3.0).ravel()
    power /= 4 * np.pi * _SIGMA**2  # a Gaussian squared is a narrower one
    best = np.full(height * width, -np.inf, np.float32)
    which = np.zeros(height * width, np.intp)
    widths = np.ones(len(filters.weights))
    for start in range(0, len(filters.weights), _CHUNK):
        rows = filters.weights[start : start + _CHUNK]
        found = rows @ signal
        noise = (rows**2) @ power
        noise *= filters.inflation(slice(start, start + _CHUNK), read_part.ravel())
        np.sqrt(noise, out=noise)
        # Where most differences are flagged, what is left is not what the filter was made for.
        np.divide(found, noise, out=found, where=noise > 0)
        found[noise <= 0] = 0
        for offset, raw in enumerate(found):
            widths[start + offset] = _width(raw)
            significance = raw / widths[start + offset]
            is_better = significance > best
            best[is_better] = significance[is_better]
            which[is_better] = start + offset
    return best.reshape(height, width), which.reshape(height, width), widths


def _width(significance: NDArray[np.float32]) -> float:
    """Return by how much the noise is more than expected; never less than 1."""
    sample = significance[:: max(1, significance.size // 20000)]
    sample = sample[sample != 0]
    if sample.size < 100:
        return 1.0
    return max(1.0, 1.4826 * float(np.median(np.abs(sample - np.median(sample)))))


def _maxima(best: NDArray[np.float32], threshold: float) -> Iterator[tuple[int, int]]:
    is_peak = (best >= threshold) & (best == maximum_filter(best, size=5))
    yield from ((int(row), int(column)) for row, column in np.argwhere(is_peak))
