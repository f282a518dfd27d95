"""Bring candidates into a region file without touching what people have decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from showermask.regionfile.content import RegionFile
from showermask.regionfile.entry import Status
from showermask.regionfile.polygon import Polygon
from showermask.regionfile.shower import PROPOSED, Shower

__all__ = ["DOUBT", "Merged", "is_same", "merge_candidates"]

#: The onset of a glow is known to so many groups, or so many seconds where that is more.
_GROUPS, _SECONDS = 3, 8.0
#: How the comments begin that we write ourselves.
DOUBT = "perhaps not a shower: "
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
    region_file: RegionFile, found: Sequence[Shower | Polygon], *, group_time: float | None = None
) -> Merged:
    """Merge candidates into a region file.

    No entry is changed, and entries that a person has accepted, rejected, drawn, corrected on the
    review page or commented on stay. Candidates of an earlier run that are not found any more go;
    what is found and not in the file comes last.
    """
    present: list[Shower | Polygon] = [*region_file.showers, *region_file.polygons]
    kept: list[Shower | Polygon] = []
    known: set[int] = set()
    for entry in present:
        same = {i for i, s in enumerate(found) if is_same(s, entry, group_time=group_time)}
        if same or not _is_ours(entry):
            kept.append(entry)
            known |= same
    new = [entry for i, entry in enumerate(found) if i not in known]
    for kind in (Shower, Polygon):
        entries = [entry for entry in (*kept, *new) if isinstance(entry, kind)]
        region_file = region_file.with_section(kind.SECTION, entries)
    return Merged(region_file=region_file, new=len(new), gone=len(present) - len(kept))


def is_same(
    one: Shower | Polygon, other: Shower | Polygon, *, group_time: float | None = None
) -> bool:
    """Tell whether two entries mean the same shower."""
    late = max(_GROUPS, _SECONDS / group_time) if group_time else _GROUPS
    areas = sorted((one.area, other.area))
    return (
        one.integration == other.integration
        and abs(one.group - other.group) <= late
        and areas[1] <= _AREAS * areas[0]
        and (one.contains(*other.centre) or other.contains(*one.centre))
    )


def _is_ours(entry: Shower | Polygon) -> bool:
    """Tell whether an entry is a candidate of ours that nobody has touched."""
    is_plain = entry.comment is None or entry.comment.startswith(DOUBT)
    return entry.status is Status.CANDIDATE and entry.source == PROPOSED and is_plain
