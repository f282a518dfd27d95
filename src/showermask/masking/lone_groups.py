"""Lone groups: usable groups that a mask leaves without a usable neighbour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from showermask.exposure.dq import DO_NOT_USE, JUMP_DET, SATURATED
from showermask.masking.footprint import Footprint

__all__ = ["flag_lone_groups"]


def flag_lone_groups(
    plane: NDArray[np.uint8], footprints: Sequence[Footprint], bits: Sequence[int]
) -> int:
    """OR DO_NOT_USE into the lone groups of the masked pixels of a ramp.

    A usable group is lone where the ramp fit can link it to no neighbour: a link needs two groups
    in a row without DO_NOT_USE and SATURATED, the later one without JUMP_DET. OLS_C takes the
    counts of a lone group over the group time for a slope, which is wrong by the pedestal.

    Parameters
    ----------
    plane : `numpy.ndarray`
        Group DQ, ``(nints, ngroups, ny, nx)`` uint8, masked by `set_bits`. Modified in place.
    footprints : sequence of Footprint
        As in `set_bits`.
    bits : sequence of int
        As in `set_bits`. Footprints whose bits lack DO_NOT_USE keep their groups in the fit, and
        are left alone.

    Returns
    -------
    int
        Number of samples (pixels of single groups) that were flagged.

    Notes
    -----
    No link is broken by it, so a second call flags nothing.
    """
    flagged = 0
    for footprint, value in zip(footprints, bits, strict=True):
        if value & DO_NOT_USE and footprint.inside.any():
            window = plane[footprint.integration, :, *footprint.box]
            # No link reaches across the mask: the groups before and after it are apart.
            for part in (window[: footprint.groups.start], window[footprint.groups.stop :]):
                flagged += _flag_lone_groups(part, footprint.inside)
    return flagged


def _flag_lone_groups(dq: NDArray[np.uint8], inside: NDArray[np.bool_]) -> int:
    """Flag the lone groups of ``(ngroups, rows, columns)`` in some pixels; return how many."""
    unused = DO_NOT_USE | SATURATED
    outside = np.where(inside, np.uint8(0), np.uint8(unused))
    # MIRI ramps begin and end with groups that are not used at all.
    while len(dq) and np.all((dq[0] | outside) & unused):
        dq = dq[1:]
    while len(dq) and np.all((dq[-1] | outside) & unused):
        dq = dq[:-1]
    if not len(dq):
        return 0
    suspects = inside
    if len(dq) > 1:  # without any flag, neighbours are linked
        suspects = inside & (np.bitwise_or.reduce(dq) & (unused | JUMP_DET) != 0)
    rows, columns = np.nonzero(suspects)
    if not len(rows):
        return 0
    ramps = np.array([group[rows, columns] for group in dq])  # image by image: they lie far apart
    usable = ramps & unused == 0
    has_link = usable[1:] & usable[:-1] & (ramps[1:] & JUMP_DET == 0)
    lone = usable
    lone[1:] &= ~has_link
    lone[:-1] &= ~has_link
    groups, pixels = np.nonzero(lone)
    dq[groups, rows[pixels], columns[pixels]] |= DO_NOT_USE
    return len(groups)
