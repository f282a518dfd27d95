"""Show how a run goes on: a bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
from typing import Any

from showermask.messages import printable, say

__all__ = ["Progress"]


class Progress:
    """Tells on the terminal what was done, and how much is left."""

    def __init__(self) -> None:
        self._total = self._count = 0
        self._bar: Any = None

    def say(self, line: str) -> None:
        """Print a line."""
        if self._bar is None:
            say(line)
        else:
            self._bar.write(printable(line), file=sys.stderr)

    def start(self, total: int) -> None:
        """Begin to count."""
        self._total, self._count = total, 0
        if sys.stderr is not None and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit="exp", dynamic_ncols=True, file=sys.stderr)

    def count(self, line: str, *, is_news: bool = False) -> None:
        """Count an exposure, and say a line about it; with a bar, only what is news."""
        self._count += 1
        if is_news or self._bar is None:
            where = f"[{self._count}/{self._total}] " if self._total > 1 else ""
            self.say(where + line)
        if self._bar is not None:
            self._bar.update()

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
