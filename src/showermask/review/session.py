"""The state of a review: entries, undo and redo, draft and file. Knows nothing of HTTP.

Every change makes a new tuple of marks; undo and redo move between them. A draft beside the region
file follows every change, so that a closed tab or a killed server loses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from showermask.exceptions import LockedError, OutputError, RegionFileError, ShowermaskError
from showermask.exposure import Exposure, Product, known_flags
from showermask.files import FileLock, atomic_write, sha256_of
from showermask.flagging import bits_of_entry
from showermask.pixels import PixelRegion
from showermask.regionfile import MAX_SIZE, RegionFile, read_regions, write_regions
from showermask.regionschema import format_of
from showermask.shower import CORRECTED, PROPOSED, Shower, Status

__all__ = ["ChangedOnDiskError", "Mark", "ReviewSession", "StaleError"]


#: Last line of a draft: hash of the region file that it was made to.
_BASE_COMMENT = "# base "


#: Characters of a reviewer's name.
_LONGEST_NAME = 200


def _base_hash(draft: Path) -> str | None:
    last = draft.read_text(encoding="utf-8").rstrip("\n").rpartition("\n")[2]
    base = last.removeprefix(_BASE_COMMENT) if last.startswith(_BASE_COMMENT) else "None"
    return None if base == "None" else base


class StaleError(ShowermaskError):
    """A change that was made to an older state than the present one."""


class ChangedOnDiskError(ShowermaskError):
    """A region file that somebody else has written since it was read."""


def _quoted(character: str) -> str:
    """Return a character as it stands between YAML's double quotes."""
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    return f"\\U{ord(character):08x}"


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

    @cached_property
    def _mapping(self) -> dict[str, Any]:
        return self.entry.to_mapping()

    @cached_property
    def row(self) -> dict[str, Any]:
        """The entry as a region file says it, with its number and its status; not to be changed."""
        return {"id": self.id, **self._mapping, "status": str(self.entry.status)}

    @cached_property
    def line(self) -> str:
        """The entry as one line of a YAML list, quickly made."""
        return f"- {_flow(self._mapping)}\n"


