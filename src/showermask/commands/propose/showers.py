"""Propose showers for exposures on disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from showermask.commands.propose.finder import MIN_GROUPS, find_candidates
from showermask.commands.propose.latents import find_source_before
from showermask.commands.propose.merging import Merged, merge_candidates
from showermask.exceptions import ExposureError
from showermask.exposure.images import ImageReader
from showermask.exposure.names import product_root
from showermask.exposure.product import Exposure
from showermask.messages import counted
from showermask.regionfile.content import RegionFile
from showermask.regionfile.polygon import Polygon
from showermask.regionfile.reader import read_regions_for
from showermask.regionfile.shower import Shower
from showermask.regionfile.writer import write_regions

__all__ = ["Proposal", "propose_showers", "search"]

#: Group times in s that make sense: MIRI's are 0.05 (SUB64-like subarrays) to 24 (SLOWR1), and
#: groups of several frames are longer.
_SHORTEST_GROUP, _LONGEST_GROUP = 0.01, 1000.0


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """The proposal for an exposure."""

    #: Product root.
    exposure: str
    #: All that was found.
    found: tuple[Shower | Polygon, ...]
    #: How many of them the region file did not have yet.
    new: int
    #: How many candidates of an earlier run are not found any more, and were taken out.
    gone: int
    #: The region file.
    region_path: Path
    #: Whether it was written; it is not where there is nothing to write.
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
            f"{self.new} new{gone}, in {self.region_path}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "exposure": self.exposure,
            "region_file": str(self.region_path),
            "new": self.new,
            "gone": self.gone,
            "written": self.is_written,
            "found": [{"section": one.SECTION, **one.to_mapping()} for one in self.found],
        }


def search(
    path: Path,
    present: Callable[[Exposure], RegionFile],
    *,
    threshold: float,
    earlier: Sequence[Path] = (),
    threads: int | None = None,
) -> tuple[Merged, tuple[Shower | Polygon, ...]]:
    """Look for showers in a ramp, and merge them with what is known of it.

    Parameters
    ----------
    path : Path
        The ramp, calibrated up to the jump step.
    present : callable
        Returns what is known of an exposure.
    threshold : float
        Signal-to-noise ratio from which on a glow is proposed.
    earlier : sequence of Path, optional
        Exposures before it on the same detector, the latest first; they tell latents.
    threads : int, optional
        Threads that read and filter; as many as there are cores by default.

    Returns
    -------
    Merged
        The region file with the candidates.
    tuple of Shower or Polygon
        All that was found.
    """
    if not 0 < threshold < math.inf:
        raise ValueError(f"threshold is {threshold}, expected a number above 0")
    with ImageReader(path) as reader:
        exposure = reader.exposure
        group_time = _group_time(exposure, path)
        known = present(exposure)

        def is_latent(x: float, y: float) -> str | None:
            source = find_source_before(path, earlier, x, y)
            if source is None:
                return None
            return f"a source lay there in {source.exposure}, {source.seconds:.0f} s before"

        # Threads of the linear algebra would wait for those that read, and these for them.
        with threadpool_limits(1, user_api="blas"):
            found = tuple(
                find_candidates(
                    reader,
                    exposure.image_shape,
                    group_time=group_time,
                    threshold=threshold,
                    is_latent=is_latent,
                    threads=threads,
                )
            )
    return merge_candidates(known, found, group_time=group_time), found


def propose_showers(
    path: Path,
    region_path: Path,
    *,
    threshold: float,
    earlier: Sequence[Path] = (),
    threads: int | None = None,
) -> Proposal:
    """Look for showers in a ramp, and merge them into its region file.

    Parameters
    ----------
    path, threshold, earlier, threads
        As for `search`.
    region_path : Path
        The region file; it need not exist.

    Returns
    -------
    Proposal
        What was found.
    """
    merged, found = search(
        path,
        lambda exposure: read_regions_for(region_path, exposure),
        threshold=threshold,
        earlier=earlier,
        threads=threads,
    )
    is_written = bool(merged.new or merged.gone)
    if is_written:
        write_regions(region_path, merged.region_file.unread())
    return Proposal(
        exposure=product_root(path),
        found=found,
        new=merged.new,
        gone=merged.gone,
        region_path=region_path,
        is_written=is_written,
    )


def _group_time(exposure: Exposure, path: Path) -> float:
    """Return the group time of a ramp that can be searched."""
    if not exposure.is_ramp:
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
