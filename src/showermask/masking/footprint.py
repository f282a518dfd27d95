"""Footprints: the pixels and groups of a plane that an entry of a region file covers.

Planes are arrays

- ``(nints, ngroups, ny, nx)``: the group DQ of a ramp; an entry masks groups of its integration;
- ``(nints, ny, nx)``: the DQ of rateints; an entry masks its integration;
- ``(ny, nx)``: the DQ of a rate; an entry of any integration masks the image.

Finding footprints and setting their bits costs as much as the masked area, however large the
exposure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from showermask.exceptions import EntryError
from showermask.regionfile.entry import Box, Entry

__all__ = ["Footprint", "are_set", "find_footprints", "masked_pixels", "set_bits"]


@dataclass(frozen=True)
class Footprint:
    """The part of one integration of a plane that an entry covers.

    Parameters
    ----------
    entry : Entry
        The entry.
    integration : int
        Index of the stack of images: the integration; 0 in a plane of two dimensions.
    groups : slice
        Affected groups; one group in planes without a group axis.
    box : tuple of slice
        Rows and columns that it reaches, clipped.
    inside : `numpy.ndarray`
        ``(rows, columns)`` bool: the masked pixels of the box.
    bits : int
        The flags to be set in them.
    """

    entry: Entry
    integration: int
    groups: slice
    box: Box
    inside: NDArray[np.bool_]
    bits: int = 0

    @property
    def pixels(self) -> int:
        """Number of masked pixels of an image."""
        return int(np.count_nonzero(self.inside))

    @property
    def ngroups(self) -> int:
        """Number of masked groups."""
        return int(self.groups.stop - self.groups.start)


def find_footprints(
    entries: Iterable[Entry], shape: tuple[int, ...], bits: Iterable[int] | None = None
) -> list[Footprint]:
    """Find the pixels of each entry in a plane.

    Parameters
    ----------
    entries : iterable of Entry
        Any entries; their status is not looked at.
    shape : tuple of int
        Shape of the plane: ``(ny, nx)``, ``(nints, ny, nx)`` or ``(nints, ngroups, ny, nx)``.
    bits : iterable of int, optional
        The flags of each entry.

    Returns
    -------
    list of Footprint
        In the order of the entries; entries of all integrations have one for each.

    Raises
    ------
    EntryError
        When an integration, group or pixel lies outside the plane.
    """
    *leading, ny, nx = shape
    nints = leading[0] if leading else None
    ngroups = leading[1] if len(leading) == 2 else None
    listed = list(entries)
    found = []
    for position, (entry, value) in enumerate(zip(listed, bits or [0] * len(listed), strict=True)):
        outside = entry.out_of_range(
            vars(entry), nints=nints, ngroups=ngroups, image_shape=(ny, nx)
        )
        EntryError.check_none([f"entries[{position}].{name} {text}" for name, text in outside])
        groups = slice(0, 1) if ngroups is None else entry.groups(ngroups)
        box, inside = entry.pixels((ny, nx))
        where: Iterable[int] = (0,)
        if nints is not None:
            where = range(nints) if entry.integration is None else (entry.integration,)
        found += [Footprint(entry, i, groups, box, inside, value) for i in where]
    return found


def masked_pixels(
    footprints: Iterable[Footprint], image_shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return the pixels that any of some footprints covers.

    Parameters
    ----------
    footprints : iterable of Footprint
        From `find_footprints`.
    image_shape : tuple of int
        Rows and columns.

    Returns
    -------
    `numpy.ndarray`
        ``(ny, nx)`` bool.
    """
    masked = np.zeros(image_shape, bool)
    for footprint in footprints:
        masked[footprint.box] |= footprint.inside
    return masked


def set_bits(
    plane: NDArray[np.unsignedinteger], footprints: Sequence[Footprint], bits: Sequence[int]
) -> None:
    """OR bits into a plane. No bit is ever cleared.

    Parameters
    ----------
    plane : `numpy.ndarray`
        DQ plane of unsigned integers: ``(ny, nx)``, ``(nints, ny, nx)`` or
        ``(nints, ngroups, ny, nx)``. Modified in place.
    footprints : sequence of Footprint
        From `find_footprints`, for the shape of this plane.
    bits : sequence of int
        The bits of each footprint.
    """
    stack = _as_stack(plane)
    for footprint, value in zip(footprints, bits, strict=True):
        mask = footprint.inside * plane.dtype.type(value)
        stack[footprint.integration, footprint.groups, *footprint.box] |= mask


def are_set(
    plane: NDArray[np.unsignedinteger], footprints: Sequence[Footprint], bits: Sequence[int]
) -> bool:
    """Tell whether `set_bits` would change nothing.

    Parameters
    ----------
    plane : `numpy.ndarray`
        As in `set_bits`, but only read.
    footprints : sequence of Footprint
        As in `set_bits`.
    bits : sequence of int
        As in `set_bits`.

    Returns
    -------
    bool
        Whether all the bits are there.
    """
    stack = _as_stack(plane)
    for footprint, value in zip(footprints, bits, strict=True):
        window = stack[footprint.integration, footprint.groups, *footprint.box]
        if np.any((window & value != value) & footprint.inside):
            return False
    return True


def _as_stack(plane: NDArray[np.unsignedinteger]) -> NDArray[np.unsignedinteger]:
    """Return a view of ``plane`` as ``(nints, ngroups, ny, nx)``, with 1 for an axis it has not."""
    if plane.ndim == 2:
        return plane[np.newaxis, np.newaxis]
    if plane.ndim == 3:
        return plane[:, np.newaxis]
    return plane
