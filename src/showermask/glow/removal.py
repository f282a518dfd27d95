"""Fit the showers of an exposure, those that overlap in turn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from showermask.glow.common_mode import LEAST_ROW, common
from showermask.glow.differences import Images, level_and_noise, medians, read_differences
from showermask.glow.jumps import lasting
from showermask.glow.noise_field import NoiseField, binned
from showermask.glow.ramp_noise import RampNoise, measure_ramp_noise
from showermask.glow.shower_fit import Surroundings, fit_shower
from showermask.glow.shower_model import ShowerModel
from showermask.regionfile.entry import Box, Entry, grow_box

__all__ = ["MIN_GROUPS", "box_around", "fit_showers", "nearest_integrations"]

#: With fewer groups, of which two are not used, there is no course in time.
MIN_GROUPS = 7
#: Pixels around an entry that are read, in units of its extent, and besides.
_GROWN, _MARGIN = 1.2, 8
#: Pixels around one that saturates in which its charge may be.
_SPILL = 5
#: What is flagged as a jump is a hit from so many standard deviations on.
_HIT = 6.0
#: Rounds of the fits in each pass over showers that overlap.
_ROUNDS = (5, 3, 5)
#: Pixels so near to an entry, in its units, are left out of what rows have in common and of the
#: rates of other integrations.
_LEFT_OUT = 1.6
#: Rows that are read at a time for what they have in common.
_STRIP = 32
#: Other integrations that tell the rate of a pixel; they differ by a part of the rate, and by some
#: DN/s, from one to the next.
_MOST_OTHERS, _DIFFER, _DIFFER_RATE = 10, 0.003, 0.01
#: They may differ by such a part of their difference around an entry as well.
_DIFFER_SHIFT = 0.3


def fit_showers(
    images: Images,
    entries: Sequence[Entry],
    image_shape: tuple[int, int],
    group_time: float,
    *,
    noise: RampNoise | None = None,
    threads: int = 1,
) -> list[ShowerModel | None]:
    """Fit the model of each shower of a ramp.

    Parameters
    ----------
    images : Images
        The ramp.
    entries : sequence of Entry
        Showers and polygons.
    image_shape : tuple of int
        Rows and columns.
    group_time : float
        Time between groups in s.
    noise : RampNoise, optional
        The noise of the differences; measured in each integration by default.
    threads : int, optional
        Threads that read what rows have in common.

    Returns
    -------
    list of ShowerModel or None
        Likewise ordered; None where no light is found.
    """
    models: dict[int, ShowerModel] = {}
    frame = _Frame(images, entries, image_shape, group_time, noise, threads)
    for number in range(len(_ROUNDS)):
        for position in sorted(range(len(entries)), key=frame.order):
            touching = frame.touching(position)
            if number and not touching:
                continue
            others = [models[other] for other in touching if other in models]
            group = entries[position].group or 0
            model = fit_shower(frame.around(position, others), group, rounds=_ROUNDS[number])
            models.pop(position, None)
            if model is not None:
                models[position] = model
        if not any(frame.touching(position) for position in range(len(entries))):
            break
    return [models.get(position) for position in range(len(entries))]


@dataclass(kw_only=True, eq=False)
class _Place:
    """An entry, and what is read around it once."""

    entry: Entry
    box: Box
    radius: NDArray[np.float64]
    differences: NDArray[np.float32] | None = None
    rate: NDArray[np.float64] | None = None
    rate_variance: NDArray[np.float64] | None = None


@dataclass(eq=False)
class _Frame:
    """The drifts, the noise and the places that the showers of an exposure share."""

    images: Images
    entries: Sequence[Entry]
    image_shape: tuple[int, int]
    group_time: float
    noise: RampNoise | None
    threads: int
    _noises: dict[int, RampNoise] = field(default_factory=dict)
    _drifts: dict[tuple[int, int], NDArray[np.float32]] = field(default_factory=dict)
    _cells: dict[tuple[int, int], tuple[NDArray[np.float32], NDArray[np.float32], float]] = field(
        default_factory=dict
    )
    _excluded: Mapping[int, NDArray[np.bool_]] = field(init=False)

    def __post_init__(self) -> None:
        self._places = [self._place(entry) for entry in self.entries]
        excluded: dict[int, NDArray[np.bool_]] = {}
        for place in self._places:
            mask = excluded.setdefault(_integration(place.entry), np.zeros(self.image_shape, bool))
            mask[place.box] |= place.radius < _LEFT_OUT
        self._excluded = excluded

    def order(self, position: int) -> tuple[int, int]:
        """Return the order in which showers are fitted: by integration, then by group."""
        entry = self.entries[position]
        return _integration(entry), entry.group or 0

    def touching(self, position: int) -> list[int]:
        """Return the other showers of the integration whose light may reach a shower's box."""
        place = self._places[position]
        return [
            other
            for other, one in enumerate(self._places)
            if other != position
            and one.entry.integration == place.entry.integration
            and _do_overlap(one.box, place.box)
        ]

    def around(self, position: int, others: Sequence[ShowerModel]) -> Surroundings:
        """Return the differences around a shower, without the light of others."""
        place = self._places[position]
        integration = _integration(place.entry)
        if place.differences is None:
            read = read_differences(
                self.images, integration, self.image_shape, place.box, spill=_SPILL
            )
            left = read.values - self._drift(integration, place.box[0])
            place.differences = _without_hits(left, read.jumps != 0, self._noise(integration))
            place.rate, place.rate_variance = self._rate_of_others(place)
        differences = place.differences.copy() if others else place.differences
        for model in others:
            course = model.course.astype(np.float32)
            differences -= course[:, np.newaxis, np.newaxis] * model.map_in(place.box)
        return Surroundings(
            integration=integration,
            box=place.box,
            differences=differences,
            radius=place.radius,
            noise=self._noise(integration),
            field=self._field(integration, place.box[0]),
            group_time=self.group_time,
            row_pixels=self._row_pixels(integration, place.box[0]),
            rate=place.rate,
            rate_variance=place.rate_variance,
        )

    def _place(self, entry: Entry) -> _Place:
        box = box_around(entry, self.image_shape)
        return _Place(entry=entry, box=box, radius=entry.radius(*box))

    def _noise(self, integration: int) -> RampNoise:
        if self.noise is not None:
            return self.noise
        if integration not in self._noises:
            found = measure_ramp_noise(self.images, integration, self.image_shape)
            self._noises[integration] = found
        return self._noises[integration]

    def _drift(self, integration: int, rows: slice) -> NDArray[np.float32]:
        """Return what rows have in common in each difference, ``(ndiff, rows, 1)``."""
        starts = self._strips(rows)
        with ThreadPoolExecutor(self.threads) as pool:
            parts = list(pool.map(partial(self._strip_drift, integration), starts))
        first = starts[0]
        return np.concatenate(parts, axis=1)[:, rows.start - first : rows.stop - first]

    def _strips(self, rows: slice) -> range:
        """Return where the strips start that hold some rows; a narrow frame is one strip."""
        ny, nx = self.image_shape
        strip = _STRIP if nx >= LEAST_ROW else ny
        return range(rows.start // strip * strip, rows.stop, strip)

    def _strip_drift(self, integration: int, start: int) -> NDArray[np.float32]:
        key = integration, start
        if key not in self._drifts:
            ny, nx = self.image_shape
            stop = min(start + _STRIP, ny) if nx >= LEAST_ROW else ny
            box = slice(start, stop), slice(0, nx)
            differences = read_differences(self.images, integration, self.image_shape, box).values
            level, noise = level_and_noise(differences)
            differences -= level
            excluded = self._excluded.get(integration)
            if excluded is not None:
                differences[:, excluded[box]] = np.nan
            self._drifts[key] = common(differences, noise)
            differences -= self._drifts[key]
            differences[np.abs(differences) > _HIT * noise] = np.nan
            known = level[np.isfinite(level)]
            rate = float(np.median(known)) if known.size else 0.0
            self._cells[key] = (*binned(differences), rate)
        return self._drifts[key]

    def _row_pixels(self, integration: int, rows: slice) -> NDArray[np.float64]:
        """Return how many pixels tell the drift of each row."""
        told = np.count_nonzero(~self._excluded[integration][rows], axis=1)
        return np.asarray(np.maximum(told, 1), np.float64)

    def _field(self, integration: int, rows: slice) -> NoiseField:
        """Return what the strips of some rows tell of the noise of areas."""
        parts = [self._cells[integration, start] for start in self._strips(rows)]
        return NoiseField(
            cells=np.concatenate([part[0] for part in parts], axis=1),
            counts=np.concatenate([part[1] for part in parts], axis=1),
            noise=self._noise(integration),
            rate=float(np.median([part[2] for part in parts])),
        )

    def _rate_of_others(
        self, place: _Place
    ) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
        """Return the rate of each pixel, in DN a group, in the integrations before and after."""
        nints = self.images.stack_shape[0]
        own = _integration(place.entry)
        nearest = nearest_integrations(own, nints, _MOST_OTHERS)
        if not nearest:
            return None, None
        total = np.zeros(place.radius.shape)
        weights = np.zeros_like(total)
        for integration in nearest:
            rate, variance = self._rate(integration, place.box)
            weight = np.where(np.isfinite(variance), 1 / variance, 0.0)
            excluded = self._excluded.get(integration)
            if excluded is not None:
                weight[excluded[place.box]] = 0
            total += weight * np.nan_to_num(rate)
            weights += weight
        is_told = weights > 0
        mean = np.divide(total, weights, out=np.full_like(total, np.nan), where=is_told)
        variance = np.divide(1, weights, out=np.full_like(total, np.inf), where=is_told)
        shift = self._shift(place, mean)
        variance += (
            (_DIFFER * np.nan_to_num(mean)) ** 2
            + (_DIFFER_RATE * self.group_time) ** 2
            + (_DIFFER_SHIFT * shift) ** 2
        )
        return mean + shift, variance

    def _shift(self, place: _Place, others: NDArray[np.float64]) -> float:
        """Return by how much the rates around an entry differ from those of other integrations.

        The level of a frame drifts, and what follows a reset is not the same in each integration.
        """
        rate, variance = self._rate(_integration(place.entry), place.box)
        around = (place.radius > _LEFT_OUT) & np.isfinite(variance) & np.isfinite(others)
        around &= ~self._excluded[_integration(place.entry)][place.box]
        return float(np.median((rate - others)[around])) if around.any() else 0.0

    def _rate(self, integration: int, box: Box) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return rate and variance of each pixel in an integration; infinite where unknown."""
        differences = read_differences(self.images, integration, self.image_shape, box).values
        known = np.isfinite(differences)
        which = np.flatnonzero(known.mean(axis=(1, 2)) > 0.3)
        if len(which) < 2:
            nothing = np.full(differences.shape[1:], np.inf)
            return np.zeros_like(nothing), nothing
        differences, known = differences[which], known[which]
        count = known.sum(axis=0)
        mean = np.where(known, differences, 0).sum(axis=0, dtype=np.float64) / np.maximum(count, 1)
        noise = self._noise(integration)
        covariance = noise.covariance(which, float(np.median(mean)))
        weights = np.linalg.solve(covariance, np.ones(len(which)))
        rate = np.tensordot(weights / weights.sum(), np.where(known, differences, mean), 1)
        brighter = noise.variance(rate) / float(noise.variance(float(np.median(mean))))
        variance = brighter / weights.sum() * len(which) / np.maximum(count, 1)
        variance[count < 0.5 * len(which)] = np.inf
        return rate, variance


def box_around(entry: Entry, image_shape: tuple[int, int]) -> Box:
    """Return the part of a frame in which the light of an entry may be, and its surroundings.

    Parameters
    ----------
    entry : Entry
        A shower or polygon.
    image_shape : tuple of int
        Rows and columns of the frame.

    Returns
    -------
    tuple of slice
        Rows and columns.
    """
    rows, columns = entry.pixels(image_shape)[0]
    (rows, _), (_, columns) = (
        grow_box(
            (rows, columns),
            math.ceil((_GROWN * (part.stop - part.start)) / 2) + _MARGIN,
            image_shape,
        )
        for part in (rows, columns)
    )
    return rows, columns


def nearest_integrations(own: int, nints: int, most: int) -> list[int]:
    """Return the integrations before and after one, the nearest first.

    Parameters
    ----------
    own : int
        The integration, zero-based.
    nints : int
        Integrations of the exposure.
    most : int
        So many are returned at most.

    Returns
    -------
    list of int
        Without the integration itself.
    """
    return sorted((i for i in range(nints) if i != own), key=lambda i: abs(i - own))[:most]


def _integration(entry: Entry) -> int:
    return entry.integration or 0


def _do_overlap(one: Box, other: Box) -> bool:
    return all(max(a.start, b.start) < min(a.stop, b.stop) for a, b in zip(one, other, strict=True))


def _without_hits(
    differences: NDArray[np.float32], jumps: NDArray[np.bool_], noise: RampNoise
) -> NDArray[np.float32]:
    """Return differences without what is flagged as a jump and is as high as one.

    Areas of jumps that are as large as showers are read as they are, for they may be showers; but
    the track of the hit that began one is no part of its glow.
    """
    if not jumps.any():
        return differences
    flat = differences.reshape(len(differences), -1)
    level = np.nan_to_num(medians(flat)).reshape(differences.shape[1:])
    limit = _HIT * np.sqrt(noise.variance(level)).astype(np.float32)
    above = differences - level
    is_hit = jumps & (np.abs(above) > limit)
    differences[is_hit & ~lasting(above, is_hit)] = np.nan
    return differences
