"""Find candidate showers for the reviewer: a matched filter in space and time."""

from __future__ import annotations

__all__ = ["THRESHOLD"]

#: Signal-to-noise ratio from which on a glow is proposed.
THRESHOLD = 4.5
