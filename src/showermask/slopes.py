"""Rates as the differences of a ramp tell them: quick, for people to compare; no ramp fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from showermask.exposure import Exposure, Product
from showermask.flagging import Footprint
from showermask.frames import FrameReader
from showermask.loss import time_lost

__all__ = ["MaskEffect", "estimate_rate", "mask_effect", "masked_in"]

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
        before = estimate_rate(reader, mark.integration, mark.box, [])
        after = estimate_rate(reader, mark.integration, mark.box, [mark])
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
    reader: FrameReader, integration: int, box: tuple[slice, slice], masked: list[Footprint]
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
    masked : list of Footprint
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
    previous, was_usable = np.zeros(shape, np.float32), np.zeros(shape, bool)
    for group in range(1, ngroups - 1):
        values = reader.window(integration, group, box)
        flags = reader.dq_window(integration, group, box)
        usable = (flags & (_DO_NOT_USE | _SATURATED)) == 0
        usable &= ~masked_in(masked, integration, group, box)
        counts = usable & was_usable & ((flags & _JUMP_DET) == 0)
        total[counts] += (values - previous)[counts]
        count += counts
        previous, was_usable = values, usable
    rate = np.full(shape, np.nan, np.float32)
    np.divide(total, count * exposure.group_time, out=rate, where=count > 0, casting="unsafe")
    return rate


def masked_in(
    marks: list[Footprint], integration: int, group: int, box: tuple[slice, slice]
) -> NDArray[np.bool_]:
    """Return where any shower masks a group, in a box of the frame.

    Parameters
    ----------
    marks : list of Footprint
        The showers.
    integration, group : int
        Which group, zero-based.
    box : tuple of slice
        Rows and columns, within the frame.

    Returns
    -------
    `numpy.ndarray`
        ``(rows, columns)`` bool.
    """
    found = np.zeros([part.stop - part.start for part in box], bool)
    for mark in marks:
        if mark.integration != integration or not mark.groups.start <= group < mark.groups.stop:
            continue
        low = [max(b.start, m.start) for b, m in zip(box, mark.box, strict=True)]
        high = [min(b.stop, m.stop) for b, m in zip(box, mark.box, strict=True)]
        if all(start < stop for start, stop in zip(low, high, strict=True)):
            here = tuple(
                slice(i - b.start, j - b.start) for i, j, b in zip(low, high, box, strict=True)
            )
            there = tuple(
                slice(i - m.start, j - m.start) for i, j, m in zip(low, high, mark.box, strict=True)
            )
            found[here] |= mark.inside[there]
    return found
