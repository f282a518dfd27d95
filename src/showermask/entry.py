"""What all entries of a region file have: integration, groups, status, flags, texts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from enum import StrEnum
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Self, TypeGuard

from showermask.exceptions import EntryError

__all__ = ["Entry", "Status", "is_finite", "is_whole"]


class Status(StrEnum):
    """What a reviewer has said of an entry."""

    ACCEPTED = "accepted"
    CANDIDATE = "candidate"
    REJECTED = "rejected"


class Entry:
    """Base of the dataclasses whose attributes are the keys of an entry.

    Raises
    ------
    EntryError
        When a value has the wrong type or is out of range; names all of them.
    """

    if TYPE_CHECKING:
        integration: int | None
        group: int | None
        last_group: int | None
        status: Status
        flags: tuple[str, ...] | None
        comment: str | None
        source: str | None

    #: Attributes that may not be None.
    _NEEDED: frozenset[str] = frozenset()
    _ERROR: type[EntryError] = EntryError

    def __post_init__(self) -> None:
        self._ERROR.raise_if(list(self._problems()))
        for name in ("integration", "group", "last_group"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, int(getattr(self, name)))
        if self.flags is not None:
            object.__setattr__(self, "flags", tuple(self.flags))
        object.__setattr__(self, "status", Status(self.status))

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Make an entry from what a region file says.

        Parameters
        ----------
        mapping : mapping
            Keys and values of the entry.

        Returns
        -------
        Entry
            The entry.
        """
        known = {field.name for field in fields(cls) if field.compare}  # type: ignore[arg-type]  # the classes below are dataclasses
        unknown = [str(key)[:60] for key in mapping if key not in known]
        cls._ERROR.raise_if([f"{key} is not a known key" for key in unknown])
        return cls(**mapping)

    def to_mapping(self) -> dict[str, Any]:
        """Return what a region file says: keys in the file's order, defaults left out."""
        entry: dict[str, Any] = {}
        for field in fields(self):  # type: ignore[arg-type]  # the classes below are dataclasses
            value = getattr(self, field.name)
            if value is None or (field.name == "status" and value is Status.ACCEPTED):
                continue
            if not field.compare:
                continue
            if isinstance(value, tuple):
                value = list(value)
            elif field.name == "status":
                value = str(value)
            entry[field.name] = value
        return entry

    @property
    def is_accepted(self) -> bool:
        """Whether the entry is to be masked."""
        return self.status is Status.ACCEPTED

    def groups(self, ngroups: int) -> slice:
        """Return the affected groups of an integration of ``ngroups`` groups."""
        last = self.last_group
        return slice(self.group or 0, ngroups if last is None else last + 1)

    def misfits(
        self,
        *,
        nints: int | None,
        ngroups: int | None,
        frame: tuple[int, int] | None = None,  # noqa: ARG002  # ellipses may stick out of it
    ) -> Iterator[tuple[str, str]]:
        """Tell where the entry lies outside an exposure.

        Parameters
        ----------
        nints, ngroups : int or None
            Integrations and groups of the exposure; None where unknown.
        frame : tuple of int, optional
            Its rows and columns.

        Yields
        ------
        tuple of str
            The attribute, and a sentence about it.
        """
        sizes = (("integration", nints), ("group", ngroups), ("last_group", ngroups))
        for name, size in sizes:
            value = getattr(self, name)
            if value is not None and size is not None and value >= size:
                what = "integrations" if name == "integration" else "groups"
                yield name, f"is {value}, but the exposure has {what} 0 to {size - 1}"

    def _problems(self) -> Iterator[str]:
        yield from self._index_problems()
        yield from self._text_problems()
        if self.status not in set(Status):
            yield f"status is {self.status!r}, expected one of {', '.join(Status)}"
        if self.flags is not None and not _are_names(self.flags):
            yield f"flags is {self.flags!r}, expected a list of flag names such as [DO_NOT_USE]"

    def _text_problems(self) -> Iterator[str]:
        for name in ("comment", "source"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                yield f"{name} is {value!r}, expected a text"
            elif value is not None and not value.isascii() and not _is_unicode(value):
                yield f"{name} is {value!r}, expected a text that can be written as UTF-8"

    def _index_problems(self) -> Iterator[str]:
        for name in ("integration", "group", "last_group"):
            value = getattr(self, name)
            if value is None and name not in self._NEEDED:
                continue
            if not is_whole(value):
                yield f"{name} is {value!r}, expected a whole number (zero-based)"
            elif value < 0:
                yield f"{name} is {value}, expected 0 or more (zero-based)"
            elif name == "last_group" and is_whole(self.group) and value < self.group:
                yield f"last_group is {value}, expected {self.group} (the first group) or more"


def _are_names(flags: object) -> bool:
    if not isinstance(flags, Sequence) or isinstance(flags, str) or not flags:
        return False
    return all(isinstance(flag, str) and flag for flag in flags)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def is_finite(value: Real) -> bool:
    """Tell whether a number is one that a float can hold.

    Parameters
    ----------
    value : number
        Any.

    Returns
    -------
    bool
        Whether it is finite.
    """
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond any float
        return False


def is_whole(value: object) -> TypeGuard[int]:
    """Tell whether a value is an integer, and no truth value.

    Parameters
    ----------
    value : object
        Any.

    Returns
    -------
    bool
        Whether it is a whole number.
    """
    return isinstance(value, Integral) and not isinstance(value, bool)
