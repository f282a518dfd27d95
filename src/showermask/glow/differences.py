"""Differences of groups, with what is flagged left out; their medians and noise."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_opening

from showermask.exposure.dq import DO_NOT_USE, JUMP_DET, SATURATED
from showermask.regionfile.entry import Box, box_within, grow_box

__all__ = [
    "NEVER_GOOD",
    "Images",
    "large_areas",
    "level_and_noise",
    "medians",
    "read_differences",
]

#: Of a pixel: DO_NOT_USE, and REFERENCE_PIXEL, which sees no light.
NEVER_GOOD = np.uint32(DO_NOT_USE | 1 << 31)
#: Flagged areas that hold a square of so many pixels are showers themselves, not jumps.
_OPENING = 5


class Images(Protocol):
    """An exposure that is read frame by frame; see `showermask.exposure.images.ImageReader`."""

    @property
    def stack_shape(self) -> tuple[int, int]:
        """Integrations and groups."""

    def window(self, integration: int, group: int, box: Box) -> NDArray[np.float32]:
        """Return part of a frame in DN."""

    def dq_window(self, integration: int, group: int, box: Box) -> NDArray[np.unsignedinteger]:
        """Return its flags."""

    def pixel_dq_window(self, box: Box) -> NDArray[np.unsignedinteger]:
        """Return the flags of part of the pixels, for all of the exposure."""


def read_differences(
    images: Images, integration: int, image_shape: tuple[int, int], box: Box
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Read the differences of part of an integration.

    Parameters
    ----------
    images : Images
        The exposure.
    integration : int
        Which integration, zero-based.
    image_shape : tuple of int
        Rows and columns of the frame.
    box : tuple of slice
        Rows and columns, with both ends.

    Returns
    -------
    differences : `numpy.ndarray`
        In DN, ``(ngroups - 1, rows, columns)`` float32; NaN where flagged.
    jumps : `numpy.ndarray`
        What is flagged as a jump, same shape; areas as large as showers are not NaN.
    """
    # Jumps are grown: a pixel more to each side.
    halo = grow_box(box, 1, image_shape)
    inner = box_within(box, halo)
    ngroups = images.stack_shape[1]
    differences = np.empty((ngroups - 1, *(part.stop - part.start for part in box)), np.float32)
    jumps = np.zeros(differences.shape, bool)
    never_good = (images.pixel_dq_window(halo) & NEVER_GOOD) > 0
    previous: NDArray[np.float32] | None = None
    was_bad: NDArray[np.bool_] | None = None
    for group in range(ngroups):
        current = images.window(integration, group, halo)
        flags = images.dq_window(integration, group, halo)
        is_bad = ((flags & (DO_NOT_USE | SATURATED)) > 0) | ~np.isfinite(current) | never_good
        if previous is not None and was_bad is not None:
            difference = current - previous
            is_jump = (flags & JUMP_DET) > 0
            difference[is_bad | was_bad | _small(is_jump)] = np.nan
            differences[group - 1], jumps[group - 1] = difference[inner], is_jump[inner]
        previous, was_bad = current, is_bad
    return differences, jumps


def _small(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the jumps of a difference, grown by a pixel, without areas as large as showers."""
    if not flags.any():
        return flags
    grown: NDArray[np.bool_] = binary_dilation(flags & ~large_areas(flags), np.ones((3, 3), bool))
    return grown


def large_areas(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the parts of flagged areas that are as large as showers.

    Parameters
    ----------
    flags : `numpy.ndarray`
        ``(rows, columns)`` bool.

    Returns
    -------
    `numpy.ndarray`
        ``(rows, columns)`` bool.
    """
    if np.count_nonzero(flags) < _OPENING**2:
        return np.zeros_like(flags)
    opened: NDArray[np.bool_] = binary_opening(flags, np.ones((_OPENING, _OPENING), bool))
    return opened


def level_and_noise(
    differences: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return median and noise of each pixel, by order statistics, NaN left out.

    Parameters
    ----------
    differences : `numpy.ndarray`
        In DN, ``(n, ny, nx)``; NaN where unknown.

    Returns
    -------
    level, noise : `numpy.ndarray`
        ``(ny, nx)`` float32; noise is NaN where there are too few.
    """
    ndiff = differences.shape[0]
    pixels = np.ascontiguousarray(differences.reshape(ndiff, -1).T)
    pixels.sort(axis=1)
    count = np.count_nonzero(np.isfinite(pixels), axis=1)
    which = np.arange(len(pixels))

    def quantile(q: float) -> NDArray[np.float32]:
        rank = np.clip(q * (count - 1), 0, None)
        low = rank.astype(np.intp)
        part = (rank - low).astype(np.float32)
        high = np.minimum(low + 1, np.maximum(count - 1, 0))
        values: NDArray[np.float32] = (1 - part) * pixels[which, low] + part * pixels[which, high]
        return values

    middle = quantile(0.5)
    spread = (quantile(0.8413) - quantile(0.1587)) / 2
    known = np.isfinite(spread) & (count > 2)
    typical = float(np.median(spread[known])) if known.any() else 1.0
    # From few groups the spread is itself a guess: the strip's typical one has a say.
    weight = count / (count + 10.0)
    noise = np.sqrt(weight * spread**2 + (1 - weight) * typical**2)
    noise = np.where(known, np.maximum(noise, 0.5 * typical), np.nan).astype(np.float32)
    shape = differences.shape[1:]
    return middle.reshape(shape), noise.reshape(shape)


def medians(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the median of each column, NaN left out.

    Parameters
    ----------
    values : `numpy.ndarray`
        ``(n, ncolumns)``.

    Returns
    -------
    `numpy.ndarray`
        ``(ncolumns,)`` float32; NaN where all are.
    """
    ordered = np.sort(values, axis=0)
    count = np.count_nonzero(np.isfinite(ordered), axis=0)
    which = np.arange(ordered.shape[1])
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    high = np.minimum(high, len(ordered) - 1)
    middle: NDArray[np.float32] = (ordered[low, which] + ordered[high, which]) / 2
    return middle
