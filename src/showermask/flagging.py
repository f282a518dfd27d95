"""Set data-quality bits where showers and other bad pixels are.

Entries of a region file become footprints (which part of which plane, which pixels of it), and
footprints are ORed into the plane. Both cost as much as the masked area, however large the
exposure. Nothing here knows datamodels: planes are arrays

- ``(nints, ngroups, ny, nx)``: the group DQ of a ramp; an entry masks groups of its integration;
- ``(nints, ny, nx)``: the DQ of rateints; an entry masks its integration;
- ``(ny, nx)``: the DQ of a rate; an entry of any integration masks the image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import groupby, pairwise
from operator import or_

import numpy as np
from numpy.typing import NDArray

from showermask.exceptions import EntryError, FlagError, MaskTooLargeError
from showermask.exposure import Exposure
from showermask.messages import counted, joined
from showermask.pixels import PixelRegion
from showermask.shower import Shower

__all__ = [
    "DEFAULT_FLAGS",
    "MAX_MASKED_FRACTION",
    "Coverage",
    "Footprint",
    "advice_outside",
    "are_set",
    "bits_of",
    "bits_of_entry",
    "check_coverage",
    "count_samples",
    "entries_of",
    "flag_lone_groups",
    "footprints",
    "masked_pixels",
    "measure",
    "pixels_text",
    "set_bits",
]

#: Both are needed: JUMP_DET keeps the mask visible in the rate's DQ, DO_NOT_USE keeps the masked
#: groups out of the fit also where fewer than two usable groups come before the shower.
DEFAULT_FLAGS = ("JUMP_DET", "DO_NOT_USE")

#: The bits of a group DQ that decide which groups the ramp fit links to a slope.
_DO_NOT_USE, _SATURATED, _JUMP_DET = 1, 2, 4

#: The largest shower that the pipeline itself allows (radius 200 pixels) takes 12 % of a frame.
MAX_MASKED_FRACTION = 0.5


@dataclass(frozen=True)
class Footprint:
    """Where an entry lands in one integration of a plane.

    Parameters
    ----------
    entry : Shower or PixelRegion
        The entry.
    integration : int
        Index of the frame stack: the integration; 0 in a plane of two dimensions.
    groups : slice
        Affected groups; one group in planes without a group axis.
    box : tuple of slice
        Rows and columns that it reaches, clipped.
    inside : `numpy.ndarray`
        ``(rows, columns)`` bool: the masked pixels of the box.
    """

    entry: Shower | PixelRegion
    integration: int
    groups: slice
    box: tuple[slice, slice]
    inside: NDArray[np.bool_]

    @property
    def pixels(self) -> int:
        """Number of masked pixels in a frame."""
        return int(np.count_nonzero(self.inside))

    @property
    def ngroups(self) -> int:
        """Number of masked groups."""
        return int(self.groups.stop - self.groups.start)


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How much of an exposure a mask covers.

    Parameters
    ----------
    showers : int
        Number of showers.
    regions : int
        Number of pixel regions.
    pixels : int
        Number of masked pixels of the frame; one that is masked in several integrations counts
        once.
    integration_pixels : int
        The same, with each pixel counted once for each integration in which it is masked.
    fraction : float
        Masked fraction of the frame, in the integration where it is largest.
    """

    showers: int
    regions: int
    pixels: int
    integration_pixels: int
    fraction: float

    def entries_text(self) -> str:
        """Return how many entries there are, in words."""
        regions = counted(self.regions, "pixel region") if self.regions else ""
        return joined(counted(self.showers, "shower"), regions)

    def pixels_text(self) -> str:
        """Return how many pixels there are, in words."""
        return pixels_text(self.pixels, self.integration_pixels)


def pixels_text(pixels: int, integration_pixels: int) -> str:
    """Return a number of masked pixels in words, and the one that counts all integrations.

    Parameters
    ----------
    pixels, integration_pixels : int
        As in `Coverage`.

    Returns
    -------
    str
        Such as ``1 pixel`` or ``27 pixels (54 in all integrations)``.
    """
    everywhere = (
        "" if integration_pixels == pixels else f" ({integration_pixels} in all integrations)"
    )
    return counted(pixels, "pixel") + everywhere


