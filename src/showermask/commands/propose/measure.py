"""The course, the map and the size of a glow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from showermask.commands.propose.detect import Peak
from showermask.commands.propose.profile import Profile, fit_profile
from showermask.commands.propose.residuals import BIN, Residuals, sum_bins
from showermask.glow.light_curve import GlowFit, LightCurve, best_onset, fit_glow
from showermask.glow.shape_map import denoised_map
from showermask.glow.time_filters import TimeFilters
from showermask.regionfile.ellipse import Ellipse
from showermask.regionfile.entry import Box

__all__ = ["Cells", "Glow", "cut_cells", "measure_glow"]

#: Cells to each side of a peak, and of a profile in its standard deviations.
_LEAST_HALF, _REACH = 20, 5.0
#: Standard deviation of a peak in cells; larger ones are measured in larger cells.
_WIDEST = 3.3
_COARSEST = 16  # bins to a cell
#: The map of a glow fades out between so many standard deviations of its profile; that of a bright
#: one, whose wings are seen, one later.
_WHOLE, _NOTHING = 2.7, 4.2
#: Onsets that are tried around that of the best filter.
_ONSETS = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """Residuals around a place, in cells of some bins each.

    Parameters
    ----------
    box : tuple of slice
        Rows and columns, in bins of the frame.
    scale : int
        Bins to a cell, along each axis.
    values, weights : `numpy.ndarray`
        ``(ndiff, rows, columns)``, as those of the residuals.
    read_part : `numpy.ndarray`
        ``(rows, columns)``, as that of the residuals.
    """

    box: Box
    scale: int
    values: NDArray[np.float32]
    weights: NDArray[np.float32]
    read_part: NDArray[np.float32]

    @property
    def pixels(self) -> int:
        """Pixels of a cell, along each axis."""
        return BIN * self.scale

    def to_pixels(self, cell: Any, axis: int) -> Any:
        """Return the place in the frame of a place in cells; axis 0 has rows."""
        return (cell + 0.5) * self.pixels - 0.5 + self.box[axis].start * BIN

    def to_cells(self, pixel: Any, axis: int) -> Any:
        """Return the place in cells of a place in the frame; axis 0 has rows."""
        return (pixel + 0.5 - self.box[axis].start * BIN) / self.pixels - 0.5

    def combined(
        self, filters: TimeFilters, which: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return signal, its variance, and response to light of each cell, for a filter."""
        coefficients, shape = filters.weights[which], filters.shape[which]
        signal = np.tensordot(coefficients, self.values * self.weights, 1).astype(float)
        stacked = np.stack([coefficients**2, coefficients * shape]).astype(np.float32)
        power, response = np.tensordot(stacked, self.weights, 1).astype(float)
        power *= filters.inflation(which, self.read_part)
        return signal, power, response


#: Standard deviations of the profile that hold nine tenths of the light of a typical glow, and of
#: a faint one, whose profile is too narrow; and the signal-to-noise ratios of both.
_RADIUS, _FAINT_RADIUS = 2.05, 2.3
_FAINT, _CLEAR, _BRIGHT = 6.0, 12.0, 30.0
_LEAST_RADIUS, _MOST_RADIUS = 1.4, 4.5
#: Light of a ring counts that is so many times its noise.
_SEEN = 2.0
_PART = 0.92
#: A typical pixel of a glow is one of those that have this part of its peak, at least.
_BRIGHT_PART = 0.3
#: Light of a brighter cell, in units of the brightest; so many tell where a glow is.
_BRIGHTER, _MOST_PLACES = 0.2, 150


