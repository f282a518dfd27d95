"""The exposures of a run, and the entries that requests hold."""

from __future__ import annotations

import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

from showermask.commands.review.session import ReviewSession
from showermask.exceptions import ShowermaskError
from showermask.exposure.images import ImageReader
from showermask.files import FileLock
from showermask.regionfile.content import SECTIONS
from showermask.regionfile.entry import Entry, Status
from showermask.regionfile.lookup import WorkItem

__all__ = ["Review", "entry_of"]


class Review:
    """The exposures of a run, opened when they are first asked for."""

    def __init__(self, items: list[WorkItem], *, reviewer: str = "") -> None:
        self.items = items
        self.reviewer = reviewer
        self._open: dict[int, tuple[ImageReader, ReviewSession]] = {}
        self._opening = threading.Lock()
        self._changing: dict[int, threading.Lock] = defaultdict(threading.Lock)

    def get(self, number: int) -> tuple[ImageReader, ReviewSession]:
        """Return reader and session of an exposure; raise when it can't be opened."""
        if not 0 <= number < len(self.items):
            raise IndexError(f"exposure {number}: expected 0 to {len(self.items) - 1}")
        found = self._open.get(number)
        if found is not None:  # images don't wait for what is opened or saved meanwhile
            return found
        with self._opening:
            if number not in self._open:
                item = self.items[number]
                reader = ImageReader(item.exposure_path)
                session = ReviewSession(
                    reader.exposure,
                    item.region_path,
                    reviewer=self.reviewer,
                    lock=FileLock(_lock_path(item.region_path)),
                )
                self._open[number] = reader, session
            return self._open[number]

    def close(self) -> None:
        """Let others review the exposures; what is unsaved stays in drafts."""
        with self._opening:
            for _, session in self._open.values():
                session.close()
            self._open.clear()

    def changing(self, number: int) -> threading.Lock:
        """Return the lock under which the session of an exposure is changed."""
        with self._opening:
            return self._changing[number]

    def progress(self, number: int) -> dict[str, int]:
        """Return how much is to be decided in an exposure that is open; nothing if it is not."""
        if number not in self._open:
            return {}
        statuses = [one.entry.status for one in self._open[number][1].entries]
        return {"candidates": statuses.count(Status.CANDIDATE)}

    def has_unsaved(self, number: int) -> bool:
        """Tell whether an exposure has something to save; not if it has not been opened."""
        return number in self._open and self._open[number][1].is_dirty


def _lock_path(region_path: Path) -> Path:
    """Return where it is noted that a region file has unsaved changes: beside it, for all hosts."""
    real = region_path.resolve()
    return real.with_name(f".{real.stem}.lock")


def entry_of(body: Any) -> Entry:
    """Make the entry that a request holds under the name of its section, or as ``shower``."""
    for section, kind in SECTIONS.items():
        for key in (section, section.removesuffix("s")):
            if isinstance(body, dict) and isinstance(body.get(key), dict):
                return kind.from_mapping(body[key])
    raise ShowermaskError(f"the request has no entry, expected one of {', '.join(SECTIONS)}")
