"""The shower: what a person draws, what the machine proposes, what the step masks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from numbers import Integral, Real
from typing import Any, TypeGuard

from showermask.ellipse import Ellipse
from showermask.exceptions import ShowerError

__all__ = ["CORRECTED", "PROPOSED", "Shower", "Status"]

#: What ``source`` says of what ``propose`` has found, and of what a person has corrected since.
PROPOSED, CORRECTED = "propose", "propose, corrected"


class Status(StrEnum):
    """What a reviewer has said of a shower."""

    ACCEPTED = "accepted"
    CANDIDATE = "candidate"
    REJECTED = "rejected"


@dataclass(frozen=True, kw_only=True)
class Shower:
    """One cosmic-ray shower: an ellipse, and the groups of one integration that it spoils.

    The attributes are the keys of the region file.

    Parameters
    ----------
    integration : int
        Integration, zero-based within the file.
    group : int
        First affected group, zero-based.
    last_group : int, optional
        Last affected group, inclusive; to the end of the integration without it.
    x, y : float
        Centre of the ellipse: column and row in pixels, zero-based, relative to the subarray;
        pixel centres at integers.
    a, b : float
        Semi-axes in pixels, both > 0; ``a`` lies along ``theta``.
    theta : float
        Degrees counter-clockwise from +x to the ``a`` axis.
    status : Status or str, optional
        Only accepted showers are applied.
    flags : tuple of str, optional
        Names of the data-quality flags to set; the step's default without it.
    comment : str, optional
        What the reviewer wants to be remembered.
    source : str, optional
        Where the shower comes from: ``manual``, ``propose``, ``ds9`` …
    score : float, optional
        Signal-to-noise ratio, from ``propose``.

    Raises
    ------
    ShowerError
        When a value has the wrong type or is out of range; names all of them.
    """

    integration: int
    group: int
    last_group: int | None = None
    x: float
    y: float
    a: float
    b: float
    theta: float
    status: Status = Status.ACCEPTED
    flags: tuple[str, ...] | None = None
    comment: str | None = None
    source: str | None = None
    score: float | None = None

    def __post_init__(self) -> None:
        ShowerError.raise_if(list(self._problems()))
        for name in ("x", "y", "a", "b", "theta"):
            object.__setattr__(self, name, float(getattr(self, name)))
        for name in ("integration", "group"):
            object.__setattr__(self, name, int(getattr(self, name)))
        if self.last_group is not None:
            object.__setattr__(self, "last_group", int(self.last_group))
        if self.score is not None:
            object.__setattr__(self, "score", float(self.score))
        if self.flags is not None:
            object.__setattr__(self, "flags", tuple(self.flags))
        object.__setattr__(self, "status", Status(self.status))

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Shower:
        """Make a shower from an entry of a region file.

        Parameters
        ----------
        mapping : mapping
            Keys and values of the entry.

        Returns
        -------
        Shower
            The shower.
        """
        return cls(**mapping)

    def to_mapping(self) -> dict[str, Any]:
        """Return the region file's entry: keys in the file's order, defaults left out."""
        entry: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None or (field.name == "status" and value is Status.ACCEPTED):
                continue
            if field.name == "flags":
                value = list(value)
            elif field.name == "status":
                value = str(value)
            entry[field.name] = value
        return entry

    @property
    def ellipse(self) -> Ellipse:
        """The ellipse without its groups."""
        return Ellipse(x=self.x, y=self.y, a=self.a, b=self.b, theta=self.theta)

    @property
    def is_accepted(self) -> bool:
        """Whether the shower is to be masked."""
        return self.status is Status.ACCEPTED

    def groups(self, ngroups: int) -> slice:
        """Return the affected groups of an integration of ``ngroups`` groups."""
        return slice(self.group, ngroups if self.last_group is None else self.last_group + 1)

    def misfits(self, *, nints: int | None, ngroups: int | None) -> Iterator[tuple[str, str]]:
        """Tell where the shower lies outside an exposure.

        Parameters
        ----------
        nints, ngroups : int or None
            Integrations and groups of the exposure; None where unknown.

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
        yield from self._number_problems()
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
            if name == "last_group" and value is None:
                continue
            if not _is_whole(value):
                yield f"{name} is {value!r}, expected a whole number (zero-based)"
            elif value < 0:
                yield f"{name} is {value}, expected 0 or more (zero-based)"
            elif name == "last_group" and _is_whole(self.group) and value < self.group:
                yield f"last_group is {value}, expected {self.group} (the first group) or more"

    def _number_problems(self) -> Iterator[str]:
        for name in ("x", "y", "a", "b", "theta", "score"):
            value = getattr(self, name)
            if name == "score" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, Real) or not _is_finite(value):
                yield f"{name} is {value!r}, expected a finite number"
            elif name in "ab" and value <= 0:
                yield f"{name} is {value!r}, expected a semi-axis in pixels, more than 0"


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


def _is_finite(value: Real) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond any float
        return False


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, Integral) and not isinstance(value, bool)
