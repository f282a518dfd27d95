"""The result of a check, as data: of a region file, and of its mask in an exposure."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from showermask.commands.check.describe import count_by_status, describe_subtraction
from showermask.exceptions import RegionFileError, ShowermaskError
from showermask.exposure.product import describe_file
from showermask.masking.cost import has_rate_left, time_lost
from showermask.masking.mask import Mask
from showermask.masking.refusals import check_flag_names, file_remarks, more_problems
from showermask.messages import counted, joined
from showermask.regionfile.content import SECTIONS
from showermask.regionfile.entry import Status
from showermask.regionfile.reader import InvalidRegionFileError, read_regions

__all__ = ["CheckResult", "check", "check_files"]


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The result of a check.

    Parameters
    ----------
    region_file : `~pathlib.Path`
        The region file.
    exposure : `~pathlib.Path` or None
        The exposure.
    problems : tuple of str
        What is wrong; the file can be used where there is none.
    remarks : tuple of str
        What may not have been meant.
    counts : dict
        For each section of the file, how many entries have which status.
    mask : Mask or None
        The mask of the exposure, where there is one.
    subtraction : tuple of str
        What ``subtract_showers`` would do, a line for each entry that asks for it.
    """

    region_file: Path
    exposure: Path | None = None
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    mask: Mask | None = None
    subtraction: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def describe(self) -> str:
        """Return a line for people."""
        if self.problems:
            where = f"{self.region_file}: "
            told = [problem.removeprefix(where) for problem in self.problems]
            return f"{where}FAILED: {'; '.join(told)}"
        found = [
            counted(sum(by_status.values()), SECTIONS[name].NOUN)
            for name, by_status in self.counts.items()
        ]
        waiting = sum(by_status[str(Status.CANDIDATE)] for by_status in self.counts.values())
        text = f"{self.region_file}: valid; {joined(*found)}"
        if waiting:
            text += f", {counted(waiting, 'candidate')} not applied"
        if self.mask is not None and self.exposure is not None:
            text += f"; masks {self.mask.coverage.pixels_text()} of {self.exposure.name}"
        return text

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        return {
            "region_file": str(self.region_file),
            "exposure": None if self.exposure is None else str(self.exposure),
            "valid": self.is_good,
            "problems": list(self.problems),
            "remarks": list(self.remarks),
            "counts": self.counts,
            "mask": None if self.mask is None else _mask_dict(self.mask),
            "subtraction": list(self.subtraction),
        }


def check(
    regions: str | os.PathLike[str], exposure: str | os.PathLike[str] | None = None
) -> CheckResult:
    """Validate a region file, and plan its mask in an exposure.

    Parameters
    ----------
    regions : str or path
        The region file.
    exposure : str or path, optional
        A ramp, rateints or a rate (FITS).

    Returns
    -------
    CheckResult
        What is wrong, and what the mask covers and costs; ``to_dict()`` has it as plain data.

    Raises
    ------
    ShowermaskError
        When the exposure can't be read. What is wrong with the region file is in the result.
    """
    path = Path(regions)
    exposure_path = None if exposure is None else Path(exposure)
    described = None if exposure_path is None else describe_file(exposure_path)
    try:
        region_file = read_regions(path)
    except InvalidRegionFileError as error:
        problems = (*error.problems, *more_problems(error, described))
        return CheckResult(region_file=path, exposure=exposure_path, problems=problems)
    except RegionFileError as error:
        return CheckResult(region_file=path, exposure=exposure_path, problems=error.problems)
    common: dict[str, Any] = {
        "region_file": path,
        "exposure": exposure_path,
        "remarks": tuple(file_remarks(region_file)),
        "counts": count_by_status(region_file),
    }
    try:
        mask = None if described is None else Mask.plan(region_file, described)
        check_flag_names(region_file)
    except ShowermaskError as error:
        return CheckResult(**common, problems=error.problems)
    subtraction: tuple[str, ...] = ()
    if mask is not None and exposure_path is not None:
        subtraction = tuple(line for line in describe_subtraction(mask, exposure_path) if line)
    return CheckResult(**common, mask=mask, subtraction=subtraction)


def check_files(pairs: list[tuple[Path, Path | None]]) -> list[CheckResult]:
    """Check region files, each with its exposure if it has one; what can't be read fails alone."""
    found = []
    for path, exposure in pairs:
        try:
            found.append(check(path, exposure))
        except ShowermaskError as error:
            found.append(
                CheckResult(region_file=path, exposure=exposure, problems=tuple(error.problems))
            )
    return found


def _mask_dict(mask: Mask) -> dict[str, Any]:
    exposure, coverage = mask.exposure, mask.coverage
    return {
        "product": exposure.product.value,
        "shape": list(exposure.shape),
        "pixels": coverage.pixels,
        "integration_pixels": coverage.integration_pixels,
        "fraction": coverage.fraction,
        "samples": mask.cost.samples,
        "entries": [
            {
                "key": mask.key_of(entry),
                "integration": entry.integration,
                "group": entry.group,
                "last_group": entry.last_group,
                "pixels": footprint.pixels,
                "groups_lost": footprint.ngroups,
                "seconds_lost": time_lost(footprint, exposure),
                "has_rate_left": not exposure.is_ramp
                or exposure.ngroups is None
                or has_rate_left(footprint.groups, exposure.ngroups),
            }
            for entry in mask.masked
            for footprint in [mask.footprint_of(entry)]
        ],
    }
