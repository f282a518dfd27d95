"""Saturated pixels of an exposure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from showermask.commands.propose.observation import Observation, read_observation
from showermask.exceptions import ExposureError
from showermask.exposure.dq import SATURATED
from showermask.exposure.images import ImageReader
from showermask.regionfile.entry import Status

__all__ = ["PersistenceOptions", "TakenExposure", "saturated_pixels", "take"]

#: Seconds until persistence has gone, by instrument: what saturates MIRI leaves a deficit that
#: falls to a tenth in 5.2 h (F2100W, arXiv:2512.15477).
_MEASURED = {"MIRI": 18600.0}


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
        seconds = limits.get(one.filter, self._general_limit(one))
        return None if seconds is None or math.isinf(seconds) else seconds

    def window(self, one: Observation) -> int | None:
        """Return the time limit of no filter in whole s; None for any."""
        seconds = self._general_limit(one)
        return None if seconds is None or math.isinf(seconds) else max(1, round(seconds))

    def _general_limit(self, one: Observation) -> float | None:
        return self.time_limits.get(None, _MEASURED.get(one.instrument or ""))


@dataclass(frozen=True, kw_only=True)
class TakenExposure(Observation):
    """An observation, its region file, and the rows and columns of its saturated pixels."""

    #: None for an exposure that is only looked at.
    region_path: Path | None
    saturated: tuple[NDArray[np.intp], NDArray[np.intp]]


def take(path: Path, region_path: Path | None, options: PersistenceOptions) -> TakenExposure:
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
