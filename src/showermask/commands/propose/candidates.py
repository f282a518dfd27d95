"""Candidates: the glows of an integration, each taken out before the next one is measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, map_coordinates, zoom
from scipy.spatial.distance import cdist

from showermask.commands.propose.detect import Peak, PeakFinder
from showermask.commands.propose.features import Features, measure_features, point_size, with_others
from showermask.commands.propose.measure import Glow, measure_glow
from showermask.commands.propose.probability import shower_probability
from showermask.commands.propose.residuals import BIN, Residuals
from showermask.glow.time_filters import TimeFilters

__all__ = ["Candidate", "find_glows"]

#: Fainter peaks are not looked at, nor glows.
_LEAST_PEAK, _LEAST = 4.6, 4.5
#: The search is repeated where bright glows were taken out: a place shows one peak at a time.
_ROUNDS, _HIDES, _BESIDE = 3, 10.0, 4  # signal-to-noise ratio, bins beside their light
#: A peak that has lost so much since another glow was taken away was part of that.
_LEFT = 0.6
#: Groups by which the onsets of the parts of a glow differ; and how far its brighter cells lie
#: apart, in pixels. Fainter parts, in units of the whole, are what is left of it.
_SAME_ONSET, _GAP, _WORTH = 2, 8.0, 0.2
#: Clumps of one shower, whose onsets agree to so many groups, lie apart by so many times their
#: mean size (a standard deviation). Idle ones agree by themselves, which says nothing.
_ONSET_OF_CLUMPS, _GAP_OF_CLUMPS = 1, 2.3
#: What is left of a glow in its own place has this part of its significance at most; its onset
#: differs by so many groups, and its centre by so many standard deviations.
_REST, _ONSET_OF_REST, _SAME_PLACE = 0.5, 5, 1.5
#: Parts that are so many times as large as the whole and no clearer than this are its wings, which
#: are not worth their pixels.
_WINGS, _CLEAR = 2.0, 8.0
#: Larger ones can't be told from what a frame has in common: pixels, and parts of the frame.
_LARGEST, _LARGEST_PART = 200.0, 0.15


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A glow, and what it may be.

    Parameters
    ----------
    glow : Glow
        Its brightest part.
    features : Features
        Of its brightest part.
    image : `numpy.ndarray`
        ``(rows, columns)`` of the cells of the glow: the light of all parts.
    probability : float
        Of being a shower.
    """

    glow: Glow
    features: Features
    image: NDArray[np.float32]
    probability: float


class _Whole:
    """A glow while its parts are found."""

    def __init__(self, glow: Glow, features: Features) -> None:
        self.glow, self.features, self.image = glow, features, glow.map
        self._parts = [glow]

    def has_part(self, glow: Glow) -> bool:
        """Tell whether another glow belongs to this one.

        Parts have one onset, and are near each other. And what is left of a glow in its own place
        is a part of it, which a fit has not found: its onset differs by a little more.
        """
        apart = abs(glow.first_light - self.glow.first_light)
        if apart > _ONSET_OF_REST:
            return False
        is_left_over = (
            glow.significance < _REST * self.glow.significance
            and max(_distance(self.glow, glow), _distance(glow, self.glow)) < _SAME_PLACE
        )
        if is_left_over or apart > _SAME_ONSET:
            return is_left_over
        return any(_is_near(part, glow) for part in self._parts)

    def add_part(self, glow: Glow, features: Features) -> None:
        """Add a part; the one with most light stands for the whole."""
        least = _WORTH * self.glow.significance
        if glow.size > _WINGS * self.glow.size:
            least = max(least, min(_CLEAR, _REST * self.glow.significance))
        if glow.significance < least:
            return
        self._parts.append(glow)
        other = self.image
        cells = self.glow.cells
        if glow.light > self.glow.light:
            self.glow, self.features, self.image = glow, features, glow.map
        else:
            other, cells = glow.map, glow.cells
        rows, columns = (
            self.glow.cells.to_pixels(np.arange(size), axis)
            for axis, size in enumerate(self.image.shape)
        )
        places = np.meshgrid(cells.to_cells(rows, 0), cells.to_cells(columns, 1), indexing="ij")
        self.image = self.image + map_coordinates(other, places, order=1, mode="constant")


def _is_near(one: Glow, other: Glow) -> bool:
    """Tell whether two glows of about one onset are near enough to be parts of a shower."""
    gap = _GAP
    if min(one.onset, other.onset) >= 0 and abs(one.onset - other.onset) <= _ONSET_OF_CLUMPS:
        gap = max(gap, _GAP_OF_CLUMPS * (one.size + other.size) / 2)
    return bool(cdist(one.bright_places, other.bright_places).min() < gap)


def _distance(one: Glow, other: Glow) -> float:
    """Return the distance of a glow from the centre of another, in standard deviations of that."""
    x, y = one.cells.to_cells(other.x, 1), one.cells.to_cells(other.y, 0)
    return float(one.profile.distance(x, y))


