"""The common mode of rows, images and integrations, without the cells that stand out.

A shower that stands out is left out, since it would move even the median of its rows, or of all
integrations; by little, but over all of their pixels, which then seem to have its opposite.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, uniform_filter1d

from showermask.glow.differences import Images, level_and_noise, medians, read_differences

__all__ = ["LEAST_ROW", "common", "read_typical_ramp"]

#: In frames narrower than this a glow can fill half a row: their rows are levelled only as far as
#: they drift by more than chance, which shows in all of them.
LEAST_ROW = 256
#: Values are cut off at so many times the noise for the mean of a row: at first, and later.
_FIRST_CLIP, _ROW_CLIP = 4.0, 2.0
#: What stands out so much, in cells of so many pixels along each axis, is left out of what rows,
#: frames or integrations have in common; unless it is so large a part of a row.
_CELL, _STANDS_OUT, _MOST_OUT = 8, 4.5, 0.6
_AROUND = 5  # cells, with those to both sides: the wings of what stands out
_RUNNING = 4  # differences over which that is looked at
#: What all integrations do can be told from a glow of one of them from so many on, and is known
#: well enough from so many.
_LEAST_INTEGRATIONS, _MOST_INTEGRATIONS = 5, 25
_SAMPLE_BYTES = 64_000_000  # of differences at a time, for that


def read_typical_ramp(images: Images, image_shape: tuple[int, int]) -> NDArray[np.float32] | None:
    """Read what all integrations of an exposure do, such as what follows each reset.

    Parameters
    ----------
    images : Images
        The exposure; of many integrations some are read, a strip at a time.
    image_shape : tuple of int
        Rows and columns.

    Returns
    -------
    `numpy.ndarray` or None
        Median over the integrations of each difference in DN, less that of each pixel,
        ``(ngroups - 1, ny, nx)`` float32; None where there are too few integrations to tell.
    """
    nints, ngroups = images.stack_shape
    if nints < _LEAST_INTEGRATIONS:
        return None
    ny, nx = image_shape
    chosen = np.unique(np.linspace(0, nints - 1, _MOST_INTEGRATIONS).round().astype(int))
    typical_ramp = np.empty((ngroups - 1, ny, nx), np.float32)
    rows = max(1, _SAMPLE_BYTES // (len(chosen) * typical_ramp[:, 0].nbytes) // _CELL) * _CELL
    for start in range(0, ny, rows):
        strip = slice(start, min(start + rows, ny))
        sample = np.stack([_read_levelled(images, int(i), image_shape, strip) for i in chosen])
        _leave_out_what_stands_out(sample)
        middle = medians(sample.reshape(len(chosen), -1)).reshape(sample.shape[1:])
        typical = medians(middle.reshape(ngroups - 1, -1)).reshape(middle.shape[1:])
        typical_ramp[:, strip] = np.nan_to_num(middle - typical)
    return typical_ramp


def _read_levelled(
    images: Images, integration: int, image_shape: tuple[int, int], rows: slice
) -> NDArray[np.float32]:
    """Return the differences of some rows, less what drifts in this integration only."""
    box = rows, slice(0, image_shape[1])
    differences = read_differences(images, integration, image_shape, box).values
    level, noise = level_and_noise(differences)
    differences -= common(differences - level, noise)
    return differences


def _leave_out_what_stands_out(sample: NDArray[np.float32]) -> None:
    """Set to NaN, in place, each cell of an integration that has a shower.

    A bright shower in one integration would move even the median of all, by little, but over all of
    its pixels; so that the others would seem to have its opposite.
    """
    means = _cell_means(sample)
    away = np.abs(means - medians(means.reshape(len(means), -1)).reshape(means.shape[1:]))
    ncells = means.shape[2] * means.shape[3]
    noise = 1.4826 * medians(away.reshape(-1, ncells)).reshape(means.shape[2:])
    is_out = np.any(away > _STANDS_OUT * noise, axis=1)
    is_out = _repeated(is_out, sample.shape)
    sample[np.broadcast_to(is_out[:, np.newaxis], sample.shape)] = np.nan


def common(differences: NDArray[np.float32], noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what rows have in common; or frames, as far as rows are too short to tell their drift.

    Without the cells that stand out from it, since a bright shower would move it along its rows.

    Parameters
    ----------
    differences : `numpy.ndarray`
        Less the level of each pixel, in DN, ``(n, ny, nx)`` float32; NaN where unknown.
    noise : `numpy.ndarray`
        Noise of each pixel in one difference, ``(ny, nx)``.

    Returns
    -------
    `numpy.ndarray`
        ``(n, ny, 1)`` float32.
    """
    ny, nx = differences.shape[1:]
    use = np.isfinite(differences)
    there = np.where(use, differences, np.float32(0))
    used = use.astype(np.float32)
    rows = _locations(there, used, noise)
    cells = np.nan_to_num(_means_of_cells(there, used))
    expected = np.sqrt(_cell_means(noise[np.newaxis] ** 2)[0] / _CELL**2 / _RUNNING)
    for factor in _STANDS_OUT * np.array([4.0, 2.0, 1.0]):  # the brightest move all of their rows
        away = uniform_filter1d(cells - _cell_means(rows), _RUNNING, axis=0)
        is_out = np.any(np.abs(away) > factor * expected, axis=0)
        if not is_out.any():
            continue
        left_out = _repeated(maximum_filter(is_out, _AROUND), (ny, nx))
        left_out = left_out & (np.mean(left_out, axis=1, keepdims=True) < _MOST_OUT)
        used *= ~left_out
        again = left_out.any(axis=1)
        rows[:, again] = _locations(there[:, again], used[:, again], noise[again])
    if nx >= LEAST_ROW:
        return rows
    flat = (len(differences), 1, ny * nx)
    images = _locations(there.reshape(flat), used.reshape(flat), noise.reshape(1, -1))
    drift = float(np.mean((rows - images) ** 2))
    known = noise[np.isfinite(noise)]
    by_chance = float(np.median(known)) ** 2 / nx if known.size else 0.0
    part = float(np.clip(2 * (1 - by_chance / drift), 0, 1)) if drift > 0 else 0.0
    shrunk: NDArray[np.float32] = images + np.float32(part) * (rows - images)
    return shrunk


