"""Bring candidates into a region file without touching what people have decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from showermask.regionfile.content import RegionFile
from showermask.regionfile.entry import Status
from showermask.regionfile.shower import PROPOSED, Shower

__all__ = ["Merged", "is_same", "merge_candidates"]

#: The onset of a glow is known to so many groups, or so many seconds where that is more.
_GROUPS, _SECONDS = 3, 8.0
#: What one person draws larger than another; beyond it, two ellipses mean different things.
_AREAS = 9.0


@dataclass(frozen=True, kw_only=True)
class Merged:
    """The result of merging candidates into a region file."""

    #: The file as it should be.
    region_file: RegionFile
    #: Number of candidates that no entry was known for.
    new: int
    #: Number of candidates of an earlier run that are not found any more.
    gone: int


def merge_candidates(
    region_file: RegionFile, found: Sequence[Shower], *, group_time: float | None = None
) -> Merged:
    """Merge candidates into a region file.

    No entry is changed, and entries that a person has accepted, rejected, drawn, corrected on the
    review page or commented on stay. Candidates of an earlier run that are not found any more go;
    what is found and not in the file comes last.
    """
    kept = []
    known: set[int] = set()
    for entry in region_file.showers:
        same = {i for i, s in enumerate(found) if is_same(s, entry, group_time=group_time)}
        if same or not _is_ours(entry):
            kept.append(entry)
            known |= same
    new = [shower for i, shower in enumerate(found) if i not in known]
    return Merged(
        region_file=region_file.with_section("showers", (*kept, *new)),
        new=len(new),
        gone=len(region_file.showers) - len(kept),
    )


def is_same(one: Shower, other: Shower, *, group_time: float | None = None) -> bool:
    """Tell whether two entries mean the same shower."""
    late = max(_GROUPS, _SECONDS / group_time) if group_time else _GROUPS
    areas = sorted((one.a * one.b, other.a * other.b))
    return (
        one.integration == other.integration
        and abs(one.group - other.group) <= late
        and areas[1] <= _AREAS * areas[0]
        and (_holds(one, other) or _holds(other, one))
    )


def _holds(outer: Shower, inner: Shower) -> bool:
    return bool(outer.ellipse.radius(inner.x, inner.y) <= 1)


def _is_ours(entry: Shower) -> bool:
    """Tell whether an entry is a candidate of ours that nobody has touched."""
    return entry.status is Status.CANDIDATE and entry.source == PROPOSED and entry.comment is None
