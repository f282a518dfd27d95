"""Synthetic darks and flats of a MIRI detector with known bad pixels.

>>> detector = SyntheticDetector(image_shape=(256, 256), each=20)
>>> detector.truth["hot"].sum()
20
>>> dark, flat = detector.dark(0), detector.flat(0)

What the pixels do is about twice what the searches of `showermask.defects` have as thresholds by
default. Noise, drifts, hits and gradients are guesses of the size that MIRI's have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from showermask.synthetic.ramps import RampBuilder

__all__ = ["SyntheticDetector"]

_DO_NOT_USE, _SATURATED, _JUMP_DET = 1, 2, 4
_FULL = 65_000.0
#: Kinds in the order in which places are given to them.
_DARK_KINDS = (
    "hot",
    "warm",
    "saturated",
    "rc",
    "inverse_rc",
    "telegraph",
    "noisy",
    "low_pedestal",
)
_FLAT_KINDS = ("dead", "low_qe", "open")


@dataclass(kw_only=True)
class SyntheticDetector:
    """A detector with known bad pixels.

    Parameters
    ----------
    image_shape : tuple of int
        Rows and columns.
    each : int
        Pixels of each kind.
    ngroups, flat_groups : int
        Groups of darks and flats.
    group_time : float
        Time between groups in s.
    readnoise : float
        Noise of a group in DN.
    strength : float
        How bad the bad pixels are, 1 for about twice the thresholds.
    hits : float
        Cosmic rays in an integration of a dark, per million pixels.
    has_reference_columns : bool
        Whether the first and last four columns see no light.
    seed : int
        Seed of places and noise.
    places : mapping, optional
        ``(ny, nx)`` bool by kind, instead of random places; other kinds have none.
    truth : dict
        ``(ny, nx)`` bool by kind.
    """

    image_shape: tuple[int, int] = (256, 256)
    each: int = 40
    ngroups: int = 40
    flat_groups: int = 12
    group_time: float = 2.775
    readnoise: float = 6.0
    strength: float = 1.0
    hits: float = 3000.0
    has_reference_columns: bool = True
    seed: int = 0
    places: Mapping[str, NDArray[np.bool_]] | None = None
    truth: dict[str, NDArray[np.bool_]] = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.truth = {
            kind: np.zeros(self.image_shape, bool) for kind in (*_DARK_KINDS, *_FLAT_KINDS)
        }
        if self.places is None:
            self._place(rng)
        else:
            self.truth.update(self.places)
        open_y, open_x = np.nonzero(self.truth["open"])
        adjacent = np.zeros(self.image_shape, bool)
        for dy, dx in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            adjacent[open_y + dy, open_x + dx] = True
        self.truth["adj_open"] = adjacent
        self._is_blind = np.zeros(self.image_shape, bool)
        if self.has_reference_columns:
            self._is_blind[:, :4] = True
            self._is_blind[:, 1028:] = True
        self._pedestal = rng.normal(9000, 20, self.image_shape).astype(np.float32)
        self._response = rng.normal(1, 0.01, self.image_shape).astype(np.float32)

    def _place(self, rng: np.random.Generator) -> None:
        """Give pixels of all kinds a place."""
        ny, nx = self.image_shape
        border = 6
        is_taken = np.zeros(self.image_shape, bool)
        for kind in self.truth:
            reach = 2 if kind == "open" else 0
            placed = 0
            while placed < self.each:
                y, x = (int(rng.integers(border, size - border)) for size in (ny, nx))
                around = slice(y - reach, y + reach + 1), slice(x - reach, x + reach + 1)
                if not is_taken[around].any():
                    self.truth[kind][y, x] = is_taken[around] = True
                    placed += 1
        # Some are of two kinds, and some hot ones are neighbours.
        hot = np.argwhere(self.truth["hot"])
        few = self.each // 10
        self.truth["low_qe"][tuple(hot[:few].T)] = True
        beside = hot[len(hot) - few :] + np.array([0, 1])
        beside = beside[~is_taken[tuple(beside.T)]]
        self.truth["hot"][tuple(beside.T)] = True

    def dark(self, number: int, *, nints: int = 1) -> Any:
        """Return a dark, as ``jump`` leaves it."""
        integrations = [self._dark(1000 * number + k) for k in range(nints)]
        data, flags = (np.stack(arrays) for arrays in zip(*integrations, strict=True))
        return self._model(data, flags, exposure_type="MIR_DARKIMG")

    def flat(self, number: int) -> Any:
        """Return a flat, as ``jump`` leaves it."""
        rng = np.random.default_rng([self.seed, 7, number])
        ny, nx = self.image_shape
        v, u = np.mgrid[-1 : 1 : ny * 1j, -1 : 1 : nx * 1j]
        light = 300.0 * (1 + 0.3 * u - 0.2 * v + 0.1 * u * v) * self._response
        light = light * rng.uniform(0.9, 1.1)
        amounts = {"dead": 0.02, "low_qe": 0.25, "open": 0.2}
        for kind, amount in amounts.items():
            light = np.where(self.truth[kind], light * amount, light)
        light = np.where(self.truth["adj_open"], light * (1 + 0.1 * self.strength), light)
        light[self._is_blind] = 0
        step = (light * self.group_time).astype(np.float32)
        groups = np.arange(1, self.flat_groups + 1, dtype=np.float32)[:, np.newaxis, np.newaxis]
        ramp = groups * step + self._pedestal
        ramp += self.readnoise * rng.standard_normal(ramp.shape, np.float32)
        ramp[:, self.truth["saturated"]] = _FULL
        flags = self._flags(ramp)
        return self._model(ramp[np.newaxis], flags[np.newaxis], exposure_type="MIR_FLATIMAGE")

    def _dark(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        rng = np.random.default_rng([self.seed, 3, number])
        n, (ny, nx) = self.ngroups, self.image_shape
        group = np.arange(n, dtype=np.float32)
        y, x = np.mgrid[-1 : 1 : ny * 1j, -1 : 1 : nx * 1j]
        rate = (0.15 + 0.05 * x + 0.05 * y).astype(np.float32)
        truth, strength = self.truth, self.strength
        rate[truth["hot"]] += 10 * strength * self.group_time
        rate[truth["warm"]] += 0.4 * strength * self.group_time
        scatter = rng.normal(0, 0.2 * strength * self.group_time, self.image_shape)
        rate[truth["noisy"]] += scatter[truth["noisy"]].astype(np.float32)
        ramp = self.readnoise * rng.standard_normal((n, ny, nx), np.float32)
        ramp += self._pedestal + group[:, np.newaxis, np.newaxis] * rate
        hot = truth["hot"]
        photons = rng.poisson(np.maximum(rate[hot], 0) * 4.0, (n, np.count_nonzero(hot))) / 4.0
        ramp[:, hot] += np.cumsum(photons - rate[hot], axis=0).astype(np.float32)
        # What follows a reset is the same for all pixels; amplifiers and rows drift.
        ramp += (-40 * np.exp(-group / 4))[:, np.newaxis, np.newaxis]
        ramp += rng.normal(0, 2, (n, 1, 4)).astype(np.float32)[:, :, np.arange(nx) % 4]
        ramp += rng.normal(0, 0.5, (n, ny, 1)).astype(np.float32)
        rise = 180 * strength * (1 - np.exp(-group / 6))
        ramp[:, truth["rc"]] += rise[:, np.newaxis]
        ramp[:, truth["inverse_rc"]] -= rise[:, np.newaxis]
        ramp[:, truth["low_pedestal"]] -= 220 * strength
        self._add_telegraph(rng, ramp)
        jumps = self._add_hits(rng, ramp)
        ramp[:, truth["saturated"]] = _FULL
        if self.has_reference_columns:
            ramp[:, self._is_blind] = 9000 + self.readnoise * rng.standard_normal(
                (n, np.count_nonzero(self._is_blind)), np.float32
            )
        flags = self._flags(ramp)
        flags[jumps & ((flags & _DO_NOT_USE) == 0)] |= _JUMP_DET
        return ramp, flags

    def _add_telegraph(self, rng: np.random.Generator, ramp: NDArray[np.float32]) -> None:
        y, x = np.nonzero(self.truth["telegraph"])
        is_high = np.cumsum(rng.random((len(ramp), len(y))) < 0.12, axis=0) % 2
        amplitude = self.strength * self.readnoise * np.linspace(8, 16, len(y))
        # Which pixel has which amplitude does not change from dark to dark.
        ramp[:, y, x] += (is_high * amplitude).astype(np.float32)

    def _add_hits(self, rng: np.random.Generator, ramp: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Add cosmic rays; four of five are flagged."""
        n, ny, nx = ramp.shape
        jumps = np.zeros(ramp.shape, bool)
        for _ in range(rng.poisson(self.hits * ny * nx / 1e6)):
            g, y, x = rng.integers(1, n), rng.integers(0, ny), rng.integers(0, nx)
            charge = rng.exponential(300)
            is_flagged = rng.random() < 0.8
            for dy, dx, part in ((0, 0, 1.0), (0, 1, 0.3), (1, 0, 0.2), (1, 1, 0.1)):
                if y + dy < ny and x + dx < nx:
                    ramp[g:, y + dy, x + dx] += charge * part
                    jumps[g, y + dy, x + dx] |= is_flagged
        return jumps

    def _flags(self, ramp: NDArray[np.float32]) -> NDArray[np.uint8]:
        flags = np.zeros(ramp.shape, np.uint8)
        flags[[0, -1]] |= _DO_NOT_USE
        flags[ramp >= _FULL] |= _SATURATED
        return flags

    def _model(
        self, data: NDArray[np.float32], flags: NDArray[np.uint8], *, exposure_type: str
    ) -> Any:
        from stdatamodels.jwst import datamodels

        nints, ngroups, ny, nx = data.shape
        model = datamodels.RampModel(data=data.astype(np.float32), groupdq=flags)
        builder = RampBuilder(
            nints=nints, ngroups=ngroups, ny=ny, nx=nx, group_time=self.group_time
        )
        is_full = self.image_shape == (1024, 1032)
        builder.describe(model, subarray="FULL" if is_full else "SUB256", readpatt="FASTR1")
        model.meta.exposure.type = exposure_type
        return model
