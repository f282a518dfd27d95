"""Propose showers for exposures on disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from showermask.exceptions import ExposureError
from showermask.exposure import Exposure, Product
from showermask.frames import FrameReader
from showermask.propose.finder import MIN_GROUPS, find_candidates
from showermask.propose.merging import merge_candidates
from showermask.regionfile import RegionFile, read_regions, write_regions
from showermask.shower import Shower

__all__ = ["Proposal", "propose_showers"]


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
    regions : `~pathlib.Path`
        The region file.
    is_written : bool
        Whether it was written; it is not where there is nothing to write.
    """

    exposure: str
    found: tuple[Shower, ...]
    new: int
    regions: Path
    is_written: bool

    def describe(self) -> str:
        """Return a line for people."""
        if not self.found:
            return f"{self.exposure}: no candidates"
        scores = [shower.score or 0.0 for shower in self.found]
        noun = "candidate" if len(self.found) == 1 else "candidates"
        return (
            f"{self.exposure}: {len(self.found)} {noun}, S/N {min(scores):.1f} to "
            f"{max(scores):.1f}, {self.new} new, in {self.regions}"
        )


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
    """
    with FrameReader(path) as reader:
        exposure = reader.exposure
        group_time = _group_time(exposure, path)
        present = read_regions(regions) if regions.exists() else None
        if present is not None:
            present.check_fits(exposure)
        found = tuple(
            find_candidates(reader, exposure.frame, group_time=group_time, threshold=threshold)
        )
    merged, new = merge_candidates(present or _new(exposure), found)
    is_written = bool(merged.showers) if present is None else merged != present
    if is_written:
        write_regions(regions, replace(merged, path=None, sha256=None))
    return Proposal(
        exposure=exposure.name, found=found, new=new, regions=regions, is_written=is_written
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
    if not exposure.group_time:
        raise ExposureError(f"{path}: has no group time (TGROUP), expected it in s")
    return exposure.group_time


def _new(exposure: Exposure) -> RegionFile:
    nints, ngroups, ny, nx = exposure.shape
    return RegionFile(
        showers=(),
        exposure=exposure.root,
        shape=(nints, ngroups, ny, nx),
        subarray=exposure.subarray,
    )
