"""History of a detector: when its pixels last saturated, and in which exposure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from showermask.commands.propose.observation import Observation
from showermask.commands.propose.persistence.arrayfile import PersistenceArray
from showermask.commands.propose.persistence.saturation import TakenExposure
from showermask.commands.propose.persistence.slews import Slew
from showermask.commands.propose.persistence.sources import ArraySource, ExposureSource, Source

__all__ = ["NO_SOURCE", "DetectorHistory", "Seen"]

#: Of a pixel that has no source.
NO_SOURCE = -1
#: Seconds by which times of two files may differ that mean the same.
_SAME_TIME = 1.0


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Sources that matter to an exposure.

    Parameters
    ----------
    numbers : `numpy.ndarray`
        ``(ny, nx)`` int: place in ``sources`` of the source of each pixel, or `NO_SOURCE`.
    seconds : `numpy.ndarray`
        ``(ny, nx)``: time in s since the pixel saturated; NaN for slews.
    sources : sequence of Source
        All sources of the detector.
    """

    numbers: NDArray[np.int32]
    seconds: NDArray[np.float64]
    sources: Sequence[Source]

    def __iter__(self) -> Iterator[tuple[Source, NDArray[np.bool_], tuple[float, float]]]:
        """Yield each source, its pixels, and the shortest and longest time since; latest first."""
        found = []
        for number in np.unique(self.numbers[self.is_any]):
            pixels = self.numbers == number
            seconds = self.seconds[pixels]
            span = float(seconds.min()), float(seconds.max())
            order = math.inf if math.isnan(span[0]) else span[0], -int(number)
            found.append((order, pixels, span))
        for order, pixels, span in sorted(found, key=lambda one: one[0]):
            yield self.sources[-order[1]], pixels, span

    @property
    def is_any(self) -> NDArray[np.bool_]:
        """The pixels that have a source, ``(ny, nx)``."""
        is_any: NDArray[np.bool_] = self.numbers != NO_SOURCE
        return is_any

    def without(self, pixels: NDArray[np.bool_]) -> Seen:
        """Return the sources of the other pixels."""
        return Seen(
            numbers=np.where(pixels, np.int32(NO_SOURCE), self.numbers),
            seconds=self.seconds,
            sources=self.sources,
        )


class DetectorHistory:
    """Pixels of a detector, and the last exposure in which each has saturated.

    Parameters
    ----------
    exposures : sequence of TakenExposure
        All that will be looked at.
    array : PersistenceArray, optional
        What a file says of the time before.
    slews : sequence of Slew, optional
        Sources that no exposure shows.
    """

    def __init__(
        self,
        exposures: Sequence[TakenExposure],
        array: PersistenceArray | None = None,
        slews: Sequence[Slew] = (),
    ) -> None:
        rows, columns = zip(*(one.area for one in exposures), strict=True)
        self._origin = min(part.start for part in rows), min(part.start for part in columns)
        shape = (
            max(part.stop for part in rows) - self._origin[0],
            max(part.stop for part in columns) - self._origin[1],
        )
        self.sources: list[Source] = []
        self._number = np.full(shape, NO_SOURCE, np.int32)
        self._time = np.full(shape, -np.inf)
        self._array_start = np.full(shape, np.nan)
        self._array_end = np.full(shape, np.nan)
        self._slews = list(slews)
        self._slew_numbers = [self._add_source(slew.source) for slew in slews]
        self._array_number = NO_SOURCE
        if array is not None:
            self._array_number = self._add_source(ArraySource(name=array.path.name))
            self._take_array(array)

    def add(self, exposure: TakenExposure) -> None:
        """Note the saturated pixels of an exposure that is later than those before it."""
        part, (rows, columns) = self._part(exposure), exposure.saturated
        self._number[part][rows, columns] = self._add_source(
            ExposureSource(name=exposure.exposure.name)
        )
        self._time[part][rows, columns] = exposure.end

    def seen_by(self, one: Observation, time_limit: float | None) -> Seen:
        """Return the sources of the pixels of an exposure."""
        part = self._part(one)
        seconds = np.maximum(one.start - self._time[part], 0.0)
        numbers = self._number[part].copy()
        if time_limit is not None:
            numbers[seconds > time_limit] = NO_SOURCE
        start, end = self._array_start[part], self._array_end[part]
        is_later = (numbers == NO_SOURCE) | (start > self._time[part] + _SAME_TIME)
        of_array = (start <= one.start) & (one.start <= end) & is_later
        numbers[of_array] = self._array_number
        seconds[of_array] = one.start - start[of_array]
        for slew, number in zip(self._slews, self._slew_numbers, strict=True):
            if slew.matters_to(one):
                pixels = slew.pixels(one) & (numbers == NO_SOURCE)
                numbers[pixels], seconds[pixels] = number, np.nan
        return Seen(numbers=numbers, seconds=seconds, sources=self.sources)

    def window_ends(self, last: Observation, window: int) -> NDArray[np.float64]:
        """Return until when each pixel of the last exposure has persistence.

        Parameters
        ----------
        last : Observation
            The last exposure; it has been added.
        window : int
            Seconds for which persistence matters.

        Returns
        -------
        `numpy.ndarray`
            ``(ny, nx)``: time in s, counted as those of observations; 0 for none.
        """
        part = self._part(last)
        ends: NDArray[np.float64] = np.fmax(self._time[part] + window, self._array_end[part])
        for slew in self._slews:
            if slew.matters_to(last):
                ends[slew.pixels(last)] = np.fmax(ends[slew.pixels(last)], slew.until)
        # The stock step drops ends that are later than this.
        np.fmin(ends, last.end + window, out=ends)
        ends[~(ends > last.end)] = 0.0
        return ends

    def _add_source(self, source: Source) -> int:
        self.sources.append(source)
        return len(self.sources) - 1

    def _take_array(self, array: PersistenceArray) -> None:
        rows = array.rows + array.corner[0] - self._origin[0]
        columns = array.columns + array.corner[1] - self._origin[1]
        ny, nx = self._number.shape
        inside = (rows >= 0) & (rows < ny) & (columns >= 0) & (columns < nx)
        place = rows[inside], columns[inside]
        self._array_end[place] = array.ends[inside]
        self._array_start[place] = array.ends[inside] - array.window

    def _part(self, one: Observation) -> tuple[slice, slice]:
        rows, columns = (
            slice(part.start - first, part.stop - first)
            for part, first in zip(one.area, self._origin, strict=True)
        )
        return rows, columns
