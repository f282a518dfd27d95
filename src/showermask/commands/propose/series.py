"""Glows that last longer than an integration: the integrations of a series are their time axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from showermask.commands.propose.background import smooth_background
from showermask.commands.propose.candidates import Candidate, find_glows
from showermask.commands.propose.entries import outlined
from showermask.commands.propose.residuals import Residuals
from showermask.glow.common_mode import common
from showermask.glow.differences import level_and_noise
from showermask.glow.time_filters import make_filters
from showermask.regionfile.polygon import Polygon
from showermask.regionfile.shower import Shower

__all__ = ["LEAST_INTEGRATIONS", "Levels", "find_long_glows"]

#: With fewer integrations there is no course in time.
LEAST_INTEGRATIONS = 6
#: An integration is affected that has this part of the strongest light.
_LEAST_LIGHT = 0.1
_CLIP = 6.0


class Levels:
    """The rate of each integration, in DN a group.

    The mean difference tells no more of a ramp than its ends; where reading makes the noise, the
    rate that fits the ramp best gives most weight to the differences in its middle.

    Parameters
    ----------
    nints : int
        Number of integrations.
    """

    def __init__(self, nints: int) -> None:
        self._nints = nints
        self._cube: NDArray[np.float32] | None = None
        self._last: Residuals | None = None

    def add(self, integration: int, residuals: Residuals) -> None:
        """Note the rate of an integration."""
        if self._cube is None:
            self._cube = np.full((self._nints, *residuals.level.shape), np.nan, np.float32)
        ndiff = len(residuals.values)
        middle = np.arange(1.0, ndiff + 1) * np.arange(ndiff, 0.0, -1)
        there = middle.astype(np.float32) @ (residuals.weights > 0).reshape(ndiff, -1)
        total = middle.astype(np.float32) @ residuals.values.reshape(ndiff, -1)
        left = np.divide(total, there, out=np.zeros_like(total), where=there > 0)
        self._cube[integration] = residuals.level + left.reshape(residuals.level.shape)
        self._last = residuals

    def residuals(self) -> Residuals | None:
        """Return what is left of the rates without what does not change, as that of a ramp."""
        if self._cube is None or self._last is None:
            return None
        cube = self._cube.copy()
        level, noise = level_and_noise(cube)
        cube -= level
        cube -= common(cube, noise)
        limit = _CLIP * noise
        np.clip(cube, -limit, limit, out=cube)
        known = np.isfinite(cube) & (noise > 0)
        weight = np.divide(1, noise**2, out=np.zeros_like(noise), where=noise > 0)
        weights = np.where(known, weight, np.float32(0))
        values = np.where(known, cube, np.float32(0))
        for number, value in enumerate(values):
            values[number] -= smooth_background(value, weight > 0) * (weight > 0)
        return replace(
            self._last,
            values=values,
            weights=weights,
            read_part=np.zeros_like(weight),
            jumps=np.zeros(values.shape, np.float16),
            saturated=np.full(weight.shape, len(values), np.int16),
            level=np.zeros_like(weight),
        )


def find_long_glows(
    levels: Levels, integration_time: float, present: Sequence[Shower | Polygon]
) -> Iterator[tuple[Candidate, Shower | Polygon]]:
    """Find glows that last for several integrations.

    Parameters
    ----------
    levels : Levels
        The rates of all integrations.
    integration_time : float
        Time from one integration to the next, in s.
    present : sequence of Shower or Polygon
        What was found within single integrations.

    Yields
    ------
    Candidate, Shower or Polygon
        A candidate, and an entry for each integration that it affects and that has none there.
    """
    residuals = levels.residuals()
    if residuals is None:
        return
    valid = np.median(residuals.weights, axis=(1, 2)) > 0
    if np.count_nonzero(valid) < LEAST_INTEGRATIONS:
        return
    filters = make_filters(len(valid), integration_time, 0.0, valid)
    for one in find_glows(residuals, filters, 0.0):
        affected = _affected(one, valid)
        if len(affected) < 2:
            continue
        comment = f"one glow over integrations {affected[0]} to {affected[-1]}"
        first = outlined(one, integration=int(affected[0]), group=0, last_group=None)
        said = f"{comment}; {first.comment}" if first.comment else comment
        for integration in affected:
            entry = replace(first, integration=int(integration), comment=said)
            if not any(_is_there(entry, other) for other in present):
                yield one, entry


def _affected(one: Candidate, valid: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the integrations in which a glow is."""
    glow = one.glow
    is_lit = glow.course > _LEAST_LIGHT
    is_lit[: max(0, glow.onset)] = False
    return np.flatnonzero(is_lit & valid)


def _is_there(entry: Shower | Polygon, other: Shower | Polygon) -> bool:
    """Tell whether an entry of the same integration has the same place."""
    return entry.integration == other.integration and (
        entry.contains(*other.centre) or other.contains(*entry.centre)
    )
