"""Write what a search has found: region file, masks, table of evidence, page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from showermask import __version__
from showermask.badpixels.entries import FlagTable, made_regions
from showermask.badpixels.page import write_page
from showermask.badpixels.search import SearchResult
from showermask.defects.amplifiers import frame_shape_of
from showermask.exceptions import OutputError, RegionFileError
from showermask.exposure.product import describe_file
from showermask.files import atomic_write, sha256_of
from showermask.regionfile.content import RegionFile
from showermask.regionfile.entry import Status
from showermask.regionfile.lookup import DETECTOR_SUFFIX
from showermask.regionfile.maskfile import write_mask
from showermask.regionfile.reader import read_regions
from showermask.regionfile.writer import write_regions

__all__ = ["Outputs", "Written", "check_free", "region_path_of", "write_result"]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The way in which results are written.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Directory of the files.
    table : FlagTable
        The flags of each kind.
    useafter : str or None
        Day of the first exposures that the files are for; that of the first input by default.
    is_accepted : bool
        Whether the entries need no review.
    parameters : mapping
        The parameters of the search, for the record.
    earlier : `~pathlib.Path` or None
        A region file or MASK reference to compare with.
    """

    folder: Path
    table: FlagTable
    useafter: str | None = None
    is_accepted: bool = False
    parameters: Mapping[str, Any]
    earlier: Path | None = None


@dataclass(frozen=True)
class Written:
    """The files of a result."""

    region_path: Path
    page: Path
    region_file: RegionFile


def region_path_of(folder: Path, name: str) -> Path:
    """Return the region file of a set."""
    return folder / f"{name}{DETECTOR_SUFFIX}.yaml"


def check_free(path: Path) -> None:
    """Refuse to replace a region file on which people have decided."""
    if not path.exists():
        return
    try:
        entries = read_regions(path).entries
    except RegionFileError as error:
        raise OutputError(f"{path}: is there, and not valid; take another directory") from error
    statuses = {entry.status for entry in entries}
    if (
        any(entry.source != "badpixels" for entry in entries)
        or len(statuses) > 1
        or (Status.REJECTED in statuses)
    ):
        raise OutputError(
            f"{path}: people have decided on its entries; take another directory (-o), or "
            "--overwrite to lose the decisions"
        )


def write_result(result: SearchResult, outputs: Outputs) -> Written:
    """Write the files of a result.

    Parameters
    ----------
    result : SearchResult
        What was found.
    outputs : Outputs
        How and where.

    Returns
    -------
    Written
        The files.
    """
    inputs = [*result.exposures.darks, *result.exposures.flats]
    exposures = [describe_file(path) for path in inputs]
    days = sorted(exposure.date for exposure in exposures if exposure.date)
    region_file = made_regions(
        result,
        outputs.table,
        frame_shape=frame_shape_of(result.exposures.detector),
        useafter=outputs.useafter or (days[0] if days else None),
        is_accepted=outputs.is_accepted,
    )
    folder, name = outputs.folder, result.exposures.name
    folder.mkdir(parents=True, exist_ok=True)
    path = region_path_of(folder, name)
    for entry in region_file.pixels:
        if entry.mask is not None and entry.image is not None:
            write_mask(folder / entry.mask, entry.image.full_image())
    _write_table(folder / f"{name}_pixels.ecsv", result, outputs.parameters)
    write_regions(path, region_file)
    page = write_page(
        folder / f"{name}_badpixels.html", result, read_regions(path), outputs.earlier
    )
    return Written(path, page, region_file)


def _write_table(path: Path, result: SearchResult, parameters: Mapping[str, Any]) -> None:
    """Write the evidence for each pixel, with the inputs and parameters of the search."""
    kinds = [one.kind.name for one in result.found]
    counts = [len(one) for one in result.found]
    row, column = result.corner
    table = Table(
        {
            "x": _joined([one.x + column for one in result.found], np.int32),
            "y": _joined([one.y + row for one in result.found], np.int32),
            "kind": np.repeat(np.array(kinds, dtype="U16"), counts),
            "score": _joined([one.score for one in result.found], np.float32),
            "value": _joined([one.value for one in result.found], np.float32),
            "unit": np.repeat(np.array([one.kind.unit for one in result.found], "U8"), counts),
            "seen": _joined([one.seen for one in result.found], np.int32),
            "looks": np.repeat([one.looks for one in result.found], counts).astype(np.int32),
        }
    )
    table.meta = {
        "software": f"showermask {__version__}",
        "detector": result.exposures.detector,
        "readpatt": result.exposures.readpatt,
        "parameters": json.loads(json.dumps(dict(parameters), default=str)),
        "inputs": [
            {"role": role, "name": one.name, "sha256": sha256_of(one)}
            for role, paths in (("dark", result.exposures.darks), ("flat", result.exposures.flats))
            for one in paths
        ],
    }
    with atomic_write(path) as staged:
        table.write(staged, format="ascii.ecsv")


def _joined(parts: list[Any], dtype: type) -> Any:
    return np.concatenate(parts).astype(dtype) if parts else np.zeros(0, dtype)