def bits_of(names: Iterable[str], known: Mapping[str, int], plane: str) -> int:
    """Combine flag names into the bits of one plane.

    Parameters
    ----------
    names : iterable of str
        Flag names, in any case.
    known : mapping of str to int
        The flags which the plane has, by name.
    plane : str
        Name of the plane, for the message.

    Returns
    -------
    int
        The bits.

    Raises
    ------
    FlagError
        When a name is not known to the plane, or sets no bit.
    """
    flags = {name: value for name, value in known.items() if value}
    wanted = [str(name).strip().upper() for name in names]
    unknown = [name for name in wanted if name not in flags]
    if unknown or not wanted:
        found = ", ".join(unknown) if unknown else "no flag"
        raise FlagError(f"{plane}: found {found}, expected names among {', '.join(flags)}")
    return reduce(or_, (flags[name] for name in wanted))


def bits_of_entry(
    entry: Shower | PixelRegion, known: Mapping[str, int], elsewhere: Mapping[str, int], plane: str
) -> int | None:
    """Combine the flags that an entry names.

    Of a pixel region, those that only other planes have are left out, if one is left:
    PERSISTENCE is known to pixels and not to groups.

    Parameters
    ----------
    entry : Shower or PixelRegion
        The entry.
    known : mapping of str to int
        The flags which the plane has, by name.
    elsewhere : mapping of str to int
        Those of other planes.
    plane : str
        Name of the plane, for the message.

    Returns
    -------
    int or None
        The bits; None where the entry names none.

    Raises
    ------
    FlagError
        When a name is not known.
    """
    if entry.flags is None:
        return None
    names = [name.strip().upper() for name in entry.flags]
    if isinstance(entry, PixelRegion):
        here = [name for name in names if name in known or name not in elsewhere]
        names = here or names
    return bits_of(names, known, plane)


def footprints(entries: Iterable[Shower | PixelRegion], shape: tuple[int, ...]) -> list[Footprint]:
    """Find the pixels of each entry in a plane.

    Parameters
    ----------
    entries : iterable of Shower or PixelRegion
        Any entries; their status is not looked at.
    shape : tuple of int
        Shape of the plane: ``(ny, nx)``, ``(nints, ny, nx)`` or ``(nints, ngroups, ny, nx)``.

    Returns
    -------
    list of Footprint
        In the order of the entries; pixel regions of all integrations have one for each.

    Raises
    ------
    EntryError
        When an integration, group or pixel lies outside the plane.
    """
    *leading, ny, nx = shape
    nints = leading[0] if leading else None
    ngroups = leading[1] if len(leading) == 2 else None
    found = []
    for position, entry in enumerate(entries):
        misfits = entry.misfits(nints=nints, ngroups=ngroups, frame=(ny, nx))
        EntryError.raise_if([f"entries[{position}].{name} {text}" for name, text in misfits])
        groups = slice(0, 1) if ngroups is None else entry.groups(ngroups)
        box, inside = entry.pixels((ny, nx))
        where: Iterable[int] = (0,)
        if nints is not None:
            where = range(nints) if entry.integration is None else (entry.integration,)
        found += [Footprint(entry, integration, groups, box, inside) for integration in where]
    return found


def advice_outside(entry: Shower | PixelRegion, exposure: Exposure) -> str:
    """Return what may be wrong with an entry that covers no pixel of a frame.

    Parameters
    ----------
    entry : Shower or PixelRegion
        The entry.
    exposure : Exposure
        The exposure.

    Returns
    -------
    str
        Half a sentence.
    """
    ny, nx = exposure.frame
    columns_and_rows = f"the frame has columns 0 to {nx - 1} and rows 0 to {ny - 1}"
    if isinstance(entry, PixelRegion):
        return f"{columns_and_rows}; is the mask empty?"
    if 0 <= entry.x < nx and 0 <= entry.y < ny:
        return "a and b are semi-axes in pixels, and no pixel's centre is inside"
    if 0 <= entry.y < nx and 0 <= entry.x < ny:
        return f"{columns_and_rows}; are x and y swapped?"
    if exposure.subarray not in (None, "FULL"):
        return f"{columns_and_rows}; are x and y relative to the subarray {exposure.subarray}?"
    return columns_and_rows


