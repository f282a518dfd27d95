"""The state of a review: entries, undo and redo, draft and file. Knows nothing of HTTP.

Every change makes a new tuple of marks; undo and redo move between them. A draft beside the region
file follows every change, so that a closed tab or a killed server loses nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from showermask.exceptions import RegionFileError, ShowermaskError
from showermask.exposure import Exposure
from showermask.pixels import PixelRegion
from showermask.regionfile import RegionFile, read_regions, write_regions
from showermask.shower import CORRECTED, PROPOSED, Shower, Status

__all__ = ["ChangedOnDiskError", "Mark", "ReviewSession", "StaleError"]


#: Last line of a draft: hash of the region file that it was made to.
_BASE_COMMENT = "# base "


def _base_hash(draft: Path) -> str | None:
    last = draft.read_text(encoding="utf-8").splitlines()[-1]
    base = last.removeprefix(_BASE_COMMENT) if last.startswith(_BASE_COMMENT) else "None"
    return None if base == "None" else base


class StaleError(ShowermaskError):
    """A change that was made to an older state than the present one."""


class ChangedOnDiskError(ShowermaskError):
    """A region file that somebody else has written since it was read."""


@dataclass(frozen=True)
class Mark:
    """A shower or pixel region under review.

    Parameters
    ----------
    id : int
        Number that the entry keeps for the length of the session.
    entry : Shower or PixelRegion
        What it is at present.
    """

    id: int
    entry: Shower | PixelRegion


class ReviewSession:
    """The review of one exposure.

    Parameters
    ----------
    exposure : Exposure
        What is reviewed.
    path : `~pathlib.Path`
        The region file; need not exist.
    reviewer : str
        Name to write into the file.

    Raises
    ------
    RegionFileError
        When the region file is not valid or does not fit the exposure.
    """

    def __init__(self, exposure: Exposure, path: Path, *, reviewer: str = "") -> None:
        self.exposure = exposure
        self.path = path
        self.reviewer = reviewer
        self.revision = 0
        self.recovered = False
        self._next_id = 0
        self._undone: list[tuple[Mark, ...]] = []
        self._past: list[tuple[Mark, ...]] = []
        self._file = self._read(path) if path.exists() else None
        self._known_hash = self._file.sha256 if self._file else None
        self.marks: tuple[Mark, ...] = self._number(self._file.entries if self._file else ())
        self._saved = self.marks
        self._recover()

    @property
    def draft_path(self) -> Path:
        """Where unsaved marks are kept: a hidden file beside the region file."""
        return self.path.with_name(f".{self.path.stem}.draft.yaml")

    @property
    def is_dirty(self) -> bool:
        """Whether there is anything to save."""
        return self.marks != self._saved

    @property
    def can_undo(self) -> bool:
        """Whether there is anything to undo."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether there is anything to redo."""
        return bool(self._undone)

    @property
    def accepted(self) -> tuple[Shower | PixelRegion, ...]:
        """What would be masked."""
        return tuple(mark.entry for mark in self.marks if mark.entry.is_accepted)

    def add(self, entry: Shower | PixelRegion, *, revision: int | None = None) -> int:
        """Add a shower or pixel region.

        Parameters
        ----------
        entry : Shower or PixelRegion
            The entry; not one with a mask file.
        revision : int, optional
            The revision that the change was made to; any without it.

        Returns
        -------
        int
            The number of the new mark.

        Raises
        ------
        StaleError
            When the state has moved on from ``revision``.
        RegionFileError
            When it lies outside the exposure.
        """
        self._check_revision(revision)
        self._check_fits(entry)
        (mark,) = self._number([entry])
        self._change((*self.marks, mark))
        return mark.id

    def edit(self, mark_id: int, changes: dict[str, Any], *, revision: int | None = None) -> None:
        """Change attributes of an entry.

        Parameters
        ----------
        mark_id : int
            Number of the mark.
        changes : dict
            New values, by attribute.
        revision : int, optional
            The revision that the change was made to.
        """
        self._check_revision(revision)
        before = self._find(mark_id).entry
        entry = type(before).from_mapping({**before.to_mapping(), **changes})
        if isinstance(before, PixelRegion) and isinstance(entry, PixelRegion):
            if entry.mask != before.mask:
                raise RegionFileError("mask can't be changed here; edit the region file")
            entry = replace(entry, image=before.image)
        same = replace(before, status=entry.status, comment=entry.comment)
        if before.source == PROPOSED and entry != same:
            entry = replace(entry, source=CORRECTED)  # so that a second run leaves it alone
        self._check_fits(entry)
        self._change(tuple(Mark(m.id, entry) if m.id == mark_id else m for m in self.marks))

    def set_status(
        self, mark_ids: Sequence[int], status: Status | str, *, revision: int | None = None
    ) -> None:
        """Accept or reject entries, as one change.

        Parameters
        ----------
        mark_ids : sequence of int
            Numbers of the marks.
        status : Status or str
            What is said of them.
        revision : int, optional
            The revision that the change was made to.
        """
        self._check_revision(revision)
        chosen = {self._find(mark_id).id for mark_id in mark_ids}
        if status not in set(Status):
            raise ShowermaskError(f"status is {status!r}, expected one of {', '.join(Status)}")
        new = Status(status)
        self._change(
            tuple(
                Mark(m.id, replace(m.entry, status=new)) if m.id in chosen else m
                for m in self.marks
            )
        )

    def remove(self, mark_id: int, *, revision: int | None = None) -> None:
        """Delete an entry.

        Parameters
        ----------
        mark_id : int
            Number of the mark.
        revision : int, optional
            The revision that the change was made to.
        """
        self._check_revision(revision)
        gone = self._find(mark_id)
        self._change(tuple(mark for mark in self.marks if mark is not gone))

    def undo(self, *, revision: int | None = None) -> None:
        """Take the last change back; nothing happens where there is none."""
        self._check_revision(revision)
        self._move(self._past, self._undone)

    def redo(self, *, revision: int | None = None) -> None:
        """Make the change again that was last taken back."""
        self._check_revision(revision)
        self._move(self._undone, self._past)

    def save(self, *, reviewer: str | None = None, force: bool = False) -> None:
        """Write the region file and drop the draft.

        Parameters
        ----------
        reviewer : str, optional
            Name to write; that of the session without it.
        force : bool, optional
            Whether to write over a file that has changed since it was read.

        Raises
        ------
        ChangedOnDiskError
            When the file has changed on disk, and ``force`` is not given.
        """
        if not force:
            self.refuse_changed_file()
        self.reviewer = self.reviewer if reviewer is None else reviewer
        write_regions(self.path, self.to_regions())
        self._file = read_regions(self.path)
        self._known_hash = self._file.sha256
        self._saved = self.marks
        self.recovered = False
        self.draft_path.unlink(missing_ok=True)

    def refuse_changed_file(self) -> None:
        """Raise `ChangedOnDiskError` when the file is not the one that was read."""
        if self._disk_hash() != self._known_hash:
            raise ChangedOnDiskError(
                f"{self.path.name}: was changed by somebody else since it was read; "
                "load what is on disk, or overwrite it"
            )

    def reload(self) -> None:
        """Take the file as it is on disk, as a change that can be undone."""
        self._file = self._read(self.path) if self.path.exists() else None
        self._known_hash = self._file.sha256 if self._file else None
        marks = self._number(self._file.entries if self._file else ())
        self._saved = marks
        self._change(marks)

    @property
    def reviewer_on_show(self) -> str:
        """The name that saving would write."""
        return self.reviewer or (self._file.reviewer if self._file else None) or ""

    def to_regions(self, marks: tuple[Mark, ...] | None = None) -> RegionFile:
        """Return the region file of a state.

        Parameters
        ----------
        marks : tuple of Mark, optional
            The state; the present one without it.

        Returns
        -------
        RegionFile
            What would be saved.
        """
        entries = [mark.entry for mark in (self.marks if marks is None else marks)]
        empty = RegionFile.for_exposure(self.exposure)
        return replace(
            empty,
            showers=tuple(entry for entry in entries if isinstance(entry, Shower)),
            pixels=tuple(entry for entry in entries if isinstance(entry, PixelRegion)),
            shape=empty.shape or (self._file.shape if self._file else None),
            reviewer=self.reviewer_on_show or None,
            reviewed=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        )

    def _read(self, path: Path) -> RegionFile:
        regions = read_regions(path)
        regions.check_fits(self.exposure)
        return regions

    def _recover(self) -> None:
        """Take up a draft that was left behind, as a change that can be undone."""
        if not self.draft_path.exists():
            return
        try:
            draft = self._read(self.draft_path)
        except RegionFileError:
            # A draft that can't be used is set aside, not lost.
            self.draft_path.replace(self.draft_path.with_suffix(".broken.yaml"))
            return
        if tuple(mark.entry for mark in self.marks) == draft.entries:
            self.draft_path.unlink()
            return
        # The draft was made to the file of that time: if that is another now, saving has to ask.
        base = _base_hash(self.draft_path)
        self.recovered = True
        self._known_hash = base
        self._change(self._number(draft.entries))

    def _number(self, entries: Sequence[Shower | PixelRegion]) -> tuple[Mark, ...]:
        first = self._next_id
        self._next_id += len(entries)
        return tuple(Mark(first + i, entry) for i, entry in enumerate(entries))

    def _find(self, mark_id: int) -> Mark:
        for mark in self.marks:
            if mark.id == mark_id:
                return mark
        raise StaleError(f"entry {mark_id} is not there any more; it was deleted meanwhile")

    def _check_revision(self, revision: int | None) -> None:
        if revision is not None and revision != self.revision:
            raise StaleError(
                f"revision {revision} is out of date, the review is at {self.revision}: "
                "it was changed in another tab"
            )

    def _check_fits(self, entry: Shower | PixelRegion) -> None:
        nints, ngroups = self.exposure.nints, self.exposure.ngroups
        if isinstance(entry, PixelRegion) and entry.mask is not None and entry.image is None:
            raise RegionFileError("mask can't be named here; edit the region file")
        misfits = entry.misfits(nints=nints, ngroups=ngroups, frame=self.exposure.frame)
        RegionFileError.raise_if([f"{name} {text}" for name, text in misfits])

    def _change(self, marks: tuple[Mark, ...]) -> None:
        self._keep(marks)
        self._past.append(self.marks)
        self._undone.clear()
        self._set(marks)

    def _move(self, source: list[tuple[Mark, ...]], target: list[tuple[Mark, ...]]) -> None:
        if source:
            self._keep(source[-1])
            target.append(self.marks)
            self._set(source.pop())

    def _keep(self, marks: tuple[Mark, ...]) -> None:
        """Write the draft of a state before it is taken; drop it when nothing is unsaved."""
        if marks == self._saved:
            self.draft_path.unlink(missing_ok=True)
            return
        write_regions(self.draft_path, self.to_regions(marks))
        with self.draft_path.open("a", encoding="utf-8") as file:
            file.write(f"{_BASE_COMMENT}{self._known_hash}\n")

    def _set(self, marks: tuple[Mark, ...]) -> None:
        self.marks = marks
        self.revision += 1

    def _disk_hash(self) -> str | None:
        try:
            return hashlib.sha256(self.path.read_bytes()).hexdigest()
        except FileNotFoundError:
            return None
