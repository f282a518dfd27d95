"""Residuals: a ramp without everything that does not change.

Differences of groups, less what all integrations do, less the median of each pixel, less what each
row and frame has in common, less what goes with brightness; flagged samples left out, single
outliers cut off; binned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, median_filter, zoom

from showermask.glow.common_mode import LEAST_ROW, common
from showermask.glow.differences import Images, level_and_noise, read_differences

__all__ = ["BIN", "Residuals", "read_residuals", "sum_bins"]

#: Pixels of a bin, along each axis.
BIN = 2

_STRIP_ROWS = 64
#: A glow is far below this in a single pixel of a single difference; hits and jumps are above.
_CLIP = 4.0
#: Boxes of the smooth background, in bins along each axis: wider than showers.
_BOX = 64
_READ_PART_SIGMA = 2.0  # bins
#: The brightness that is taken for a source, in units of the noise of a bin.
_SOURCE_SIGMAS = 5.0
#: Where residual non-linearity, so large a part of the rate, passes the noise, nothing is faint.
_NONLINEARITY = 0.02
#: More of its rate than this no source changes by; what does is a glow that looks like one.
_MOST_NONLINEAR = 0.05


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
        What each bin has in all of the ramp, less the background, in units of the noise of one
        difference; ``(ny / BIN, nx / BIN)``.
    read_part : `numpy.ndarray`
        Part of the variance of each bin that reading makes, in units of that of a typical bin and 1
        at most, ``(ny / BIN, nx / BIN)``: noise of photons is not correlated in time.
    image_shape : tuple of int
        Rows and columns of the full frame.
    """

    values: NDArray[np.float32]
    weights: NDArray[np.float32]
    brightness: NDArray[np.float32]
    read_part: NDArray[np.float32]
    image_shape: tuple[int, int]


def read_residuals(
    images: Images,
    integration: int,
    image_shape: tuple[int, int],
    typical_ramp: NDArray[np.float32] | None = None,
) -> Residuals:
    """Read an integration in strips, and return its residuals.

    Parameters
    ----------
    images : Images
        The exposure.
    integration : int
        Which integration, zero-based.
    image_shape : tuple of int
        Rows and columns.
    typical_ramp : `numpy.ndarray`, optional
        What all integrations do, from `read_typical_ramp`.

    Returns
    -------
    Residuals
        Its residuals.
    """
    ny, nx = image_shape
    height, width = ny // BIN, nx // BIN
    ndiff = images.stack_shape[1] - 1
    values = np.zeros((ndiff, height, width), np.float32)
    weights = np.zeros_like(values)
    level = np.zeros((height, width), np.float32)
    rows = _STRIP_ROWS if nx >= LEAST_ROW else height * BIN
    for start in range(0, height * BIN, rows):
        strip = slice(start, min(start + rows, height * BIN))
        here = slice(strip.start // BIN, strip.stop // BIN)
        box = strip, slice(0, nx)
        differences, is_jump = read_differences(images, integration, image_shape, box)
        if typical_ramp is not None:
            differences -= typical_ramp[:, strip]
        values[:, here], weights[:, here], level[here] = _reduced(differences, is_jump)
    _take_away_background(values, weights)
    brightness = _take_away_brightness(values, weights, level)
    return Residuals(
        values=values,
        weights=weights,
        brightness=brightness,
        read_part=_read_part(weights),
        image_shape=image_shape,
    )


def _read_part(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the part of the variance of each bin that reading makes, smoothed."""
    strongest = weights.max(axis=0)
    known = strongest > 0
    typical = float(np.median(strongest[known])) if known.any() else 1.0
    part = np.where(known, strongest / typical, np.float32(1))
    smooth: NDArray[np.float32] = gaussian_filter(part, _READ_PART_SIGMA)
    return np.minimum(smooth, np.float32(1))


def _reduced(
    differences: NDArray[np.float32], is_jump: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return values, weights and steady level of the bins of some rows; differences are modified.

    What is flagged as a jump and no fainter than a hit is one, though it be as large as a shower.
    """
    steady = _steady(differences)
    level, noise = level_and_noise(differences)
    differences -= level
    differences -= common(differences, noise)
    limit = _CLIP * noise
    differences[is_jump & (np.abs(differences) > limit)] = np.nan
    np.clip(differences, -limit, limit, out=differences)
    return (*_binned(differences, noise), steady)


def _steady(differences: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what each bin has in all of the ramp: the least of the means of its thirds.

    A source has it from beginning to end; a glow, even a long one, has little in one of them.
    """
    thirds = []
    for part in np.array_split(differences, 3):
        known = np.isfinite(part)
        total = np.where(known, part, np.float32(0)).sum(axis=0, dtype=np.float32)
        count = known.sum(axis=0, dtype=np.float32)
        mean = sum_bins(np.stack([total, count]))
        thirds.append(
            np.divide(mean[0], mean[1], out=np.full_like(mean[0], np.nan), where=mean[1] > 0)
        )
    steady: NDArray[np.float32] = np.nan_to_num(np.fmin.reduce(thirds))
    return steady


def _binned(
    differences: NDArray[np.float32], noise: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    # Without noise nothing stands out: such pixels are dead, or not real.
    weight = np.divide(1, noise**2, out=np.zeros_like(noise), where=noise > 0)
    known = np.isfinite(differences)
    weights = np.where(known, weight, np.float32(0))
    values = np.where(known, differences, np.float32(0)) * weights
    total = sum_bins(weights)
    mean = np.divide(sum_bins(values), total, out=np.zeros_like(total), where=total > 0)
    return mean, total


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
    smooth: NDArray[np.float32] = zoom(
        medians, (height / ny, width / nx), order=1, mode="nearest", grid_mode=True
    )
    return smooth


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
    chosen = (source > _SOURCE_SIGMAS * noise / np.sqrt(len(values) / 3)) & (
        weights.max(axis=0) > 0
    )
    relative: NDArray[np.float32] = np.where(typical > 0, source / noise, np.float32(0))
    if np.count_nonzero(chosen) < 10:
        return relative
    bright = source[chosen] / source[chosen].max()
    terms = np.stack([bright, bright**2])
    for k, weight in enumerate(weights):
        w = weight[chosen]
        matrix = (terms * w) @ terms.T + 1e-6 * np.eye(2)
        found = np.linalg.solve(matrix, (terms * w) @ values[k][chosen])
        most = _MOST_NONLINEAR * source[chosen]
        part = np.clip(found @ terms, -most, most)
        values[k][chosen] -= np.where(w > 0, part, 0).astype(np.float32)
    return relative
