"""Bring candidates into a region file without touching what people have decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from showermask.propose.finder import SOURCE
from showermask.regionfile import RegionFile
from showermask.shower import Shower, Status

__all__ = ["is_same", "merge_candidates"]

#: The onset of a glow is found to so many groups.
_GROUPS = 3


def merge_candidates(regions: RegionFile, found: Sequence[Shower]) -> tuple[RegionFile, int]:
    """Merge candidates into a region file.

    Entries that a person has accepted, rejected, drawn or commented on stay as they are. Candidates
    of an earlier run are replaced: by the same shower as it is found now, in the same place of the
    file, or by nothing. What is found again of the others is left out.

    Parameters
    ----------
    regions : RegionFile
        The file as it is.
    found : sequence of Shower
        Candidates of all integrations.

    Returns
    -------
    regions : RegionFile
        The file as it should be.
    new : int
        Number of candidates that no entry was known for.
    """
    decided = [entry for entry in regions.showers if not _is_ours(entry)]
    left = [shower for shower in found if not any(is_same(shower, s) for s in decided)]
    merged: list[Shower] = []
    for entry in regions.showers:
        if not _is_ours(entry):
            merged.append(entry)
            continue
        again = next((shower for shower in left if is_same(shower, entry)), None)
        if again is not None:
            left.remove(again)
            merged.append(again)
    return replace(regions, showers=(*merged, *left)), len(left)


def is_same(one: Shower, other: Shower) -> bool:
    """Tell whether two entries mean the same shower.

    Parameters
    ----------
    one, other : Shower
        The entries.

    Returns
    -------
    bool
        Whether they begin together, and the centre of either lies in the other.
    """
    return (
        one.integration == other.integration
        and abs(one.group - other.group) <= _GROUPS
        and (_holds(one, other) or _holds(other, one))
    )


def _holds(outer: Shower, inner: Shower) -> bool:
    return bool(outer.ellipse.radius(inner.x, inner.y) <= 1)


def _is_ours(entry: Shower) -> bool:
    """Tell whether an entry is a candidate of ours that nobody has touched."""
    return entry.status is Status.CANDIDATE and entry.source == SOURCE and entry.comment is None
