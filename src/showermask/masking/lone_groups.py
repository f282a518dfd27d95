"""Lone groups: usable groups that a mask leaves without a usable neighbour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from showermask.exposure.dq import DO_NOT_USE, JUMP_DET, SATURATED
from showermask.masking.footprint import Footprint

__all__ = ["flag_lone_groups"]

#: Flags of groups that the ramp fit does not use.
_UNUSED = DO_NOT_USE | SATURATED


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
    dq = _without_unused_ends(dq)
    if not len(dq):
        return 0
    suspects = inside
    if len(dq) > 1:  # without any flag, neighbours are linked
        suspects = inside & (np.bitwise_or.reduce(dq) & (_UNUSED | JUMP_DET) != 0)
        if not suspects.any():
            return 0
    rows, columns = np.nonzero(suspects)
    ramps = np.array([group[rows, columns] for group in dq])  # image by image: they lie far apart
    usable = ramps & _UNUSED == 0
    lone = usable.copy()
    has_link = usable[1:] & usable[:-1] & (ramps[1:] & JUMP_DET == 0)
    lone[1:] &= ~has_link
    lone[:-1] &= ~has_link
    if not lone.any():
        return 0
    groups, pixels = np.nonzero(lone)
    dq[groups, rows[pixels], columns[pixels]] |= DO_NOT_USE
    return len(groups)


def _without_unused_ends(dq: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return groups without the first and last ones that no pixel uses, as MIRI ramps have them."""
    first, stop = 0, len(dq)
    while first < stop and _is_unused(dq[first]):
        first += 1
    while first < stop and _is_unused(dq[stop - 1]):
        stop -= 1
    return dq[first:stop]


def _is_unused(group: NDArray[np.uint8]) -> bool:
    """Tell whether all pixels of a group have the same reason not to be used."""
    # One pixel tells of most groups that they are used.
    return bool(group[0, 0] & _UNUSED and np.bitwise_and.reduce(group, axis=None) & _UNUSED)