def _flow(value: Any) -> str:
    """Return a value as YAML's flow style has it, which is nearly JSON."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flow(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, str):
        return f'"{"".join(map(_quoted, value))}"'
    text = json.dumps(value)
    if isinstance(value, float) and "e" in text and "." not in text:
        return text.replace("e", ".0e")  # 1e-07 is a text to YAML
    return text


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
    lock : FileLock, optional
        Keeps others from changing the same file; held while there is anything to save.

    Raises
    ------
    RegionFileError
        When the region file is not valid or does not fit the exposure.
    LockedError
        When somebody else has unsaved changes to it.
    """

    def __init__(
        self, exposure: Exposure, path: Path, *, reviewer: str = "", lock: FileLock | None = None
    ) -> None:
        self.exposure = exposure
        self.path = path
        self.reviewer = _checked_name(reviewer)
        self._lock = lock
        self.revision = 0
        self.recovered = False
        self._next_id = 0
        self._undone: list[tuple[Mark, ...]] = []
        self._past: list[tuple[Mark, ...]] = []
        self._file = self._read(path) if path.exists() else None
        self._known_hash = self._file.sha256 if self._file else None
        self.marks: tuple[Mark, ...] = self._number(self._file.entries if self._file else ())
        self._saved = self.marks
        if self.draft_path.exists():
            self._take_lock()  # the draft may be somebody's who is at it
            try:
                self._recover()
            finally:
                self._release_if_clean()

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
        self._check_flags(entry)
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
        if entry.flags != before.flags:
            self._check_flags(entry)
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
        known = {mark.id for mark in self.marks}
        chosen = set(mark_ids)
        if not chosen <= known:
            raise StaleError("some entries are not there any more; they were deleted meanwhile")
        if status not in set(Status):
            raise ShowermaskError(f"status is {status!r}, expected one of {', '.join(Status)}")
        new = Status(status)
        marks = tuple(
            Mark(m.id, replace(m.entry, status=new)) if m.id in chosen else m for m in self.marks
        )
        if new is Status.ACCEPTED:
            for mark in marks:
                if mark.id in chosen:
                    self._check_flags(mark.entry)
        self._change(marks)

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
        name = self.reviewer if reviewer is None else _checked_name(reviewer)
        if not force:
            self.refuse_changed_file()
        self._take_lock()
        try:
            self.reviewer = name
            write_regions(self.path, self.to_regions())
            self._file = read_regions(self.path)
            self._known_hash = self._file.sha256
            self._saved = self.marks
            self.recovered = False
            self._drop_draft()
        finally:
            self._release_if_clean()

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

    def close(self) -> None:
        """Let others change the file; what is unsaved stays in the draft."""
        if self._lock is not None:
            self._lock.release()

    def _take_lock(self) -> None:
        if self._lock is None:
            return
        try:
            self._lock.acquire("review")
        except LockedError as error:
            raise LockedError(
                f"{self.path}: is under review in another process of yours or a colleague's"
                f"{error.by}, with unsaved changes; save or end that one first"
            ) from error
        except OSError as error:
            raise OutputError(
                f"{self._lock.path}: can't be made ({error.strerror}), expected a folder with "
                "write permission"
            ) from error

    def _release_if_clean(self) -> None:
        if self._lock is not None and not self.is_dirty:
            self._lock.release()

    def _drop_draft(self) -> None:
        try:
            self.draft_path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{self.draft_path}: can't be removed ({error.strerror})") from error

    def _read(self, path: Path) -> RegionFile:
        regions = read_regions(path)
        regions.check_fits(self.exposure)
        return regions

    def _recover(self) -> None:
        """Take up a draft that was left behind, as a change that can be undone."""
        try:
            draft = self._read(self.draft_path)
        except RegionFileError:
            # A draft that can't be used is set aside, not lost.
            self.draft_path.replace(self.draft_path.with_suffix(".broken.yaml"))
            return
        if tuple(mark.entry for mark in self.marks) == draft.entries:
            self._drop_draft()
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

    def _check_flags(self, entry: Shower | PixelRegion) -> None:
        product = self.exposure.product
        plane = f"flags of {product.plane}"
        bits_of_entry(entry, known_flags(product), known_flags(Product.IMAGE), plane)

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
            self._drop_draft()
            return
        text = self._draft_text(marks).encode("utf-8")
        if len(text) > MAX_SIZE:
            raise OutputError(
                f"{self.path}: would have {len(text) / 1e6:.0f} MB, expected at most "
                f"{MAX_SIZE / 1e6:.0f} MB; make comments shorter"
            )
        self._take_lock()
        try:
            with atomic_write(self.draft_path, mode_of=self.path) as draft:
                draft.write_bytes(text)
        except ShowermaskError:
            self._release_if_clean()
            raise

    def _draft_text(self, marks: Sequence[Mark]) -> str:
        """Return the region file of a state, an entry a line; it is made at each change."""
        tree = replace(self.to_regions(()), pixels=()).to_tree()
        lists = {
            "showers": [mark.line for mark in marks if isinstance(mark.entry, Shower)],
            "pixels": [mark.line for mark in marks if isinstance(mark.entry, PixelRegion)],
        }
        tree |= {key: entries for key, entries in lists.items() if entries}
        tree["format"] = format_of(tree)
        lines = []
        for key, value in tree.items():
            lines += [f"{key}:\n", *value] if lists.get(key) else [f"{key}: {_flow(value)}\n"]
        return "".join(lines) + f"{_BASE_COMMENT}{self._known_hash}\n"

    def _set(self, marks: tuple[Mark, ...]) -> None:
        self.marks = marks
        self.revision += 1
        self._release_if_clean()

    def _disk_hash(self) -> str | None:
        try:
            return sha256_of(self.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutputError(f"{self.path}: can't be read ({error.strerror})") from error


def _checked_name(name: Any) -> str:
    """Return a reviewer's name, if it is one that a region file can hold."""
    if not isinstance(name, str) or len(name) > _LONGEST_NAME or not name.isprintable():
        raise RegionFileError(
            f"reviewer is {str(name)[:60]!r}, expected a name of at most {_LONGEST_NAME} "
            "printable characters"
        )
    return name
