"""What is left of a ramp when everything that does not change is taken away.

Differences of groups, less what all integrations do, less the median of each pixel, less what each
row and frame has in common, less what goes with brightness; flagged samples left out, single
outliers cut off; binned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_opening, median_filter

__all__ = ["BIN", "Frames", "Residuals", "read_course", "read_residuals", "sum_bins"]

#: Pixels of a bin, along each axis.
BIN = 2

_DO_NOT_USE, _SATURATED, _JUMP_DET = 1, 2, 4
_STRIP_ROWS = 64
#: In frames narrower than this a glow can fill half a row: their rows are levelled only if they
#: drift, which shows in all of them, by so many times what chance does.
_LEAST_ROW = 256
_ROW_DRIFT = 1.5
#: A glow is far below this in a single pixel of a single difference; hits and jumps are above.
_CLIP = 4.0
#: Flagged areas that hold a square of so many pixels are showers themselves, not jumps.
_JUMP_OPENING = 5
#: What all integrations do can be told from a glow of one of them from so many on, and is known
#: well enough from so many.
_LEAST_INTEGRATIONS, _MOST_INTEGRATIONS = 8, 25
_SAMPLE_BYTES = 64_000_000  # of differences at a time, for that
#: Where an integration stands out so much from the others, in cells of so many pixels along each
#: axis, it is left out of what they have in common.
_CELL, _STANDS_OUT = 8, 4.5
#: Boxes of the smooth background, in bins along each axis: wider than showers.
_BOX = 64
#: The brightness that is taken for a source, in units of the noise of a bin.
_SOURCE_SIGMAS = 5.0
#: Where residual non-linearity, so large a part of the rate, passes the noise, nothing is faint.
_NONLINEARITY = 0.02


class Frames(Protocol):
    """An exposure that is read frame by frame; see `showermask.frames.FrameReader`."""

    @property
    def nframes(self) -> tuple[int, int]:
        """Integrations and groups."""

    def window(self, integration: int, group: int, box: tuple[slice, slice]) -> NDArray[np.float32]:
        """Return part of a frame in DN."""

    def dq_window(
        self, integration: int, group: int, box: tuple[slice, slice]
    ) -> NDArray[np.unsignedinteger]:
        """Return its flags."""


@dataclass(frozen=True, kw_only=True)
class Residuals:
    """The residuals of one integration, binned.

    Parameters
    ----------
    values : `numpy.ndarray`
        Mean residual of each bin in DN, ``(ngroups - 1, ny / BIN, nx / BIN)`` float32; 0 where
        there is none.
    weights : `numpy.ndarray`
        One over its variance, same shape; 0 where there is none.
    brightness : `numpy.ndarray`
        Median difference of each bin, less the background, in units of the noise of one difference;
        ``(ny / BIN, nx / BIN)``.
    frame : tuple of int
        Rows and columns of the full frame.
    """

    values: NDArray[np.float32]
    weights: NDArray[np.float32]
    brightness: NDArray[np.float32]
    frame: tuple[int, int]


def read_course(frames: Frames, frame: tuple[int, int]) -> NDArray[np.float32] | None:
    """Read what all integrations of an exposure do, such as what follows each reset.

    Parameters
    ----------
    frames : Frames
        The exposure; of many integrations some are read, a strip at a time.
    frame : tuple of int
        Rows and columns.

    Returns
    -------
    `numpy.ndarray` or None
        Median over the integrations of each difference in DN, less that of each pixel,
        ``(ngroups - 1, ny, nx)`` float32; None where there are too few integrations to tell.
    """
    nints, ngroups = frames.nframes
    if nints < _LEAST_INTEGRATIONS:
        return None
    ny, nx = frame
    chosen = np.unique(np.linspace(0, nints - 1, _MOST_INTEGRATIONS).round().astype(int))
    course = np.empty((ngroups - 1, ny, nx), np.float32)
    rows = max(1, _SAMPLE_BYTES // (len(chosen) * course[:, 0].nbytes) // _CELL) * _CELL
    for start in range(0, ny, rows):
        strip = slice(start, min(start + rows, ny))
        sample = np.stack([_read_differences(frames, int(i), frame, strip) for i in chosen])
        _leave_out_what_stands_out(sample)
        middle = _medians(sample.reshape(len(chosen), -1)).reshape(sample.shape[1:])
        typical = _medians(middle.reshape(ngroups - 1, -1)).reshape(middle.shape[1:])
        course[:, strip] = np.nan_to_num(middle - typical)
    return course


def read_residuals(
    frames: Frames,
    integration: int,
    frame: tuple[int, int],
    course: NDArray[np.float32] | None = None,
) -> Residuals:
    """Read an integration in strips, and return its residuals.

    Parameters
    ----------
    frames : Frames
        The exposure.
    integration : int
        Which integration, zero-based.
    frame : tuple of int
        Rows and columns.
    course : `numpy.ndarray`, optional
        What all integrations do, from `read_course`.

    Returns
    -------
    Residuals
        Its residuals.
    """
    ny, nx = frame
    height, width = ny // BIN, nx // BIN
    ndiff = frames.nframes[1] - 1
    values = np.zeros((ndiff, height, width), np.float32)
    weights = np.zeros_like(values)
    level = np.zeros((height, width), np.float32)
    rows = _STRIP_ROWS if nx >= _LEAST_ROW else height * BIN
    for start in range(0, height * BIN, rows):
        strip = slice(start, min(start + rows, height * BIN))
        here = slice(strip.start // BIN, strip.stop // BIN)
        differences = _read_differences(frames, integration, frame, strip)
        if course is not None:
            differences -= course[:, strip]
        values[:, here], weights[:, here], level[here] = _reduced(differences)
    _take_away_background(values, weights)
    brightness = _take_away_brightness(values, weights, level)
    return Residuals(values=values, weights=weights, brightness=brightness, frame=frame)


def _read_differences(
    frames: Frames, integration: int, frame: tuple[int, int], rows: slice
) -> NDArray[np.float32]:
    """Return the differences of some rows, ``(ngroups - 1, rows, nx)``; NaN where flagged."""
    ny, nx = frame
    # Jumps are grown: a row more to each side.
    halo = slice(max(0, rows.start - 1), min(ny, rows.stop + 1))
    box = (halo, slice(0, nx))
    ngroups = frames.nframes[1]
    differences = np.empty((ngroups - 1, rows.stop - rows.start, nx), np.float32)
    inner = slice(rows.start - halo.start, rows.stop - halo.start)
    previous: NDArray[np.float32] | None = None
    was_bad: NDArray[np.bool_] | None = None
    for group in range(ngroups):
        current = frames.window(integration, group, box)
        flags = frames.dq_window(integration, group, box)
        is_bad = ((flags & (_DO_NOT_USE | _SATURATED)) > 0) | ~np.isfinite(current)
        if previous is not None and was_bad is not None:
            difference = current - previous
            difference[is_bad | was_bad | _jumps((flags & _JUMP_DET) > 0)] = np.nan
            differences[group - 1] = difference[inner]
        previous, was_bad = current, is_bad
    return differences


def _reduced(
    differences: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return values, weights and level of the bins of some rows; differences are modified."""
    level, noise = _level_and_noise(differences)
    differences -= level
    differences -= _common(differences, noise)
    limit = _CLIP * noise
    np.clip(differences, -limit, limit, out=differences)
    return _binned(differences, noise, level)


