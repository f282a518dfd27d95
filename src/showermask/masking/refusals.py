"""Reasons to refuse entries of a region file for an exposure, each with its place in the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from showermask.exceptions import FlagError, RegionFileError, ShowermaskError
from showermask.exposure.dq import all_flags, bits_of, known_flags
from showermask.exposure.names import product_root
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
    "file_remarks",
    "more_problems",
    "off_the_image",
]


class Refusals:
    """Reasons to refuse the mask of a file, with the errors that they are."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._found: list[tuple[type[ShowermaskError], str]] = []

    def add(self, kind: type[ShowermaskError], texts: Iterable[str]) -> None:
        """Add reasons that are errors of a kind."""
        self._found += [(kind, f"{self._name}: {text}") for text in texts]

    def take(self, others: Refusals) -> None:
        """Add the reasons of another file."""
        self._found += others._found

    @property
    def texts(self) -> list[str]:
        """The reasons."""
        return [text for _, text in self._found]

    def bits_of(
        self,
        entries: Iterable[Entry],
        region_file: RegionFile,
        exposure: Exposure,
        default_flags: Sequence[str],
    ) -> list[int]:
        """Return the bits of entries, 0 where flags are refused; refuse those of the step."""
        default: int | None = None
        found = []
        for entry in entries:
            values = Values.of(entry, region_file.key_of(entry))
            named = None
            with suppress(FlagError):  # which is among the refusals
                named = bits_of_entry(values, exposure)
            if entry.flags is None and default is None:
                default = self._default_bits(default_flags, exposure)
            found.append((default or 0) if entry.flags is None else named or 0)
        return found

    def _default_bits(self, flags: Sequence[str], exposure: Exposure) -> int:
        known, plane = known_flags(exposure.product), exposure.product.plane.upper()
        try:
            return bits_of(flags, known, where="flags of the step", plane=plane)
        except FlagError as error:
            self._found += [(FlagError, problem) for problem in error.problems]
            return 0

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
    root = product_root(region_file.exposure) if region_file.exposure is not None else None
    if root != region_file.exposure:
        yield (
            f"{region_file.name}: exposure is {region_file.exposure}, expected the product root, "
            f"without suffix; write {root}"
        )
    for first, other in region_file.repeated():
        yield f"{region_file.name}: {other} says the same as {first}; remove one of them"


def more_problems(error: InvalidRegionFileError, exposure: Exposure | None) -> list[str]:
    """Return what else is wrong with an invalid file: flags, and everything for an exposure."""
    refusals = Refusals(error.name)
    if exposure is not None:
        refusals.add(RegionFileError, RegionFile(**error.header).mismatches(exposure))
    for values in error.values:
        if exposure is None:
            if values.values.get("status") != Status.REJECTED:
                refusals.add(FlagError, _flag_problems(values, None))
        elif add_refusals(refusals, values, exposure) and values.is_complete:
            entry = values.kind.from_mapping(values.values, is_valid=True)
            if entry.is_accepted and not entry.pixels(exposure.image_shape)[1].any():
                text = f"{values.key} {off_the_image(entry, exposure)}"
                refusals.add(RegionFileError, [text])
    told = {_subject(problem) for problem in error.problems}
    return [text for text in refusals.texts if _subject(text) not in told]


def _subject(problem: str) -> str:
    """Return a problem without what was expected, which may be told of file and exposure."""
    return problem.partition(", but the exposure has")[0]


def off_the_image(entry: Entry, exposure: Exposure) -> str:
    """Return that an entry covers no pixel, and what may be the reason."""
    ny, nx = exposure.image_shape
    advice = entry.advice_outside(exposure.image_shape)
    if not advice and exposure.subarray not in (None, "FULL"):
        advice = f"are x and y relative to the subarray {exposure.subarray}?"
    return (
        f"covers no pixel of the frame ({entry.location}); the frame has columns 0 to {nx - 1} "
        f"and rows 0 to {ny - 1}{f'; {advice}' if advice else ''}"
    )


def check_flag_names(region_file: RegionFile) -> None:
    """Check that the flags of entries that are or may be masked are those of any plane."""
    problems = [
        f"{region_file.name}: {problem}"
        for entry in region_file.entries
        if entry.status is not Status.REJECTED
        for problem in _flag_problems(Values.of(entry, region_file.key_of(entry)), None)
    ]
    FlagError.check_none(problems)


def check_entry(entry: Entry, exposure: Exposure, *, flags: bool = True) -> None:
    """Check that an entry by itself can be masked in an exposure."""
    values = Values.of(entry)
    outside = entry.outside(values.values, exposure)
    RegionFileError.check_none([f"{name} {text}" for name, text in outside])
    if entry.is_accepted and not entry.pixels(exposure.image_shape)[1].any():
        raise RegionFileError(off_the_image(entry, exposure))
    if flags:
        FlagError.check_none([text.removeprefix(".") for text in _flag_problems(values, exposure)])


def add_refusals(refusals: Refusals, values: Values, exposure: Exposure) -> bool:
    """Add what is wrong with an entry for an exposure; tell whether it lies in the exposure."""
    found = values.kind.outside(values.values, exposure)
    outside = [f"{values.key}.{name} {text}" for name, text in found]
    refusals.add(RegionFileError, outside)
    if values.values.get("status", Status.ACCEPTED) == Status.ACCEPTED:
        refusals.add(FlagError, _flag_problems(values, exposure))
    return not outside


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
