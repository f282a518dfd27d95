"""The darks and flats of a search: by detector and read-out, the best product of each exposure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from showermask.defects.darks import MIN_GROUPS
from showermask.exceptions import ExposureError, ShowermaskError
from showermask.exposure.detectors import DETECTORS, frame_shape_of
from showermask.exposure.names import PRODUCT_SUFFIXES, product_root, product_suffix
from showermask.exposure.product import Exposure, describe_file
from showermask.messages import counted
from showermask.regionfile.lookup import walk

__all__ = ["ExposureSet", "collect"]

#: Fewest exposures, or integrations, that tell a bad pixel from a hit.
LEAST_EXPOSURES, LEAST_INTEGRATIONS = 3, 10
#: JDox keeps masks of MIRI's FASTR1 for fewer groups and for as many or more.
_DEEP = 50
_MOST_GROUPS = 2147483647
#: Fewer groups than this have no rate.
_LEAST_GROUPS = 3
#: Products from which each search can be made, the best first.
_OF_DARKS = ("jump", "ramp", "uncal", "rateints", "rate")
_OF_FLATS = ("jump", "ramp", "rate", "rateints", "uncal")


@dataclass(kw_only=True)
class ExposureSet:
    """Exposures that are searched together.

    Parameters
    ----------
    detector, readpatt : str
        Their detector and read-out pattern.
    ngroups : tuple of int or None
        Fewest and most groups of the exposures that the result is for.
    darks, flats : list of path
        The exposures.
    notes : list of str
        What is to be said about them.
    """

    detector: str
    readpatt: str
    ngroups: tuple[int, int] | None
    darks: list[Path] = field(default_factory=list)
    flats: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Name for files: detector, read-out, and depth where that matters."""
        depth = "" if self.ngroups is None or self.ngroups[0] < _DEEP else f"_from{_DEEP}"
        return f"{self.detector}_{self.readpatt}{depth}".lower()


@dataclass(frozen=True)
class _Taken:
    path: Path
    exposure: Exposure

    @property
    def integrations(self) -> int:
        return self.exposure.stack_shape[0]


def collect(
    darks: Sequence[Path], flats: Sequence[Path], *, may_be_few: bool
) -> tuple[list[ExposureSet], list[str]]:
    """Sort darks and flats into sets.

    Parameters
    ----------
    darks, flats : sequence of path
        Exposures, and directories of them.
    may_be_few : bool
        Whether fewer exposures than tell a bad pixel from a hit will do.

    Returns
    -------
    sets : list of ExposureSet
        By detector and read-out; those of which nothing is wrong.
    problems : list of str
        What is wrong with the others.

    Raises
    ------
    ExposureError
        When no exposure is found.
    """
    problems: list[str] = []
    sets: dict[tuple[str, str, tuple[int, int] | None], ExposureSet] = {}
    for key, group in _grouped(_taken(darks, _OF_DARKS, problems, "dark")).items():
        try:
            sets[key] = _set_of_darks(key, group, may_be_few=may_be_few)
        except ShowermaskError as error:
            problems += error.problems
    of_flats = _grouped(_taken(flats, _OF_FLATS, problems, "flat"))
    by_detector: dict[str, list[_Taken]] = defaultdict(list)
    for (detector, *_), group in of_flats.items():
        by_detector[detector] += group
    for detector, group in by_detector.items():
        try:
            _check_alike(group, "flats")
            _check_number(group, "flats", may_be_few=may_be_few)
        except ShowermaskError as error:
            problems += error.problems
            continue
        # The response of a pixel does not depend on how it is read out.
        of_detector = [one for key, one in sets.items() if key[0] == detector]
        if not of_detector:
            first = group[0].exposure
            one = ExposureSet(detector=detector, readpatt=_readpatt(first), ngroups=None)
            sets[detector, _readpatt(first), None] = one
            of_detector = [one]
        for one in of_detector:
            one.flats = [taken.path for taken in group]
    if not sets and not problems:
        raise ExposureError("no exposure is given, expected --darks or --flats, or both")
    return list(sets.values()), problems


def _taken(
    paths: Iterable[Path], preference: Sequence[str], problems: list[str], noun: str
) -> list[_Taken]:
    """Return the best product of each exposure."""
    by_root: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        files = [path]
        if path.is_dir():
            files = list(walk(path, product_suffix))
            if not files:
                expected = ", ".join(f"_{suffix}.fits" for suffix in PRODUCT_SUFFIXES)
                problems.append(f"{path}: found no {noun}, expected files that end in {expected}")
        for file in files:
            by_root[product_root(file)].append(file)
    found = []
    for root, files in by_root.items():
        ranks = {file: _rank(file, preference) for file in files}
        best, *others = (file for file in files if ranks[file] == min(ranks.values()))
        if others:
            names = ", ".join(str(file) for file in (best, *others))
            problems.append(f"{root}: is there more than once ({names}); leave one")
            continue
        try:
            taken = _Taken(best.absolute(), describe_file(best))
        except ShowermaskError as error:
            problems += error.problems
            continue
        wrong = _unusable(taken.exposure, noun)
        if wrong:
            problems.append(f"{best}: {wrong}")
        else:
            found.append(taken)
    return found


