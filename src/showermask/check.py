"""Say what a region file would mask, and what that costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from showermask.entry import Entry, Status
from showermask.exceptions import FlagError, RegionFileError
from showermask.exposure import Exposure, Product, known_flags
from showermask.flagging import (
    MAX_MASKED_FRACTION,
    Footprint,
    advice_outside,
    bits_of_entry,
    check_coverage,
    footprints,
)
from showermask.loss import Loss, has_rate_left, time_lost
from showermask.pixels import PixelRegion
from showermask.regionfile import RegionFile
from showermask.shower import Shower

__all__ = ["check_flag_names", "describe_mask", "describe_regions"]

_ELLIPSE = "     x       y       a       b   theta"


def describe_regions(regions: RegionFile) -> Iterator[str]:
    """Describe a region file by itself.

    Parameters
    ----------
    regions : RegionFile
        The region file.

    Yields
    ------
    str
        Lines of text.
    """
    counts = [
        f"{title}: {len(entries)}, of which "
        + ", ".join(f"{_count(entries, status)} {status}" for status in Status)
        for title, entries in (("showers", regions.showers), ("pixel regions", regions.pixels))
        if entries or title == "showers"
    ]
    yield f"{regions.name}: valid; {'; '.join(counts)}"
    if regions.candidates:
        yield f"{regions.name}: candidates are not applied; accept or reject them"
    for first, other in regions.repeated():
        yield f"{regions.name}: {other} says the same as {first}; remove one of them"


def describe_mask(regions: RegionFile, exposure: Exposure) -> Iterator[str]:
    """Describe what the accepted entries of a region file mask in an exposure.

    Parameters
    ----------
    regions : RegionFile
        The region file.
    exposure : Exposure
        The exposure that it is for.

    Yields
    ------
    str
        Lines of text: tables with a row for each accepted shower and pixel region, then the total.

    Raises
    ------
    RegionFileError
        When the file does not fit the exposure.
    FlagError
        When an entry names a flag that the exposure does not have.
    MaskTooLargeError
        After the table, when the step would refuse the mask for its size.
    RegionFileError
        After the table, when accepted entries cover no pixel of the frame.
    """
    regions.check_fits(exposure)
    product = exposure.product
    known, elsewhere = known_flags(product), known_flags(Product.IMAGE)
    _check_flags(regions, regions.accepted, known, elsewhere, product.plane)
    marks = footprints(regions.accepted, exposure.shape)
    mark_of = {id(mark.entry): mark for mark in marks}
    raw = ", raw: for the step inside calwebb_detector1" if exposure.is_raw else ""
    yield f"{exposure.name}: {exposure.product.value} of shape {exposure.shape}{raw}"
    showers = [(i, entry) for i, entry in enumerate(regions.showers) if entry.is_accepted]
    pixels = [(i, entry) for i, entry in enumerate(regions.pixels) if entry.is_accepted]
    if showers or not pixels:
        yield ""
        yield f"  #  int  groups {_ELLIPSE}  pixels  groups lost   time lost"
        for position, shower in showers:
            ellipse = f"{shower.x:7.1f} {shower.y:7.1f} {shower.a:7.1f} {shower.b:7.1f}"
            mark = mark_of[id(shower)]
            yield (
                f"{_where(position, shower)}{ellipse} {shower.theta:7.1f}{_cost(mark, exposure)}"
                f"{_remark(mark, exposure)}"
            )
    if pixels:
        yield ""
        yield "  #  int  groups   pixels  groups lost   time lost  where"
        for position, region in pixels:
            mark = mark_of[id(region)]
            yield (
                f"{_where(position, region)}{_cost(mark, exposure)}  {region.place}"
                f"{_remark(mark, exposure)}"
            )
    yield ""
    loss = Loss.of_marks(marks, exposure)
    yield (
        f"total of {loss.showers + loss.regions}: {loss.pixels_text()}, "
        f"at most {loss.fraction:.2%} of a frame, {loss.samples:.3%} of all {_samples_of(exposure)}"
    )
    check_coverage(loss, MAX_MASKED_FRACTION)
    _check_inside(regions, exposure, mark_of)


def check_flag_names(regions: RegionFile) -> None:
    """Refuse flags that no plane of any product has, in entries that are or may be masked.

    Parameters
    ----------
    regions : RegionFile
        The region file.

    Raises
    ------
    FlagError
        With each of them.
    """
    every = {**known_flags(Product.IMAGE), **known_flags(Product.RAMP)}
    entries = (*regions.accepted, *regions.candidates)
    _check_flags(regions, entries, every, every, "planes of ramps and rates")


def _check_flags(
    regions: RegionFile,
    entries: Sequence[Shower | PixelRegion],
    known: Mapping[str, int],
    elsewhere: Mapping[str, int],
    plane: str,
) -> None:
    FlagError.raise_if(
        [
            f"{regions.name}: {regions.place(entry)}.flags: {problem}"
            for entry in entries
            for problem in _flag_problems(entry, known, elsewhere, plane)
        ]
    )


def _flag_problems(
    entry: Shower | PixelRegion, known: Mapping[str, int], every: Mapping[str, int], plane: str
) -> tuple[str, ...]:
    try:
        bits_of_entry(entry, known, every, plane)
    except FlagError as error:
        return error.problems
    return ()


def _check_inside(
    regions: RegionFile, exposure: Exposure, mark_of: Mapping[int, Footprint]
) -> None:
    """Refuse accepted entries that cover no pixel of the frame."""
    RegionFileError.raise_if(
        [
            f"{regions.name}: {regions.place(entry)} covers no pixel of the frame "
            f"({entry.place}); {advice_outside(entry, exposure)}"
            for entry in regions.accepted
            if not mark_of[id(entry)].pixels
        ]
    )


def _count(entries: Sequence[Entry], status: Status) -> int:
    return sum(entry.status is status for entry in entries)


def _where(position: int, entry: Shower | PixelRegion) -> str:
    integration = "all" if entry.integration is None else entry.integration
    last = "end" if entry.last_group is None else entry.last_group
    return f"{position:3d}  {integration:>3}  {f'{entry.group or 0}-{last}':7s}"


def _cost(mark: Footprint, exposure: Exposure) -> str:
    seconds = time_lost(mark, exposure)
    time = "not known" if seconds is None else f"{seconds:.1f} s"
    return f"{mark.pixels:8d}  {_groups_lost(mark, exposure):>11s}  {time:>10s}"


def _groups_lost(mark: Footprint, exposure: Exposure) -> str:
    if exposure.product is not Product.RAMP or exposure.ngroups is None:
        return "all"
    return f"{mark.ngroups} of {exposure.ngroups}"


def _remark(mark: Footprint, exposure: Exposure) -> str:
    if not mark.pixels:
        return "  covers no pixel"
    if exposure.product is not Product.RAMP or exposure.ngroups is None:
        return ""
    left = has_rate_left(mark.groups, exposure.ngroups)
    return "" if left else "  no rate left in this integration"


def _samples_of(exposure: Exposure) -> str:
    return "pixels of all groups" if exposure.product is Product.RAMP else "pixels"
