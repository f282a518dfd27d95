"""The state of a review: entries, undo and redo, draft and file. Knows nothing of HTTP.

Every change makes a new tuple of entries; undo and redo move between them. A draft beside the
region file follows every change, so that a closed tab or a killed server loses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from showermask.commands.review.draft import ReviewEntry, base_hash, draft_text
from showermask.exceptions import LockedError, OutputError, RegionFileError, ShowermaskError
from showermask.exposure.detectors import frame_shape_of
from showermask.exposure.product import Exposure
from showermask.files import FileLock, atomic_write, sha256_of
from showermask.masking.refusals import check_entry
from showermask.regionfile.content import RegionFile
from showermask.regionfile.entry import Entry, Status
from showermask.regionfile.lookup import draft_path_for
from showermask.regionfile.reader import MAX_SIZE, read_regions
from showermask.regionfile.shower import CORRECTED, PROPOSED
from showermask.regionfile.writer import write_regions

__all__ = ["ChangedOnDiskError", "ReviewEntry", "ReviewSession", "StaleError"]


#: Characters of a reviewer's name.
_LONGEST_NAME = 200


class StaleError(ShowermaskError):
    """A change that was made to an older state than the present one."""


class ChangedOnDiskError(ShowermaskError):
    """A region file that somebody else has written since it was read."""


class ReviewSession:
    """The review of one exposure."""

    def __init__(
        self, exposure: Exposure, path: Path, *, reviewer: str = "", lock: FileLock | None = None
    ) -> None:
        self.exposure = exposure
        self.path = path
        self.reviewer = _checked_name(reviewer)
        self._lock = lock
        self.revision = 0
        self.recovered = False
        #: Name of a draft that was left behind and can't be read.
        self.set_aside: str | None = None
        self._next_id = 0
        self._undone: list[tuple[ReviewEntry, ...]] = []
        self._past: list[tuple[ReviewEntry, ...]] = []
        self._file = self._read(path) if path.exists() else None
        self._known_hash = self._file.sha256 if self._file else None
        self.entries: tuple[ReviewEntry, ...] = self._number(
            self._file.entries if self._file else ()
        )
        self._saved = self.entries
        if self.draft_path.exists():
            self._take_lock()  # the draft may be somebody's who is at it
            try:
                self._recover()
            finally:
                self._release_if_clean()

    @property
    def draft_path(self) -> Path:
        """The file of unsaved entries, a hidden one beside the region file."""
        return draft_path_for(self.path)

    @property
    def is_of_detector(self) -> bool:
        """Whether the region file has the bad pixels of a detector."""
        return self._file is not None and self._file.detector is not None

    @property
    def is_dirty(self) -> bool:
        """Whether there is anything to save."""
        return self.entries != self._saved

    @property
    def can_undo(self) -> bool:
        """Whether there is anything to undo."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether there is anything to redo."""
        return bool(self._undone)

    @property
    def accepted(self) -> tuple[Entry, ...]:
        """The entries that would be masked."""
        return tuple(one.entry for one in self.entries if one.entry.is_accepted)

    def add(self, entry: Entry, *, revision: int | None = None) -> int:
        """Add a shower or pixel region."""
        self._check_revision(revision)
        if getattr(entry, "mask", None) is not None and getattr(entry, "image", None) is None:
            raise RegionFileError("mask can't be named here; edit the region file")
        check_entry(entry, self.exposure)
        (added,) = self._number([entry])
        self._change((*self.entries, added))
        return added.id

    def edit(self, entry_id: int, changes: dict[str, Any], *, revision: int | None = None) -> None:
        """Change attributes of an entry."""
        self._check_revision(revision)
        before = self._find(entry_id).entry
        if changes.get("mask", getattr(before, "mask", None)) != getattr(before, "mask", None):
            raise RegionFileError("mask can't be changed here; edit the region file")
        entry = type(before).from_mapping({**before.to_mapping(), **changes})
        entry = _with_image_of(entry, before)
        if before.source == PROPOSED and not _is_same_but_said(entry, before):
            entry = replace(entry, source=CORRECTED)  # type: ignore[type-var]  # a second run of propose leaves it alone
        check_entry(entry, self.exposure, flags=entry.flags != before.flags)
        self._change(
            tuple(ReviewEntry(m.id, entry) if m.id == entry_id else m for m in self.entries)
        )

    def set_status(
        self, ids: Sequence[int], status: Status | str, *, revision: int | None = None
    ) -> None:
        """Accept or reject entries, as one change."""
        self._check_revision(revision)
        known = {one.id for one in self.entries}
        chosen = set(ids)
        if not chosen <= known:
            raise StaleError("some entries are not there any more; they were deleted meanwhile")
        if status not in set(Status):
            raise ShowermaskError(f"status is {status!r}, expected one of {', '.join(Status)}")
        new = Status(status)
        if new is Status.ACCEPTED:
            for one in self.entries:
                if one.id in chosen:
                    check_entry(one.entry, self.exposure)
        self._change(
            tuple(
                ReviewEntry(m.id, m.entry.with_status(new)) if m.id in chosen else m
                for m in self.entries
            )
        )

    def remove(self, entry_id: int, *, revision: int | None = None) -> None:
        """Delete an entry."""
        self._check_revision(revision)
        gone = self._find(entry_id)
        self._change(tuple(one for one in self.entries if one is not gone))

    def undo(self, *, revision: int | None = None) -> None:
        """Take the last change back; nothing happens where there is none."""
        self._check_revision(revision)
        self._move(self._past, self._undone)

    def redo(self, *, revision: int | None = None) -> None:
        """Make the change again that was last taken back."""
        self._check_revision(revision)
        self._move(self._undone, self._past)

    def save(self, *, reviewer: str | None = None, force: bool = False) -> None:
        """Write the region file and drop the draft."""
        name = self.reviewer if reviewer is None else _checked_name(reviewer)
        if not force:
            self.check_not_changed()
        self._take_lock()
        try:
            self.reviewer = name
            write_regions(self.path, self.to_regions())
            self._file = read_regions(self.path)
            self._known_hash = self._file.sha256
            self._saved = self.entries
            self.recovered = False
            self._drop_draft()
        finally:
            self._release_if_clean()

    def check_not_changed(self) -> None:
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
        entries = self._number(self._file.entries if self._file else ())
        self._saved = entries
        self._change(entries)

    @property
    def reviewer_on_show(self) -> str:
        """The name that saving would write."""
        return self.reviewer or (self._file.reviewer if self._file else None) or ""

    def to_regions(self, entries: tuple[ReviewEntry, ...] | None = None) -> RegionFile:
        """Return the region file of a state."""
        chosen = self.entries if entries is None else entries
        empty = RegionFile.for_exposure(self.exposure)
        if self._file is not None and self._file.detector is not None:
            empty = replace(self._file, entries=()).unread()
        elif self._file is not None and empty.shape is None:
            empty = replace(empty, shape=self._file.shape)
        return replace(
            empty,
            entries=tuple(one.entry for one in chosen),
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
        region_file = read_regions(path)
        if region_file.detector is not None:
            whole, shape = frame_shape_of(region_file.detector), self.exposure.image_shape
            if shape != whole:
                raise RegionFileError(
                    f"{region_file.name}: has the pixels of the whole {region_file.detector}, "
                    f"{whole}, but {self.exposure.name} has {shape}; review it on an exposure of "
                    "the full frame"
                )
        region_file.check_fits(self.exposure)
        return region_file

    def _recover(self) -> None:
        """Take up a draft that was left behind, as a change that can be undone."""
        try:
            draft = self._read(self.draft_path)
        except RegionFileError:
            # A draft that can't be used is set aside, not lost.
            kept = self.draft_path.replace(self.draft_path.with_suffix(".broken.yaml"))
            self.set_aside = kept.name
            return
        if tuple(one.entry for one in self.entries) == draft.entries:
            self._drop_draft()
            return
        # The draft was made to the file of that time: if that is another now, saving has to ask.
        base = base_hash(self.draft_path)
        self.recovered = True
        self._known_hash = base
        self._change(self._number(draft.entries))

    def _number(self, entries: Sequence[Entry]) -> tuple[ReviewEntry, ...]:
        first = self._next_id
        self._next_id += len(entries)
        return tuple(ReviewEntry(first + i, entry) for i, entry in enumerate(entries))

    def _find(self, entry_id: int) -> ReviewEntry:
        for one in self.entries:
            if one.id == entry_id:
                return one
        raise StaleError(f"entry {entry_id} is not there any more; it was deleted meanwhile")

    def _check_revision(self, revision: int | None) -> None:
        if revision is not None and revision != self.revision:
            raise StaleError(
                f"revision {revision} is out of date, the review is at {self.revision}: "
                "it was changed in another tab"
            )

    def _change(self, entries: tuple[ReviewEntry, ...]) -> None:
        self._keep(entries)
        self._past.append(self.entries)
        self._undone.clear()
        self._set(entries)

    def _move(
        self, source: list[tuple[ReviewEntry, ...]], target: list[tuple[ReviewEntry, ...]]
    ) -> None:
        if source:
            self._keep(source[-1])
            target.append(self.entries)
            self._set(source.pop())

    def _keep(self, entries: tuple[ReviewEntry, ...]) -> None:
        """Write the draft of a state before it is taken; drop it when nothing is unsaved."""
        if entries == self._saved:
            self._drop_draft()
            return
        text = draft_text(self.to_regions(()).to_tree(), entries, self._known_hash).encode("utf-8")
        if len(text) > MAX_SIZE:
            raise OutputError(
                f"{self.path}: would have {len(text) / 1e6:.0f} MB, expected at most "
                f"{MAX_SIZE / 1e6:.0f} MB; make comments shorter"
            )
        self._take_lock()
        try:
            with atomic_write(self.draft_path, mode_of=self.path) as staged:
                staged.write_bytes(text)
        except ShowermaskError:
            self._release_if_clean()
            raise

    def _set(self, entries: tuple[ReviewEntry, ...]) -> None:
        self.entries = entries
        self.revision += 1
        self._release_if_clean()

    def _disk_hash(self) -> str | None:
        try:
            return sha256_of(self.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutputError(f"{self.path}: can't be read ({error.strerror})") from error


def _with_image_of(entry: Entry, before: Entry) -> Entry:
    """Return an entry with the image of the mask file that it names, as before."""
    image = getattr(before, "image", None)
    return entry if image is None else replace(entry, image=image)  # type: ignore[type-var]


def _is_same_but_said(entry: Entry, before: Entry) -> bool:
    """Tell whether two entries differ in nothing but status and comment."""
    said = {"status", "comment"}
    return {k: v for k, v in entry.values().items() if k not in said} == {
        k: v for k, v in before.values().items() if k not in said
    }


def _checked_name(name: Any) -> str:
    """Return a reviewer's name, if it is one that a region file can hold."""
    if not isinstance(name, str) or len(name) > _LONGEST_NAME or not name.isprintable():
        raise RegionFileError(
            f"reviewer is {str(name)[:60]!r}, expected a name of at most {_LONGEST_NAME} "
            "printable characters"
        )
    return name
