"""Gather what a report shows, and write it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from showermask.exceptions import OutputError, ShowermaskError
from showermask.exposure.images import ImageReader
from showermask.exposure.names import product_suffix
from showermask.files import atomic_folder, atomic_write
from showermask.glow.quicklook import MaskedPlaces
from showermask.glow.shower_model import ShowerModel
from showermask.glow.verdicts import Verdict, judge_showers
from showermask.masking.cost import time_lost
from showermask.masking.footprint import find_footprints
from showermask.masking.mask import Mask
from showermask.messages import counted
from showermask.pipeline.manifest import Record, read_manifest
from showermask.pipeline.provenance import STEP_NAME
from showermask.regionfile.content import RegionFile
from showermask.regionfile.entry import Entry
from showermask.regionfile.lookup import MANIFEST_NAME
from showermask.regionfile.reader import read_regions
from showermask.report.cutouts import RateSource, cut_out
from showermask.report.page import PICTURE_NAME, Album, EntryReport, ExposureReport, Summary, page

__all__ = ["report_batch", "report_exposure"]

#: Pixels along an axis; a mask of the whole frame is no picture to look at. The largest shower that
#: the pipeline masks has 400.
_LARGEST_PICTURE = 512


@dataclass
class _Budget:
    """The number of entries that may still get pictures, and where these go."""

    left: int
    album: Album

    def take(self) -> bool:
        """Take one, if there is one."""
        self.left -= 1
        return self.left >= 0


def report_batch(output: Path, page_path: Path, *, pictures: int) -> None:
    """Write the report of the output of a batch; ``pictures`` entries get pictures."""
    records = read_manifest(output)
    if not records:
        raise OutputError(
            f"{output}: has no {MANIFEST_NAME} with exposures, expected the output of "
            "showermask batch"
        )
    every = list(records.values())
    done, failed = (sum(r.status == status for r in every) for status in ("done", "failed"))
    summary = Summary(
        title=f"Masked showers: {output.resolve().name}",
        subtitle=f"{done} of {counted(len(records), 'exposure')} done, {failed} failed; "
        f"{counted(sum(record.showers for record in every), 'shower')}, "
        f"{counted(sum(record.regions for record in every), 'pixel region')}, "
        f"{counted(sum(record.pixels for record in every), 'pixel')} in all integrations",
    )

    def exposures(album: Album) -> Iterator[ExposureReport]:
        budget = _Budget(pictures, album)
        return (_of_record(records[root], output, budget) for root in sorted(records))

    _write(page_path, summary, exposures)


def report_exposure(
    exposure_path: Path, region_path: Path, page_path: Path, *, pictures: int
) -> None:
    """Write the report of one exposure, as it was before it was masked, and its region file."""
    region_file = read_regions(region_path)
    summary = Summary(title=f"Showers of {exposure_path.name}", subtitle=region_file.name)

    def exposures(album: Album) -> Iterator[ExposureReport]:
        yield _of_exposure(exposure_path, region_file, RateSource(), _Budget(pictures, album))

    _write(page_path, summary, exposures)


def _write(
    page_path: Path, summary: Summary, exposures: Callable[[Album], Iterator[ExposureReport]]
) -> None:
    """Write the page, and its pictures into a folder beside it, which is replaced as a whole."""
    folder = page_path.with_name(f"{page_path.stem}_files")
    _check_folder(folder)
    with atomic_write(page_path) as staged, atomic_folder(folder) as pictures:
        album = Album(pictures, quote(folder.name))
        with staged.open("w", encoding="utf-8") as stream:
            stream.writelines(page(summary, exposures(album)))


def _check_folder(folder: Path) -> None:
    """Refuse to replace a folder that has anything but the pictures of a report."""
    if not folder.is_dir():
        return
    foreign = sorted(
        path.name for path in folder.iterdir() if not PICTURE_NAME.fullmatch(path.name)
    )
    if foreign:
        raise OutputError(
            f"{folder}: has files that are no pictures of a report ({foreign[0]}), expected a "
            "folder that may be replaced; give the page another name (--output)"
        )


def _of_record(record: Record, output: Path, budget: _Budget) -> ExposureReport:
    """Return the report of an exposure of a batch, and say what is gone since."""
    notes = [record.error] if record.error else []
    if record.status == "done":
        try:
            region_file = read_regions(record.region_file)
            if region_file.fingerprint != record.sha256:
                notes.append(f"{region_file.name} has changed since; run the batch again to see it")
            else:
                path = Path(record.input)
                return _of_exposure(
                    path, region_file, RateSource.near(path, output), budget, _parameters(record)
                )
        except ShowermaskError as error:
            notes += error.problems
        except OSError as error:
            notes.append(f"{error.filename}: can't be read ({error.strerror})")
    return ExposureReport(
        name=record.exposure,
        status=record.status,
        source=product_suffix(record.input) or "",
        region_file=Path(record.region_file).name,
        showers=record.showers,
        regions=record.regions,
        pixels=record.frame_pixels,
        integration_pixels=record.pixels,
        fraction=record.fraction,
        notes=tuple(notes),
    )


def _parameters(record: Record) -> dict[str, Any]:
    """Return the parameters of a mask that was made already: nothing of it is too large."""
    parameters: dict[str, Any] = {"max_masked_fraction": 1.0}
    flags = record.parameters.get("steps", {}).get(STEP_NAME, {}).get("flags", "")
    named = [name.strip() for name in str(flags).split(",") if name.strip()]
    return parameters | ({"default_flags": named} if named else {})


def _of_exposure(
    path: Path,
    region_file: RegionFile,
    rates: RateSource,
    budget: _Budget,
    parameters: dict[str, Any] | None = None,
) -> ExposureReport:
    with ImageReader(path) as reader:
        mask = Mask.plan(region_file, reader.exposure, **(parameters or {}))
        masked = MaskedPlaces(mask.footprints)
        verdicts = _verdicts(reader, region_file)
        reports = [
            _of_entry(reader, region_file, entry, masked, rates, budget, verdicts.get(id(entry)))
            for entry in region_file.entries
        ]
    notes = []
    if budget.left < 0 and not all(report.figures for report in reports):
        notes.append("more entries than pictures; give --pictures for more")
    coverage = mask.coverage
    return ExposureReport(
        name=mask.exposure.name,
        status="done",
        source=product_suffix(path) or path.name,
        region_file=region_file.name,
        reviewer=region_file.reviewer,
        reviewed=region_file.reviewed,
        entries=tuple(reports),
        showers=coverage.showers,
        regions=coverage.others,
        pixels=coverage.pixels,
        integration_pixels=coverage.integration_pixels,
        fraction=coverage.fraction,
        seconds=mask.cost.seconds,
        notes=tuple(notes),
    )


def _verdicts(reader: ImageReader, region_file: RegionFile) -> dict[int, Verdict]:
    """Return the verdict on each entry that asks for subtraction, by the entry's id."""
    is_asked = any(entry.is_to_be_subtracted for entry in region_file.entries)
    if not is_asked or not reader.exposure.is_ramp or reader.exposure.is_raw:
        return {}
    found = judge_showers(region_file, reader, reader.exposure)
    return {id(verdict.entry): verdict for verdict in found}


def _of_entry(
    reader: ImageReader,
    region_file: RegionFile,
    entry: Entry,
    masked: MaskedPlaces,
    rates: RateSource,
    budget: _Budget,
    verdict: Verdict | None,
) -> EntryReport:
    exposure = reader.exposure
    footprint = find_footprints([entry], exposure.shape)[0]
    is_small = max(part.stop - part.start for part in footprint.box) <= _LARGEST_PICTURE
    has_pictures = footprint.inside.any() and is_small and budget.take()
    first, last = footprint.groups.start, footprint.groups.stop - 1
    model = None
    if verdict is not None and verdict.is_subtracted and isinstance(verdict.model, ShowerModel):
        model = verdict.model
    return EntryReport(
        entry=entry,
        key=region_file.key_of(entry),
        pixels=footprint.pixels,
        groups=f"groups {first} to {last}" if exposure.is_ramp else "all groups",
        seconds=time_lost(footprint, exposure),
        is_subtracted=model is not None,
        verdict="" if verdict is None else verdict.describe().partition(": ")[2],
        figures=budget.album.draw(
            footprint, cut_out(reader, footprint, masked, rates, model), exposure
        )
        if has_pictures
        else (),
    )
