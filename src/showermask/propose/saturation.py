"""Saturated pixels of exposures, and the last exposure in which each pixel of a detector did so."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from showermask.exceptions import ExposureError
from showermask.exposure.dq import SATURATED
from showermask.exposure.images import ImageReader
from showermask.propose.observation import Observation, read_observation
from showermask.regionfile.entry import Status

__all__ = [
    "NO_SOURCE",
    "DetectorHistory",
    "PersistenceOptions",
    "TakenExposure",
    "saturated_pixels",
    "take",
]

#: Seconds until persistence has gone, by instrument: what saturates MIRI leaves a deficit that
#: falls to a tenth in 5.2 h (F2100W, arXiv:2512.15477).
_MEASURED = {"MIRI": 18600.0}
#: Of a pixel that has no source.
NO_SOURCE = -1


@dataclass(frozen=True, kw_only=True)
class PersistenceOptions:
    """Options: the pixels that leave persistence, and for how long."""

    #: A pixel counts that has at least one saturated group in an integration, and at most so many
    #: that are not; and fewer than half of its groups, which is what counts in short ramps.
    unsaturated_groups: int = 3
    #: Pixels to grow the saturated ones by, on each side.
    grow: int = 0
    #: Seconds from the end of an exposure to the start of a later one within which it matters, by
    #: the filter of the later one; of all other filters under None. What is measured without it.
    time_limits: Mapping[str | None, float] = field(default_factory=dict)
    #: Of the entries.
    status: Status = Status.ACCEPTED

    def time_limit(self, one: Observation) -> float | None:
        """Return the time in s for which saturation matters to an exposure; None for any."""
        limits = self.time_limits
        seconds = limits.get(one.filter, limits.get(None, _MEASURED.get(one.instrument or "")))
        return None if seconds is None or math.isinf(seconds) else seconds


@dataclass(frozen=True, kw_only=True)
class TakenExposure(Observation):
    """An observation, its region file, and the rows and columns of its saturated pixels."""

    region_path: Path
    saturated: tuple[NDArray[np.intp], NDArray[np.intp]]


class DetectorHistory:
    """The pixels of a detector, and the last exposure in which each has saturated."""

    def __init__(self, exposures: Sequence[TakenExposure]) -> None:
        self._rows = min(one.area[0].start for one in exposures)
        self._columns = min(one.area[1].start for one in exposures)
        shape = (
            max(one.area[0].stop for one in exposures) - self._rows,
            max(one.area[1].stop for one in exposures) - self._columns,
        )
        self._last = np.full(shape, NO_SOURCE, np.int32)
        self.sources: list[TakenExposure] = []

    def add(self, source: TakenExposure) -> None:
        """Note the saturated pixels of an exposure that is later than those before it."""
        rows, columns = source.saturated
        part = self._last[self._part(source)]
        part[rows, columns] = len(self.sources)
        self.sources.append(source)

    def seen_by(self, one: TakenExposure, time_limit: float | None) -> NDArray[np.int32]:
        """Return the number of the source of each pixel of an exposure, or `NO_SOURCE`."""
        seen = self._last[self._part(one)].copy()
        for number in np.unique(seen[seen != NO_SOURCE]):
            if time_limit is not None and one.seconds_after(self.sources[number]) > time_limit:
                seen[seen == number] = NO_SOURCE
        return seen

    def _part(self, one: TakenExposure) -> tuple[slice, slice]:
        rows, columns = one.area
        return (
            slice(rows.start - self._rows, rows.stop - self._rows),
            slice(columns.start - self._columns, columns.stop - self._columns),
        )


def take(path: Path, region_path: Path, options: PersistenceOptions) -> TakenExposure:
    """Read when and where an exposure was taken, and what saturated in it."""
    with ImageReader(path) as reader:
        exposure = reader.exposure
        if not exposure.is_ramp or exposure.is_raw or not reader.has_flags:
            raise ExposureError(
                f"{path}: expected a ramp with the flags of the saturation step (_jump, _ramp)"
            )
        saturated = saturated_pixels(reader, options)
    rows, columns = np.nonzero(saturated)
    observation = read_observation(path, exposure)
    values = {field.name: getattr(observation, field.name) for field in fields(observation)}
    return TakenExposure(**values, region_path=region_path, saturated=(rows, columns))


def saturated_pixels(reader: ImageReader, options: PersistenceOptions) -> NDArray[np.bool_]:
    """Find the pixels of a ramp that saturate for most of an integration.

    Parameters
    ----------
    reader : ImageReader
        The ramp.
    options : PersistenceOptions
        Which pixels count.

    Returns
    -------
    `numpy.ndarray`
        ``(ny, nx)`` bool: those of any integration, grown.
    """
    nints, ngroups = reader.stack_shape
    most = min(options.unsaturated_groups, (ngroups - 1) // 2)
    found = np.zeros(reader.exposure.image_shape, bool)
    for integration in range(nints):
        count = np.zeros(found.shape, np.int32)
        for group in range(ngroups):
            count += (reader.dq(integration, group) & SATURATED) > 0
        found |= (count >= 1) & (ngroups - count <= most)
    if options.grow:
        found = binary_dilation(found, np.ones((3, 3), bool), iterations=options.grow)
    return found
