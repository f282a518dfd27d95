"""What is left of a ramp when everything that does not change is taken away.

Differences of groups, less the median of each pixel, less what each row and frame has in common,
less what goes with brightness; flagged samples left out, single outliers cut off; binned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_opening, median_filter

__all__ = ["BIN", "Frames", "Residuals", "read_residuals", "sum_bins"]

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


def read_residuals(frames: Frames, integration: int, frame: tuple[int, int]) -> Residuals:
    """Read an integration in strips, and return its residuals.

    Parameters
    ----------
    frames : Frames
        The exposure.
    integration : int
        Which integration, zero-based.
    frame : tuple of int
        Rows and columns.

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
        values[:, here], weights[:, here], level[here] = _strip(frames, integration, frame, strip)
    _take_away_background(values, weights)
    brightness = _take_away_brightness(values, weights, level)
    return Residuals(values=values, weights=weights, brightness=brightness, frame=frame)


def _strip(
    frames: Frames, integration: int, frame: tuple[int, int], rows: slice
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return values, weights and level of the bins of some rows."""
    ny, nx = frame
    halo = slice(max(0, rows.start - 1), min(ny, rows.stop + 1))
    inner = slice(rows.start - halo.start, rows.start - halo.start + rows.stop - rows.start)
    box = (halo, slice(0, nx))
    ngroups = frames.nframes[1]
    differences = np.empty((ngroups - 1, rows.stop - rows.start, nx), np.float32)
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
    level, noise = _level_and_noise(differences)
    differences -= level
    differences -= _common(differences, noise)
    limit = _CLIP * noise
    np.clip(differences, -limit, limit, out=differences)
    return _binned(differences, noise, level)


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
