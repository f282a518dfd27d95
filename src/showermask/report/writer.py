"""Gather what a report shows, and write it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from showermask.batch.manifest import MANIFEST_NAME, Row, read_manifest
from showermask.exceptions import OutputError, ShowermaskError
from showermask.exposure import Exposure, Product, known_flags, product_kind
from showermask.files import atomic_write
from showermask.flagging import DEFAULT_FLAGS, bits_of, bits_of_entry, footprints
from showermask.frames import FrameReader
from showermask.loss import Loss, time_lost
from showermask.messages import counted
from showermask.pixels import PixelRegion
from showermask.regionfile import RegionFile, read_regions
from showermask.report.cutouts import RateSource, cut_out
from showermask.report.page import EntryReport, ExposureReport, Summary, page
from showermask.shower import Shower
from showermask.slopes import MaskedPlaces

__all__ = ["report_batch", "report_exposure"]

#: Pixels along an axis; a mask of the whole frame is no picture to look at. The largest shower that
#: the pipeline masks has 400.
_LARGEST_PICTURE = 512


@dataclass
class _Budget:
    """How many entries may still get pictures."""

    left: int

    def take(self) -> bool:
        """Take one, if there is one."""
        self.left -= 1
        return self.left >= 0


def report_batch(output: Path, target: Path, *, pictures: int) -> None:
    """Write the report of a batch.

    Parameters
    ----------
    output : `~pathlib.Path`
        Directory of the batch.
    target : `~pathlib.Path`
        The page to make or replace.
    pictures : int
        How many entries get pictures, some 60 kB each.

    Raises
    ------
    OutputError
        When there is no batch, or the page can't be written.
    """
    rows = read_manifest(output)
    if not rows:
        raise OutputError(
            f"{output}: has no {MANIFEST_NAME} with exposures, expected the output of "
            "showermask batch"
        )
    counts = [sum(row.status == status for row in rows.values()) for status in ("done", "failed")]
    summary = Summary(
        title=f"Masked showers: {output.resolve().name}",
        subtitle=f"{counts[0]} of {counted(len(rows), 'exposure')} done, {counts[1]} failed; "
        f"{counted(sum(row.showers for row in rows.values()), 'shower')}, "
        f"{counted(sum(row.regions for row in rows.values()), 'pixel region')}, "
        f"{counted(sum(row.pixels for row in rows.values()), 'pixel')} in all integrations",
    )
    budget = _Budget(pictures)
    _write(target, summary, (_of_row(rows[root], output, budget) for root in sorted(rows)))


def report_exposure(exposure: Path, regions: Path, target: Path, *, pictures: int) -> None:
    """Write the report of one exposure.

    Parameters
    ----------
    exposure : `~pathlib.Path`
        Ramp, rateints or rate, unmasked.
    regions : `~pathlib.Path`
        Its region file.
    target : `~pathlib.Path`
        The page to make or replace.
    pictures : int
        How many entries get pictures, some 60 kB each.

    Raises
    ------
    ShowermaskError
        When they don't go together, or the page can't be written.
    """
    region_file = read_regions(regions)
    summary = Summary(title=f"Showers of {exposure.name}", subtitle=region_file.name)
    found = _of_exposure(exposure, region_file, RateSource(), _Budget(pictures))
    _write(target, summary, iter([found]))


def _write(target: Path, summary: Summary, exposures: Iterator[ExposureReport]) -> None:
    with atomic_write(target) as draft, draft.open("w", encoding="utf-8") as stream:
        stream.writelines(page(summary, exposures))


def _of_row(row: Row, output: Path, budget: _Budget) -> ExposureReport:
    """Return the report of an exposure of a batch; what is gone since is told, not guessed."""
    notes = [row.error] if row.error else []
    if row.status == "done":
        try:
            regions = read_regions(row.region_file)
            if regions.fingerprint != row.sha256:
                notes.append(f"{regions.name} has changed since; run the batch again to see it")
            else:
                path = Path(row.input)
                return _of_exposure(path, regions, RateSource.near(path, output), budget)
        except ShowermaskError as error:
            notes += error.problems
        except OSError as error:
            notes.append(f"{error.filename}: can't be read ({error.strerror})")
    return ExposureReport(
        name=row.exposure,
        status=row.status,
        source=product_kind(row.input) or "",
        region_file=Path(row.region_file).name,
        counts=(row.showers, row.regions, row.frame_pixels, row.pixels),
        fraction=row.fraction,
        notes=tuple(notes),
    )


def _of_exposure(
    path: Path, regions: RegionFile, rates: RateSource, budget: _Budget
) -> ExposureReport:
    with FrameReader(path) as reader:
        exposure = reader.exposure
        regions.check_fits(exposure)
        accepted = footprints(regions.accepted, exposure.shape)
        masked = MaskedPlaces(accepted, [_bits(mark.entry, regions, exposure) for mark in accepted])
        reports = [
            _of_entry(reader, regions, entry, masked, rates, budget) for entry in regions.entries
        ]
    loss = Loss.of_marks(accepted, exposure)
    notes = []
    if budget.left < 0 and any(report.cutout is None for report in reports):
        notes.append("more entries than pictures; give --pictures for more")
    return ExposureReport(
        name=exposure.name,
        status="done",
        source=product_kind(path) or path.name,
        region_file=regions.name,
        reviewer=regions.reviewer,
        reviewed=regions.reviewed,
        entries=tuple(reports),
        counts=(loss.showers, loss.regions, loss.pixels, loss.integration_pixels),
        fraction=loss.fraction,
        seconds=loss.seconds,
        notes=tuple(notes),
    )


def _bits(entry: Shower | PixelRegion, regions: RegionFile, exposure: Exposure) -> int:
    known = known_flags(exposure.product)
    place = f"{regions.name}: {regions.place(entry)}.flags"
    bits = bits_of_entry(entry, known, known_flags(Product.IMAGE), place)
    return bits_of(DEFAULT_FLAGS, known, "flags") if bits is None else bits


def _of_entry(
    reader: FrameReader,
    regions: RegionFile,
    entry: Shower | PixelRegion,
    masked: MaskedPlaces,
    rates: RateSource,
    budget: _Budget,
) -> EntryReport:
    exposure = reader.exposure
    marks = footprints([entry], exposure.shape)
    mark = marks[0]
    place = regions.place(entry)
    cutout = None
    is_small = max(part.stop - part.start for part in mark.box) <= _LARGEST_PICTURE
    if mark.inside.any() and is_small and budget.take():
        cutout = cut_out(reader, mark, masked, rates)
    first, last = mark.groups.start, mark.groups.stop - 1
    is_ramp = exposure.product is Product.RAMP
    return EntryReport(
        entry=entry,
        place=place,
        pixels=mark.pixels,
        groups=f"groups {first} to {last}" if is_ramp else "all groups",
        seconds=time_lost(mark, exposure),
        cutout=cutout,
    )