def masked_pixels(marks: Iterable[Footprint], frame: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels that any of some footprints covers.

    Parameters
    ----------
    marks : iterable of Footprint
        From `footprints`.
    frame : tuple of int
        Rows and columns.

    Returns
    -------
    `numpy.ndarray`
        ``(ny, nx)`` bool.
    """
    masked = np.zeros(frame, bool)
    for mark in marks:
        masked[mark.box] |= mark.inside
    return masked


def entries_of(marks: Iterable[Footprint]) -> list[Shower | PixelRegion]:
    """Return the entries that footprints are of, each once.

    Parameters
    ----------
    marks : iterable of Footprint
        From `footprints`.

    Returns
    -------
    list of Shower or PixelRegion
        In the order of the footprints.
    """
    return list({id(mark.entry): mark.entry for mark in marks}.values())


def set_bits(
    plane: NDArray[np.unsignedinteger], marks: Sequence[Footprint], bits: Sequence[int]
) -> None:
    """OR bits into a plane. No bit is ever cleared.

    Parameters
    ----------
    plane : `numpy.ndarray`
        DQ plane of unsigned integers: ``(ny, nx)``, ``(nints, ny, nx)`` or
        ``(nints, ngroups, ny, nx)``. Modified in place.
    marks : sequence of Footprint
        From `footprints`, for the shape of this plane.
    bits : sequence of int
        The bits of each footprint.
    """
    stack = _as_stack(plane)
    for mark, value in zip(marks, bits, strict=True):
        mask = mark.inside * plane.dtype.type(value)
        stack[mark.integration, mark.groups, *mark.box] |= mask


def are_set(
    plane: NDArray[np.unsignedinteger], marks: Sequence[Footprint], bits: Sequence[int]
) -> bool:
    """Tell whether `set_bits` would change nothing.

    Parameters
    ----------
    plane : `numpy.ndarray`
        As in `set_bits`, but only read.
    marks : sequence of Footprint
        As in `set_bits`.
    bits : sequence of int
        As in `set_bits`.

    Returns
    -------
    bool
        Whether all the bits are there.
    """
    stack = _as_stack(plane)
    for mark, value in zip(marks, bits, strict=True):
        window = stack[mark.integration, mark.groups, *mark.box]
        if np.any((window & value != value) & mark.inside):
            return False
    return True


def flag_lone_groups(
    plane: NDArray[np.uint8], marks: Sequence[Footprint], bits: Sequence[int]
) -> int:
    """OR DO_NOT_USE into the lone groups of the masked pixels of a ramp.

    A usable group is lone where the ramp fit can link it to no neighbour: a link needs two groups
    in a row without DO_NOT_USE and SATURATED, the later one without JUMP_DET. OLS_C takes the
    counts of a lone group over the group time for a slope, which is wrong by the pedestal.

    Parameters
    ----------
    plane : `numpy.ndarray`
        Group DQ, ``(nints, ngroups, ny, nx)`` uint8, masked by `set_bits`. Modified in place.
    marks : sequence of Footprint
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
    for mark, value in zip(marks, bits, strict=True):
        if value & _DO_NOT_USE and mark.inside.any():
            window = plane[mark.integration, :, *mark.box]
            # No link reaches across the mask: the groups before and after it are apart.
            for part in (window[: mark.groups.start], window[mark.groups.stop :]):
                flagged += _flag_lone_groups(part, mark.inside)
    return flagged


def _flag_lone_groups(dq: NDArray[np.uint8], inside: NDArray[np.bool_]) -> int:
    """Flag the lone groups of ``(ngroups, rows, columns)`` in some pixels; return how many."""
    unused = _DO_NOT_USE | _SATURATED
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
        suspects = inside & (np.bitwise_or.reduce(dq) & (unused | _JUMP_DET) != 0)
    rows, columns = np.nonzero(suspects)
    if not len(rows):
        return 0
    ramps = np.array([group[rows, columns] for group in dq])  # image by image: they lie far apart
    usable = ramps & unused == 0
    has_link = usable[1:] & usable[:-1] & (ramps[1:] & _JUMP_DET == 0)
    lone = usable
    lone[1:] &= ~has_link
    lone[:-1] &= ~has_link
    groups, pixels = np.nonzero(lone)
    dq[groups, rows[pixels], columns[pixels]] |= _DO_NOT_USE
    return len(groups)


def measure(marks: Sequence[Footprint], shape: tuple[int, ...]) -> Coverage:
    """Count the distinct pixels of a mask.

    Parameters
    ----------
    marks : sequence of Footprint
        From `footprints`.
    shape : tuple of int
        Shape of the plane, the last two axes being ``(ny, nx)``.

    Returns
    -------
    Coverage
        Counts and fraction.
    """
    frame = np.zeros(shape[-2:], bool)
    per_integration = [_count_union(frame, group) for _, group in _by_integration(marks)]
    entries = entries_of(marks)
    regions = sum(isinstance(entry, PixelRegion) for entry in entries)
    return Coverage(
        showers=len(entries) - regions,
        regions=regions,
        pixels=_count_union(frame, marks),
        integration_pixels=sum(per_integration),
        fraction=max(per_integration, default=0) / frame.size,
    )


def count_samples(marks: Sequence[Footprint], shape: tuple[int, ...]) -> int:
    """Count the distinct samples of a plane (pixels of single groups) that a mask covers.

    Parameters
    ----------
    marks : sequence of Footprint
        From `footprints`.
    shape : tuple of int
        Shape of the plane, the last two axes being ``(ny, nx)``.

    Returns
    -------
    int
        Number of samples; entries that overlap count once.
    """
    frame = np.zeros(shape[-2:], bool)
    total = 0
    for _, group in _by_integration(marks):
        members = list(group)
        edges = sorted({edge for m in members for edge in (m.groups.start, m.groups.stop)})
        for start, stop in pairwise(edges):
            active = [m for m in members if m.groups.start <= start and stop <= m.groups.stop]
            total += (stop - start) * _count_union(frame, active)
    return total


def check_coverage(coverage: Coverage, limit: float) -> None:
    """Refuse a mask that covers too much of the frame.

    Parameters
    ----------
    coverage : Coverage
        From `measure`.
    limit : float
        The largest allowed fraction, 0 … 1.

    Raises
    ------
    MaskTooLargeError
        When the fraction is larger.
    """
    if not coverage.fraction <= limit:  # nor when the limit is not a number
        raise MaskTooLargeError(
            f"the mask covers {coverage.fraction:.1%} of the frame, expected at most {limit:.1%}: "
            "look for a slip in a or b (semi-axes in pixels) or in a mask, or raise "
            "max_masked_fraction"
        )


def _as_stack(plane: NDArray[np.unsignedinteger]) -> NDArray[np.unsignedinteger]:
    """Return a view of ``plane`` as ``(nints, ngroups, ny, nx)``, with 1 for an axis it has not."""
    if plane.ndim == 2:
        return plane[np.newaxis, np.newaxis]
    if plane.ndim == 3:
        return plane[:, np.newaxis]
    return plane


def _by_integration(marks: Sequence[Footprint]) -> Iterator[tuple[int, Iterator[Footprint]]]:
    ordered = sorted(marks, key=lambda mark: mark.integration)
    return groupby(ordered, key=lambda mark: mark.integration)


def _count_union(frame: NDArray[np.bool_], marks: Iterable[Footprint]) -> int:
    """Count the pixels that any of ``marks`` covers; ``frame`` is all False before and after."""
    touched = list(marks)
    total = 0
    for mark in touched:
        window = frame[mark.box]
        total += int(np.count_nonzero(mark.inside & ~window))
        window |= mark.inside
    for mark in touched:
        frame[mark.box] = False
    return total
