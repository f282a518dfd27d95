"""The ellipse of a glow, and how it goes in time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, label

from showermask.glow.aperture_fit import best_aperture, soft_mask
from showermask.glow.time_filters import TimeFilters
from showermask.propose.detect import Peak
from showermask.propose.residuals import BIN, Residuals
from showermask.regionfile.ellipse import Ellipse

__all__ = ["LARGEST", "Glow", "measure_glow"]

#: Contour of the ellipse, as a part of the peak: with it an aperture has most signal for its noise.
_CONTOUR = 0.3
#: Largest semi-axis in pixels, as of the showers that the pipeline itself masks.
LARGEST = 200.0
_SMALLEST = 2.0
#: Smallest area in pixels: what is smaller is a hit, or a pixel.
_SMALLEST_AREA = 24.0
#: A smoothed peak must stand out so much for its contour to mean anything.
_CLEAR = 7.0
_SMOOTHINGS = (1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 11.0, 16.0, 22.0)  # bins


@dataclass(frozen=True, kw_only=True)
class Glow:
    """A glow, measured.

    Parameters
    ----------
    ellipse : Ellipse
        Where it is, in pixels of the frame.
    filter : int
        The filter that suits it best.
    significance : float
        Signal-to-noise ratio in the ellipse.
    curve, errors : `numpy.ndarray`
        Mean residual in the ellipse in DN of each difference, and its error, ``(ndiff,)``.
    amplitude : float
        Residual in DN that the strongest difference has, fitted.
    noise : float
        Noise of one pixel in one difference in DN.
    compactness : float
        Part of the signal that comes from the tenth of the bins that have most.
    brightness : float
        Median of what the sources in the ellipse have in one difference, in units of its noise.
    blind : float
        Part of the ellipse where nothing can be seen.
    """

    ellipse: Ellipse
    filter: int
    significance: float
    curve: NDArray[np.float64]
    errors: NDArray[np.float64]
    amplitude: float
    noise: float
    compactness: float
    brightness: float
    blind: float


def measure_glow(residuals: Residuals, filters: TimeFilters, peak: Peak) -> Glow | None:
    """Fit ellipse and time of a glow to the residuals around a peak."""
    which = peak.filter
    window = _window(residuals, peak, reach=6.0)
    values, weights = residuals.values[:, *window], residuals.weights[:, *window]
    read_part = residuals.read_part[window]
    signal, power = _filtered(values, weights, filters, which, read_part)
    ellipse = _contour(signal, power, peak, window)
    if ellipse is None:
        return None
    for _ in range(2):
        ellipse = best_aperture(
            signal, power, ellipse, window, smallest=_SMALLEST / BIN, largest=LARGEST / BIN
        )
        inside = soft_mask(ellipse, window) > 0.5
        if math.pi * ellipse.a * ellipse.b * BIN**2 < _SMALLEST_AREA or not inside.any():
            return None
        curve, errors = _light_curve(values, weights, inside)
        which = _best_filter(curve, errors, filters)
        signal, power = _filtered(values, weights, filters, which, read_part)
    mask = soft_mask(ellipse, window)
    significance = (
        float(np.sum(mask * signal) / math.sqrt(np.sum(mask**2 * power) or 1.0)) / peak.excess
    )
    shape = filters.shape[which]
    used = np.isfinite(errors)
    response = float(filters.weights[which][used] @ shape[used])
    amplitude = float(filters.weights[which][used] @ curve[used]) / response if response else 0.0
    known = weights[weights > 0]
    return Glow(
        ellipse=_in_pixels(ellipse),
        filter=which,
        significance=significance,
        curve=curve,
        errors=errors,
        amplitude=amplitude,
        noise=float(BIN / math.sqrt(np.median(known))) if known.size else math.nan,
        compactness=_compactness(signal[inside]),
        brightness=float(np.median(residuals.brightness[window][inside])),
        blind=float(np.mean(power[inside] <= 0)),
    )


def _compactness(signal: NDArray[np.float64]) -> float:
    """Return the part of the signal that the brightest tenth of the bins has."""
    ordered = np.sort(signal)[::-1]
    total = float(ordered.sum())
    tenth = float(ordered[: max(1, len(ordered) // 10)].sum())
    return tenth / total if total > 0 else 1.0


def _window(residuals: Residuals, peak: Peak, reach: float) -> tuple[slice, slice]:
    """Return the bins around a peak, so many of its sizes to each side."""
    half = max(8, math.ceil(reach * peak.size / BIN))
    centre = round((peak.y + 0.5) / BIN - 0.5), round((peak.x + 0.5) / BIN - 0.5)
    rows, columns = (
        slice(max(0, c - half), min(size, c + half + 1))
        for c, size in zip(centre, residuals.brightness.shape, strict=True)
    )
    return rows, columns


def _filtered(
    values: NDArray[np.float32],
    weights: NDArray[np.float32],
    filters: TimeFilters,
    which: int,
    read_part: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return signal and variance of each bin."""
    coefficients = filters.weights[which].astype(float)
    signal = np.tensordot(coefficients, values * weights, 1)
    power = np.tensordot(coefficients**2, weights, 1) * filters.inflation(which, read_part)
    return signal, power


