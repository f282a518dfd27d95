"""Rates as the differences of a ramp tell them: quick, for people to compare; no ramp fit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from showermask.exposure.dq import DO_NOT_USE, JUMP_DET, SATURATED
from showermask.exposure.images import ImageReader
from showermask.glow.duration import noise_ratio
from showermask.glow.light_curve import Aperture, measure_light_curve
from showermask.masking.cost import time_lost
from showermask.masking.footprint import Footprint
from showermask.regionfile.entry import Box

__all__ = ["MaskEffect", "MaskedPlaces", "estimate_rate", "mask_effect"]

#: Pixels along the sides of the squares by which footprints are found again.
_TILE = 64


@dataclass(frozen=True, kw_only=True)
class MaskEffect:
    """The light that the mask of one shower would remove, and its cost."""

    #: Masked pixels.
    pixels: int
    #: Exposure time in s that each loses.
    seconds: float | None
    #: By how much it lowers their rate, on average, in DN/s; None where that can't be told.
    removed: float | None
    #: Part of them that keep no rate in this integration.
    without_rate: float
    #: Noise of their rate with the mask, in units of that without; None where that can't be told.
    noise: float | None


def mask_effect(reader: ImageReader, footprint: Footprint) -> MaskEffect:
    """Return what the mask of one shower would remove and cost."""
    removed, without_rate, noise = None, 1.0, None
    if reader.exposure.is_ramp and footprint.pixels:
        before = estimate_rate(reader, footprint.integration, footprint.box)
        masked = MaskedPlaces([replace(footprint, bits=DO_NOT_USE)])
        after = estimate_rate(reader, footprint.integration, footprint.box, masked)
        if before is not None and after is not None:
            change = (before - after)[footprint.inside]
            known = np.isfinite(change)
            removed = float(change[known].mean()) if known.any() else None
            without_rate = float(np.mean(~np.isfinite(after[footprint.inside])))
        noise = _noise_with(reader, footprint)
    return MaskEffect(
        pixels=footprint.pixels,
        seconds=time_lost(footprint, reader.exposure),
        removed=removed,
        without_rate=without_rate,
        noise=noise,
    )


def _noise_with(reader: ImageReader, footprint: Footprint) -> float | None:
    """Return by what factor a mask raises the noise of the rate; None if nothing is left."""
    image_shape = reader.exposure.image_shape
    aperture = Aperture.of_entry(footprint.entry, image_shape)
    curve = measure_light_curve(reader, footprint.integration, aperture, image_shape)
    ratio = noise_ratio(curve.known, footprint.groups, curve.correlation)
    return ratio if np.isfinite(ratio) else None


def estimate_rate(
    reader: ImageReader,
    integration: int,
    box: Box,
    masked: MaskedPlaces | None = None,
) -> NDArray[np.float32] | None:
    """Return the mean of the differences between usable groups.

    The first and the last group of MIRI ramps are not used, whether they are flagged yet or not.

    Parameters
    ----------
    reader : ImageReader
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
    exposure = reader.exposure
    _, ngroups = reader.stack_shape
    if not exposure.group_time:
        return None
    shape = [part.stop - part.start for part in box]
    total, count = np.zeros(shape, np.float64), np.zeros(shape, np.int32)
    footprints = [] if masked is None else masked.near(integration, box)
    previous, was_usable = np.zeros(shape, np.float32), np.zeros(shape, bool)
    for group in range(1, ngroups - 1):
        values = reader.window(integration, group, box)
        flags = reader.dq_window(integration, group, box)
        usable = (flags & (DO_NOT_USE | SATURATED)) == 0
        usable &= _bits_of_group(footprints, group, box) == 0
        counts = usable & was_usable & ((flags & JUMP_DET) == 0)
        total[counts] += (values - previous)[counts]
        count += counts
        previous, was_usable = values, usable
    rate = np.full(shape, np.nan, np.float32)
    np.divide(total, count * exposure.group_time, out=rate, where=count > 0, casting="unsafe")
    return rate


class MaskedPlaces:
    """The bits that footprints, made for the shape of an exposure, set in parts of it."""

    def __init__(self, footprints: Sequence[Footprint]) -> None:
        self._tiles: dict[tuple[int, int, int], list[Footprint]] = defaultdict(list)
        for footprint in footprints:
            for row, column in _tiles(footprint.box):
                self._tiles[footprint.integration, row, column].append(footprint)

    def near(self, integration: int, box: Box) -> list[Footprint]:
        """Return the footprints that may reach into a part of an integration, each once."""
        found = (
            footprint
            for row, column in _tiles(box)
            for footprint in self._tiles.get((integration, row, column), ())
        )
        return list({id(footprint): footprint for footprint in found}.values())

    def bits(self, integration: int, group: int, box: Box) -> NDArray[np.uint32]:
        """Return the bits that are set in a part of a group.

        Parameters
        ----------
        integration, group : int
            Which group, zero-based.
        box : tuple of slice
            Rows and columns, within the image.

        Returns
        -------
        `numpy.ndarray`
            ``(rows, columns)`` uint32; 0 where nothing is masked.
        """
        return _bits_of_group(self.near(integration, box), group, box)


def _bits_of_group(footprints: Sequence[Footprint], group: int, box: Box) -> NDArray[np.uint32]:
    found = np.zeros([part.stop - part.start for part in box], np.uint32)
    for footprint in footprints:
        if not footprint.groups.start <= group < footprint.groups.stop:
            continue
        low = [max(b.start, f.start) for b, f in zip(box, footprint.box, strict=True)]
        high = [min(b.stop, f.stop) for b, f in zip(box, footprint.box, strict=True)]
        if all(start < stop for start, stop in zip(low, high, strict=True)):
            here, there = (
                tuple(
                    slice(i - o.start, j - o.start) for i, j, o in zip(low, high, of, strict=True)
                )
                for of in (box, footprint.box)
            )
            found[here] |= footprint.inside[there] * np.uint32(footprint.bits)
    return found


def _tiles(box: Box) -> Iterator[tuple[int, int]]:
    rows, columns = (
        range(part.start // _TILE, (part.stop - 1) // _TILE + 1) if part.stop > part.start else ()
        for part in box
    )
    return product(rows, columns)
