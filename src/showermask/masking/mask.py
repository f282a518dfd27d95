"""The mask: what a region file sets in a plane of an exposure, and every reason to refuse it.

The step, the drop-in pipeline, check, batch (run and dry run), the report and the review page ask
the same plan, so that none of them takes what another one refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from showermask.exceptions import (
    FlagError,
    MaskTooLargeError,
    RegionFileError,
    ShowermaskError,
)
from showermask.exposure.dq import all_flags, bits_of, known_flags
from showermask.exposure.product import Exposure
from showermask.masking.cost import Cost, Coverage, measure
from showermask.masking.footprint import Footprint, are_set, find_footprints, set_bits
from showermask.masking.lone_groups import flag_lone_groups
from showermask.messages import counted
from showermask.regionfile.content import RegionFile
from showermask.regionfile.entry import Entry, Status
from showermask.regionfile.reader import InvalidRegionFileError, Values, read_regions

__all__ = [
    "DEFAULT_FLAGS",
    "MAX_MASKED_FRACTION",
    "Mask",
    "check_entry",
    "check_flag_names",
]

#: Both are needed: JUMP_DET keeps the mask visible in the rate's DQ, DO_NOT_USE keeps the masked
#: groups out of the fit also where fewer than two usable groups come before the shower.
DEFAULT_FLAGS = ("JUMP_DET", "DO_NOT_USE")

#: The largest shower that the pipeline itself allows (radius 200 pixels) takes 12 % of an image.
MAX_MASKED_FRACTION = 0.5


@dataclass(frozen=True)
class Mask:
    """A region file, planned for an exposure.

    Parameters
    ----------
    region_file : RegionFile
        The region file.
    exposure : Exposure
        The exposure.
    footprints : tuple of Footprint
        The accepted entries in the plane of the exposure, with their bits.
    default_flags : tuple of str
        Names of the flags of entries that name none.
    """

    region_file: RegionFile
    exposure: Exposure
    footprints: tuple[Footprint, ...]
    default_flags: tuple[str, ...]

    @classmethod
    def plan(
        cls,
        region_file: RegionFile,
        exposure: Exposure,
        *,
        default_flags: Sequence[str] = DEFAULT_FLAGS,
        max_masked_fraction: float = MAX_MASKED_FRACTION,
    ) -> Mask:
        """Plan the mask of a region file in the plane of an exposure.

        Parameters
        ----------
        region_file : RegionFile
            The region file; its accepted entries are masked.
        exposure : Exposure
            The exposure.
        default_flags : sequence of str, optional
            Names of the flags of entries that name none.
        max_masked_fraction : float, optional
            Largest part of an image that may be masked, 0 to 1.

        Returns
        -------
        Mask
            The plan.

        Raises
        ------
        ShowermaskError
            With everything for which the mask is refused, each with its place in the file: the
            file is of another exposure, an entry lies outside the exposure or covers no pixel, a
            flag is not known, too much of an image is masked. `RegionFileError`, or `FlagError` or
            `MaskTooLargeError` where it is that alone.
        """
        default = _default_bits(default_flags, exposure)
        refusals = _Refusals(region_file.name)
        refusals.add(RegionFileError, region_file.mismatches(exposure))
        chosen: list[Entry] = []
        bits: list[int] = []
        for entry in region_file.entries:
            values = Values(region_file.key_of(entry), type(entry), vars(entry))
            if _add_refusals(refusals, values, exposure) or not entry.is_accepted:
                continue
            chosen.append(entry)
            named = _bits_of_entry(values, exposure)
            bits.append(default if named is None else named)
        footprints = find_footprints(chosen, exposure.shape, bits)
        mask = cls(region_file, exposure, tuple(footprints), tuple(default_flags))
        refusals.add(RegionFileError, mask._off_the_image())
        refusals.add(MaskTooLargeError, mask._too_large(max_masked_fraction))
        refusals.check_none()
        return mask

    @classmethod
    def read(
        cls,
        path: Path,
        exposure: Exposure,
        *,
        default_flags: Sequence[str] = DEFAULT_FLAGS,
        max_masked_fraction: float = MAX_MASKED_FRACTION,
    ) -> Mask:
        """Read a region file and plan its mask; all problems of both are raised together.

        The parameters are those of `plan`.
        """
        try:
            region_file = read_regions(path)
        except InvalidRegionFileError as error:
            raise RegionFileError(*error.problems, *more_problems(error, exposure)) from error
        return cls.plan(
            region_file,
            exposure,
            default_flags=default_flags,
            max_masked_fraction=max_masked_fraction,
        )

    def apply(self, plane: NDArray[np.unsignedinteger]) -> int:
        """OR the bits of the mask into the plane of its exposure.

        Parameters
        ----------
        plane : `numpy.ndarray`
            ``groupdq`` (uint8) or ``dq`` (uint32), of the exposure's shape. Modified in place.

        Returns
        -------
        int
            Number of lone groups that were flagged; see `flag_lone_groups`.
        """
        set_bits(plane, self.footprints, self._bits)
        if not self.exposure.is_ramp:
            return 0
        return flag_lone_groups(plane, self.footprints, self._bits)

    def is_applied(self, plane: NDArray[np.unsignedinteger]) -> bool:
        """Tell whether a plane has all bits of the mask already.

        Parameters
        ----------
        plane : `numpy.ndarray`
            As in `apply`, but only read.

        Returns
        -------
        bool
            Whether `apply` would change no masked pixel.
        """
        return are_set(plane, self.footprints, self._bits)

    @cached_property
    def coverage(self) -> Coverage:
        """The pixels of the mask."""
        return measure(self.footprints, self.exposure.shape)

    @cached_property
    def cost(self) -> Cost:
        """The exposure time that is lost with the mask."""
        return Cost.of_footprints(self.footprints, self.exposure, self.coverage)

    def footprint_of(self, entry: Entry) -> Footprint:
        """Return the footprint of an accepted entry, the first of several integrations."""
        return self._first_footprints[id(entry)]

    def remarks(self) -> Iterator[str]:
        """Yield what the reviewer may not have meant."""
        yield from file_remarks(self.region_file)
        names = {
            flag.upper() for f in self.footprints for flag in f.entry.flags or self.default_flags
        }
        if self.exposure.is_ramp and self.footprints and "DO_NOT_USE" not in names:
            yield (
                f"{self.exposure.name}: masked without DO_NOT_USE; masks of the first groups will "
                "spoil the rate"
            )
        nints = self.exposure.nints or 1
        if self.exposure.product.is_rate and self.footprints and nints > 1:
            yield (
                f"{self.exposure.name}: this rate is made of {nints} integrations, and masked "
                "pixels are lost to all; mask the ramp or the rateints to lose only the "
                "integrations with a shower"
            )

    @property
    def _bits(self) -> list[int]:
        return [footprint.bits for footprint in self.footprints]

    @cached_property
    def _first_footprints(self) -> dict[int, Footprint]:
        return {id(footprint.entry): footprint for footprint in reversed(self.footprints)}

    def _off_the_image(self) -> Iterator[str]:
        """Yield the accepted entries that cover no pixel."""
        ny, nx = self.exposure.image_shape
        extent = f"the frame has columns 0 to {nx - 1} and rows 0 to {ny - 1}"
        for footprint in self._first_footprints.values():
            if footprint.inside.any():
                continue
            entry = footprint.entry
            advice = entry.advice_outside(self.exposure.image_shape)
            if not advice and self.exposure.subarray not in (None, "FULL"):
                advice = f"are x and y relative to the subarray {self.exposure.subarray}?"
            yield (
                f"{self.region_file.key_of(entry)} covers no pixel of the frame "
                f"({entry.location}); {extent}{f'; {advice}' if advice else ''}"
            )

    def _too_large(self, limit: float) -> Iterator[str]:
        """Yield that the mask is larger than a part of an image, if it is, and the main culprit."""
        fraction = self.coverage.fraction
        if fraction <= limit:  # never when the limit is not a number
            return
        largest = max(self.footprints, key=lambda footprint: footprint.pixels)
        ny, nx = self.exposure.image_shape
        yield (
            f"the mask covers {fraction:.1%} of the frame, expected at most {limit:.1%} "
            f"({self.region_file.key_of(largest.entry)} alone {largest.pixels / (nx * ny):.1%}): "
            "look for a slip in a or b (semi-axes in pixels) or in a mask, or raise "
            "max_masked_fraction"
        )


class _Refusals:
    """Reasons to refuse the mask of a file, with the errors that they are."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._found: list[tuple[type[ShowermaskError], str]] = []

    def add(self, kind: type[ShowermaskError], texts: Iterable[str]) -> None:
        self._found += [(kind, f"{self._name}: {text}") for text in texts]

    def __len__(self) -> int:
        return len(self._found)

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self._found]

    def check_none(self) -> None:
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
    known = set(error.problems)
    name = error.problems[0].partition(": ")[0]
    refusals = _Refusals(name)
    for values in error.values:
        if exposure is not None:
            _add_refusals(refusals, values, exposure)
        elif _may_be_masked(values):
            refusals.add(FlagError, _flag_problems(values, None))
    told = {problem.removesuffix(" (from shape)") for problem in known}
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


def _add_refusals(refusals: _Refusals, values: Values, exposure: Exposure) -> bool:
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
        _bits_of_entry(values, exposure)
    except FlagError as error:
        return error.problems
    return ()


def _bits_of_entry(values: Values, exposure: Exposure | None) -> int | None:
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


def _default_bits(flags: Sequence[str], exposure: Exposure) -> int:
    plane = exposure.product.plane.upper()
    return bits_of(flags, known_flags(exposure.product), where="flags of the step", plane=plane)
