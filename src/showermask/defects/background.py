"""Level and scatter over a detector, with which a pixel is compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter, zoom

__all__ = ["local_level", "robust_sigma", "sigma_of_amplifiers"]

#: Pixels of a cell along each axis; a cell needs so many known ones.
_CELL, _LEAST = 32, 20
_OF_NORMAL = 1.4826


def robust_sigma(values: NDArray[np.floating]) -> float:
    """Return the standard deviation of a sample, as the middle of its deviations tells it.

    Parameters
    ----------
    values : `numpy.ndarray`
        The sample; NaN is left out.

    Returns
    -------
    float
        The standard deviation; 0 of nothing.
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0
    return _OF_NORMAL * float(np.median(np.abs(known - np.median(known))))


def local_level(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the level of an image around each pixel: medians of cells, interpolated.

    Parameters
    ----------
    image : `numpy.ndarray`
        ``(ny, nx)``; NaN where unknown.

    Returns
    -------
    `numpy.ndarray`
        ``(ny, nx)`` float32.
    """
    ny, nx = image.shape
    rows, columns = (max(1, round(size / _CELL)) for size in (ny, nx))
    y, x = (
        np.linspace(0, size, count + 1).round().astype(int)
        for size, count in ((ny, rows), (nx, columns))
    )
    cells = np.full((rows, columns), np.nan, np.float32)
    for i in range(rows):
        for j in range(columns):
            cell = image[y[i] : y[i + 1], x[j] : x[j + 1]]
            known = cell[np.isfinite(cell)]
            if known.size >= _LEAST:
                cells[i, j] = np.median(known)
    known_cells = cells[np.isfinite(cells)]
    if not known_cells.size:
        known = image[np.isfinite(image)]
        return np.full(image.shape, np.median(known) if known.size else 0.0, np.float32)
    cells = np.where(np.isfinite(cells), cells, np.median(known_cells))
    smooth = median_filter(cells, 3, mode="nearest")
    level: NDArray[np.float32] = zoom(
        smooth, (ny / rows, nx / columns), order=1, mode="nearest", grid_mode=True
    ).astype(np.float32)
    return level


def sigma_of_amplifiers(
    image: NDArray[np.float32], amplifiers: NDArray[np.intp]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return level and scatter of the pixels of each pixel's amplifier.

    Even and odd rows have a level of their own, as those of MIRI's detectors do.

    Parameters
    ----------
    image : `numpy.ndarray`
        ``(ny, nx)``; NaN where unknown.
    amplifiers : `numpy.ndarray`
        ``(ny, nx)``: the amplifier of each pixel.

    Returns
    -------
    level, sigma : `numpy.ndarray`
        ``(ny, nx)`` float32.
    """
    level = np.zeros(image.shape, np.float32)
    sigma = np.zeros(image.shape, np.float32)
    for amplifier in np.unique(amplifiers):
        here = amplifiers == amplifier
        for parity in (0, 1):
            of_rows = here[parity::2]
            values = image[parity::2][of_rows]
            known = values[np.isfinite(values)]
            level[parity::2][of_rows] = np.median(known) if known.size else 0.0
        sigma[here] = robust_sigma((image - level)[here])
    return level, sigma
