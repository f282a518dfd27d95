"""Merge two region files of one exposure, with the file that both began from if there is one.

Entries that overlap are the same. Where both files say the same, or only one has changed what the
base says, that is taken. What they decide otherwise becomes a candidate again, with both comments;
what one of them has taken out stays as a rejected entry. No entry and no comment is lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from showermask.masking.overlap import Pair, image_shape_of, matched
from showermask.messages import counted
from showermask.regionfile.content import RegionFile
from showermask.regionfile.entry import Entry, Status

__all__ = ["Merged", "merge_regions"]

#: What an entry says that is not a decision, and of which both may be kept.
_TEXTS = frozenset(("comment", "source", "score", "probability", "kind"))


@dataclass(frozen=True)
class Merged:
    """The result of a merge.

    Parameters
    ----------
    region_file : RegionFile
        The file.
    counts : mapping of str to int
        Entries that are the same, changed in one file, only in one, and in conflict.
    """

    region_file: RegionFile
    counts: Counter[str]

    def describe(self) -> str:
        """Return a line for people."""
        counts = self.counts
        return (
            f"{counted(counts.total(), 'entry', 'entries')}: {counts['same']} the same, "
            f"{counts['one']} changed in one file, {counts['alone']} in one file only, "
            f"{counts['conflict']} in conflict, which are candidates"
        )


def merge_regions(one: RegionFile, other: RegionFile, base: RegionFile | None = None) -> Merged:
    """Merge two region files.

    Parameters
    ----------
    one, other : RegionFile
        The files of two reviewers.
    base : RegionFile, optional
        The file that both began from.

    Returns
    -------
    Merged
        The file, and how it came about.

    Raises
    ------
    RegionFileError
        When they are of different exposures.
    """
    files = [one, other, *([] if base is None else [base])]
    for file in files[1:]:
        one.check_same_exposure(file)
    shape = image_shape_of(files)
    names = one.reviewer or one.name, other.reviewer or other.name
    counts: Counter[str] = Counter()
    entries: list[Entry] = []
    originals = () if base is None else base.entries
    for section in {entry.SECTION: None for file in files for entry in file.entries}:
        pairs = matched(one.section(section), other.section(section), shape)
        befores = _befores(pairs, [e for e in originals if section == e.SECTION], shape)
        for pair, before in zip(pairs, befores, strict=True):
            how, entry = _merged(pair, before, names, has_base=base is not None)
            counts[how] += 1
            entries.append(entry)
    reviewers = [file.reviewer for file in (one, other) if file.reviewer]
    reviewed = [file.reviewed for file in (one, other) if file.reviewed]
    merged = replace(
        one,
        entries=tuple(entries),
        exposure=one.exposure or other.exposure,
        shape=one.shape or other.shape,
        subarray=one.subarray or other.subarray,
        reviewer=", ".join(dict.fromkeys(reviewers)) or None,
        reviewed=max(reviewed, default=None),
    )
    return Merged(merged.unread(), counts)


def _befores(
    pairs: Sequence[Pair], originals: Sequence[Entry], shape: tuple[int, int]
) -> list[Entry | None]:
    """Return what the base says of the entries of each pair."""
    shown = [pair.one or pair.other for pair in pairs]
    entries = [entry for entry in shown if entry is not None]
    found = {id(p.one): p.other for p in matched(entries, originals, shape) if p.one is not None}
    return [found.get(id(entry)) for entry in shown]


def _merged(
    pair: Pair, before: Entry | None, names: tuple[str, str], *, has_base: bool
) -> tuple[str, Entry]:
    """Return how an entry came about, and the entry."""
    if pair.one is not None and pair.other is not None:
        return _of_both(pair.one, pair.other, before, names)
    entry = pair.one if pair.one is not None else pair.other
    assert entry is not None  # noqa: S101  # a pair has one
    if not has_base or before is None:
        return "alone", entry
    text = f"taken out by {names[pair.one is not None]}"
    if _decision(entry) == _decision(before):
        return "one", _said(entry.with_status(Status.REJECTED), text)
    return "conflict", _said(entry.with_status(Status.CANDIDATE), text)


def _of_both(
    one: Entry, other: Entry, before: Entry | None, names: tuple[str, str]
) -> tuple[str, Entry]:
    """Return the same for an entry that both files have."""
    texts = [text for text in (one.comment, other.comment) if text]
    comment = "; ".join(dict.fromkeys(texts))
    decisions = _decision(one), _decision(other)
    original = None if before is None else _decision(before)
    how, chosen = "conflict", one
    if decisions[0] == decisions[1] or (
        original not in decisions and _said_of_pixels(one) == _said_of_pixels(other)
    ):
        # The same decision on an outline that may differ a little: that of the first file.
        how = "same"
    elif original in decisions:
        how, chosen = "one", other if decisions[0] == original else one
    elif Status.CANDIDATE in (one.status, other.status):
        how, chosen = "one", other if one.status is Status.CANDIDATE else one
    if how != "conflict":
        return how, _with_comment(chosen, comment)
    said = "; ".join(
        f"{name}: {entry.status}{', ' + entry.comment if entry.comment else ''}"
        for name, entry in zip(names, (one, other), strict=True)
    )
    return how, _with_comment(one.with_status(Status.CANDIDATE), said)


def _decision(entry: Entry) -> dict[str, Any]:
    """Return what an entry says, without texts."""
    return {key: value for key, value in entry.values().items() if key not in _TEXTS}


def _said_of_pixels(entry: Entry) -> tuple[Any, ...]:
    """Return what is to be done about the pixels of an entry, whatever its outline."""
    return entry.status, entry.flags, getattr(entry, "action", None)


def _with_comment(entry: Entry, comment: str) -> Entry:
    return replace(entry, comment=comment or None)  # type: ignore[type-var]  # all are dataclasses


def _said(entry: Entry, text: str) -> Entry:
    return _with_comment(entry, "; ".join(filter(None, (entry.comment, text))))
