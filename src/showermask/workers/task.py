"""A task for a worker."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Task"]


class Task(Protocol):
    """The order for a worker to process one exposure; it is pickled.

    Attributes
    ----------
    name : str
        Name of the exposure, one of a kind among the tasks of a run.
    run_id : str
        Name of the run, one of a kind.
    peak_memory : float
        Bytes that it takes at its peak.
    """

    @property
    def name(self) -> str:
        """Name of the exposure."""

    @property
    def run_id(self) -> str:
        """Name of the run."""

    @property
    def peak_memory(self) -> float:
        """Bytes that it takes at its peak."""

    def run(self) -> Any:
        """Do it, on a worker; return what became of it, and raise nothing."""

    def given_up(self, error: str) -> Any:
        """Return what became of it where all its workers died."""
