"""The smooth background of images."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter, zoom

from showermask.glow.differences import medians

__all__ = ["smooth_background"]

#: Boxes, in cells along each axis: wider than showers.
_BOX = 64
#: A median, from which a mean begins, needs no more values than this.
_SAMPLE = 1000
#: Values are cut off at so many times their spread around it for the mean, which is taken so often.
_CLIP, _ROUNDS = 2.0, 3


def smooth_background(
    images: NDArray[np.float32], known: NDArray[np.bool_], box: int = _BOX
) -> NDArray[np.float32]:
    """Return images as large boxes have them on average, interpolated in between.

    The average is a mean without outliers: a median has a half more variance, which a large faint
    glow would have to stand out from. Boxes that stand out among their neighbours are replaced:
    what is wider than a few boxes is background, and a shower is not.

    Parameters
    ----------
    images : `numpy.ndarray`
        ``(rows, columns)``, or ``(n, rows, columns)`` for several at once.
    known : `numpy.ndarray`
        Likewise, bool.
    box : int
        Size of the boxes, in cells.

    Returns
    -------
    `numpy.ndarray`
        Same shape, float32.
    """
    if images.ndim == 2:
        whole: NDArray[np.float32] = smooth_background(images[np.newaxis], known[np.newaxis], box)[
            0
        ]
        return whole
    height, width = images.shape[1:]
    ny, nx = max(1, round(height / box)), max(1, round(width / box))
    if min(ny, nx) < 3:
        flat = _locations(images.reshape(len(images), -1), known.reshape(len(images), -1))
        return np.broadcast_to(flat[:, np.newaxis, np.newaxis], images.shape)
    rows, columns = (
        np.linspace(0, size, count + 1).astype(int) for size, count in ((height, ny), (width, nx))
    )
    levels = np.zeros((len(images), ny, nx), np.float32)
    for j in range(ny):
        for i in range(nx):
            cells = slice(rows[j], rows[j + 1]), slice(columns[i], columns[i + 1])
            levels[:, j, i] = _locations(
                images[:, *cells].reshape(len(images), -1),
                known[:, *cells].reshape(len(images), -1),
            )
    levels = median_filter(levels, (1, 3, 3), mode="nearest")
    smooth: NDArray[np.float32] = _between(ny, height) @ levels @ _between(nx, width).T
    return smooth


@cache
def _between(boxes: int, cells: int) -> NDArray[np.float32]:
    """Return the matrix, ``(cells, boxes)``, that interpolates linearly between box centres."""
    matrix: NDArray[np.float32] = zoom(
        np.eye(boxes, dtype=np.float32),
        (cells / boxes, 1),
        order=1,
        mode="nearest",
        grid_mode=True,
    )
    return matrix


def _locations(values: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the mean of each row of values, those far from it cut off; 0 where there are none."""
    step = max(1, values.shape[1] // _SAMPLE)
    sample = np.where(known[:, ::step], values[:, ::step], np.float32(np.nan)).T
    location = np.nan_to_num(medians(sample))
    reach = _CLIP * 1.4826 * np.nan_to_num(medians(np.abs(sample - location)))[:, np.newaxis]
    weights = known.astype(np.float32)
    there = np.where(known, values, np.float32(0))
    count = np.maximum(weights.sum(axis=1), 1)
    for _ in range(_ROUNDS):
        left = there - location[:, np.newaxis]
        np.maximum(left, -reach, out=left)
        np.minimum(left, reach, out=left)
        location = location + np.einsum("kn,kn->k", left, weights) / count
    return location
