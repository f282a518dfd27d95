"""Entries of a region file: integration, groups, status, flags, texts.

The schema is the only judge of single values, also of entries that a script makes; the classes
judge relations between values. Both are asked of the values, not of an entry, so that a file with
an invalid value is checked for all else in the same pass.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import fields
from enum import StrEnum
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from showermask.exceptions import EntryError
from showermask.exposure.product import Exposure
from showermask.regionfile.schema import entry_problems

__all__ = ["Action", "Box", "Entry", "Status", "box_within", "grow_box", "plain_list"]

#: Whole numbers from here on are none that an entry can have.
_HUGE = 2.0**63

#: What is said about an entry, not where and when it is.
_ABOUT = frozenset(
    ("status", "flags", "comment", "source", "score", "action", "probability", "kind", "last_group")
)

#: Rows and columns of an image.
Box = tuple[slice, slice]


class Status(StrEnum):
    """The verdict of a reviewer on an entry."""

    ACCEPTED = "accepted"
    CANDIDATE = "candidate"
    REJECTED = "rejected"


class Action(StrEnum):
    """The treatment of an accepted entry."""

    #: Flag its pixels.
    MASK = "mask"
    #: Take its light out of a ramp where the fit passes the rule, and flag its pixels where not.
    SUBTRACT = "subtract"
    #: Likewise, as the machine thinks best.
    AUTO = "auto"


class Entry(ABC):
    """Base of the dataclasses whose attributes are the keys of an entry.

    Raises
    ------
    EntryError
        When a value is not valid; names all that is wrong.
    """

    if TYPE_CHECKING:
        integration: int | None
        group: int | None
        last_group: int | None
        status: Status
        action: Action
        flags: tuple[str, ...] | None
        comment: str | None
        source: str | None
        score: float | None
        probability: float | None
        kind: str | None

    #: Key of the list in a region file, and what one of its entries is called.
    SECTION: ClassVar[str]
    NOUN: ClassVar[str]
    #: FITS keyword for the number of masked entries, and whether it is left out for none.
    KEYWORD: ClassVar[str]
    IS_KEYWORD_OPTIONAL: ClassVar[bool] = True
    #: Heading of the columns of `cells`.
    COLUMNS: ClassVar[str] = ""
    #: Whether flags that only other planes have are left out where the plane has another one.
    MAY_NAME_OTHER_FLAGS: ClassVar[bool] = False
    _ERROR: ClassVar[type[EntryError]] = EntryError

    def __post_init__(self) -> None:
        values = {name: _plain(value) for name, value in self.values().items()}
        for name, value in values.items():
            object.__setattr__(self, name, value)
        invalid = list(entry_problems(self.SECTION, _listed(values)))
        wrong = {key for key, _ in invalid}
        relations = self.relations({k: v for k, v in values.items() if k not in wrong})
        self._ERROR.check_none(
            [text for _, text in invalid] + [f"{key} {text}" for key, text in relations]
        )
        self._normalise()

    def _normalise(self) -> None:
        """Give the values the types of the attributes; they are valid."""
        object.__setattr__(self, "status", Status(self.status or Status.ACCEPTED))

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], *, is_valid: bool = False) -> Self:
        """Make an entry from the keys and values of a region file.

        ``is_valid`` says that they have been checked with all of their file.
        """
        if not is_valid:
            known = {field.name for field in fields(cls) if field.compare}  # type: ignore[arg-type]  # subclasses are dataclasses
            unknown = [str(key)[:60] for key in mapping if key not in known]
            cls._ERROR.check_none([f"{key} is not a known key" for key in unknown])
            return cls(**mapping)
        entry = cls.__new__(cls)
        for field in fields(cls):  # type: ignore[arg-type]
            value = _plain(mapping.get(field.name, field.default))
            object.__setattr__(entry, field.name, value)
        entry._normalise()  # noqa: SLF001  # its own
        return entry

    def values(self) -> dict[str, Any]:
        """Return the attributes that are keys of a region file, None left out."""
        found = ((field.name, getattr(self, field.name)) for field in fields(self) if field.compare)  # type: ignore[arg-type]
        return {name: value for name, value in found if value is not None}

    def to_mapping(self) -> dict[str, Any]:
        """Return what a region file says: keys in the file's order, defaults left out."""
        values = _listed(self.values())
        if self.is_accepted:
            del values["status"]
        if values.get("action") == Action.MASK:
            del values["action"]
        return values

    @property
    def fingerprint(self) -> str:
        """Eight digits that tell the light of the entry from that of others: places and times."""
        said = {k: v for k, v in _listed(self.values()).items() if k not in _ABOUT}
        text = f"{self.SECTION} {json.dumps(said, sort_keys=True)}"
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def with_status(self, status: Status) -> Self:
        """Return the entry with another status."""
        other = copy.copy(self)
        object.__setattr__(other, "status", status)
        return other

    def moved(self, dx: float, dy: float) -> Self:
        """Return the entry as it is elsewhere, so many pixels away."""
        raise NotImplementedError

    @property
    def is_to_be_subtracted(self) -> bool:
        """Whether the light of the entry is to be taken out of a ramp, if it can be."""
        return self.is_accepted and getattr(self, "action", Action.MASK) is not Action.MASK

    @property
    def is_accepted(self) -> bool:
        """Whether the entry is to be masked."""
        return self.status is Status.ACCEPTED

    def groups(self, ngroups: int) -> slice:
        """Return the affected groups of an integration of ``ngroups`` groups."""
        last = self.last_group
        return slice(self.group or 0, ngroups if last is None else last + 1)

    def is_at(self, integration: int | None, group: int | None) -> bool:
        """Tell whether the entry affects an integration and group; None for any."""
        is_there = None in (integration, self.integration) or integration == self.integration
        if group is None:
            return is_there
        last = self.last_group
        return is_there and (self.group or 0) <= group and (last is None or group <= last)

    @property
    @abstractmethod
    def location(self) -> str:
        """The position in the image, for people."""

    @property
    def cells(self) -> str:
        """The position in the image as columns of a table, headed `COLUMNS`."""
        return ""

    @abstractmethod
    def pixels(self, image_shape: tuple[int, int]) -> tuple[Box, NDArray[np.bool_]]:
        """Return the pixels of an image that the entry covers.

        Parameters
        ----------
        image_shape : tuple of int
            Rows and columns.

        Returns
        -------
        box : tuple of slice
            Rows and columns that the entry reaches, clipped to the image.
        inside : `numpy.ndarray`
            ``(rows, columns)`` bool: the pixels of the box.
        """

    def radius(self, rows: slice, columns: slice) -> NDArray[np.float64]:
        """Return how far the pixels of a box are from the middle of the entry.

        Parameters
        ----------
        rows, columns : slice
            The box; it may reach beyond the image.

        Returns
        -------
        `numpy.ndarray`
            ``(rows, columns)``: 0 in the middle, 1 on the edge of the entry, more outside.
        """
        raise NotImplementedError

    def outline(self) -> NDArray[np.float64] | None:
        """Return the corners of a closed line around the entry, where it has one.

        Returns
        -------
        `numpy.ndarray` or None
            ``(n, 2)``: columns and rows.
        """
        return None

    def advice_outside(self, image_shape: tuple[int, int]) -> str:
        """Return what may be wrong where the entry covers no pixel; empty if that is not known."""
        del image_shape
        return ""

    @classmethod
    def relations(cls, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield what is wrong between some valid values: a key, and a sentence about it."""
        group, last = values.get("group"), values.get("last_group")
        if group is not None and last is not None and last < group:
            yield "last_group", f"is {last}, expected {group} (the first group) or more"

    @classmethod
    def outside(cls, values: Mapping[str, Any], exposure: Exposure) -> Iterator[tuple[str, str]]:
        """Yield which of some valid values an exposure has not, as `out_of_range`."""
        return cls.out_of_range(
            values,
            nints=exposure.nints,
            ngroups=exposure.ngroups,
            image_shape=exposure.image_shape,
        )

    @classmethod
    def out_of_range(
        cls,
        values: Mapping[str, Any],
        *,
        nints: int | None,
        ngroups: int | None,
        image_shape: tuple[int, int],
    ) -> Iterator[tuple[str, str]]:
        """Yield which of some valid values an exposure has not: a key, and a sentence about it.

        Sizes that are not known are None.
        """
        del image_shape  # ellipses and polygons may stick out of an image
        sizes = (("integration", nints), ("group", ngroups), ("last_group", ngroups))
        for name, size in sizes:
            value = values.get(name)
            if value is not None and size is not None and value >= size:
                noun = "integrations" if name == "integration" else "groups"
                yield name, f"is {value}, but the exposure has {noun} 0 to {size - 1}"


def _plain(value: Any) -> Any:
    """Return a value in Python's own types, lists as tuples."""
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return tuple(map(_plain, value))
    if not isinstance(value, Real) or isinstance(value, bool):
        return value
    try:
        number = float(value)
    except OverflowError:  # the schema says what is wrong with it; Python prints no more digits
        is_shown = isinstance(value, int) and value.bit_length() < 10_000
        return value if is_shown else math.inf
    if isinstance(value, Integral) and abs(number) < _HUGE:
        return int(value)
    return number


def grow_box(box: Box, margin: int, image_shape: tuple[int, int]) -> Box:
    """Return a box with a margin on all sides, clipped to the image."""
    rows, columns = (
        slice(max(0, part.start - margin), min(size, part.stop + margin))
        for part, size in zip(box, image_shape, strict=True)
    )
    return rows, columns


def box_within(box: Box, outer: Box) -> Box:
    """Return a box as its place in another one that holds it."""
    rows, columns = (
        slice(part.start - wider.start, part.stop - wider.start)
        for part, wider in zip(box, outer, strict=True)
    )
    return rows, columns


def plain_list(value: Any) -> Any:
    """Return a value as a region file has it: Python's own types, lists for tuples."""
    return _list(_plain(value))


def _listed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as a region file has them: tuples as lists, the status as a text."""
    return {name: _list(value) for name, value in values.items()}


def _list(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(map(_list, value))
    return str(value) if isinstance(value, StrEnum) else value
