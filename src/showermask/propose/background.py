"""The smooth background of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter, zoom

__all__ = ["smooth_background"]

#: Boxes, in cells along each axis: wider than showers.
_BOX = 64
#: A median, from which a mean begins, needs no more values than this.
_SAMPLE = 1000
#: Values are cut off at so many times their spread around it for the mean, which is taken so often.
_CLIP, _ROUNDS = 2.0, 3


def smooth_background(
    image: NDArray[np.float32], known: NDArray[np.bool_], box: int = _BOX
) -> NDArray[np.float32]:
    """Return an image as large boxes have it on average, interpolated in between.

    The average is a mean without outliers: a median has a half more variance, which a large faint
    glow would have to stand out from. Boxes that stand out among their neighbours are replaced:
    what is wider than a few boxes is background, and a shower is not.

    Parameters
    ----------
    image : `numpy.ndarray`
        ``(rows, columns)``.
    known : `numpy.ndarray`
        Likewise, bool.
    box : int
        Size of the boxes, in cells.

    Returns
    -------
    `numpy.ndarray`
        ``(rows, columns)`` float32.
    """
    height, width = image.shape
    ny, nx = max(1, round(height / box)), max(1, round(width / box))
    if min(ny, nx) < 3:
        return np.full_like(image, _location(image[known]))
    rows, columns = (
        np.linspace(0, height, ny + 1).astype(int),
        np.linspace(0, width, nx + 1).astype(int),
    )
    levels = np.zeros((ny, nx), np.float32)
    for j in range(ny):
        for i in range(nx):
            cells = slice(rows[j], rows[j + 1]), slice(columns[i], columns[i + 1])
            levels[j, i] = _location(image[cells][known[cells]])
    levels = median_filter(levels, 3, mode="nearest")
    smooth: NDArray[np.float32] = zoom(
        levels, (height / ny, width / nx), order=1, mode="nearest", grid_mode=True
    )
    return smooth


def _location(values: NDArray[np.float32]) -> float:
    """Return the mean of values, those far from it cut off; 0 where there are none."""
    if not values.size:
        return 0.0
    sample = values[:: max(1, len(values) // _SAMPLE)]
    location = float(np.median(sample))
    reach = _CLIP * 1.4826 * float(np.median(np.abs(sample - location)))
    for _ in range(_ROUNDS):
        location += float(np.clip(values - location, -reach, reach).mean(dtype=np.float64))
    return location
