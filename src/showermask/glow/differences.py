"""Differences of groups, with what is flagged left out; their medians and noise."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter

from showermask.exposure.dq import DO_NOT_USE, JUMP_DET, SATURATED
from showermask.glow.jumps import small_hits
from showermask.regionfile.entry import Box, box_within, grow_box

__all__ = [
    "NEVER_GOOD",
    "Differences",
    "Images",
    "level_and_noise",
    "medians",
    "noise_without_glows",
    "read_differences",
]

#: Of a pixel: DO_NOT_USE, and REFERENCE_PIXEL, which sees no light.
NEVER_GOOD = np.uint32(DO_NOT_USE | 1 << 31)
#: Noise so many times the typical one, and that of pairs of differences, is no noise; with fewer
#: differences the noise of pairs is too uncertain.
_DOUBTFUL, _LEAST_FOR_PAIRS, _SIGMA_OF_MEDIAN = 1.5, 12, np.float32(1.4826)
#: Differences so many standard deviations away are outliers; what these leave of a Gaussian has so
#: much less of one. A pixel with more than some times the typical one has outliers.
_OUTLIER, _CUT_OFF, _MOST_SPREAD = 3.0, 1.0137, 3.0
#: A median needs no more values.
_SAMPLE = 20_000


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


class Differences(NamedTuple):
    """The differences of part of an integration.

    Parameters
    ----------
    values : `numpy.ndarray`
        In DN, ``(ngroups - 1, rows, columns)`` float32; NaN where flagged.
    jumps : `numpy.ndarray`
        Difference in DN of what is flagged as a jump, 0 elsewhere, same shape; areas as large as
        showers are not NaN in `values`.
    saturated : `numpy.ndarray`
        ``(rows, columns)`` int16: the first difference with a saturated group, ``ngroups - 1``
        where there is none.
    """

    values: NDArray[np.float32]
    jumps: NDArray[np.float32]
    saturated: NDArray[np.int16]


def read_differences(
    images: Images, integration: int, image_shape: tuple[int, int], box: Box, *, spill: int = 0
) -> Differences:
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
    spill : int
        Pixels around one that saturates, along each axis, that are left out from then on: charge
        that has no place there comes to them.

    Returns
    -------
    Differences
        The differences, and what is flagged.
    """
    # Jumps are grown: a pixel more to each side.
    halo = grow_box(box, max(1, spill), image_shape)
    inner = box_within(box, halo)
    ngroups = images.stack_shape[1]
    differences = np.empty((ngroups - 1, *(part.stop - part.start for part in box)), np.float32)
    jumps = np.zeros_like(differences)
    never_good = (images.pixel_dq_window(halo) & NEVER_GOOD) > 0
    saturated = np.full(never_good.shape, ngroups - 1, np.int16)
    previous: NDArray[np.float32] | None = None
    was_bad: NDArray[np.bool_] | None = None
    for group in range(ngroups):
        current = images.window(integration, group, halo)
        flags = images.dq_window(integration, group, halo)
        is_bad = ((flags & (DO_NOT_USE | SATURATED)) > 0) | ~np.isfinite(current) | never_good
        is_new = ((flags & SATURATED) > 0) & (saturated == ngroups - 1)
        saturated[is_new] = max(0, group - 1)
        if previous is not None and was_bad is not None:
            difference = current - previous
            is_jump = (flags & JUMP_DET) > 0
            is_bad_now = is_bad | was_bad
            np.copyto(jumps[group - 1], difference[inner], where=(is_jump & ~is_bad_now)[inner])
            difference[is_bad_now | small_hits(is_jump)] = np.nan
            differences[group - 1] = difference[inner]
        previous, was_bad = current, is_bad
    if spill and saturated.min() < ngroups - 1:
        around = minimum_filter(saturated, 2 * spill + 1)[inner]
        for number, difference in enumerate(differences):
            difference[around <= number] = np.nan
    return Differences(differences, jumps, saturated[inner])


