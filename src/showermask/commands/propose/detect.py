"""Look for glows: filter in time, smooth in space, take the strongest first."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, gaussian_filter1d, label, maximum_filter

from showermask.commands.propose.residuals import BIN, Residuals, sum_bins, thread_pool
from showermask.glow.time_filters import TimeFilters

__all__ = ["Peak", "PeakFinder"]

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
#: Bins around a place that a filter needs, and the places beside it.
_HALO = 8


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


class PeakFinder:
    """A search for places at which something stands out; it can be repeated in parts of the frame.

    The noise of each filter is told from the whole frame once: what is found later is light that a
    brighter glow has hidden, and the noise has not changed.

    Parameters
    ----------
    filters : TimeFilters
        The filters over time.
    threshold : float
        Least signal-to-noise ratio of a peak.
    threads : int, optional
        Threads to work with.
    """

    def __init__(
        self, filters: TimeFilters, threshold: float, *, threads: int | None = None
    ) -> None:
        self._filters, self._threshold, self._threads = filters, threshold, threads
        self._noises: list[_Noise] = []

    def find(self, residuals: Residuals) -> list[Peak]:
        """Return all local maxima of the filtered residuals, the strongest first."""
        self._noises = []
        peaks: list[Peak] = []
        with thread_pool(self._threads, cells=residuals.values.size) as pool:
            for level in _levels(residuals):
                filtered = _filter(level, self._filters, pool)
                self._noises.append(filtered.noise)
                peaks += _peaks(filtered, self._threshold, level.bin_size)
        return _strongest_first(peaks)

    def find_within(self, residuals: Residuals, places: NDArray[np.bool_]) -> list[Peak]:
        """Return the local maxima at some places, of the residuals as they are now.

        Parameters
        ----------
        residuals : Residuals
            As those that were searched before as a whole, less some light.
        places : `numpy.ndarray`
            ``(rows, columns)`` bool, of bins.

        Returns
        -------
        list of Peak
            The strongest first.
        """
        peaks: list[Peak] = []
        with thread_pool(self._threads, cells=residuals.values.size) as pool:
            for level, noise in zip(_levels(residuals), self._noises, strict=True):
                is_here = _coarser(places, level.weights.shape[1:])
                for window in _windows(is_here):
                    filtered = _filter(level.cut(window), self._filters, pool, noise)
                    found = _peaks(filtered, self._threshold, level.bin_size, window)
                    peaks += [one for one in found if _is_at(one, is_here, level.bin_size)]
        return _strongest_first(list(dict.fromkeys(peaks)))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Level:
    """The residuals in bins of one size."""

    bin_size: int
    weighted: NDArray[np.float32]
    weights: NDArray[np.float32]
    read_part: NDArray[np.float32]

    def cut(self, window: tuple[slice, slice]) -> _Level:
        """Return a part of the frame."""
        return _Level(
            bin_size=self.bin_size,
            weighted=self.weighted[:, *window],
            weights=self.weights[:, *window],
            read_part=self.read_part[window],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Noise:
    """The noise of each filter, in units of what is expected; see `Peak` for the depth."""

    widths: NDArray[np.float64]
    depth: float


@dataclass(frozen=True, kw_only=True, eq=False)
class _Filtered:
    """For each place the highest significance of all filters, and which filter has it."""

    best: NDArray[np.float32]
    which: NDArray[np.intp]
    noise: _Noise


def _levels(residuals: Residuals) -> Iterator[_Level]:
    weighted = residuals.values * residuals.weights
    weights, read_part = residuals.weights, residuals.read_part
    for level in range(_LEVELS):
        if min(weights.shape[1:]) < _LEAST_BINS:
            return
        yield _Level(
            bin_size=BIN ** (level + 1), weighted=weighted, weights=weights, read_part=read_part
        )
        weighted, weights = sum_bins(weighted), sum_bins(weights)
        read_part = sum_bins(read_part[np.newaxis])[0] / BIN**2


def _coarser(places: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which bins of a level have one of some places."""
    while places.shape != shape:
        ny, nx = (size // BIN for size in places.shape)
        cut = places[: ny * BIN, : nx * BIN].reshape(ny, BIN, nx, BIN)
        places = np.asarray(cut.any(axis=(1, 3)))
    return places


def _windows(is_here: NDArray[np.bool_]) -> list[tuple[slice, slice]]:
    """Return the parts of a frame that hold some places, and what a filter needs around them."""
    grown = maximum_filter(is_here, 2 * _HALO + 1)
    windows = []
    for box in find_objects(label(grown)[0]):
        # Places that are looked at are the same ones as in the whole frame.
        rows, columns = (slice(part.start // _STEP * _STEP, part.stop) for part in box)
        windows.append((rows, columns))
    return windows


def _peaks(
    filtered: _Filtered,
    threshold: float,
    bin_size: int,
    window: tuple[slice, slice] = (slice(0, None), slice(0, None)),
) -> list[Peak]:
    """Return the local maxima of what was filtered, in a part of the frame."""
    top, left = (part.start for part in window)
    return [
        Peak(
            x=(left + column * _STEP + 0.5) * bin_size - 0.5,
            y=(top + row * _STEP + 0.5) * bin_size - 0.5,
            size=_SIGMA * bin_size,
            filter=(which := int(filtered.which[row, column])),
            significance=float(filtered.best[row, column]),
            excess=float(filtered.noise.widths[which]),
            depth=filtered.noise.depth,
        )
        for row, column in _maxima(filtered.best, threshold)
    ]


def _is_at(peak: Peak, is_here: NDArray[np.bool_], bin_size: int) -> bool:
    row, column = (round((pixel + 0.5) / bin_size - 0.5) for pixel in (peak.y, peak.x))
    return bool(is_here[row, column])


def _strongest_first(peaks: list[Peak]) -> list[Peak]:
    return sorted(peaks, key=lambda peak: -peak.significance)


def _filter(
    level: _Level, filters: TimeFilters, pool: Executor, noise: _Noise | None = None
) -> _Filtered:
    """Filter over time and smooth; the noise is measured where it is not given."""
    places = level.read_part[::_STEP, ::_STEP]
    signal = np.empty((len(level.weights), places.size), np.float32)
    power = np.empty_like(signal)

    def smooth(k: int) -> None:
        signal[k] = _smoothed(level.weighted[k], _SIGMA).ravel()
        power[k] = _smoothed(level.weights[k], _SIGMA / np.sqrt(2)).ravel()

    list(pool.map(smooth, range(len(signal))))
    power /= 4 * np.pi * _SIGMA**2  # a Gaussian squared is a narrower one
    best = np.full(places.size, -np.inf, np.float32)
    lowest = np.zeros(places.size, np.float32)
    which = np.zeros(places.size, np.intp)
    widths = np.ones(len(filters.weights)) if noise is None else noise.widths
    for start in range(0, len(filters.weights), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        rows = filters.weights[chunk]
        found = rows @ signal
        expected = (rows**2) @ power
        expected *= filters.inflation(chunk, places.ravel())
        np.sqrt(expected, out=expected)
        # Where most differences are flagged, what is left is not what the filter was made for.
        np.divide(found, expected, out=found, where=expected > 0)
        found[expected <= 0] = 0
        if noise is None:
            widths[chunk] = _widths(found)
        found /= widths[chunk, np.newaxis].astype(np.float32)
        if noise is None:
            np.minimum(lowest, found.min(axis=0), out=lowest)
        strongest = np.argmax(found, axis=0)
        significance = np.take_along_axis(found, strongest[np.newaxis], axis=0)[0]
        is_better = significance > best
        best[is_better] = significance[is_better]
        which[is_better] = start + strongest[is_better]
    if noise is None:
        noise = _Noise(widths=widths, depth=-float(np.percentile(lowest, _DEEPEST)))
    return _Filtered(
        best=best.reshape(places.shape), which=which.reshape(places.shape), noise=noise
    )


def _smoothed(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Return a smoothed image at the places that are looked at."""
    rows = gaussian_filter1d(image, sigma, axis=0, truncate=3.0, mode="constant")[::_STEP]
    columns: NDArray[np.float32] = gaussian_filter1d(
        rows, sigma, axis=1, truncate=3.0, mode="constant"
    )
    return columns[:, ::_STEP]


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
