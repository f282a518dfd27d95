"""Sources of persistence: an earlier exposure, a persistence array, a slew."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass

__all__ = ["ArraySource", "ExposureSource", "SlewSource", "Source", "source_named_in"]

#: Comments of entries, by which they are known again; with the name of the source.
_COMMENT = re.compile(
    r"(?:saturated in|in the persistence array|on a slew in) (?P<source>.+?), "
    r"(?:\d+(?: to \d+)? s before|until \S+)(?:; .*)?"
)


@dataclass(frozen=True, kw_only=True)
class Source(ABC):
    """A source of persistence."""

    #: Product root of an exposure, or name of a file.
    name: str

    @abstractmethod
    def describe(self, seconds: tuple[float, float]) -> str:
        """Return the source, and the shortest and longest time since, for comments."""


class ExposureSource(Source):
    """An earlier exposure in which pixels saturated."""

    def describe(self, seconds: tuple[float, float]) -> str:
        """Return the exposure and the time since."""
        return f"saturated in {self.name}, {_span(seconds)}"


class ArraySource(Source):
    """A persistence array, which does not tell the exposures that it was made of."""

    def describe(self, seconds: tuple[float, float]) -> str:
        """Return the file and the times since."""
        return f"in the persistence array {self.name}, {_span(seconds)}"


@dataclass(frozen=True, kw_only=True)
class SlewSource(Source):
    """A row of a list of slews."""

    #: Time (UTC, ISO) until which it matters.
    until: str

    def describe(self, seconds: tuple[float, float]) -> str:
        """Return the list and the end."""
        del seconds
        return f"on a slew in {self.name}, until {self.until}"


def source_named_in(comment: str) -> str | None:
    """Return the name of the source in the comment of an entry; None in comments of others."""
    match = _COMMENT.fullmatch(comment)
    return match["source"] if match else None


def _span(seconds: tuple[float, float]) -> str:
    first, last = (f"{value:.0f}" for value in seconds)
    return f"{first} s before" if first == last else f"{first} to {last} s before"
