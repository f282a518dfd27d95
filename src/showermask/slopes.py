"""Rates as the differences of a ramp tell them: quick, for people to compare; no ramp fit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from showermask.exposure import Exposure, Product
from showermask.flagging import Footprint
from showermask.frames import FrameReader
from showermask.loss import time_lost

__all__ = ["MaskEffect", "MaskedPlaces", "estimate_rate", "mask_effect"]

#: Pixels along the sides of the squares by which footprints are found again.
_TILE = 64
_DO_NOT_USE, _SATURATED, _JUMP_DET = 1, 2, 4


@dataclass(frozen=True, kw_only=True)
class MaskEffect:
    """What the mask of one shower would remove, and what it costs.

    Parameters
    ----------
    pixels : int
        Masked pixels.
    seconds : float or None
        Exposure time in s that each loses.
    removed : float or None
        By how much it lowers their rate, on average, in DN/s; None where that can't be told.
    without_rate : float
        Part of them that keep no rate in this integration.
    """

    pixels: int
    seconds: float | None
    removed: float | None
    without_rate: float


def mask_effect(reader: FrameReader, mark: Footprint) -> MaskEffect:
    """Return what the mask of one shower would remove and cost.

    Parameters
    ----------
    reader : FrameReader
        The exposure.
    mark : Footprint
        The shower.

    Returns
    -------
    MaskEffect
        Both.
    """
    removed, without_rate = None, 1.0
    if reader.exposure.product is Product.RAMP and mark.pixels:
        before = estimate_rate(reader, mark.integration, mark.box)
        masked = MaskedPlaces([mark], [_DO_NOT_USE])
        after = estimate_rate(reader, mark.integration, mark.box, masked)
        if before is not None and after is not None:
            change = (before - after)[mark.inside]
            known = np.isfinite(change)
            removed = float(change[known].mean()) if known.any() else None
            without_rate = float(np.mean(~np.isfinite(after[mark.inside])))
    return MaskEffect(
        pixels=mark.pixels,
        seconds=time_lost(mark, reader.exposure),
        removed=removed,
        without_rate=without_rate,
    )


def estimate_rate(
    reader: FrameReader,
    integration: int,
    box: tuple[slice, slice],
    masked: MaskedPlaces | None = None,
) -> NDArray[np.float32] | None:
    """Return the mean of the differences between usable groups.

    The first and the last group of MIRI ramps are not used, whether they are flagged yet or not.

    Parameters
    ----------
    reader : FrameReader
        A ramp.
    integration : int
        Which integration, zero-based.
    box : tuple of slice
        Rows and columns, within the frame.
    masked : MaskedPlaces, optional
        What is masked beside what is flagged.

    Returns
    -------
    `numpy.ndarray` or None
        ``(rows, columns)`` in DN/s, NaN where no two groups in a row are usable; None without a
        group time.
    """
    exposure: Exposure = reader.exposure
    _, ngroups = reader.nframes
    if not exposure.group_time:
        return None
    shape = [part.stop - part.start for part in box]
    total, count = np.zeros(shape, np.float64), np.zeros(shape, np.int32)
    marks = [] if masked is None else masked.near(integration, box)
    previous, was_usable = np.zeros(shape, np.float32), np.zeros(shape, bool)
    for group in range(1, ngroups - 1):
        values = reader.window(integration, group, box)
        flags = reader.dq_window(integration, group, box)
        usable = (flags & (_DO_NOT_USE | _SATURATED)) == 0
        usable &= _bits_of_group(marks, group, box) == 0
        counts = usable & was_usable & ((flags & _JUMP_DET) == 0)
        total[counts] += (values - previous)[counts]
        count += counts
        previous, was_usable = values, usable
    rate = np.full(shape, np.nan, np.float32)
    np.divide(total, count * exposure.group_time, out=rate, where=count > 0, casting="unsafe")
    return rate


class MaskedPlaces:
    """What some footprints mask in parts of an exposure.

    Parameters
    ----------
    marks : sequence of Footprint
        The footprints, made for the shape of the exposure.
    bits : sequence of int
        The bits that each sets.
    """

    def __init__(self, marks: Sequence[Footprint], bits: Sequence[int]) -> None:
        self._tiles: dict[tuple[int, int, int], list[tuple[Footprint, int]]] = defaultdict(list)
        for mark, value in zip(marks, bits, strict=True):
            for row, column in _tiles(mark.box):
                self._tiles[mark.integration, row, column].append((mark, value))

    def near(self, integration: int, box: tuple[slice, slice]) -> list[tuple[Footprint, int]]:
        """Return the footprints that may reach into a part of an integration, with their bits.

        Parameters
        ----------
        integration : int
            The integration, zero-based.
        box : tuple of slice
            Rows and columns, within the frame.

        Returns
        -------
        list of tuple
            Each footprint once, with its bits.
        """
        found = (
            pair
            for row, column in _tiles(box)
            for pair in self._tiles.get((integration, row, column), ())
        )
        return list({id(mark): (mark, value) for mark, value in found}.values())

    def bits(self, integration: int, group: int, box: tuple[slice, slice]) -> NDArray[np.uint32]:
        """Return the bits that are set in a part of a group.

        Parameters
        ----------
        integration, group : int
            Which group, zero-based.
        box : tuple of slice
            Rows and columns, within the frame.

        Returns
        -------
        `numpy.ndarray`
            ``(rows, columns)`` uint32; 0 where nothing is masked.
        """
        return _bits_of_group(self.near(integration, box), group, box)


def _bits_of_group(
    marks: Sequence[tuple[Footprint, int]], group: int, box: tuple[slice, slice]
) -> NDArray[np.uint32]:
    found = np.zeros([part.stop - part.start for part in box], np.uint32)
    for mark, value in marks:
        if not mark.groups.start <= group < mark.groups.stop:
            continue
        low = [max(b.start, m.start) for b, m in zip(box, mark.box, strict=True)]
        high = [min(b.stop, m.stop) for b, m in zip(box, mark.box, strict=True)]
        if all(start < stop for start, stop in zip(low, high, strict=True)):
            here, there = (
                tuple(
                    slice(i - o.start, j - o.start) for i, j, o in zip(low, high, of, strict=True)
                )
                for of in (box, mark.box)
            )
            found[here] |= mark.inside[there] * np.uint32(value)
    return found


def _tiles(box: tuple[slice, slice]) -> Iterator[tuple[int, int]]:
    rows, columns = (
        range(part.start // _TILE, (part.stop - 1) // _TILE + 1) if part.stop > part.start else ()
        for part in box
    )
    return product(rows, columns)
