"""The map of a glow: its noisy amplitudes, without what is likely to be noise.

The map is split into planes of one scale each (the starlet transform of Starck, Fadili & Murtagh
2007, IEEE Trans. Image Process. 16, 297). Each plane is multiplied, place by place, with the part
of its power that is not noise (empirical Wiener, or James-Stein, shrinkage), and the planes are
added again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, gaussian_filter

__all__ = ["ShapeMap", "denoised_map", "map_snr", "unbiased_map"]

#: The B3 spline.
_KERNEL = np.array([1, 4, 6, 4, 1], np.float32) / 16
#: Standard deviation of each plane, and of the smooth rest after it, for white noise of 1.
_OF_PLANE = (0.8908, 0.2007, 0.0856, 0.0413, 0.0205, 0.0103)
_OF_REST = (0.2735, 0.1240, 0.0603, 0.0300, 0.0150, 0.0075)
#: Power of a plane, in units of that of noise, below which it is taken for noise.
_LEAST_POWER = (2.4, 2.0, 1.7, 1.5, 1.5, 1.5)
#: Power is averaged over a Gaussian of so many times the scale.
_AVERAGED = 1.5
#: What is known badly is filled from a Gaussian of so many cells around it.
_AROUND = 2.0
#: The map is scaled by no less and no more, for all of the light.
_RESCALED = 0.8, 1.5


@dataclass(frozen=True, kw_only=True, eq=False)
class ShapeMap:
    """The smooth map of a glow, and how well it is known.

    Parameters
    ----------
    image : `numpy.ndarray`
        ``(rows, columns)`` float32: nowhere negative.
    variance : `numpy.ndarray`
        Likewise: variance of the noise that is left in it.
    """

    image: NDArray[np.float32]
    variance: NDArray[np.float32]


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
    measured = _Measured.of(amplitude, variance)
    if measured is None:
        return np.zeros(amplitude.shape, np.float32)
    return np.maximum(_Shrinkage(measured, window, planes).apply(measured.values), 0)


def unbiased_map(
    amplitude: NDArray[np.floating],
    variance: NDArray[np.floating],
    window: NDArray[np.floating],
    *,
    planes: int,
    rng: np.random.Generator,
    draws: int = 4,
    excess: Sequence[float] = (1.0,) * 7,
) -> ShapeMap:
    """Return the smooth map of a glow with all of its light, and its noise.

    Shrinkage takes away some of the light with the noise. The map is scaled so that it fits the
    measured amplitudes best, less what it follows of their own noise.

    Parameters
    ----------
    amplitude, variance, window : `numpy.ndarray`
        As for `denoised_map`.
    planes : int
        Number of planes, 1 to 6.
    rng : `numpy.random.Generator`
        For draws of noise.
    draws : int, optional
        How many.
    excess : sequence of float, optional
        Noise of structures of 1, 2, 4 … cells, in units of what the variance says.

    Returns
    -------
    ShapeMap
        The map.

    Notes
    -----
    With the weights fixed the map is linear in the amplitudes. The number of degrees of freedom
    that it spends on noise is the mean of ``z f(z) / v`` over draws of noise ``z`` (Stein 1981,
    Ann. Statist. 9, 1135; Ramani, Blu & Unser 2008, IEEE Trans. Image Process. 17, 1540).
    """
    measured = _Measured.of(amplitude, variance)
    if measured is None:
        nothing = np.zeros(amplitude.shape, np.float32)
        return ShapeMap(image=nothing, variance=nothing)
    shrinkage = _Shrinkage(measured, window, planes, excess)
    image = np.maximum(shrinkage.apply(measured.values), 0)
    noise = measured.variance
    square = np.zeros_like(image)
    spent = 0.0
    for _ in range(draws):
        drawn = (np.sqrt(noise) * rng.standard_normal(image.shape)).astype(np.float32)
        followed = shrinkage.apply(drawn)
        square += followed**2 / draws
        spent += float(np.sum((drawn * followed / noise)[image > 0])) / draws
    power = float(np.sum(image**2 / noise))
    if power > 0:
        scale = (float(np.sum(image * measured.values / noise)) - spent) / power
        image *= np.float32(np.clip(scale, *_RESCALED))
    return ShapeMap(image=image, variance=gaussian_filter(square, _AROUND))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Measured:
    """Amplitudes, filled where they are not known, and their variance."""

    values: NDArray[np.float32]
    variance: NDArray[np.float32]

    @classmethod
    def of(
        cls, amplitude: NDArray[np.floating], variance: NDArray[np.floating]
    ) -> _Measured | None:
        """Return them; None where nothing is known."""
        known = np.isfinite(variance) & (variance > 0)
        if not known.any():
            return None
        typical = float(np.median(variance[known]))
        weight = np.where(known, np.minimum(typical / np.where(known, variance, 1.0), 1.0), 0.0)
        measured = np.where(known, amplitude, 0.0)
        # A cell that tells little has what its neighbours say.
        around = gaussian_filter(measured * weight, _AROUND) / np.maximum(
            gaussian_filter(weight, _AROUND), 1e-6
        )
        return cls(
            values=(weight * measured + (1 - weight) * around).astype(np.float32),
            variance=(typical * np.clip(weight, 0.05, 1.0)).astype(np.float32),
        )


class _Shrinkage:
    """The part of each place of each plane of a map that is not noise."""

    def __init__(
        self,
        measured: _Measured,
        window: NDArray[np.floating],
        planes: int,
        excess: Sequence[float] = (1.0,) * 7,
    ) -> None:
        self._window = window.astype(np.float32)
        noise = np.sqrt(gaussian_filter(measured.variance, _AROUND))
        self._parts = []
        smooth = measured.values * self._window
        for scale in range(planes):
            smoother = _smoothed(smooth, scale)
            self._parts.append(
                _part_of_signal(
                    smooth - smoother,
                    np.float32(excess[scale] * _OF_PLANE[scale]) * noise,
                    scale,
                    _LEAST_POWER[scale],
                )
            )
            smooth = smoother
        rest_noise = np.float32(excess[planes] * _OF_REST[planes - 1]) * noise
        self._rest = _part_of_signal(smooth, rest_noise, planes - 1, _LEAST_POWER[-1])

    def apply(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return an image with the same parts of its planes."""
        smooth = image * self._window
        total = np.zeros_like(smooth)
        for scale, part in enumerate(self._parts):
            smoother = _smoothed(smooth, scale)
            total += (smooth - smoother) * part
            smooth = smoother
        whole: NDArray[np.float32] = (total + smooth * self._rest) * self._window
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


def map_snr(
    image: NDArray[np.float32], amplitude: NDArray[np.float64], variance: NDArray[np.float64]
) -> float:
    """Return the signal-to-noise ratio of a map in the amplitudes that it was made of.

    Parameters
    ----------
    image : `numpy.ndarray`
        ``(rows, columns)``: the map.
    amplitude, variance : `numpy.ndarray`
        Likewise; the variance is infinite where nothing is known.

    Returns
    -------
    float
        That of the sum of amplitudes, weighted with the map; 0 where nothing is known.
    """
    known = np.isfinite(variance)
    weights = np.divide(image, variance, out=np.zeros(image.shape), where=known)
    noise = float(np.sqrt(np.sum(weights * image)))
    return float(np.sum(weights * np.where(known, amplitude, 0.0))) / noise if noise > 0 else 0.0