def _medians(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the median of each column, NaN left out."""
    ordered = np.sort(values, axis=0)
    count = np.count_nonzero(np.isfinite(ordered), axis=0)
    which = np.arange(ordered.shape[1])
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    high = np.minimum(high, len(ordered) - 1)
    middle: NDArray[np.float32] = (ordered[low, which] + ordered[high, which]) / 2
    return middle


def _leave_out_what_stands_out(sample: NDArray[np.float32]) -> None:
    """Set to NaN, in place, each cell of an integration that has a shower.

    A bright shower in one integration would move even the median of all, by little, but over all of
    its pixels; so that the others would seem to have its opposite.
    """
    ny, nx = sample.shape[2:]
    across = np.arange(0, ny, _CELL), np.arange(0, nx, _CELL)
    known = np.isfinite(sample)
    total, count = (
        np.add.reduceat(np.add.reduceat(values, across[0], axis=2), across[1], axis=3)
        for values in (np.where(known, sample, np.float32(0)), known.astype(np.float32))
    )
    means = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    away = np.abs(means - _medians(means.reshape(len(means), -1)).reshape(means.shape[1:]))
    noise = 1.4826 * _medians(away.reshape(-1, len(across[0]) * len(across[1])))
    is_out = np.any(away > _STANDS_OUT * noise.reshape(away.shape[2:]), axis=1)
    is_out = is_out.repeat(_CELL, axis=1)[:, :ny].repeat(_CELL, axis=2)[:, :, :nx]
    sample[np.broadcast_to(is_out[:, np.newaxis], sample.shape)] = np.nan


def _jumps(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the jumps of a difference, grown by a pixel; areas as large as showers are kept."""
    if not flags.any():
        return flags
    large = binary_opening(flags, np.ones((_JUMP_OPENING, _JUMP_OPENING), bool))
    grown: NDArray[np.bool_] = binary_dilation(flags & ~large, np.ones((3, 3), bool))
    return grown


def _level_and_noise(
    differences: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return median and noise of each pixel, by order statistics, NaN left out."""
    ndiff = differences.shape[0]
    pixels = np.ascontiguousarray(differences.reshape(ndiff, -1).T)
    pixels.sort(axis=1)
    count = np.count_nonzero(np.isfinite(pixels), axis=1)
    which = np.arange(len(pixels))

    def quantile(q: float) -> NDArray[np.float32]:
        place = np.clip(q * (count - 1), 0, None)
        low = place.astype(np.intp)
        part = (place - low).astype(np.float32)
        high = np.minimum(low + 1, np.maximum(count - 1, 0))
        values: NDArray[np.float32] = (1 - part) * pixels[which, low] + part * pixels[which, high]
        return values

    middle = quantile(0.5)
    spread = (quantile(0.8413) - quantile(0.1587)) / 2
    known = np.isfinite(spread) & (count > 2)
    typical = float(np.median(spread[known])) if known.any() else 1.0
    # From few groups the spread is itself a guess: the strip's typical one has a say.
    weight = count / (count + 10.0)
    noise = np.sqrt(weight * spread**2 + (1 - weight) * typical**2)
    noise = np.where(known, np.maximum(noise, 0.5 * typical), np.nan).astype(np.float32)
    shape = differences.shape[1:]
    return middle.reshape(shape), noise.reshape(shape)


def _common(differences: NDArray[np.float32], noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the median of rows, or of frames where rows are short and do not drift."""
    filled = np.nan_to_num(differences)  # what is missing counts as unchanged, as most is
    rows: NDArray[np.float32] = np.median(filled, axis=2, keepdims=True)
    nx = differences.shape[2]
    if nx >= _LEAST_ROW:
        return rows
    frames: NDArray[np.float32] = np.median(filled, axis=(1, 2), keepdims=True)
    by_chance = 1.2533 * float(np.nanmedian(noise)) / np.sqrt(nx)
    drift = 1.4826 * float(np.median(np.abs(rows - frames)))
    return rows if drift > _ROW_DRIFT * by_chance else frames


def _binned(
    differences: NDArray[np.float32], noise: NDArray[np.float32], level: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    weight = np.nan_to_num(1 / noise**2)
    known = np.isfinite(differences)
    weights = np.where(known, weight, np.float32(0))
    values = np.where(known, differences, np.float32(0)) * weights
    total = sum_bins(weights)
    mean = np.divide(sum_bins(values), total, out=np.zeros_like(total), where=total > 0)
    return mean, total, sum_bins(np.nan_to_num(level)[np.newaxis])[0] / BIN**2


def sum_bins(cube: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum images over bins of `BIN` × `BIN`; what is left over at the edges is dropped.

    Parameters
    ----------
    cube : `numpy.ndarray`
        ``(n, ny, nx)``.

    Returns
    -------
    `numpy.ndarray`
        ``(n, ny / BIN, nx / BIN)`` float32.
    """
    n, ny, nx = cube.shape
    trimmed = cube[:, : ny // BIN * BIN, : nx // BIN * BIN]
    summed: NDArray[np.float32] = trimmed.reshape(n, ny // BIN, BIN, nx // BIN, BIN).sum(
        axis=(2, 4), dtype=np.float32
    )
    return summed


def _take_away_background(values: NDArray[np.float32], weights: NDArray[np.float32]) -> None:
    """Take the smooth background from each difference; modified in place.

    The median of large boxes, of which those that stand out among their neighbours are replaced:
    what is wider than a few boxes goes, and a shower stays.
    """
    for value, weight in zip(values, weights, strict=True):
        np.subtract(value, _smooth(value, weight > 0), out=value, where=weight > 0)


def _smooth(image: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return an image as its boxes' medians have it, interpolated in between."""
    height, width = image.shape
    ny, nx = max(1, round(height / _BOX)), max(1, round(width / _BOX))
    if min(ny, nx) < 3:
        ny = nx = 1
    rows, columns = (
        np.linspace(0, height, ny + 1).astype(int),
        np.linspace(0, width, nx + 1).astype(int),
    )
    medians = np.zeros((ny, nx), np.float32)
    for j in range(ny):
        for i in range(nx):
            box = slice(rows[j], rows[j + 1]), slice(columns[i], columns[i + 1])
            inside = image[box][known[box]]
            medians[j, i] = np.median(inside) if inside.size else 0.0
    medians = median_filter(medians, 3, mode="nearest") if min(ny, nx) >= 3 else medians
    y = np.clip((np.arange(height) + 0.5) * ny / height - 0.5, 0, ny - 1)
    x = np.clip((np.arange(width) + 0.5) * nx / width - 0.5, 0, nx - 1)
    smooth: NDArray[np.float32] = _interpolated(_interpolated(medians, y).T, x).T
    return smooth


def _interpolated(values: NDArray[np.float32], places: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return rows in between those of an array, linearly."""
    low = np.minimum(places.astype(int), max(0, len(values) - 2))
    high = np.minimum(low + 1, len(values) - 1)
    part = (places - low).astype(np.float32)[:, np.newaxis]
    between: NDArray[np.float32] = values[low] * (1 - part) + values[high] * part
    return between


def _take_away_brightness(
    values: NDArray[np.float32], weights: NDArray[np.float32], level: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Fit what goes with brightness, linearly and squared, in each difference; modified in place.

    Returns the brightness, in units of the noise.

    What linearity correction leaves of a source changes with its rate and, over the ramp, with the
    rate squared. Where a source is so bright that even a small part of it passes the noise, nothing
    can be found.
    """
    typical = np.median(weights, axis=0)
    noise = np.sqrt(np.divide(1, typical, out=np.full_like(typical, np.inf), where=typical > 0))
    source = level - _smooth(level, typical > 0)
    weights[:, np.abs(source) * _NONLINEARITY > noise] = 0
    chosen = (source > _SOURCE_SIGMAS * noise / np.sqrt(len(values))) & (weights.max(axis=0) > 0)
    relative: NDArray[np.float32] = np.where(typical > 0, source / noise, np.float32(0))
    if np.count_nonzero(chosen) < 10:
        return relative
    bright = source[chosen] / source[chosen].max()
    terms = np.stack([bright, bright**2])
    for k, weight in enumerate(weights):
        w = weight[chosen]
        matrix = (terms * w) @ terms.T + 1e-6 * np.eye(2)
        found = np.linalg.solve(matrix, (terms * w) @ values[k][chosen])
        values[k][chosen] -= np.where(w > 0, found @ terms, 0).astype(np.float32)
    return relative
