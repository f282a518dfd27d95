"""Fit the model of a shower to the differences around it.

Course and map are fitted in turn: the course to the light curve of the map, the map to the
amplitudes of the course in each pixel, whose rate is free. The light curve is fitted with decaying
exponentials, a first difference that is free, and a glow that rises first (`fit_glow`); that of a
shower without differences before its onset by a mean over models (`average_idle_course`). The map
is what is left of the amplitudes after shrinkage (`unbiased_map`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.ndimage import gaussian_filter, median_filter, rank_filter

from showermask.glow.differences import medians
from showermask.glow.idle_course import average_idle_course
from showermask.glow.light_curve import LightCurve, fit_glow
from showermask.glow.noise_field import NoiseField
from showermask.glow.ramp_noise import RampNoise
from showermask.glow.shape_map import map_snr, unbiased_map
from showermask.glow.shower_model import ShowerModel
from showermask.regionfile.entry import Box

__all__ = ["Surroundings", "fading_window", "fit_shower", "planes_for"]

#: Rounds in which the onset is looked for again, and how many differences to each side.
_SEARCHED, _ONSETS = (0, 2), 2
#: Rounds in which the noise of areas and of pixels is measured; the latter is averaged over a
#: Gaussian of so many pixels.
_MEASURED, _NOISE_SIGMA = (0, 2), 1.5
#: Distances are cut off at so many standard deviations; one of these in units of their mean.
_CUT, _OF_MEAN_DISTANCE = 5.0, math.sqrt(math.pi / 2)
#: The map is whole up to here, in units of the entry, and nothing from there on.
_WHOLE, _NOTHING = 1.25, 1.9
#: The map is first taken for the entry, that fades out here.
_FIRST = 1.2
#: A ring of this radius, in units of the entry, tells what drifts besides; of so many pixels.
_RING, _LEAST_RING = 3.0, 150
#: So many pixels of a row, at least, tell its drift.
_LEAST_ROW_PIXELS = 12
#: A difference of which less is known is not used; with fewer differences there is no course.
_LEAST_PART, _LEAST_DIFFERENCES = 0.3, 4
#: With fewer differences before its onset a shower is taken for one that began before the ramp.
_LEAST_BEFORE = 3
#: Longest decay time of such a shower in s: a slower one can't be told from a source.
_LONGEST_IDLE = 100.0
#: Classes of pixels by brightness, which share a covariance, as quantiles.
_CLASSES = (0.0, 0.5, 0.8, 0.95, 0.99, 1.0)
#: A pixel so many standard deviations off its neighbours, and by such a part of them, does
#: something else.
_ODD, _ODD_PART = 4.5, 0.5
#: The rate of a source changes by such a part, over so many differences.
_UNSTEADY, _LASTING = 0.01, 10.0
#: That looks more like a glow that began before the ramp.
_UNSTEADY_IDLE = 0.02
#: Standard deviations from which on a distance between early and late light is none by chance.
_MOVES = 5.0
_DRAWS, _LAST_DRAWS = 2, 6


@dataclass(frozen=True, kw_only=True, eq=False)
class Surroundings:
    """The differences around an entry, and what is known of them.

    Parameters
    ----------
    integration : int
        Which integration, zero-based.
    box : tuple of slice
        Rows and columns of the frame.
    differences : `numpy.ndarray`
        ``(ndiff, rows, columns)`` float32 in DN, less drifts and other showers; NaN where unknown.
    radius : `numpy.ndarray`
        ``(rows, columns)``: how far a pixel is from the centre of the entry, in its units.
    noise : RampNoise
        The noise of the differences.
    field : NoiseField
        The noise of areas.
    group_time : float
        Time between groups in s.
    row_pixels : `numpy.ndarray`
        ``(rows,)``: how many pixels have told the drift of a row.
    rate, rate_variance : `numpy.ndarray`, optional
        ``(rows, columns)``: rate of each pixel in DN a group, as other integrations have it, and
        its variance; infinite where they tell nothing.
    """

    integration: int
    box: Box
    differences: NDArray[np.float32]
    radius: NDArray[np.float64]
    noise: RampNoise
    field: NoiseField
    group_time: float
    row_pixels: NDArray[np.float64]
    rate: NDArray[np.float64] | None = None
    rate_variance: NDArray[np.float64] | None = None


def fit_shower(around: Surroundings, first_group: int, *, rounds: int = 5) -> ShowerModel | None:
    """Fit the model of a shower.

    Parameters
    ----------
    around : Surroundings
        The differences around it.
    first_group : int
        First group that it spoils, as the entry says; the onset is looked for near it.
    rounds : int, optional
        How often course and map are fitted; 3 at least.

    Returns
    -------
    ShowerModel or None
        The model; None where no light is found, or the ramp is too short.
    """
    known = np.isfinite(around.differences).mean(axis=(1, 2)) > _LEAST_PART
    which = np.flatnonzero(known)
    if len(which) < _LEAST_DIFFERENCES:
        return None
    return _Fit(around, which, first_group - 1).run(rounds)


def fading_window(radius: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where the light of an entry may be: 1 inside of it, 0 far away.

    Parameters
    ----------
    radius : `numpy.ndarray`
        ``(rows, columns)``: distance from the centre of the entry, in its units.

    Returns
    -------
    `numpy.ndarray`
        Likewise, 0 to 1.
    """
    fading = np.clip((_NOTHING - radius) / (_NOTHING - _WHOLE), 0, 1)
    window: NDArray[np.float64] = fading**2 * (3 - 2 * fading)
    return window