def _rank(file: Path, preference: Sequence[str]) -> int:
    suffix = product_suffix(file) or ""
    return preference.index(suffix) if suffix in preference else len(preference)


def _unusable(exposure: Exposure, noun: str) -> str:
    """Return why an exposure can't be searched; empty if it can be."""
    if exposure.detector is None or exposure.detector.upper() not in DETECTORS:
        found = exposure.detector or "none"
        return f"its detector (DETECTOR) is {found}, expected one of {', '.join(DETECTORS)}"
    if exposure.xstart is None and exposure.image_shape != frame_shape_of(exposure.detector):
        return "does not say where it lies in the detector (SUBSTRT1, SUBSTRT2)"
    if exposure.is_ramp and exposure.stack_shape[1] < _LEAST_GROUPS:
        return f"has {exposure.stack_shape[1]} groups, expected {_LEAST_GROUPS} for a {noun}"
    return ""


def _grouped(
    taken: Iterable[_Taken],
) -> dict[tuple[str, str, tuple[int, int] | None], list[_Taken]]:
    groups: dict[tuple[str, str, tuple[int, int] | None], list[_Taken]] = defaultdict(list)
    for one in taken:
        exposure = one.exposure
        key = str(exposure.detector), _readpatt(exposure), _depth(exposure)
        groups[key].append(one)
    return groups


def _readpatt(exposure: Exposure) -> str:
    return exposure.readpatt or "ANY"


def _depth(exposure: Exposure) -> tuple[int, int] | None:
    """Return for which numbers of groups an exposure stands."""
    if _readpatt(exposure) != "FASTR1" or exposure.ngroups is None:
        return None
    return (1, _DEEP - 1) if exposure.ngroups < _DEEP else (_DEEP, _MOST_GROUPS)


def _set_of_darks(
    key: tuple[str, str, tuple[int, int] | None], group: list[_Taken], *, may_be_few: bool
) -> ExposureSet:
    detector, readpatt, depth = key
    one = ExposureSet(detector=detector, readpatt=readpatt, ngroups=depth)
    ramps = [taken for taken in group if taken.exposure.is_ramp]
    if ramps and len(ramps) < len(group):
        rest = [taken.path.name for taken in group if not taken.exposure.is_ramp]
        one.notes.append(
            f"{one.name}: {counted(len(rest), 'dark')} without a ramp left out "
            f"({', '.join(rest[:3])}); {_make_ramps(rest[0])}"
        )
        group = ramps
    elif not ramps:
        one.notes.append(
            f"{one.name}: the darks are rates: rc, inverse_rc, telegraph and low_pedestal are not "
            f"looked for; {_make_ramps(group[0].path.name)}"
        )
    shortest = min(taken.exposure.stack_shape[1] for taken in group)
    if ramps and shortest < MIN_GROUPS:
        one.notes.append(
            f"{one.name}: darks of {shortest} groups, fewer than {MIN_GROUPS}: rc, inverse_rc, "
            "telegraph and low_pedestal are not looked for"
        )
    if any(taken.exposure.is_raw for taken in group):
        first = group[0].path.name
        one.notes.append(f"{one.name}: raw darks: hits are not flagged; {_make_ramps(first)}")
    if any(taken.exposure.is_ramp and not taken.exposure.group_time for taken in group):
        raise ExposureError(f"{one.name}: darks without a group time (TGROUP), expected one in s")
    _check_alike(group, "darks")
    _check_number(group, "darks", may_be_few=may_be_few)
    one.darks = [taken.path for taken in group]
    return one


def _make_ramps(name: str) -> str:
    root = product_root(name)
    return f"make ramps: strun calwebb_detector1 {root}_uncal.fits --steps.jump.save_results=true"


def _check_alike(group: Sequence[_Taken], noun: str) -> None:
    """Refuse exposures of different parts of a detector."""
    found = {
        (taken.exposure.subarray or "?", taken.exposure.image_shape, taken.exposure.corner)
        for taken in group
    }
    if len(found) > 1:
        names = ", ".join(sorted(f"{name} {ny} x {nx}" for name, (ny, nx), _ in found))
        raise ExposureError(
            f"{group[0].exposure.detector}: {noun} of several subarrays ({names}), expected one; "
            "search them one after the other, with an output directory each"
        )


def _check_number(group: Sequence[_Taken], noun: str, *, may_be_few: bool) -> None:
    integrations = sum(taken.integrations for taken in group)
    is_enough = len(group) >= LEAST_EXPOSURES or integrations >= LEAST_INTEGRATIONS
    if not is_enough and not may_be_few:
        raise ExposureError(
            f"{group[0].exposure.detector} {_readpatt(group[0].exposure)}: {noun} of "
            f"{counted(len(group), 'exposure')} with {counted(integrations, 'integration')}, "
            f"expected {LEAST_EXPOSURES} exposures or {LEAST_INTEGRATIONS} integrations: a hit in "
            "one looks like a bad pixel; take more, or give --few"
        )
