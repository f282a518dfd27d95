"""Propose showers for exposures on disk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from showermask.exceptions import ExposureError, OutputError, ShowermaskError
from showermask.exposure import Exposure, Product
from showermask.frames import FrameReader
from showermask.messages import counted
from showermask.propose.finder import MIN_GROUPS, find_candidates
from showermask.propose.merging import merge_candidates
from showermask.regionfile import SUFFIXES, read_regions_for, write_regions
from showermask.shower import Shower
from showermask.worklist import find_work

__all__ = ["Proposal", "find_ramps", "propose_showers"]

#: Group times in s that make sense: MIRI's are 0.05 (SUB64-like subarrays) to 24 (SLOWR1), and
#: groups of several frames are longer.
_SHORTEST_GROUP, _LONGEST_GROUP = 0.01, 1000.0


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What was proposed for an exposure.

    Parameters
    ----------
    exposure : str
        Product root.
    found : tuple of Shower
        All that was found.
    new : int
        How many of them the region file did not have yet.
    gone : int
        How many candidates of an earlier run are not found any more, and were taken out.
    regions : `~pathlib.Path`
        The region file.
    is_written : bool
        Whether it was written; it is not where there is nothing to write.
    """

    exposure: str
    found: tuple[Shower, ...]
    new: int
    gone: int
    regions: Path
    is_written: bool

    def describe(self) -> str:
        """Return a line for people."""
        gone = f", {self.gone} of before not found again and taken out" if self.gone else ""
        if not self.found:
            return f"{self.exposure}: no candidates{gone}"
        scores = [shower.score or 0.0 for shower in self.found]
        ends = dict.fromkeys(f"{score:.1f}" for score in (min(scores), max(scores)))
        return (
            f"{self.exposure}: {counted(len(self.found), 'candidate')}, S/N {' to '.join(ends)}, "
            f"{self.new} new{gone}, in {self.regions}"
        )


def find_ramps(
    paths: Sequence[Path], output: Path | None
) -> tuple[list[tuple[Path, Path]], list[str]]:
    """List the ramps to be searched, each with its region file.

    Parameters
    ----------
    paths : sequence of `~pathlib.Path`
        Exposures, or directories of them.
    output : `~pathlib.Path` or None
        Directory of the region files, made if need be; beside each exposure without it.

    Returns
    -------
    work : list of tuple of `~pathlib.Path`
        Exposure and region file.
    problems : list of str
        What is wrong with some of the paths; the others are in the list.

    Raises
    ------
    OutputError
        When there can't be such a directory.
    """
    if output is not None:
        _make_folder(output)
    work: dict[Path, Path] = {}
    problems: list[str] = []
    for path in paths:
        try:
            items = find_work(path, output, kinds=("jump", "ramp"))
        except ShowermaskError as error:
            problems += error.problems
            continue
        for item in items:
            other = work.setdefault(item.regions, item.exposure)
            if other.resolve() != item.exposure.resolve():
                problems.append(
                    f"{item.exposure}: has the same region file as {other}, {item.regions}; "
                    "propose for one of them, or with another --output-dir"
                )
    return [(exposure, regions) for regions, exposure in work.items()], problems


def _make_folder(folder: Path) -> None:
    if folder.suffix in SUFFIXES:
        raise OutputError(f"{folder}: is the name of a region file, expected a directory for them")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder}: can't be made ({error.strerror}), expected a directory for region files"
        ) from error


def propose_showers(path: Path, regions: Path, *, threshold: float) -> Proposal:
    """Look for showers in a ramp, and merge them into its region file.

    Parameters
    ----------
    path : `~pathlib.Path`
        A ramp that has been through ``jump``. Read in strips, integration by integration.
    regions : `~pathlib.Path`
        The region file; made, or merged into.
    threshold : float
        Signal-to-noise ratio from which on a glow is proposed.

    Returns
    -------
    Proposal
        What was proposed.

    Raises
    ------
    ShowermaskError
        When the exposure can't be searched, or the region file is not its own.
    ValueError
        When the threshold is not a number above 0.
    """
    if not 0 < threshold < math.inf:
        raise ValueError(f"threshold is {threshold}, expected a number above 0")
    with FrameReader(path) as reader:
        exposure = reader.exposure
        group_time = _group_time(exposure, path)
        present = read_regions_for(regions, exposure)
        found = tuple(
            find_candidates(reader, exposure.frame, group_time=group_time, threshold=threshold)
        )
    merged = merge_candidates(present, found, group_time=group_time)
    is_written = bool(merged.new or merged.gone)
    if is_written:
        write_regions(regions, replace(merged.regions, path=None, sha256=None))
    return Proposal(
        exposure=exposure.name,
        found=found,
        new=merged.new,
        gone=merged.gone,
        regions=regions,
        is_written=is_written,
    )


def _group_time(exposure: Exposure, path: Path) -> float:
    """Return the group time of a ramp that can be searched."""
    if exposure.product is not Product.RAMP:
        raise ExposureError(
            f"{path}: is a {exposure.product.value}, in which a shower's time course is gone; "
            "expected a ramp (_jump, _ramp)"
        )
    if exposure.is_raw:
        raise ExposureError(
            f"{path}: is a raw ramp, in which non-linearity, reset and ordinary hits look like "
            "showers; expected one from calwebb_detector1 (--steps.jump.save_results=true)"
        )
    if exposure.ngroups is not None and exposure.ngroups < MIN_GROUPS:
        raise ExposureError(
            f"{path}: has {exposure.ngroups} groups, expected at least {MIN_GROUPS} to tell a glow "
            "that fades from a source"
        )
    group_time = exposure.group_time
    if group_time is None or not _SHORTEST_GROUP <= group_time <= _LONGEST_GROUP:
        found = "no" if group_time is None else f"{group_time:g} s as"
        raise ExposureError(
            f"{path}: has {found} group time (TGROUP), expected {_SHORTEST_GROUP:g} to "
            f"{_LONGEST_GROUP:g} s"
        )
    return group_time
