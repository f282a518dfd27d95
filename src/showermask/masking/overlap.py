"""Entries of two region files that are the same: their pixels overlap, at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from showermask.regionfile.content import RegionFile
from showermask.regionfile.entry import Box, Entry

__all__ = ["SAME", "Pair", "image_shape_of", "matched", "overlap"]

#: Part of the pixels of both that two entries share which are the same.
SAME = 0.5
_LARGEST = 4096, 4096


@dataclass(frozen=True)
class Pair:
    """Entries of two files that are the same; one is None where the other file has none.

    Parameters
    ----------
    one, other : Entry or None
        The entries.
    overlap : float
        Their overlap, 0 to 1.
    """

    one: Entry | None
    other: Entry | None
    overlap: float = 0.0


def overlap(one: Entry, other: Entry, image_shape: tuple[int, int]) -> float:
    """Return the pixels that two entries share, as a part of those of both.

    Parameters
    ----------
    one, other : Entry
        The entries.
    image_shape : tuple of int
        Rows and columns of the image.

    Returns
    -------
    float
        0 to 1; 0 where they are of other integrations, or have no group in common.
    """
    if one.integration != other.integration or not _share_groups(one, other):
        return 0.0
    (box, inside), (other_box, other_inside) = (e.pixels(image_shape) for e in (one, other))
    count, other_count = np.count_nonzero(inside), np.count_nonzero(other_inside)
    if not count or not other_count:
        return 0.0
    both = _intersection(box, other_box)
    if both is None:
        return 0.0
    shared = np.count_nonzero(inside[_within(both, box)] & other_inside[_within(both, other_box)])
    return float(shared / (count + other_count - shared))


def matched(
    ones: Sequence[Entry], others: Sequence[Entry], image_shape: tuple[int, int]
) -> list[Pair]:
    """Bring the entries of two files together, those that overlap most first.

    Parameters
    ----------
    ones, others : sequence of Entry
        The entries of the files.
    image_shape : tuple of int
        Rows and columns of the image.

    Returns
    -------
    list of Pair
        In the order of the first file, then what only the second one has.
    """
    found = [
        (share, i, j)
        for i, one in enumerate(ones)
        for j, other in enumerate(others)
        if (share := overlap(one, other, image_shape)) >= SAME
    ]
    partner: dict[int, tuple[int, float]] = {}
    taken: set[int] = set()
    for share, i, j in sorted(found, key=lambda item: (-item[0], item[1], item[2])):
        if i not in partner and j not in taken:
            partner[i] = j, share
            taken.add(j)
    pairs = [
        Pair(one, others[partner[i][0]], partner[i][1]) if i in partner else Pair(one, None)
        for i, one in enumerate(ones)
    ]
    return pairs + [Pair(None, other) for j, other in enumerate(others) if j not in taken]


def image_shape_of(files: Sequence[RegionFile]) -> tuple[int, int]:
    """Return rows and columns of the images that region files are for.

    Parameters
    ----------
    files : sequence of RegionFile
        Files of one exposure.

    Returns
    -------
    tuple of int
        As the files tell them; else a frame that is larger than those of all detectors.
    """
    for file in files:
        if file.shape is not None:
            return file.shape[2], file.shape[3]
    images = [e.image.shape for file in files for e in file.pixels if e.image is not None]
    return images[0] if images else _LARGEST


def _share_groups(one: Entry, other: Entry) -> bool:
    last, other_last = (e.last_group if e.last_group is not None else 10**9 for e in (one, other))
    return (one.group or 0) <= other_last and (other.group or 0) <= last


def _intersection(one: Box, other: Box) -> Box | None:
    rows, columns = (
        slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one, other, strict=True)
    )
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return None
    return rows, columns


def _within(part: Box, whole: Box) -> Box:
    rows, columns = (
        slice(a.start - b.start, a.stop - b.start) for a, b in zip(part, whole, strict=True)
    )
    return rows, columns
