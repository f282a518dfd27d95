"""The amplifiers of a detector, which differ in level and noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from showermask.exposure.product import Exposure

__all__ = [
    "amplifiers_of",
    "frame_shape_of",
    "instrument_of",
    "reference_pixels",
    "reference_pixels_of",
]

#: Rows and columns of the detectors.
_MIRI_FRAME, _NIR_FRAME = (1024, 1032), (2048, 2048)
#: MIRI reads four neighbouring columns at a time; the others read stripes.
_OUTPUTS, _STRIPE = 4, 512
#: Reference pixels at the edges: MIRI has them left and right, the others all around.
_BORDER = 4


def frame_shape_of(detector: str) -> tuple[int, int]:
    """Return rows and columns of a whole detector, by its name."""
    return _MIRI_FRAME if detector.upper().startswith("MIR") else _NIR_FRAME


def instrument_of(detector: str) -> str:
    """Return the instrument of a detector, by its name."""
    starts = {"MIR": "MIRI", "NRC": "NIRCAM", "NRS": "NIRSPEC", "NIS": "NIRISS", "GUI": "FGS"}
    return starts.get(detector.upper()[:3], "")


def reference_pixels_of(detector: str) -> NDArray[np.bool_]:
    """Return the pixels of a whole detector that see no light.

    Parameters
    ----------
    detector : str
        Its name.

    Returns
    -------
    `numpy.ndarray`
        ``(ny, nx)`` bool.
    """
    ny, nx = frame_shape_of(detector)
    found = np.zeros((ny, nx), bool)
    found[:, :_BORDER] = found[:, -_BORDER:] = True
    if instrument_of(detector) != "MIRI":
        found[:_BORDER] = found[-_BORDER:] = True
    return found


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
    whole = reference_pixels_of(_name_of(exposure))
    part = whole[row : row + ny, column : column + nx]
    found: NDArray[np.bool_] = np.zeros((ny, nx), bool)
    found[: part.shape[0], : part.shape[1]] = part
    return found


def _name_of(exposure: Exposure) -> str:
    return str(exposure.detector or exposure.instrument or "")


def _is_miri(exposure: Exposure) -> bool:
    return instrument_of(_name_of(exposure)) == "MIRI"