def _locations(
    there: NDArray[np.float32], used: NDArray[np.float32], noise: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the location of each row: the mean of what is within a limit of it.

    The median would be that of residuals that are 0 in one of a pixel's differences, and what is
    left of slow drifts would not average out over the rows of a large glow.
    """
    count = np.maximum(used.sum(axis=2), 1)
    limit = np.nan_to_num(noise)
    rows = np.zeros((*there.shape[:2], 1), np.float32)
    for clip in (_FIRST_CLIP, _ROW_CLIP, _ROW_CLIP):
        left = there - rows
        np.maximum(left, -clip * limit, out=left)
        np.minimum(left, clip * limit, out=left)
        rows += (np.einsum("kij,kij->ki", left, used) / count)[..., np.newaxis]
    return rows


def _cell_means(cube: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of each cell of images, NaN left out."""
    known = np.isfinite(cube)
    return _means_of_cells(np.where(known, cube, np.float32(0)), known.astype(np.float32))


def _means_of_cells(there: NDArray[np.float32], used: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of each cell of images that are 0 where they are not used."""
    total, count = _cell_sums(there), _cell_sums(used)
    means: NDArray[np.float32] = np.divide(
        total, count, out=np.full_like(total, np.nan), where=count > 0
    )
    return means


def _cell_sums(cube: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sum of each cell; those at the far edges may be smaller."""
    ny, nx = cube.shape[-2:]
    if ny % _CELL or nx % _CELL:
        cube = np.pad(cube, [(0, 0)] * (cube.ndim - 2) + [(0, -ny % _CELL), (0, -nx % _CELL)])
    *others, height, width = cube.shape
    rows = cube.reshape(*others, height // _CELL, _CELL, width).sum(axis=-2)
    sums: NDArray[np.float32] = rows.reshape(*rows.shape[:-1], width // _CELL, _CELL).sum(axis=-1)
    return sums


def _repeated(cells: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return for each pixel what is said of its cell."""
    pixels = cells.repeat(_CELL, axis=-2).repeat(_CELL, axis=-1)
    return pixels[..., : shape[-2], : shape[-1]]
