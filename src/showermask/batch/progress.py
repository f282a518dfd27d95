"""Show how a batch goes on: a bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
from typing import Any

from showermask.batch.manifest import Row
from showermask.flagging import pixels_text
from showermask.messages import counted, printable

__all__ = ["Progress"]


class Progress:
    """Tells people; see `showermask.batch.conductor.Listener`."""

    def __init__(self) -> None:
        self._total = self._count = 0
        self._bar: Any = None

    def say(self, line: str) -> None:
        """Print a line.

        Parameters
        ----------
        line : str
            The line.
        """
        line = printable(line)
        if self._bar is None:
            print(line, flush=True)
        else:
            self._bar.write(line)

    def start(self, total: int) -> None:
        """Begin to count.

        Parameters
        ----------
        total : int
            How many exposures there are to be done.
        """
        self._total, self._count = total, 0
        if sys.stderr is not None and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit="exp", dynamic_ncols=True, file=sys.stderr)

    def advance(self, row: Row) -> None:
        """Count an exposure.

        Parameters
        ----------
        row : Row
            What became of it.
        """
        self._count += 1
        if row.status == "failed":
            self.say(f"[{self._count}/{self._total}] {row.exposure}: FAILED: {row.error}")
        elif self._bar is None:
            self.say(
                f"[{self._count}/{self._total}] {row.exposure}: {counted(row.showers, 'shower')}, "
                f"{pixels_text(row.frame_pixels, row.pixels)}, {row.fraction:.2%} of the frame, "
                f"{row.seconds:.1f} s"
            )
        if self._bar is not None:
            self._bar.update()

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