def find_glows(
    residuals: Residuals,
    filters: TimeFilters,
    correlation: float,
    *,
    point: float | None = None,
    threads: int | None = None,
) -> list[Candidate]:
    """Find glows; each is taken out of the residuals before the next one is measured.

    Parameters
    ----------
    residuals : Residuals
        The residuals of an integration; the light of the glows is taken out of them.
    filters : TimeFilters
        The filters over time.
    correlation : float
        Correlation of the noise of one difference with the next.
    point : float, optional
        Standard deviation of a point source in pixels; measured by default.
    threads : int, optional
        Threads to work with.

    Returns
    -------
    list of Candidate
        The most probable first.
    """
    found: list[_Whole] = []
    point = point_size(residuals.brightness) if point is None else point
    taken = np.zeros(residuals.brightness.shape, np.float32)
    finder = PeakFinder(filters, _LEAST_PEAK, threads=threads)
    hidden: NDArray[np.bool_] | None = None
    for _ in range(_ROUNDS):
        peaks = finder.find(residuals) if hidden is None else finder.find_within(residuals, hidden)
        bright = np.zeros(taken.shape, bool)
        for peak in peaks:
            if _left_of(peak, residuals, filters) < _LEFT * peak.significance:
                continue
            glow = measure_glow(residuals, filters, peak, correlation)
            if glow is None or glow.significance < _LEAST or not glow.map.any():
                continue
            if _is_too_large(glow, residuals.image_shape):
                continue
            features = measure_features(glow, residuals, filters, taken, point)
            whole = next((one for one in found if one.has_part(glow)), None)
            if whole is None:
                found.append(_Whole(glow, features))
            else:
                whole.add_part(glow, features)
            _take_out(residuals, glow, taken)
            if glow.significance > _HIDES:
                bright[glow.cells.box] |= taken[glow.cells.box] > 0
        # What a brighter one hid can be seen where that was taken out.
        if not bright.any():
            break
        hidden = binary_dilation(bright, iterations=_BESIDE)
    completed = with_others([one.features for one in found], [one.glow for one in found])
    candidates = [
        Candidate(
            glow=one.glow,
            features=features,
            image=one.image,
            probability=shower_probability(features),
        )
        for one, features in zip(found, completed, strict=True)
    ]
    # Of those that are as probable, as far as people are told, the strongest first.
    return sorted(candidates, key=lambda one: (-round(one.probability, 2), -one.glow.significance))


def _is_too_large(glow: Glow, image_shape: tuple[int, int]) -> bool:
    ellipse = glow.ellipse()
    area = math.pi * ellipse.a * ellipse.b * glow.cells.pixels**2
    longest = ellipse.a * glow.cells.pixels
    return longest > _LARGEST or area > _LARGEST_PART * image_shape[0] * image_shape[1]


def _left_of(peak: Peak, residuals: Residuals, filters: TimeFilters) -> float:
    """Return the signal-to-noise ratio that a peak has now."""
    half = math.ceil(2.5 * peak.size / BIN)
    row, column = ((p + 0.5) / BIN - 0.5 for p in (peak.y, peak.x))
    box = tuple(
        slice(max(0, round(c) - half), min(size, round(c) + half + 1))
        for c, size in zip((row, column), residuals.brightness.shape, strict=True)
    )
    step = max(1, half // 16)
    values, weights = (c[:, *box][:, ::step, ::step] for c in (residuals.values, residuals.weights))
    coefficients = filters.weights[peak.filter]
    signal = np.tensordot(coefficients, values * weights, 1)
    power = np.tensordot(coefficients**2, weights, 1)
    power *= filters.inflation(peak.filter, residuals.read_part[box][::step, ::step])
    y = np.arange(box[0].start, box[0].stop, step)[:, np.newaxis] - row
    x = np.arange(box[1].start, box[1].stop, step) - column
    weight = np.exp(-(x**2 + y**2) / 2 / (peak.size / BIN) ** 2)
    noise = math.sqrt(float(np.sum(weight**2 * power)))
    return float(np.sum(weight * signal)) / noise / peak.excess * step if noise > 0 else 0.0


def _take_out(residuals: Residuals, glow: Glow, taken: NDArray[np.float32]) -> None:
    """Take the light of a glow out of the residuals, and note it."""
    image = glow.map
    if glow.cells.scale > 1:
        image = zoom(image, glow.cells.scale, order=1, mode="nearest", grid_mode=True)
    values = residuals.values[:, *glow.cells.box]
    known = residuals.weights[:, *glow.cells.box] > 0
    light = glow.course.astype(np.float32)[:, np.newaxis, np.newaxis] * image
    values -= np.where(known, light, np.float32(0))
    is_seen = known.any(axis=(1, 2))
    mean = float(glow.course[is_seen].mean()) if is_seen.any() else 0.0
    residuals.level[glow.cells.box] -= np.float32(mean) * image
    taken[glow.cells.box] += image
