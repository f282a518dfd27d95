"""Reasons to refuse entries of a region file for an exposure, each with its place in the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from showermask.exceptions import FlagError, RegionFileError, ShowermaskError
from showermask.exposure.dq import all_flags, bits_of, known_flags
from showermask.exposure.product import Exposure
from showermask.messages import counted
from showermask.regionfile.content import RegionFile
from showermask.regionfile.entry import Entry, Status
from showermask.regionfile.reader import InvalidRegionFileError, Values

__all__ = [
    "Refusals",
    "add_refusals",
    "bits_of_entry",
    "check_entry",
    "check_flag_names",
    "default_bits",
    "file_remarks",
    "more_problems",
]


class Refusals:
    """Reasons to refuse the mask of a file, with the errors that they are."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._found: list[tuple[type[ShowermaskError], str]] = []

    def add(self, kind: type[ShowermaskError], texts: Iterable[str]) -> None:
        """Add reasons that are errors of a kind."""
        self._found += [(kind, f"{self._name}: {text}") for text in texts]

    def __len__(self) -> int:
        return len(self._found)

    @property
    def texts(self) -> list[str]:
        """The reasons."""
        return [text for _, text in self._found]

    def check_none(self) -> None:
        """Raise an error with all reasons, of their kind if they are all of one."""
        kinds = {kind for kind, _ in self._found}
        error = kinds.pop() if len(kinds) == 1 else RegionFileError
        error.check_none(self.texts)


def file_remarks(region_file: RegionFile) -> Iterator[str]:
    """Yield what the reviewer of a region file may not have meant, whatever the exposure."""
    open_ = len(region_file.candidates)
    if open_:
        yield (
            f"{region_file.name}: {counted(open_, 'candidate is', 'candidates are')} not applied; "
            f"accept or reject {'it' if open_ == 1 else 'them'}"
        )
    for first, other in region_file.repeated():
        yield f"{region_file.name}: {other} says the same as {first}; remove one of them"


def more_problems(error: InvalidRegionFileError, exposure: Exposure | None) -> list[str]:
    """Return what else is wrong with an invalid file: flags, and, for an exposure, ranges."""
    refusals = Refusals(error.name)
    for values in error.values:
        if exposure is not None:
            add_refusals(refusals, values, exposure)
        elif _may_be_masked(values):
            refusals.add(FlagError, _flag_problems(values, None))
    told = {problem.removesuffix(" (from shape)") for problem in error.problems}
    return [text for text in refusals.texts if text not in told]


def check_flag_names(region_file: RegionFile) -> None:
    """Check that the flags of entries that are or may be masked are those of any plane."""
    problems = [
        f"{region_file.name}: {problem}"
        for entry in region_file.entries
        if entry.status is not Status.REJECTED
        for problem in _flag_problems(
            Values(region_file.key_of(entry), type(entry), vars(entry)), None
        )
    ]
    FlagError.check_none(problems)


def check_entry(entry: Entry, exposure: Exposure, *, flags: bool = True) -> None:
    """Check that an entry by itself can be masked in an exposure."""
    values = Values("", type(entry), vars(entry))
    RegionFileError.check_none([f"{name} {text}" for name, text in _outside(values, exposure)])
    if flags:
        FlagError.check_none([text.removeprefix(".") for text in _flag_problems(values, exposure)])


def add_refusals(refusals: Refusals, values: Values, exposure: Exposure) -> bool:
    """Add what is wrong with an entry for an exposure; tell whether anything is."""
    before = len(refusals)
    outside = _outside(values, exposure)
    refusals.add(RegionFileError, (f"{values.key}.{name} {text}" for name, text in outside))
    if values.values.get("status", Status.ACCEPTED) == Status.ACCEPTED:
        refusals.add(FlagError, _flag_problems(values, exposure))
    return len(refusals) > before


def _may_be_masked(values: Values) -> bool:
    return values.values.get("status") != Status.REJECTED


def _outside(values: Values, exposure: Exposure) -> Iterator[tuple[str, str]]:
    return values.kind.out_of_range(
        values.values,
        nints=exposure.nints,
        ngroups=exposure.ngroups,
        image_shape=exposure.image_shape,
    )


def _flag_problems(values: Values, exposure: Exposure | None) -> tuple[str, ...]:
    try:
        bits_of_entry(values, exposure)
    except FlagError as error:
        return error.problems
    return ()


def bits_of_entry(values: Values, exposure: Exposure | None) -> int | None:
    """Combine the flags that an entry names for the plane of an exposure; None if it names none.

    Without an exposure the flags of all planes are known. Of bad pixels, flags that only other
    planes have are left out if another one is left: PERSISTENCE is known to pixels, not to groups.
    """
    flags = values.values.get("flags")
    if flags is None:
        return None
    known = all_flags() if exposure is None else known_flags(exposure.product)
    plane = "any plane" if exposure is None else exposure.product.plane.upper()
    names = [name.strip().upper() for name in flags]
    if values.kind.MAY_NAME_OTHER_FLAGS:
        elsewhere = all_flags()
        names = [name for name in names if name in known or name not in elsewhere] or names
    return bits_of(names, known, where=f"{values.key}.flags", plane=plane)


def default_bits(flags: Sequence[str], exposure: Exposure) -> int:
    """Combine the flags of entries that name none."""
    plane = exposure.product.plane.upper()
    return bits_of(flags, known_flags(exposure.product), where="flags of the step", plane=plane)