def level_and_noise(
    differences: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return level and noise of each pixel, NaN and outliers left out.

    Parameters
    ----------
    differences : `numpy.ndarray`
        In DN, ``(n, ny, nx)``; NaN where unknown.

    Returns
    -------
    level, noise : `numpy.ndarray`
        ``(ny, nx)`` float32: mean and standard deviation of what is within 3 standard deviations
        of the mean; both NaN where there are too few.
    """
    use = np.isfinite(differences)
    left = np.where(use, differences, np.float32(0))
    level, spread, count = _mean_and_spread(left, use)
    left -= level
    outliers: tuple[NDArray[np.intp], ...] | None = None
    for _ in range(2):
        typical = _typical(spread, count)
        # A pixel of few differences may have a hit that nobody has flagged in one of them.
        limit = _OUTLIER * np.minimum(spread, _MOST_SPREAD * typical)
        if outliers is None:
            outside = (np.abs(left) > limit) & use
            # Most pixels have none, and are done.
            outliers = np.nonzero(outside.any(axis=0))
            chosen: Any = (slice(None), *outliers)
            left, use, outside = left[chosen], use[chosen], outside[chosen]
        else:
            outside = (np.abs(left) > limit[outliers]) & use
        if not outside.any():
            break
        use ^= outside
        shift, spread[outliers], count[outliers] = _mean_and_spread(left, use)
        left -= shift
        level[outliers] += shift
    # What is cut off of a Gaussian.
    spread *= np.float32(_CUT_OFF)
    typical = _typical(spread, count)
    # From few groups the spread is itself a guess: the strip's typical one has a say.
    weight = count / (count + np.float32(10.0))
    noise = np.sqrt(weight * spread**2 + (1 - weight) * np.float32(typical) ** 2)
    noise = np.where(count > 2, np.maximum(noise, np.float32(0.5 * typical)), np.float32(np.nan))
    return np.where(count > 0, level, np.float32(np.nan)), noise


def noise_without_glows(
    differences: NDArray[np.float32], noise: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the noise of each pixel without what a bright glow, which fades slowly, adds to it.

    Parameters
    ----------
    differences : `numpy.ndarray`
        In DN, ``(n, ny, nx)``; NaN where unknown.
    noise : `numpy.ndarray`
        Their standard deviation, ``(ny, nx)``.

    Returns
    -------
    `numpy.ndarray`
        ``(ny, nx)`` float32. Where the noise is well above the typical one, and above that of
        differences from the next but one, which share no group and hardly differ in a glow, it is
        the latter.
    """
    found = noise.copy()
    if len(differences) < _LEAST_FOR_PAIRS or not np.isfinite(noise).any():
        return found
    typical = np.nanmedian(noise)
    doubtful = np.nonzero(noise > _DOUBTFUL * typical)
    chosen: Any = (slice(None), *doubtful)
    left = differences[chosen]
    steady = _SIGMA_OF_MEDIAN / np.sqrt(2) * medians(np.abs(left[2:] - left[:-2]))
    is_less = noise[doubtful] > _DOUBTFUL * steady
    found[doubtful] = np.where(is_less, np.maximum(steady, typical), noise[doubtful])
    return found


def _mean_and_spread(
    values: NDArray[np.float32], use: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return mean, standard deviation and number of the values of each pixel that are used."""
    used = use.astype(np.float32)
    count = used.sum(axis=0)
    mean = np.einsum("k...,k...->...", values, used) / np.maximum(count, 1)
    away = values - mean
    away *= used
    square = np.einsum("k...,k...->...", away, away)
    return mean, np.sqrt(square / np.maximum(count - 1, 1)), count


def _typical(spread: NDArray[np.float32], count: NDArray[np.float32]) -> float:
    known = spread[count > 2]
    return float(np.median(known[:: max(1, len(known) // _SAMPLE)])) if known.size else 1.0


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
