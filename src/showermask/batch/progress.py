"""Show how a batch goes on: a bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
from typing import Any

from showermask.masking.cost import pixels_text
from showermask.messages import counted, printable
from showermask.pipeline.manifest import Record

__all__ = ["Progress"]


class Progress:
    """The reporter of the command line; see `showermask.batch.plan.Reporter`."""

    def __init__(self) -> None:
        self._total = self._count = 0
        self._bar: Any = None

    def say(self, line: str) -> None:
        """Print a line."""
        line = printable(line)
        if self._bar is None:
            print(line, flush=True)
        else:
            self._bar.write(line)

    def start(self, total: int) -> None:
        """Begin to count."""
        self._total, self._count = total, 0
        if sys.stderr is not None and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit="exp", dynamic_ncols=True, file=sys.stderr)

    def advance(self, record: Record) -> None:
        """Count an exposure."""
        self._count += 1
        if record.status == "failed":
            self.say(f"[{self._count}/{self._total}] {record.exposure}: FAILED: {record.error}")
        elif self._bar is None:
            showers = counted(record.showers, "shower")
            pixels = pixels_text(record.frame_pixels, record.pixels)
            self.say(
                f"[{self._count}/{self._total}] {record.exposure}: {showers}, {pixels}, "
                f"{record.fraction:.2%} of the frame, {record.seconds:.1f} s"
            )
        if self._bar is not None:
            self._bar.update()

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
