"""Say what a region file would mask, and what that costs."""

from __future__ import annotations

from collections.abc import Iterator

from showermask.exposure import Exposure, Product, known_flags
from showermask.flagging import (
    MAX_MASKED_FRACTION,
    Footprint,
    bits_of,
    check_coverage,
    footprints,
)
from showermask.loss import Loss, has_rate_left, time_lost
from showermask.regionfile import RegionFile

__all__ = ["describe_mask", "describe_regions"]


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
    decided = len(regions.accepted), len(regions.candidates)
    rejected = len(regions.showers) - sum(decided)
    yield (
        f"{regions.name}: valid; showers: {len(regions.showers)}, of which "
        f"{decided[0]} accepted, {decided[1]} candidate, {rejected} rejected"
    )
    if regions.candidates:
        yield f"{regions.name}: candidates are not applied; accept or reject them"


def describe_mask(regions: RegionFile, exposure: Exposure) -> Iterator[str]:
    """Describe what the accepted showers of a region file mask in an exposure.

    Parameters
    ----------
    regions : RegionFile
        The region file.
    exposure : Exposure
        The exposure that it is for.

    Yields
    ------
    str
        Lines of text: a table with a row for each accepted shower, then the total.

    Raises
    ------
    RegionFileError
        When the file does not fit the exposure.
    FlagError
        When a shower names a flag that the exposure does not have.
    MaskTooLargeError
        After the table, when the step would refuse the mask for its size.
    """
    regions.check_fits(exposure)
    _check_flags(regions, exposure)
    marks = footprints(regions.accepted, exposure.shape)
    raw = ", raw: for the step inside calwebb_detector1" if exposure.is_raw else ""
    yield f"{exposure.name}: {exposure.product.value} of shape {exposure.shape}{raw}"
    yield ""
    yield "  #  int  groups      x       y       a       b   theta  pixels  groups lost   time lost"
    for position, mark in zip(_positions(regions), marks, strict=True):
        yield _row(position, mark, exposure)
    yield ""
    loss = Loss.of_marks(marks, exposure)
    yield (
        f"total of {loss.showers}: {loss.pixels} pixels, "
        f"at most {loss.fraction:.2%} of a frame, {loss.samples:.3%} of all {_samples_of(exposure)}"
    )
    check_coverage(loss, MAX_MASKED_FRACTION)


def _check_flags(regions: RegionFile, exposure: Exposure) -> None:
    named = [shower for shower in regions.accepted if shower.flags is not None]
    for shower in named:
        plane = exposure.product.plane
        bits_of(shower.flags or (), known_flags(exposure.product), f"{regions.name}: {plane}")


def _positions(regions: RegionFile) -> Iterator[int]:
    """Yield where in the file the accepted showers are."""
    return (i for i, shower in enumerate(regions.showers) if shower.is_accepted)


def _row(position: int, mark: Footprint, exposure: Exposure) -> str:
    shower = mark.shower
    groups = _groups_lost(mark, exposure)
    seconds = time_lost(mark, exposure)
    time = "not known" if seconds is None else f"{seconds:.1f} s"
    last = "end" if shower.last_group is None else shower.last_group
    return (
        f"{position:3d}  {shower.integration:3d}  {f'{shower.group}-{last}':7s}"
        f"{shower.x:7.1f} {shower.y:7.1f} {shower.a:7.1f} {shower.b:7.1f} {shower.theta:7.1f}"
        f"{mark.pixels:8d}  {groups:>11s}  {time:>10s}{_remark(mark, exposure)}"
    )


def _groups_lost(mark: Footprint, exposure: Exposure) -> str:
    if exposure.product is not Product.RAMP or exposure.ngroups is None:
        return "all"
    return f"{mark.ngroups} of {exposure.ngroups}"


def _remark(mark: Footprint, exposure: Exposure) -> str:
    if not mark.pixels:
        return "  outside the frame"
    if exposure.product is not Product.RAMP or exposure.ngroups is None:
        return ""
    left = has_rate_left(mark.groups, exposure.ngroups)
    return "" if left else "  no rate left in this integration"


def _samples_of(exposure: Exposure) -> str:
    return "pixels of all groups" if exposure.product is Product.RAMP else "pixels"
