"""The smooth background of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter, zoom

__all__ = ["smooth_background"]

#: Boxes, in cells along each axis: wider than showers.
_BOX = 64
#: A median needs no more values than this.
_SAMPLE = 1000


def smooth_background(
    image: NDArray[np.float32], known: NDArray[np.bool_], box: int = _BOX
) -> NDArray[np.float32]:
    """Return an image as the medians of large boxes have it, interpolated in between.

    Boxes that stand out among their neighbours are replaced: what is wider than a few boxes is
    background, and a shower is not.

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
        sample = image[known]
        level = np.median(sample[:: max(1, len(sample) // _SAMPLE)]) if sample.size else 0.0
        return np.full_like(image, level)
    rows, columns = (
        np.linspace(0, height, ny + 1).astype(int),
        np.linspace(0, width, nx + 1).astype(int),
    )
    medians = np.zeros((ny, nx), np.float32)
    for j in range(ny):
        for i in range(nx):
            cells = slice(rows[j], rows[j + 1]), slice(columns[i], columns[i + 1])
            inside = image[cells][known[cells]]
            sample = inside[:: max(1, len(inside) // _SAMPLE)]
            medians[j, i] = np.median(sample) if sample.size else 0.0
    medians = median_filter(medians, 3, mode="nearest")
    smooth: NDArray[np.float32] = zoom(
        medians, (height / ny, width / nx), order=1, mode="nearest", grid_mode=True
    )
    return smooth
