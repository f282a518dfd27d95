"""Latents: whether a source lay in earlier exposures where a glow is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from showermask.commands.propose.observation import Observation, read_observation
from showermask.exceptions import ShowermaskError
from showermask.exposure.dq import DO_NOT_USE, SATURATED
from showermask.exposure.images import ImageReader
from showermask.exposure.product import describe_file

__all__ = ["SourceBefore", "earlier_exposures", "find_source_before"]

#: Seconds for which a source is remembered, and exposures that are looked at, the latest first.
_LONGEST, _MOST = 86400.0, 12
#: Pixels around a place: of a source, and of what is around it.
_CORE, _AROUND = 3, 9
#: A source stands out of its surroundings by so many times their scatter.
_BRIGHT = 12.0


@dataclass(frozen=True, kw_only=True)
class SourceBefore:
    """A source of an earlier exposure."""

    #: Name of the exposure.
    exposure: str
    #: Time since its end, in s.
    seconds: float


def earlier_exposures(paths: Iterable[Path]) -> dict[Path, tuple[Path, ...]]:
    """Return, for each exposure, those before it on the same detector, the latest first.

    Parameters
    ----------
    paths : iterable of Path
        Exposures; those whose header does not say when and where they were taken have none.

    Returns
    -------
    dict
        Paths of earlier exposures of each.
    """
    observations: list[Observation] = []
    for path in paths:
        try:
            observations.append(read_observation(path, describe_file(path)))
        except ShowermaskError:
            continue
    observations.sort(key=lambda one: (one.detector, one.start))
    before: dict[Path, tuple[Path, ...]] = {}
    for _, group in groupby(observations, key=lambda one: one.detector):
        seen: list[Observation] = []
        for one in group:
            recent = [
                other.path
                for other in reversed(seen)
                if other.end <= one.start and one.seconds_after(other) < _LONGEST
            ]
            before[one.path] = tuple(recent[:_MOST])
            seen.append(one)
    return before


def find_source_before(
    path: Path, earlier: Sequence[Path], x: float, y: float
) -> SourceBefore | None:
    """Look for a source in earlier exposures at a place of the detector.

    Parameters
    ----------
    path : Path
        The exposure.
    earlier : sequence of Path
        The exposures before it, the latest first.
    x, y : float
        Column and row in pixels of the exposure.

    Returns
    -------
    SourceBefore or None
        The source of the latest exposure that has one.
    """
    if not earlier:
        return None
    this = read_observation(path, describe_file(path))
    for other in earlier:
        with ImageReader(other) as reader:
            that = read_observation(other, reader.exposure)
            row, column = (
                round(place) + mine - theirs
                for place, mine, theirs in zip((y, x), this.corner, that.corner, strict=True)
            )
            if _is_bright(reader, row, column):
                return SourceBefore(
                    exposure=that.exposure.name, seconds=round(this.seconds_after(that))
                )
    return None


def _is_bright(reader: ImageReader, row: int, column: int) -> bool:
    """Tell whether a place of the last integration of a ramp has a source."""
    box = tuple(
        slice(max(0, centre - _AROUND), min(size, centre + _AROUND + 1))
        for centre, size in zip((row, column), reader.exposure.image_shape, strict=True)
    )
    if any(part.stop - part.start <= _AROUND for part in box):
        return False
    rows, columns = box
    nints, ngroups = reader.stack_shape
    first, last = min(1, ngroups - 1), max(0, ngroups - 2)
    start, end = (reader.window(nints - 1, group, (rows, columns)) for group in (first, last))
    flags = reader.dq_window(nints - 1, last, (rows, columns))
    y, x = np.ogrid[rows, columns]
    is_core = (abs(y - row) <= _CORE) & (abs(x - column) <= _CORE)
    if ((flags & SATURATED) > 0)[is_core].any():
        return True
    risen = np.where((flags & DO_NOT_USE) > 0, np.nan, end - start)
    around, core = risen[~is_core & np.isfinite(risen)], risen[is_core & np.isfinite(risen)]
    if len(around) < _AROUND or not len(core):
        return False
    level = float(np.median(around))
    scatter = 1.4826 * float(np.median(np.abs(around - level)))
    return bool(np.mean(core) - level > _BRIGHT * scatter / np.sqrt(len(core)))
