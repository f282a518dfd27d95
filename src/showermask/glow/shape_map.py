"""The map of a glow: its noisy amplitudes, without what is likely to be noise.

The map is split into planes of one scale each (the starlet transform of Starck, Fadili & Murtagh
2007, IEEE Trans. Image Process. 16, 297). Each plane is multiplied, place by place, with the part
of its power that is not noise (empirical Wiener, or James-Stein, shrinkage), and the planes are
added again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, gaussian_filter

__all__ = ["denoised_map"]

#: The B3 spline.
_KERNEL = np.array([1, 4, 6, 4, 1], np.float32) / 16
#: Standard deviation of each plane, and of the smooth rest after it, for white noise of 1.
_OF_PLANE = (0.8908, 0.2007, 0.0856, 0.0413, 0.0205, 0.0103)
_OF_REST = (0.2735, 0.1240, 0.0603, 0.0300, 0.0150, 0.0075)
#: Power of a plane, in units of that of noise, below which it is taken for noise.
_LEAST_POWER = (2.4, 2.0, 1.7, 1.5, 1.5, 1.5)
#: Power is averaged over a Gaussian of so many times the scale.
_AVERAGED = 1.5


def denoised_map(
    amplitude: NDArray[np.floating],
    variance: NDArray[np.floating],
    window: NDArray[np.floating],
    *,
    planes: int,
) -> NDArray[np.float32]:
    """Return the smooth map of a glow, nowhere negative.

    Parameters
    ----------
    amplitude : `numpy.ndarray`
        ``(rows, columns)``: measured amplitudes.
    variance : `numpy.ndarray`
        Their variance; infinite where nothing is known, which is filled from what is around.
    window : `numpy.ndarray`
        Likewise, 0 to 1: where the glow may be.
    planes : int
        Number of planes, 1 to 6; the last one has structures of ``2**planes`` cells.

    Returns
    -------
    `numpy.ndarray`
        ``(rows, columns)`` float32.
    """
    known = np.isfinite(variance) & (variance > 0)
    if not known.any():
        return np.zeros(amplitude.shape, np.float32)
    typical = float(np.median(variance[known]))
    weight = np.where(known, np.minimum(typical / np.where(known, variance, 1.0), 1.0), 0.0)
    measured = np.where(known, amplitude, 0.0)
    # A cell that tells little has what its neighbours say.
    around = gaussian_filter(measured * weight, 2.0) / np.maximum(
        gaussian_filter(weight, 2.0), 1e-6
    )
    filled = ((weight * measured + (1 - weight) * around) * window).astype(np.float32)
    noise = np.sqrt(typical * gaussian_filter(np.clip(weight, 0.05, 1.0), 2.0)).astype(np.float32)
    total = np.zeros_like(filled)
    smooth = filled
    for scale in range(planes):
        smoother = _smoothed(smooth, scale)
        plane = smooth - smoother
        total += plane * _part_of_signal(
            plane, _OF_PLANE[scale] * noise, scale, _LEAST_POWER[scale]
        )
        smooth = smoother
    rest_noise = _OF_REST[planes - 1] * noise
    total += smooth * _part_of_signal(smooth, rest_noise, planes - 1, _LEAST_POWER[-1])
    whole: NDArray[np.float32] = np.maximum(total, 0) * window.astype(np.float32)
    return whole


def _smoothed(image: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
    kernel = np.zeros(4 * 2**scale + 1, np.float32)
    kernel[:: 2**scale] = _KERNEL
    once = convolve1d(image, kernel, axis=0, mode="nearest")
    twice: NDArray[np.float32] = convolve1d(once, kernel, axis=1, mode="nearest")
    return twice


def _part_of_signal(
    plane: NDArray[np.float32], noise: NDArray[np.float32], scale: int, least: float
) -> NDArray[np.float32]:
    """Return the part of the power of each place of a plane that is not noise."""
    power = gaussian_filter(plane**2, _AVERAGED * 2**scale, truncate=3.0)
    ratio = np.divide(power, noise**2, out=np.zeros_like(power), where=noise > 0)
    part = np.where(ratio > least, 1 - 1 / np.maximum(ratio, 1.0), 0)
    return part.astype(np.float32)
