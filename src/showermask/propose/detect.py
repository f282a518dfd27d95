"""Look for glows: filter in time, smooth in space, take the strongest first."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter

from showermask.glow.time_filters import TimeFilters
from showermask.propose.residuals import BIN, Residuals, sum_bins, thread_pool

__all__ = ["Peak", "find_peaks"]

#: Smoothing, as the sigma of a Gaussian in bins of each level, which are BIN times as large as
#: those of the level before.
_SIGMA = 1.6
_LEVELS = 5
_LEAST_BINS = 12  # of a level, along either axis
_STEP = 2  # bins between the places that are looked at, of what is smooth over more
_CHUNK = 8  # filters at a time, to bound memory
#: The noise of a filter is told from so many places, and from no fewer than so many.
_SAMPLE, _LEAST_SAMPLE = 2000, 100
_DEEPEST = 1.0  # per cent of the places
_LEAST_WIDTH = 0.8


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
    #: The noise that was found at that size and with that filter, in units of what is expected.
    excess: float
    #: How deep the deepest hundredth of the frame is, in units of the noise, at that size with any
    #: filter: more than some 3.5 where the noise has structure.
    depth: float = 3.5


def find_peaks(
    residuals: Residuals, filters: TimeFilters, threshold: float, *, threads: int | None = None
) -> list[Peak]:
    """Return all local maxima of the filtered residuals, the strongest first."""
    with thread_pool(threads) as pool:
        return _peaks(residuals, filters, threshold, pool)


def _peaks(
    residuals: Residuals, filters: TimeFilters, threshold: float, pool: Executor
) -> list[Peak]:
    peaks: list[Peak] = []
    weighted = residuals.values * residuals.weights
    weights, read_part = residuals.weights, residuals.read_part
    for level in range(_LEVELS):
        if min(weights.shape[1:]) < _LEAST_BINS:
            break
        best, which, widths, lowest = _strongest(weighted, weights, read_part, filters, pool)
        depth = -float(np.percentile(lowest, _DEEPEST))
        bin_size = BIN ** (level + 1)
        for row, column in _maxima(best, threshold):
            peaks.append(
                Peak(
                    x=(column * _STEP + 0.5) * bin_size - 0.5,
                    y=(row * _STEP + 0.5) * bin_size - 0.5,
                    size=_SIGMA * bin_size,
                    filter=int(which[row, column]),
                    significance=float(best[row, column]),
                    excess=float(widths[which[row, column]]),
                    depth=depth,
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
    pool: Executor,
) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.float64], NDArray[np.float32]]:
    """Return, for each place, the highest significance of all filters, and which filter it is.

    And, for each filter, the noise that was found in units of what is expected, which is taken into
    account; and, for each place, the lowest significance.
    """
    places = read_part[::_STEP, ::_STEP]
    signal = np.empty((len(weighted), places.size), np.float32)
    power = np.empty_like(signal)

    def smooth(k: int) -> None:
        total = gaussian_filter(weighted[k], _SIGMA, truncate=3.0, mode="constant")
        signal[k] = total[::_STEP, ::_STEP].ravel()
        total = gaussian_filter(weights[k], _SIGMA / np.sqrt(2), truncate=3.0, mode="constant")
        power[k] = total[::_STEP, ::_STEP].ravel()

    list(pool.map(smooth, range(len(weighted))))
    power /= 4 * np.pi * _SIGMA**2  # a Gaussian squared is a narrower one
    best = np.full(places.size, -np.inf, np.float32)
    lowest = np.zeros(places.size, np.float32)
    which = np.zeros(places.size, np.intp)
    widths = np.ones(len(filters.weights))
    for start in range(0, len(filters.weights), _CHUNK):
        rows = filters.weights[start : start + _CHUNK]
        found = rows @ signal
        noise = (rows**2) @ power
        noise *= filters.inflation(slice(start, start + _CHUNK), places.ravel())
        np.sqrt(noise, out=noise)
        # Where most differences are flagged, what is left is not what the filter was made for.
        np.divide(found, noise, out=found, where=noise > 0)
        found[noise <= 0] = 0
        widths[start : start + _CHUNK] = _widths(found)
        found /= widths[start : start + _CHUNK, np.newaxis].astype(np.float32)
        np.minimum(lowest, found.min(axis=0), out=lowest)
        strongest = np.argmax(found, axis=0)
        significance = np.take_along_axis(found, strongest[np.newaxis], axis=0)[0]
        is_better = significance > best
        best[is_better] = significance[is_better]
        which[is_better] = start + strongest[is_better]
    return best.reshape(places.shape), which.reshape(places.shape), widths, lowest


def _widths(significance: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the noise of each filter in units of what is expected.

    Few places tell it only of several filters together, and only where it is more.
    """
    sample = significance[:, :: max(1, significance.shape[1] // _SAMPLE)]
    sample = sample[:, sample.any(axis=0)]
    if not sample.size:
        return np.ones(len(significance))
    away = np.abs(sample - np.median(sample, axis=1, keepdims=True))
    if sample.shape[1] < _LEAST_SAMPLE:
        return np.full(len(significance), max(1.0, 1.4826 * float(np.median(away))))
    widths: NDArray[np.float64] = np.maximum(_LEAST_WIDTH, 1.4826 * np.median(away, axis=1))
    return widths


def _maxima(best: NDArray[np.float32], threshold: float) -> Iterator[tuple[int, int]]:
    is_peak = (best >= threshold) & (best == maximum_filter(best, size=3))
    yield from ((int(row), int(column)) for row, column in np.argwhere(is_peak))
