"""The content of a report as data for JSON."""

from __future__ import annotations

from typing import Any

from showermask import __version__
from showermask.commands.report.mosaics import MosaicPlace
from showermask.commands.report.page import (
    EntryReport,
    ExposureReport,
    MosaicReport,
    Report,
    Summary,
)

__all__ = ["as_data"]

_FORMAT = "showermask-report-1.0"


def as_data(summary: Summary, report: Report) -> dict[str, Any]:
    """Return a report as mappings, lists, numbers and texts.

    Parameters
    ----------
    summary : Summary
        Its heading.
    report : Report
        What it shows.

    Returns
    -------
    dict
        The data; times in s, changes and residuals in sigma of the sky around a shower.
    """
    return {
        "format": _FORMAT,
        "version": __version__,
        "title": summary.title,
        "exposures": [_exposure(one) for one in report.exposures],
        "filters": [
            {
                "filter": one.name,
                "exposures": one.exposures,
                "showers": one.showers,
                "pixels": one.pixels,
                "seconds": one.mean_loss,
                "largest_loss": one.largest_loss,
            }
            for one in report.by_filter
        ],
        "mosaics": [_mosaic(one) for one in report.mosaics],
        "notes": list(report.notes),
    }


def _exposure(exposure: ExposureReport) -> dict[str, Any]:
    names = ("filter", "source", "region_file", "reviewer", "reviewed", "showers", "regions")
    return {
        "exposure": exposure.name,
        "status": exposure.status,
        **{name: getattr(exposure, name) for name in names},
        "pixels": exposure.pixels,
        "integration_pixels": exposure.integration_pixels,
        "fraction": exposure.fraction,
        "seconds": exposure.seconds,
        "largest_loss": exposure.largest_loss,
        "entries": [_entry(one) for one in exposure.entries],
        "notes": list(exposure.notes),
    }


def _entry(report: EntryReport) -> dict[str, Any]:
    return {
        "key": report.key,
        "status": report.entry.status.value,
        "integration": report.entry.integration,
        "location": report.entry.location,
        "groups": report.groups,
        "pixels": report.pixels,
        "seconds": report.seconds,
        "is_subtracted": report.is_subtracted,
        "verdict": report.verdict,
        "mosaic": None if report.place is None else _place(report.place),
    }


def _place(place: MosaicPlace) -> dict[str, Any]:
    names = ("pixels", "empty", "filled_by", "covered_by", "residual", "change", "total_change")
    rows, columns = place.box
    return {
        "mosaic": place.mosaic,
        "rows": [rows.start, rows.stop],
        "columns": [columns.start, columns.stop],
        **{name: getattr(place, name) for name in names},
    }


def _mosaic(mosaic: MosaicReport) -> dict[str, Any]:
    return {
        "mosaic": mosaic.name,
        "filter": mosaic.filter,
        "exposures": mosaic.exposures,
        "is_compared": mosaic.is_compared,
        "unit": mosaic.unit,
        "empty_pixels": mosaic.empty_pixels,
        "empty": [{"exposure": name, "key": one.key} for name, one in mosaic.empty],
        "most_changed": [{"exposure": name, "key": one.key} for name, one in mosaic.most_changed],
    }