@dataclass(frozen=True, kw_only=True, eq=False)
class Glow:
    """A glow, measured.

    Parameters
    ----------
    cells : Cells
        Where it was measured.
    profile : Profile
        The Gaussian that fits it, in cells.
    filter : int
        The filter that suits it best.
    significance : float
        Signal-to-noise ratio.
    curve : LightCurve
        Amplitude of the profile in each difference, in DN.
    onset : int
        First difference with light; -1 if it glows from before the first one on.
    fit : GlowFit
        The glow that fits the light curve.
    map : `numpy.ndarray`
        ``(rows, columns)`` of the cells: light of a pixel in the strongest difference, in DN.
    amplitude, variance : `numpy.ndarray`
        Likewise, as measured.
    noise : float
        Noise of one pixel in one difference in DN.
    excess : float
        By how much noise is more than expected.
    depth : float
        How deep the deepest holes of the frame are, in units of the noise; see `Peak`.
    """

    cells: Cells
    profile: Profile
    filter: int
    significance: float
    curve: LightCurve
    onset: int
    fit: GlowFit
    map: NDArray[np.float32]
    amplitude: NDArray[np.float64]
    variance: NDArray[np.float64]
    noise: float
    excess: float
    depth: float

    @property
    def course(self) -> NDArray[np.float64]:
        """``(ndiff,)``: light of each difference, 1 in the strongest."""
        course: NDArray[np.float64] = self.fit.shape / self.fit.shape.max()
        return course

    @property
    def x(self) -> float:
        """Column of the centre, in pixels of the frame."""
        return float(self.cells.to_pixels(self.profile.x, 1))

    @property
    def y(self) -> float:
        """Row of the centre, in pixels of the frame."""
        return float(self.cells.to_pixels(self.profile.y, 0))

    @property
    def size(self) -> float:
        """Standard deviation, the geometric mean of both axes, in pixels."""
        longer, shorter = self.profile.axes
        return math.sqrt(longer * shorter) * self.cells.pixels

    @property
    def light(self) -> float:
        """Light of all its pixels in the strongest difference, in DN."""
        return float(self.map.sum()) * self.cells.pixels**2

    @property
    def typical_light(self) -> float:
        """Light of a typical one of its brighter pixels in the strongest difference, in DN."""
        return float(np.median(self.map[self.map > _BRIGHT_PART * self.map.max()]))

    @property
    def first_light(self) -> int:
        """The first difference that shows it."""
        return max(self.onset, int(np.argmax(self.curve.known)))

    @cached_property
    def bright_places(self) -> NDArray[np.float64]:
        """``(n, 2)``: columns and rows of its brighter cells, in pixels of the frame."""
        cells = np.argwhere(self.map > _BRIGHTER * self.map.max()).astype(float)
        cells = cells[:: max(1, len(cells) // _MOST_PLACES)]
        rows, columns = (self.cells.to_pixels(cells[:, axis], axis) for axis in (0, 1))
        return np.stack([columns, rows], axis=1)

    def ellipse(self) -> Ellipse:
        """Return the ellipse that holds nine tenths of the light, in cells.

        It has the axes of the profile. Its size is a typical one for a faint glow, and what the
        light in growing ellipses says for a bright one.
        """
        if self.significance < _CLEAR:
            part = np.clip((self.significance - _FAINT) / (_CLEAR - _FAINT), 0, 1)
            radius = _FAINT_RADIUS + part * (_RADIUS - _FAINT_RADIUS)
        else:
            part = np.clip((self.significance - _CLEAR) / (_BRIGHT - _CLEAR), 0, 1)
            radius = _RADIUS + part * (self._measured_radius() - _RADIUS)
        return self.profile.ellipse(float(np.clip(radius, _LEAST_RADIUS, _MOST_RADIUS)))

    def _measured_radius(self) -> float:
        """Return the standard deviations that hold nine tenths of the measured light."""
        radius = self.profile.radius(*(slice(0, size) for size in self.map.shape))
        steps = np.concatenate([np.arange(0, 3.0, 0.1), np.arange(3.0, _MOST_RADIUS + 0.6, 0.5)])
        number = np.digitize(radius, steps)
        known = np.isfinite(self.variance) & (number < len(steps))
        if not known.any():
            return _RADIUS
        told = 1 / self.variance[known]
        sums, weights, cells = (
            np.bincount(number[known], w, minlength=len(steps))[1:]
            for w in (told * self.amplitude[known], told, np.ones(len(told)))
        )
        mean = np.divide(sums, weights, out=np.zeros_like(sums), where=weights > 0)
        growing = np.cumsum(mean * cells)
        # Within 3 standard deviations all counts; from there on, the rings that are seen.
        unseen = (steps[1:] > 3.0) & (sums < _SEEN * np.sqrt(weights) * self.excess)
        last = int(np.argmax(unseen)) - 1 if unseen.any() else len(growing) - 1
        reached = growing[: last + 1] >= _PART * growing[last]
        return float(steps[1:][np.argmax(reached)]) if growing[last] > 0 else _RADIUS


def cut_cells(
    residuals: Residuals, x: float, y: float, sigma: float, reach: float = _REACH
) -> Cells:
    """Return the residuals around a place, in cells that suit a size (sigma in pixels)."""
    scale = 1
    while sigma / (BIN * scale) > _WIDEST and scale < _COARSEST:
        scale *= 2
    half = max(_LEAST_HALF, math.ceil(reach * sigma / (BIN * scale))) * scale
    centre = [round((p + 0.5) / BIN - 0.5) for p in (y, x)]
    rows, columns = (
        slice(start := max(0, c - half) // scale * scale, max(start, min(size, c + half + scale)))
        for c, size in zip(centre, residuals.brightness.shape, strict=True)
    )
    values, weights = residuals.values[:, rows, columns], residuals.weights[:, rows, columns]
    read_part = residuals.read_part[rows, columns]
    if scale > 1:
        weighted = values * weights
        bins = scale
        while bins > 1:
            if min(weights.shape[1:]) < 2:
                break
            weighted, weights = sum_bins(weighted), sum_bins(weights)
            read_part = sum_bins(read_part[np.newaxis])[0] / BIN**2
            bins //= 2
        values = np.divide(weighted, weights, out=np.zeros_like(weights), where=weights > 0)
        height, width = weights.shape[1:]
        rows = slice(rows.start, rows.start + height * scale)
        columns = slice(columns.start, columns.start + width * scale)
    return Cells(
        box=(rows, columns), scale=scale, values=values, weights=weights, read_part=read_part
    )


def measure_glow(
    residuals: Residuals, filters: TimeFilters, peak: Peak, correlation: float
) -> Glow | None:
    """Measure the glow at a peak.

    Parameters
    ----------
    residuals : Residuals
        The residuals of its integration.
    filters : TimeFilters
        The filters over time.
    peak : Peak
        Where something stands out.
    correlation : float
        Correlation of the noise of one difference with the next.

    Returns
    -------
    Glow or None
        The glow; None where nothing stands out on a closer look.
    """
    x, y, sigma, which = peak.x, peak.y, peak.size, peak.filter
    covariance: NDArray[np.float64] | None = None
    profile, cells = None, None
    for _ in range(3):
        new = cut_cells(residuals, x, y, sigma)
        if min(new.weights.shape[1:]) < 3:
            return None
        if covariance is not None and cells is not None and new.scale != cells.scale:
            covariance = covariance * (cells.scale / new.scale) ** 2
        cells = new
        signal, power, _ = cells.combined(filters, which)
        start = cells.to_cells(x, 1), cells.to_cells(y, 0), sigma / cells.pixels
        profile = fit_profile(
            signal, power, *start, found=peak.size / cells.pixels, covariance=covariance
        )
        if profile is None:
            return None
        curve = _light_curve(cells, profile, correlation)
        before, which = which, _best_filter(curve, filters)
        x, y = cells.to_pixels(profile.x, 1), cells.to_pixels(profile.y, 0)
        covariance, sigma = profile.covariance, profile.axes[0] * cells.pixels
        is_whole = _REACH * 0.7 * profile.axes[0] <= min(cells.weights.shape[1:]) / 2
        if which == before and is_whole:
            break
    if profile is None or cells is None:
        return None
    signal, power, response = cells.combined(filters, which)
    weight = profile.weights(*(slice(0, size) for size in signal.shape))
    noise = math.sqrt(float(np.sum(weight**2 * power)))
    significance = float(np.sum(weight * signal)) / noise / peak.excess if noise > 0 else 0.0
    curve = _light_curve(cells, profile, correlation)
    onset = _onset(curve, int(filters.onset[which]))
    fit = fit_glow(curve, onset)
    known = response > 0.15 * float(np.median(response))
    amplitude = np.divide(signal, response, out=np.zeros_like(signal), where=known)
    variance = np.divide(power, response**2, out=np.full_like(power, np.inf), where=known)
    radius = profile.radius(*(slice(0, size) for size in signal.shape))
    wings = float(np.clip(math.log10(max(significance, 1.0) / _CLEAR), 0, 1))
    fading = np.clip((_NOTHING + wings - radius) / (_NOTHING - _WHOLE), 0, 1)
    planes = int(np.clip(round(math.log2(max(1.0, 2 * profile.axes[1]))) + 1, 2, 5))
    of_pixels = cells.weights[cells.weights > 0]
    return Glow(
        cells=cells,
        profile=profile,
        filter=which,
        significance=significance,
        curve=curve,
        onset=onset,
        fit=fit,
        map=denoised_map(amplitude, variance * peak.excess**2, fading, planes=planes),
        amplitude=amplitude,
        variance=variance,
        noise=float(cells.pixels / math.sqrt(np.median(of_pixels))) if of_pixels.size else math.nan,
        excess=peak.excess,
        depth=peak.depth,
    )


def _light_curve(cells: Cells, profile: Profile, correlation: float) -> LightCurve:
    """Return the amplitude of a profile in each difference, NaN where it is not seen."""
    weight = profile.weights(*(slice(0, size) for size in cells.weights.shape[1:]))
    inside = weight > 0.02
    there = cells.weights[:, inside].astype(float)
    total = there @ weight[inside] ** 2
    sums = (cells.values[:, inside] * there) @ weight[inside]
    enough = total > 0.25 * float(np.median(total[total > 0])) if (total > 0).any() else total > 0
    unknown = np.full(len(total), np.nan)
    return LightCurve(
        values=np.divide(sums, total, out=unknown.copy(), where=enough),
        errors=np.divide(1, np.sqrt(np.maximum(total, 1e-30)), out=unknown, where=enough),
        correlation=correlation * float(np.average(cells.read_part, weights=weight)),
        pixels=float(np.sum(weight) ** 2 / np.sum(weight**2)) * cells.pixels**2,
    )


def _best_filter(curve: LightCurve, filters: TimeFilters) -> int:
    known = curve.known
    weight = np.where(known, 1 / np.where(known, curve.errors, 1.0) ** 2, 0.0)
    found = filters.weights @ (np.where(known, curve.values, 0.0) * weight)
    noise = np.sqrt((filters.weights**2) @ weight * filters.coloured)
    return int(
        np.argmax(np.divide(found, noise, out=np.full_like(found, -np.inf), where=noise > 0))
    )


def _onset(curve: LightCurve, guess: int) -> int:
    """Return the onset that fits a light curve best, near a guess."""
    ndiff = len(curve.values)
    first = int(np.flatnonzero(curve.known)[0]) if curve.known.any() else 0
    near = [k for k in range(guess - _ONSETS, guess + _ONSETS + 2) if first < k < ndiff]
    onsets = [-1, *near] if guess <= first + _ONSETS else near
    return best_onset(curve, onsets) if onsets else -1
