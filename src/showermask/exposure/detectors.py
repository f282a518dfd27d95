"""The detectors: frames, reference pixels, amplifiers, directions of read-out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from showermask.exposure.product import Exposure

__all__ = [
    "DETECTORS",
    "amplifiers_of",
    "axes_of",
    "frame_shape_of",
    "instrument_of",
    "reference_pixels",
    "reference_pixels_of",
]

#: Detectors, their instruments, and FASTAXIS and SLOWAXIS of their images (JDox).
_FACTS: dict[str, tuple[str, int, int]] = {
    **dict.fromkeys(("MIRIMAGE", "MIRIFULONG", "MIRIFUSHORT"), ("MIRI", 1, 2)),
    **dict.fromkeys(("NRCA1", "NRCA3", "NRCALONG", "NRCB2", "NRCB4"), ("NIRCAM", -1, 2)),
    **dict.fromkeys(("NRCA2", "NRCA4", "NRCB1", "NRCB3", "NRCBLONG"), ("NIRCAM", 1, -2)),
    "NRS1": ("NIRSPEC", 2, 1),
    "NRS2": ("NIRSPEC", -2, -1),
    "NIS": ("NIRISS", -2, -1),
    "GUIDER1": ("FGS", -2, -1),
    "GUIDER2": ("FGS", 2, -1),
}
#: Names of the detectors.
DETECTORS = tuple(_FACTS)

#: Rows and columns.
_MIRI_FRAME, _NIR_FRAME = (1024, 1032), (2048, 2048)
#: MIRI reads four neighbouring columns at a time; the others read stripes.
_OUTPUTS, _STRIPE = 4, 512
#: Reference pixels at the edges: MIRI has them left and right, the others all around.
_BORDER = 4


def instrument_of(detector: str) -> str:
    """Return the instrument of a detector, by its name; empty where it is none."""
    return _FACTS.get(detector.upper(), ("", 0, 0))[0]


def axes_of(detector: str) -> tuple[int, int]:
    """Return FASTAXIS and SLOWAXIS of a detector, by its name."""
    _, fast, slow = _FACTS[detector.upper()]
    return fast, slow


def frame_shape_of(detector: str) -> tuple[int, int]:
    """Return rows and columns of a whole detector, by its name."""
    return _MIRI_FRAME if detector.upper().startswith("MIR") else _NIR_FRAME


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
    found = np.zeros(frame_shape_of(detector), bool)
    found[:, :_BORDER] = found[:, -_BORDER:] = True
    if not detector.upper().startswith("MIR"):
        found[:_BORDER] = found[-_BORDER:] = True
    return found


def reference_pixels(exposure: Exposure) -> NDArray[np.bool_]:
    """Return the pixels of an exposure that see no light.

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
    whole = reference_pixels_of(exposure.detector or "")
    part = whole[row : row + ny, column : column + nx]
    found: NDArray[np.bool_] = np.zeros((ny, nx), bool)
    found[: part.shape[0], : part.shape[1]] = part
    return found


def amplifiers_of(exposure: Exposure) -> NDArray[np.intp]:
    """Return which amplifier reads each pixel.

    Parameters
    ----------
    exposure : Exposure
        The exposure.

    Returns
    -------
    `numpy.ndarray`
        ``(ny, nx)``: 0 to 3; all 0 in subarrays of the near-infrared detectors that are narrower
        than all stripes, which one amplifier reads.
    """
    ny, nx = exposure.image_shape
    name = (exposure.detector or "").upper()
    found: NDArray[np.intp] = np.zeros((ny, nx), np.intp)
    if name.startswith("MIR"):
        found[:] = (exposure.corner[1] + np.arange(nx)) % _OUTPUTS
        return found
    # Stripes lie along the slow axis: they part the columns where columns are the fast one.
    is_fast_x = abs(axes_of(name)[0]) == 1 if name in _FACTS else True
    if is_fast_x and nx == _NIR_FRAME[1]:
        found[:] = np.arange(nx) // _STRIPE
    elif not is_fast_x and ny == _NIR_FRAME[0]:
        found[:] = (np.arange(ny) // _STRIPE)[:, np.newaxis]
    return found
