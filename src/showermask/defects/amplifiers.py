"""The amplifiers of a detector, which differ in level and noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from showermask.exposure.product import Exposure

__all__ = ["amplifiers_of", "frame_shape_of", "reference_pixels"]

#: Rows and columns of the detectors.
_MIRI_FRAME, _NIR_FRAME = (1024, 1032), (2048, 2048)
#: MIRI reads four neighbouring columns at a time; the others read stripes.
_OUTPUTS, _STRIPE = 4, 512
#: Reference pixels at the edges: MIRI has them left and right, the others all around.
_BORDER = 4


def frame_shape_of(exposure: Exposure) -> tuple[int, int]:
    """Return rows and columns of the whole detector of an exposure."""
    return _MIRI_FRAME if _is_miri(exposure) else _NIR_FRAME


def amplifiers_of(exposure: Exposure) -> NDArray[np.intp]:
    """Return which amplifier reads each column.

    Parameters
    ----------
    exposure : Exposure
        The exposure.

    Returns
    -------
    `numpy.ndarray`
        ``(nx,)``: 0 to 3; all 0 in subarrays of the near-infrared detectors, which have one.
    """
    nx = exposure.image_shape[1]
    columns = exposure.corner[1] + np.arange(nx)
    if _is_miri(exposure):
        return columns % _OUTPUTS
    return columns // _STRIPE if nx == _NIR_FRAME[1] else np.zeros(nx, np.intp)


def reference_pixels(exposure: Exposure) -> NDArray[np.bool_]:
    """Return the pixels that see no light.

    Parameters
    ----------
    exposure : Exposure
        The exposure.

    Returns
    -------
    `numpy.ndarray`
        ``(ny, nx)`` bool.
    """
    (ny, nx), (row, column) = exposure.image_shape, exposure.corner
    rows, columns = frame_shape_of(exposure)
    x, y = column + np.arange(nx), row + np.arange(ny)
    is_side = (x < _BORDER) | (x >= columns - _BORDER)
    is_end = np.zeros(ny, bool) if _is_miri(exposure) else (y < _BORDER) | (y >= rows - _BORDER)
    found: NDArray[np.bool_] = is_end[:, np.newaxis] | is_side
    return found


def _is_miri(exposure: Exposure) -> bool:
    return str(exposure.detector or exposure.instrument or "").upper().startswith("MIR")
