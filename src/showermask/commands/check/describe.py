"""Say what a region file would mask, and what that costs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from showermask.exceptions import RegionFileError
from showermask.exposure.images import ImageReader
from showermask.exposure.product import Exposure, describe_file
from showermask.glow.verdicts import judge_showers
from showermask.masking.cost import has_rate_left, time_lost
from showermask.masking.footprint import Footprint
from showermask.masking.mask import Mask
from showermask.masking.refusals import check_flag_names, file_remarks, more_problems
from showermask.messages import counted
from showermask.regionfile.content import SECTIONS, RegionFile
from showermask.regionfile.entry import Entry, Status
from showermask.regionfile.reader import InvalidRegionFileError, read_regions

__all__ = [
    "check_region_file",
    "count_by_status",
    "describe_mask",
    "describe_regions",
    "describe_subtraction",
]


def check_region_file(path: Path, exposure_path: Path | None) -> Iterator[str]:
    """Yield lines that describe a region file, and what it masks in an exposure if one is given.

    Everything that is wrong with the file is raised at once, whether its values, its flags or the
    exposure are at fault.
    """
    exposure = None if exposure_path is None else describe_file(exposure_path)
    try:
        region_file = read_regions(path)
    except InvalidRegionFileError as error:
        raise RegionFileError(*error.problems, *more_problems(error, exposure)) from error
    if exposure is None or exposure_path is None:
        check_flag_names(region_file)
        yield from describe_regions(region_file)
        return
    mask = Mask.plan(region_file, exposure)
    check_flag_names(region_file)
    yield from describe_regions(region_file)
    yield from describe_mask(mask)
    yield from describe_subtraction(mask, exposure_path)


def describe_regions(region_file: RegionFile) -> Iterator[str]:
    """Yield lines that describe a region file by itself."""
    counts = []
    for name, by_status in count_by_status(region_file).items():
        told = ", ".join(f"{count} {status}" for status, count in by_status.items())
        counts.append(f"{SECTIONS[name].NOUN}s: {sum(by_status.values())}, of which {told}")
    yield f"{region_file.name}: valid; {'; '.join(counts)}"
    yield from file_remarks(region_file)


def describe_mask(mask: Mask) -> Iterator[str]:
    """Yield a table of the accepted entries of each section, then the total."""
    exposure = mask.exposure
    raw = ", raw: for the step inside calwebb_detector1" if exposure.is_raw else ""
    yield f"{exposure.name}: {exposure.product.value} of shape {exposure.shape}{raw}"
    accepted = mask.masked
    for name, kind in SECTIONS.items():
        entries = [entry for entry in accepted if name == entry.SECTION]
        if entries or (name == "showers" and not accepted):
            yield ""
            yield _heading(kind)
            yield from (_row(mask.footprint_of(entry), mask) for entry in entries)
    yield ""
    coverage = mask.coverage
    yield (
        f"total of {sum(coverage.counts.values())}: {coverage.pixels_text()}, "
        f"at most {coverage.fraction:.2%} of a frame, "
        f"{mask.cost.samples:.3%} of all {exposure.product.samples}"
    )


def describe_subtraction(mask: Mask, exposure_path: Path) -> Iterator[str]:
    """Yield what `subtract_showers` would take out of a ramp, and what it would leave to the mask.

    The table of the mask is what is masked without that step.
    """
    asked = [entry for entry in mask.region_file.entries if entry.is_to_be_subtracted]
    if not asked:
        return
    yield ""
    if not mask.exposure.is_ramp or mask.exposure.is_raw:
        is_told = mask.exposure.product.is_rateints and (mask.exposure.nints or 1) > 1
        yield (
            f"{counted(len(asked), 'entry asks', 'entries ask')} for subtraction: "
            + (
                "subtract_showers takes out what is clearly above the other integrations"
                if is_told
                else "possible in ramps after the jump step, and in rateints of several "
                "integrations; masked here"
            )
        )
        return
    yield "with subtract_showers:"
    with ImageReader(exposure_path) as images:
        for verdict in judge_showers(mask.region_file, images, mask.exposure):
            yield f"  {verdict.describe()}"


def _heading(kind: type[Entry]) -> str:
    where = "" if kind.COLUMNS else "  where"
    return f"  #  int  groups {kind.COLUMNS}  pixels  groups lost   time lost{where}"


def _row(footprint: Footprint, mask: Mask) -> str:
    entry = footprint.entry
    position = mask.key_of(entry).rpartition("[")[2].removesuffix("]")
    integration = "all" if entry.integration is None else entry.integration
    last = "end" if entry.last_group is None else entry.last_group
    groups = f"{entry.group or 0}-{last}"
    where = "" if entry.cells else f"  {entry.location}"
    return (
        f"{position:>3s}  {integration:>3}  {groups:7s}{entry.cells}"
        f"{_cost(footprint, mask.exposure)}{where}{_remark(footprint, mask.exposure)}"
    )


def _cost(footprint: Footprint, exposure: Exposure) -> str:
    seconds = time_lost(footprint, exposure)
    time = "not known" if seconds is None else f"{seconds:.1f} s"
    groups = f"{footprint.ngroups} of {exposure.ngroups}" if exposure.is_ramp else "all"
    return f"{footprint.pixels:8d}  {groups:>11s}  {time:>10s}"


def _remark(footprint: Footprint, exposure: Exposure) -> str:
    if not exposure.is_ramp or exposure.ngroups is None:
        return ""
    left = has_rate_left(footprint.groups, exposure.ngroups)
    return "" if left else "  no rate left in this integration"


def count_by_status(region_file: RegionFile) -> dict[str, dict[str, int]]:
    """Return, for showers and other sections that have entries, how many have which status."""
    return {
        name: {str(status): sum(entry.status is status for entry in entries) for status in Status}
        for name in SECTIONS
        if (entries := region_file.section(name)) or name == "showers"
    }