def _contour(
    signal: NDArray[np.float64],
    power: NDArray[np.float64],
    peak: Peak,
    window: tuple[slice, slice],
) -> Ellipse | None:
    """Return the ellipse of the component above the contour; bins of the frame."""
    x, y = (
        (peak.x + 0.5) / BIN - 0.5 - window[1].start,
        (peak.y + 0.5) / BIN - 0.5 - window[0].start,
    )
    largest = peak.size / BIN
    for sigma in (*(s for s in _SMOOTHINGS if s < largest), largest):
        smoothed = gaussian_filter(signal, sigma)
        noise = np.sqrt(
            np.maximum(gaussian_filter(power, sigma / math.sqrt(2)), 1e-30) / (4 * np.pi * sigma**2)
        )
        gain = np.maximum(gaussian_filter(power, sigma), 1e-30)
        near = _near(smoothed / noise, x, y, largest)
        if (smoothed / noise)[near] >= _CLEAR:
            break
    amplitude = smoothed / gain
    components, _ = label(amplitude > _CONTOUR * amplitude[near])
    if components[near] == 0:
        return None
    rows, columns = np.nonzero(components == components[near])
    return _of_moments(rows, columns, sigma, window)


def _near(image: NDArray[np.float64], x: float, y: float, reach: float) -> tuple[int, int]:
    """Return the brightest bin within reach of a place."""
    rows, columns = np.indices(image.shape)
    distance = np.hypot(rows - y, columns - x)
    within = np.where(distance <= max(2.0, reach), image, -np.inf)
    row, column = np.unravel_index(int(np.argmax(within)), image.shape)
    return int(row), int(column)


def _of_moments(
    rows: NDArray[np.intp], columns: NDArray[np.intp], sigma: float, window: tuple[slice, slice]
) -> Ellipse:
    """Return the ellipse with the moments of a set of bins, less what smoothing has added."""
    area = len(rows)
    y, x = rows.mean(), columns.mean()
    covariance = (
        np.cov(np.stack([columns, rows]).astype(float), bias=True) if area > 1 else np.eye(2)
    )
    covariance += np.eye(2) / 12
    roots, axes = np.linalg.eigh(covariance)
    b, a = 2 * np.sqrt(np.maximum(roots, 0.25))
    shrink = [math.sqrt(max(s**2 - 0.6 * sigma**2, 0.25 * s**2)) / s for s in (a, b)]
    theta = math.degrees(math.atan2(axes[1, 1], axes[0, 1]))
    return Ellipse(
        x=x + window[1].start, y=y + window[0].start, a=a * shrink[0], b=b * shrink[1], theta=theta
    )


def _light_curve(
    values: NDArray[np.float32], weights: NDArray[np.float32], inside: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    total = weights[:, inside].sum(axis=1, dtype=float)
    sums = (values[:, inside] * weights[:, inside]).sum(axis=1, dtype=float)
    curve = np.divide(sums, total, out=np.zeros_like(total), where=total > 0)
    errors = np.divide(1, np.sqrt(total), out=np.full_like(total, np.inf), where=total > 0)
    return curve, errors


def _best_filter(
    curve: NDArray[np.float64], errors: NDArray[np.float64], filters: TimeFilters
) -> int:
    weight = np.where(np.isfinite(errors), 1 / errors**2, 0.0)
    found = filters.weights @ (curve * weight)
    noise = np.sqrt((filters.weights**2) @ weight * filters.coloured)
    return int(
        np.argmax(np.divide(found, noise, out=np.full_like(found, -np.inf), where=noise > 0))
    )


def _in_pixels(ellipse: Ellipse) -> Ellipse:
    return Ellipse(
        x=(ellipse.x + 0.5) * BIN - 0.5,
        y=(ellipse.y + 0.5) * BIN - 0.5,
        a=ellipse.a * BIN,
        b=ellipse.b * BIN,
        theta=ellipse.theta,
    )
