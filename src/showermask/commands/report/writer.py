"""Gather what a report shows, and write it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from showermask.commands.report.cutouts import RateSource, cut_out
from showermask.commands.report.data import as_data
from showermask.commands.report.mosaics import Mosaic, locate, read_mosaics
from showermask.commands.report.page import (
    PICTURE_NAME,
    Album,
    EntryReport,
    ExposureReport,
    MosaicReport,
    Report,
    Summary,
    page,
)
from showermask.exceptions import ExposureError, OutputError, ShowermaskError
from showermask.exposure.images import ImageReader
from showermask.exposure.names import product_suffix
from showermask.exposure.setting import read_setting
from showermask.files import atomic_folder, atomic_write
from showermask.glow.quicklook import MaskedPlaces
from showermask.glow.shower_model import ShowerModel
from showermask.glow.verdicts import Verdict, judge_showers
from showermask.masking.cost import time_lost
from showermask.masking.footprint import Footprint, find_footprints
from showermask.masking.mask import Mask
from showermask.messages import counted
from showermask.pipeline.manifest import Record, read_manifest
from showermask.pipeline.provenance import STEP_NAME
from showermask.regionfile.content import RegionFile
from showermask.regionfile.entry import Entry
from showermask.regionfile.lookup import MANIFEST_NAME
from showermask.regionfile.reader import read_regions

__all__ = ["describe_batch", "describe_exposure", "report_batch", "report_exposure"]

#: Pixels along an axis; a mask of the whole frame is no picture to look at. The largest shower that
#: the pipeline masks has 400.
_LARGEST_PICTURE = 512


@dataclass
class _Budget:
    """The number of entries that may still get pictures, and where these go."""

    left: int
    album: Album | None

    def take(self) -> bool:
        """Take one, if there is one."""
        self.left -= 1
        return self.left >= 0 and self.album is not None


def report_batch(output: Path, page_path: Path, *, pictures: int) -> None:
    """Write the report of the output of a batch; ``pictures`` entries get pictures."""
    records = _read_records(output)
    _write(
        page_path,
        _summary(records, output),
        lambda album: _report(records, output, album, pictures),
    )


def describe_batch(output: Path) -> dict[str, Any]:
    """Return what the report of a batch says, as JSON has it."""
    records = _read_records(output)
    return as_data(_summary(records, output), _report(records, output, None, 0))


def report_exposure(
    exposure_path: Path, region_path: Path, page_path: Path, *, pictures: int
) -> None:
    """Write the report of one exposure, as it was before it was masked, and its region file."""
    summary, region_file = _of_one(exposure_path, region_path)

    def report(album: Album) -> Report:
        budget = _Budget(pictures, album)
        return Report(exposures=(_of_exposure(exposure_path, region_file, RateSource(), budget),))

    _write(page_path, summary, report)


def describe_exposure(exposure_path: Path, region_path: Path) -> dict[str, Any]:
    """Return what the report of one exposure says, as JSON has it."""
    summary, region_file = _of_one(exposure_path, region_path)
    found = _of_exposure(exposure_path, region_file, RateSource(), _Budget(0, None))
    return as_data(summary, Report(exposures=(found,)))


def _of_one(exposure_path: Path, region_path: Path) -> tuple[Summary, RegionFile]:
    region_file = read_regions(region_path)
    title = f"Showers of {exposure_path.name}"
    return Summary(title=title, subtitle=region_file.name), region_file


def _read_records(output: Path) -> dict[str, Record]:
    records = read_manifest(output)
    if not records:
        raise OutputError(
            f"{output}: has no {MANIFEST_NAME} with exposures, expected the output of "
            "showermask batch"
        )
    return records


def _summary(records: Mapping[str, Record], output: Path) -> Summary:
    every = [record for record in records.values() if not record.is_mosaic]
    mosaics = [record for record in records.values() if record.is_mosaic]
    done, failed = (sum(r.status == status for r in every) for status in ("done", "failed"))
    made = sum(record.status == "done" for record in mosaics)
    return Summary(
        title=f"Masked showers: {output.resolve().name}",
        subtitle=f"{done} of {counted(len(every), 'exposure')} done, {failed} failed; "
        f"{counted(sum(record.showers for record in every), 'shower')}, "
        f"{counted(sum(record.regions for record in every), 'pixel region')}, "
        f"{counted(sum(record.pixels for record in every), 'pixel')} in all integrations"
        + (f"; {made} of {counted(len(mosaics), 'mosaic')} done" if mosaics else ""),
    )


def _report(
    records: Mapping[str, Record], output: Path, album: Album | None, pictures: int
) -> Report:
    """Gather the report of a batch; without an album no picture is drawn."""
    notes: list[str] = []
    mosaics: list[Mosaic] = []
    try:
        mosaics = read_mosaics(records.values(), output)
    except OutputError as error:
        notes += error.problems
    for record in records.values():
        if record.is_mosaic and record.status != "done":
            notes.append(f"{record.exposure}: {record.error or record.status}")
    budget = _Budget(pictures, album)
    roots = [root for root in sorted(records) if not records[root].is_mosaic]
    exposures = tuple(_of_record(records[root], output, budget, mosaics) for root in roots)
    return Report(
        exposures=exposures,
        mosaics=tuple(_of_mosaic(mosaic, exposures, album) for mosaic in mosaics),
        notes=tuple(notes),
    )


def _of_mosaic(
    mosaic: Mosaic, exposures: Sequence[ExposureReport], album: Album | None
) -> MosaicReport:
    found = [
        (exposure.name, report)
        for exposure in exposures
        for report in exposure.entries
        if report.place is not None and report.place.mosaic == mosaic.name
    ]
    return MosaicReport(
        name=mosaic.name,
        filter=mosaic.filter,
        exposures=len(mosaic.members),
        unit=mosaic.unit,
        is_compared=mosaic.before is not None,
        entries=tuple(sorted(found, key=_change, reverse=True)),
        figures=() if album is None else album.draw_mosaic(mosaic),
    )


def _change(of_exposure: tuple[str, EntryReport]) -> float:
    place = of_exposure[1].place
    return (place.total_change if place is not None else None) or 0.0


def _write(page_path: Path, summary: Summary, report: Callable[[Album], Report]) -> None:
    """Write the page, and its pictures into a folder beside it, which is replaced as a whole."""
    folder = page_path.with_name(f"{page_path.stem}_files")
    _check_folder(folder)
    with atomic_write(page_path) as staged, atomic_folder(folder) as pictures:
        album = Album(pictures, quote(folder.name))
        with staged.open("w", encoding="utf-8") as stream:
            stream.writelines(page(summary, report(album)))


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


def _of_record(
    record: Record, output: Path, budget: _Budget, mosaics: Sequence[Mosaic]
) -> ExposureReport:
    """Return the report of an exposure of a batch, and say what is gone since."""
    notes = [record.error] if record.error else []
    filter_name = _filter_of(record)
    if record.status == "done" and record.region_file:
        try:
            region_file = read_regions(record.region_file)
            if region_file.fingerprint != record.sha256:
                notes.append(f"{region_file.name} has changed since; run the batch again to see it")
            else:
                path = Path(record.input)
                return _of_exposure(
                    path,
                    region_file,
                    RateSource.near(path, output),
                    budget,
                    parameters=_parameters(record),
                    mosaics=[one for one in mosaics if record.exposure in one.members],
                    filter_name=filter_name,
                )
        except ShowermaskError as error:
            notes += error.problems
        except OSError as error:
            notes.append(f"{error.filename}: can't be read ({error.strerror})")
    return ExposureReport(
        name=record.exposure,
        status=record.status,
        filter=filter_name,
        source=product_suffix(record.input) or "",
        region_file=Path(record.region_file).name,
        showers=record.showers,
        regions=record.regions,
        pixels=record.frame_pixels,
        integration_pixels=record.pixels,
        fraction=record.fraction,
        seconds=None if record.pixels else 0.0,
        notes=tuple(notes),
    )


def _filter_of(record: Record) -> str:
    """Return the filter of an exposure, empty where its file can't be read any more."""
    try:
        return read_setting(Path(record.input)).filter if record.input else ""
    except ExposureError:
        return ""


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
    *,
    parameters: dict[str, Any] | None = None,
    mosaics: Sequence[Mosaic] = (),
    filter_name: str = "",
) -> ExposureReport:
    with ImageReader(path) as reader:
        mask = Mask.plan(region_file, reader.exposure, **(parameters or {}))
        masked = MaskedPlaces(mask.footprints)
        verdicts = _verdicts(reader, region_file)
        reports = [
            _of_entry(reader, region_file, entry, masked, rates, budget, verdicts.get(id(entry)))
            for entry in region_file.entries
        ]
        root = reader.exposure.root or ""
        footprints = find_footprints(region_file.entries, reader.exposure.shape)
        by_entry = {id(footprint.entry): footprint for footprint in footprints}
        reports = [
            _with_place(report, by_entry[id(report.entry)], root, mosaics, budget)
            if mosaics and report.entry.is_accepted
            else report
            for report in reports
        ]
    notes = []
    if budget.left < 0 and not all(report.figures for report in reports):
        notes.append("more entries than pictures; give --pictures for more")
    coverage = mask.coverage
    return ExposureReport(
        name=mask.exposure.name,
        status="done",
        filter=filter_name,
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
    album = budget.album if footprint.inside.any() and is_small and budget.take() else None
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
        figures=album.draw(footprint, cut_out(reader, footprint, masked, rates, model), exposure)
        if album is not None
        else (),
    )


def _with_place(
    report: EntryReport,
    footprint: Footprint,
    root: str,
    mosaics: Sequence[Mosaic],
    budget: _Budget,
) -> EntryReport:
    """Return the report of an entry with its place in the first mosaic that it lies in."""
    for mosaic in mosaics:
        place = locate(footprint, root, mosaic)
        if place is not None:
            has_pictures = bool(report.figures) and budget.album is not None
            figures = (
                budget.album.draw_place(place, mosaic) if has_pictures and budget.album else ()
            )
            return replace(report, place=place, mosaic_figures=figures)
    return report
