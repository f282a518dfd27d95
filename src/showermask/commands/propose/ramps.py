"""Ramps that are looked at, and their region files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from showermask.exceptions import OutputError, ShowermaskError
from showermask.regionfile.lookup import RegionLookup, WorkItem, find_exposures, find_work
from showermask.regionfile.reader import EXTENSIONS

__all__ = ["find_other_ramps", "find_ramps"]

_RAMP_SUFFIXES = ("jump", "ramp")


def find_ramps(paths: Sequence[Path], output_dir: Path | None) -> tuple[list[WorkItem], list[str]]:
    """List the ramps to be searched, and what is wrong with some of the paths.

    The directory of the region files is made if need be.
    """
    if output_dir is not None:
        _make_folder(output_dir)
    lookup = RegionLookup(output_dir, may_be_new=True)
    work: dict[Path, WorkItem] = {}
    problems: list[str] = []
    for path in paths:
        try:
            items = find_work(path, lookup, suffixes=_RAMP_SUFFIXES)
        except ShowermaskError as error:
            problems += error.problems
            continue
        for item in items:
            other = work.setdefault(item.region_path, item)
            if other.exposure_path.resolve() != item.exposure_path.resolve():
                problems.append(
                    f"{item.exposure_path}: has the same region file as {other.exposure_path}, "
                    f"{item.region_path}; propose for one of them, or with another --output-dir"
                )
    return list(work.values()), problems


def _make_folder(folder: Path) -> None:
    if folder.suffix in EXTENSIONS:
        raise OutputError(f"{folder}: is the name of a region file, expected a directory for them")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder}: can't be made ({error.strerror}), expected a directory for region files"
        ) from error


def find_other_ramps(paths: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """List ramps that get no region files, and what is wrong with some of the paths."""
    found: list[Path] = []
    problems: list[str] = []
    for path in paths:
        try:
            found += find_exposures(path, suffixes=_RAMP_SUFFIXES)
        except ShowermaskError as error:
            problems += error.problems
    return found, problems