def planes_for(radius: NDArray[np.float64]) -> int:
    """Return the number of planes of a map that suits the size of an entry.

    Parameters
    ----------
    radius : `numpy.ndarray`
        As for `fading_window`.

    Returns
    -------
    int
        2 to 5.
    """
    size = math.sqrt(np.count_nonzero(radius <= 1) / math.pi)
    return int(np.clip(round(math.log2(max(2.0, size))), 2, 5))


def _odd(amplitude: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which pixels do something else than their neighbours.

    They are far off the median around them, and have no two neighbours that are like them, as the
    pixels of a thin glow have.
    """
    middle = median_filter(amplitude, 5)
    high = np.maximum(middle, rank_filter(amplitude, -3, size=3))
    low = np.minimum(middle, rank_filter(amplitude, 2, size=3))
    limit = _ODD * np.sqrt(variance) + _ODD_PART * np.abs(middle)
    is_odd: NDArray[np.bool_] = (amplitude > high + limit) | (amplitude < low - limit)
    return is_odd


class _Fit:
    """A model while it is fitted."""

    def __init__(self, around: Surroundings, which: NDArray[np.intp], onset: int) -> None:
        self.around, self.which = around, which
        self.ndiff = len(around.differences)
        cube = around.differences[which]
        self.known = np.isfinite(cube)
        self.differences = np.where(self.known, cube, np.float32(0))
        self.count = np.count_nonzero(self.known, axis=0)
        self.usable = self.count >= max(_LEAST_DIFFERENCES, 0.5 * len(which))
        before = int(np.count_nonzero(which < onset))
        self.is_idle = before < _LEAST_BEFORE
        self.has_first = self.is_idle and before > 0
        self.onset = int(np.clip(onset, which[0], which[-3] if len(which) > 2 else which[-1]))
        self.rate: NDArray[np.float64] = self._first_rate()
        self.flux = np.maximum(gaussian_filter(self.rate, 1.0), 0)
        middle = float(np.median(self.flux[self.usable])) if self.usable.any() else 0.0
        #: Changes of sources that are no showers: non-linearity, pointing, brighter-fatter effect.
        unsteady = _UNSTEADY_IDLE if self.is_idle else _UNSTEADY
        self.unsteady = (unsteady * np.maximum(self.flux - middle, 0)) ** 2
        #: Variance of the pixels, in units of what is expected of their rate.
        self.noisier = np.ones_like(self.flux)
        self.inverse_noise = self._inverse_noise()
        self.window = fading_window(around.radius)
        self.map = (self.window * np.clip(_FIRST - around.radius, 0, 1)).astype(np.float32)
        self.variance = np.zeros_like(self.map)
        self.amplitude = self.map.astype(np.float64)
        self.amplitude_variance = np.full(self.map.shape, np.inf)
        self.course = np.zeros(self.ndiff)
        self.certainty, self.course_error = 1.0, 0.0
        self.size = math.sqrt(np.count_nonzero(around.radius <= 1) / math.pi)
        self.excess, self.scatter = 1.0, around.field.scatter(self.size)
        #: Whether what hardly changes from round to round is measured anew in this one.
        self.is_measuring = True
        self.odd = np.zeros(self.map.shape, bool)
        self.drift = np.zeros(len(which))
        self.planes = planes_for(around.radius)
        self.rng = np.random.default_rng(1)
        self.pixel_classes, self.inverses = self._covariances()

    def run(self, rounds: int) -> ShowerModel | None:
        """Fit course and map in turn."""
        for number in range(rounds):
            self.is_measuring = number in _MEASURED or number == rounds - 1
            if not (self.map * self.inverse_noise).any() or not self._fit_course(number):
                return None
            if number in _MEASURED:
                self.excess = self.around.field.excess(self.course, self.size)
            draws = _LAST_DRAWS if number == rounds - 1 else _DRAWS
            self._fit_map(draws)
            if number in _MEASURED:
                self._measure_noise()
        if not (self.map * self.inverse_noise).any():
            return None
        inside = self.map > 0.1 * self.map.max()
        snr = map_snr(self.map, self.amplitude, np.where(inside, self.amplitude_variance, np.inf))
        return ShowerModel(
            integration=self.around.integration,
            box=self.around.box,
            map=self.map * np.float32(self.certainty),
            variance=self.variance,
            course=self.course,
            onset=self.onset,
            is_idle=self.is_idle,
            snr=snr / self.excess,
            chi_square=self._misfit(),
            course_error=self.course_error,
            motion=self._motion(),
            has_surroundings=self._has_surroundings(),
        )

    def _has_surroundings(self) -> bool:
        """Return whether there is enough around the entry to tell drifts and noise."""
        rows = (self.around.radius <= 1).any(axis=1)
        told = self.around.row_pixels[rows if rows.any() else slice(None)]
        return self.around.field.is_told and float(told.min()) >= _LEAST_ROW_PIXELS

    def _inverse_noise(self) -> NDArray[np.float64]:
        """Return the inverse variance of a difference of each pixel, 0 where it is not used."""
        variance = self.noisier * self.around.noise.variance(self.flux) + _LASTING * self.unsteady
        return np.where(self.usable, 1 / variance, 0.0)

    def _measure_noise(self) -> None:
        """Measure the noise of the pixels, for some are noisier than their rate tells."""
        model = self.rate + self.map * self.course[self.which, np.newaxis, np.newaxis]
        left = np.abs(np.where(self.known, self.differences - model, 0.0))
        expected = self.around.noise.variance(self.flux)
        # A mean distance, of hits that nobody has flagged cut off, of a normal distribution.
        np.minimum(left, _CUT * np.sqrt(expected), out=left)
        spread = _OF_MEAN_DISTANCE * left.sum(axis=0) / np.maximum(self.count, 1)
        found = gaussian_filter(spread**2, _NOISE_SIGMA) / expected
        self.noisier = np.maximum(found, 1.0)
        self.inverse_noise = self._inverse_noise()

    def _first_rate(self) -> NDArray[np.float64]:
        """Return the rate before the onset; all differences' median where there is no before."""
        early = self.known[: np.count_nonzero(self.which < self.onset)]
        if not self.is_idle and early.any():
            total = self.differences[: len(early)].sum(axis=0, dtype=np.float64)
            rate = total / np.maximum(early.sum(axis=0), 1)
        else:
            cube = np.where(self.known, self.differences, np.nan)
            middle = medians(cube.reshape(len(cube), -1)).reshape(cube.shape[1:])
            rate = np.nan_to_num(middle).astype(np.float64)
        others = self.around.rate
        if self.is_idle and others is not None:
            rate = np.where(np.isfinite(others), others, rate)
        return np.asarray(rate, np.float64)

    def _covariances(self) -> tuple[NDArray[np.intp], list[NDArray[np.float64]]]:
        """Return the class of each pixel, and the inverse covariance of each class."""
        flux: NDArray[np.float64] = self.flux
        sample = flux[self.usable] if self.usable.any() else flux.ravel()
        limits = np.unique(np.quantile(sample, _CLASSES))
        found = np.searchsorted(limits, flux) - 1
        classes: NDArray[np.intp] = np.clip(found, 0, max(0, len(limits) - 2)).astype(np.intp)
        inverses: list[NDArray[np.float64]] = []
        for number in range(int(classes.max()) + 1):
            here = flux[classes == number]
            rate = float(np.median(here)) if here.size else 0.0
            covariance = self.around.noise.covariance(self.which, rate)
            inverses.append(np.asarray(np.linalg.inv(covariance), np.float64))
        return classes, inverses

    def _light_curve(self) -> LightCurve:
        """Return the light curve of the map, in its units, above a constant."""
        weights = self.map * self.inverse_noise
        inside = weights > 0
        weight, light = weights[inside], self.map[inside].astype(float)
        there = self.known[:, inside]
        left = np.where(there, self.differences[:, inside] - self.rate[inside], 0.0)
        response = there @ (weight * light)
        enough = response > 0.05 * float(weight @ light)
        unknown = np.full(len(response), np.nan)
        values = np.divide(left @ weight, response, out=unknown.copy(), where=enough)
        scatter = left - np.nan_to_num(values)[:, np.newaxis] * light
        power = (np.where(there, scatter, 0.0) ** 2) @ weight**2
        errors = np.divide(np.sqrt(power), response, out=unknown.copy(), where=enough)
        # The errors of few pixels are themselves uncertain: those of the noise have a say.
        model = there @ (weight**2 / np.maximum(self.inverse_noise[inside], 1e-30))
        expected = np.divide(np.sqrt(model), response, out=unknown.copy(), where=enough)
        errors = np.sqrt(np.maximum(errors, 0.7 * expected) * np.maximum(expected, errors))
        drift_error = self._drift_error(weight, inside)
        drift_errors = np.divide(drift_error, response, out=unknown.copy(), where=enough)
        errors = np.hypot(self.scatter * errors, drift_errors)
        level = float(weight @ self.rate[inside]) / float(weight @ light)
        values = values + level - self._drift_beside() * float(weight.sum() / (weight @ light))
        return LightCurve(
            values=self._on_all(values),
            errors=self._on_all(errors),
            correlation=self.around.noise.correlation(float(np.median(self.flux[inside]))),
            pixels=float(weight.sum() ** 2 / np.sum(weight**2)),
        )

    def _drift_error(self, weight: NDArray[np.float64], inside: NDArray[np.bool_]) -> float:
        """Return the error that the drifts of rows leave in a weighted sum of pixels."""
        of_rows = np.bincount(np.nonzero(inside)[0], weight, minlength=len(inside))
        typical = float(self.around.noise.variance(float(np.median(self.flux[inside]))))
        return math.sqrt(typical * float(np.sum(of_rows**2 / self.around.row_pixels)))

    def _drift_beside(self) -> NDArray[np.float64]:
        """Return what a ring around the glow has in common, as far as it is more than chance."""
        if not self.is_measuring:
            return self.drift
        ring = self.usable & (self.around.radius > _NOTHING) & (self.around.radius < _RING)
        if np.count_nonzero(ring) < _LEAST_RING:
            return np.zeros(len(self.which))
        there = self.known[:, ring]
        left = np.where(there, self.differences[:, ring] - self.rate[ring], np.nan)
        middle = medians(left.T).astype(np.float64)
        middle -= np.median(middle)
        typical = float(self.around.noise.variance(float(self.flux[ring].mean())))
        by_chance = 1.57 * typical / np.count_nonzero(ring)  # of a median
        power = float(middle.var())
        part = min(1.0, max(0.0, 1 - 1.5 * by_chance / power)) if power > 0 else 0.0
        self.drift = part * middle
        return self.drift

    def _on_all(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values of the differences that are used as those of all, NaN elsewhere."""
        whole = np.full(self.ndiff, np.nan)
        whole[self.which] = values
        return whole

    def _fit_course(self, number: int) -> bool:
        """Fit the course to the light curve of the map; tell whether there is any light."""
        curve = self._light_curve()
        light = self._idle_light(curve) if self.is_idle else self._onset_light(curve, number)
        if light is None:
            return False
        light = light.copy()
        light[: max(self.which[0], 0 if self.is_idle and not self.has_first else self.onset)] = 0
        top = float(light[self.which].max())
        if not top > 0:
            return False
        self.course = np.maximum(light, 0) / top
        return True

    def _onset_light(self, curve: LightCurve, number: int) -> NDArray[np.float64] | None:
        onsets = [self.onset]
        if number in _SEARCHED:
            near = range(self.onset - _ONSETS, self.onset + _ONSETS + 1)
            onsets = [k for k in near if self.which[2] <= k < self.which[-1]] or onsets
        fits = {onset: fit_glow(curve, onset, is_rising=True) for onset in onsets}
        self.onset = min(fits, key=lambda onset: fits[onset].chi_square)
        glow = fits[self.onset].glow
        return glow if glow.any() else None

    def _idle_light(self, curve: LightCurve) -> NDArray[np.float64] | None:
        found = average_idle_course(
            curve,
            self.onset,
            longest=min(self.which[-1] + 1.0, _LONGEST_IDLE / self.around.group_time),
            has_first=self.has_first,
            level=self._known_level(),
        )
        if found is None:
            return None
        self.certainty, self.course_error = found.certainty, found.error
        return found.light

    def _known_level(self) -> tuple[float, float] | None:
        """Return the rate below the glow in its units, and its variance, as others tell it."""
        rate, variance = self.around.rate, self.around.rate_variance
        if rate is None or variance is None:
            return None
        weights = self.map * self.inverse_noise
        is_told = np.isfinite(variance) & np.isfinite(rate)
        response = float(np.sum(weights * self.map))
        if not response > 0 or np.mean(is_told[weights > 0]) < 0.8:
            return None
        weights = np.where(is_told, weights, 0.0)
        level = float(np.sum(weights * np.nan_to_num(rate, posinf=0.0, neginf=0.0)))
        power = float(np.sum(weights[is_told] ** 2 * variance[is_told]))
        return level / response, max(power / response**2, 1e-12)

    def _fit_map(self, draws: int) -> None:
        """Fit rate and amplitude of each pixel, and make the map of the amplitudes."""
        filled = np.where(
            self.known,
            self.differences,
            self.rate + self.map * self.course[self.which, np.newaxis, np.newaxis],
        )
        rate, amplitude, variance = self._amplitudes(filled)
        variance *= self.noisier * len(self.which) / np.maximum(self.count, 1)
        variance += self.unsteady
        if self.is_measuring:
            self.odd = _odd(amplitude, variance)
        variance = np.where(self.usable & ~self.odd, variance, np.inf)
        found = unbiased_map(
            np.where(self.usable, amplitude, 0.0),
            variance,
            self.window,
            planes=self.planes,
            excess=[1 + (self.excess - 1) * min(1.0, 2**k / self.size) for k in range(7)],
            rng=self.rng,
            draws=draws,
        )
        self.rate, self.amplitude, self.amplitude_variance = rate, amplitude, variance
        self.map, self.variance = found.image, found.variance

    def _amplitudes(
        self, filled: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return rate, amplitude and its variance of each pixel: least squares with all noise."""
        course = self.course[self.which]
        shape = self.rate.shape
        sums = np.empty((5, *shape))
        for number, inverse in enumerate(self.inverses):
            here = self.pixel_classes == number
            of_rate, of_glow = inverse.sum(axis=0), inverse @ course
            values = filled[:, here]
            sums[0, here], sums[1, here] = of_rate @ values, of_glow @ values
            sums[2:, here] = np.array([[of_rate.sum()], [of_rate @ course], [of_glow @ course]])
        rates, glows, aa, ab, bb = sums
        if self.around.rate is not None and self.around.rate_variance is not None:
            told = np.isfinite(self.around.rate) & np.isfinite(self.around.rate_variance)
            weight = np.where(told, 1 / np.where(told, self.around.rate_variance, 1.0), 0.0)
            rates = rates + weight * np.where(told, self.around.rate, 0.0)
            aa = aa + weight
        determinant = np.maximum(aa * bb - ab**2, 1e-30)
        return (
            (bb * rates - ab * glows) / determinant,
            (aa * glows - ab * rates) / determinant,
            aa / determinant,
        )

    def _motion(self) -> float:
        """Return how far early and late light lie apart, in units of the size; 0 if by chance."""
        course = self.course[self.which]
        part = np.cumsum(course) / course.sum()
        middle = int(np.searchsorted(part, 0.5)) + 1
        rows, columns = np.indices(self.map.shape).astype(float)
        weight = self.map * self.inverse_noise
        light = float((weight * self.map).sum())
        centre = [float((weight * self.map * axis).sum()) / light for axis in (rows, columns)]
        size = math.sqrt(
            sum(
                float((weight * self.map * (axis - c) ** 2).sum()) / light
                for axis, c in zip((rows, columns), centre, strict=True)
            )
        )
        places, variances = [], []
        for half in (slice(0, middle), slice(middle, None)):
            power = float(np.sum(course[half] ** 2))
            if not power > 0:
                return 0.0
            left = np.where(self.known[half], self.differences[half] - self.rate, 0.0)
            there = np.where(self.known[half], course[half, np.newaxis, np.newaxis], 0.0)
            amount = np.tensordot(course[half], left, 1)
            response = float(np.sum(weight * self.map * (there**2).sum(axis=0)))
            if not response > 0:
                return 0.0
            for axis, c in zip((rows, columns), centre, strict=True):
                places.append(float(np.sum(weight * (axis - c) * amount)) / response)
                variances.append(float(np.sum(weight * (axis - c) ** 2)) * power / response**2)
        apart = np.array(places[:2]) - np.array(places[2:])
        noise = np.sqrt(np.array(variances[:2]) + np.array(variances[2:]))
        if np.hypot(*(apart / np.maximum(noise, 1e-12))) < _MOVES or not size > 0:
            return 0.0
        return float(np.hypot(*apart)) / size

    def _misfit(self) -> float:
        """Return chi-square per degree of freedom of the light curve of the map."""
        curve = self._light_curve()
        known = curve.known
        white = solve_triangular(
            curve.noise_root,
            np.column_stack([curve.values[known], np.ones(known.sum()), self.course[known]]),
            lower=True,
        )
        amounts, *_ = np.linalg.lstsq(white[:, 1:], white[:, 0], rcond=None)
        misfit = white[:, 0] - white[:, 1:] @ amounts
        return float(misfit @ misfit) / max(1, int(known.sum()) - 4)
