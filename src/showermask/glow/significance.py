"""Images in units of their noise."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from showermask.glow.differences import medians

__all__ = ["to_sigma"]

#: A lone pixel that stands out so much from its neighbours is a hit that nobody has flagged.
_SPIKE = 6.0
#: Noise is told from so many pixels, in so many steps of brightness of so many pixels at least.
_SAMPLE, _STEPS, _LEAST_STEP = 100_000, 12, 60
_TABLE = 10_000
#: Variance of a median of many values, in units of that of their mean.
_OF_MEDIAN = 1.57


def to_sigma(
    image: NDArray[np.float32],
    brightness: NDArray[np.float32],
    left_out: NDArray[np.bool_],
    smoothing: float,
) -> NDArray[np.float32]:
    """Level and smooth a combined image, and express it in units of its noise.

    Parameters
    ----------
    image : `numpy.ndarray`
        ``(rows, columns)``; NaN where unknown.
    brightness : `numpy.ndarray`
        Likewise: what the noise depends on.
    left_out : `numpy.ndarray`
        Likewise, bool: the entry and its surroundings, which say nothing of level and noise.
    smoothing : float
        Standard deviation of the Gaussian, in pixels; 0 for none.

    Returns
    -------
    `numpy.ndarray`
        ``(rows, columns)`` float32: 1 is one standard deviation of the noise of what is shown.
        Smoothing fills small gaps.
    """
    outside = np.isfinite(image) & ~left_out
    values = image - _row_levels(image, outside)
    _standardise(values, brightness, outside)
    _drop_spikes(values)
    if smoothing > 0:
        filled = np.where(np.isfinite(values), values, np.float32(0))
        values = gaussian_filter(filled, smoothing, truncate=3.0)
    level, noise = _location_and_scale(values[outside])
    values -= np.float32(level)
    values /= np.float32(noise or 1.0)
    return values


def _row_levels(image: NDArray[np.float32], outside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return ``(rows, 1)``: the medians of rows, drawn to their own as far as they are chance."""
    ordered = np.sort(np.where(outside, image, np.float32(np.nan)), axis=1)
    count = np.count_nonzero(outside, axis=1)
    if not count.any():
        return np.zeros((len(image), 1), np.float32)
    middle = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, image.shape[1] - 1)
    which = np.arange(len(image))
    rows = (ordered[which, middle[0]] + ordered[which, middle[1]]) / 2
    known = count > 0
    typical, spread = _location_and_scale(rows[known])
    by_chance = _OF_MEDIAN * _location_and_scale(image[outside])[1] ** 2 / np.maximum(count, 1)
    part = np.clip(1 - by_chance / max(spread**2, 1e-30), 0, 1)
    levels = np.where(known, typical + part * (rows - typical), typical)
    return levels.astype(np.float32)[:, np.newaxis]


def _standardise(
    values: NDArray[np.float32], brightness: NDArray[np.float32], outside: NDArray[np.bool_]
) -> None:
    """Take away the level, and divide by the noise, that pixels of each brightness have."""
    chosen = np.flatnonzero(outside)
    chosen = chosen[:: max(1, len(chosen) // _SAMPLE)]
    if not len(chosen):
        return
    order = chosen[np.argsort(brightness.ravel()[chosen])]
    # The brightest are few, and differ most.
    ends = [0.0, *(1 - 0.5 ** np.arange(1, _STEPS)), 1.0]
    edges = np.unique((np.array(ends) * len(order)).astype(int))
    found: list[tuple[float, float, float]] = []
    for start, stop in pairwise(edges):
        pixels = order[start:stop]
        if stop - start >= _LEAST_STEP or not found:
            middle = float(np.median(brightness.ravel()[pixels]))
            found.append((middle, *_location_and_scale(values.ravel()[pixels])))
    where, level, noise = np.array(found).T
    noise = np.maximum.accumulate(noise)  # photons make noise, never less
    # A table is several times as quick as interpolation for each pixel.
    table = np.linspace(where[0], where[-1], _TABLE)
    step = (where[-1] - where[0]) / (_TABLE - 1) or 1.0
    entry = np.clip((np.nan_to_num(brightness) - where[0]) / step, 0, _TABLE - 1).astype(np.intp)
    values -= np.interp(table, where, level).astype(np.float32)[entry]
    values /= np.interp(table, where, np.where(noise > 0, noise, 1.0)).astype(np.float32)[entry]


def _drop_spikes(values: NDArray[np.float32]) -> None:
    """Set lone pixels that stand out of their neighbours to NaN."""
    rows, columns = np.nonzero(np.abs(values) > _SPIKE)
    ny, nx = values.shape
    around = [
        values[np.clip(rows + j, 0, ny - 1), np.clip(columns + i, 0, nx - 1)]
        for j in (-1, 0, 1)
        for i in (-1, 0, 1)
    ]
    if len(rows):
        middle = medians(np.stack(around))
        is_lone = ~(np.abs(values[rows, columns] - middle) <= np.maximum(_SPIKE, np.abs(middle)))
        values[rows[is_lone], columns[is_lone]] = np.nan


def _location_and_scale(values: NDArray[np.float32]) -> tuple[float, float]:
    """Return median and robust standard deviation of a sample of values."""
    values = values[np.isfinite(values)]
    sample = values[:: max(1, len(values) // _SAMPLE)]
    if not len(sample):
        return 0.0, 0.0
    median = float(np.median(sample))
    return median, 1.4826 * float(np.median(np.abs(sample - median)))
