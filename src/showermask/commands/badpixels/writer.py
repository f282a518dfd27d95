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
from showermask.commands.badpixels.changes import Earlier
from showermask.commands.badpixels.entries import FlagTable, made_regions
from showermask.commands.badpixels.page import make_page
from showermask.commands.badpixels.search import SearchResult
from showermask.exceptions import OutputError
from showermask.exposure.detectors import frame_shape_of
from showermask.exposure.product import describe_file
from showermask.files import atomic_write, sha256_of
from showermask.regionfile.content import RegionFile
from showermask.regionfile.lookup import DETECTOR_SUFFIX
from showermask.regionfile.maskfile import write_mask
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
    earlier : Earlier or None
        The pixels of an earlier file to compare with.
    """

    folder: Path
    table: FlagTable
    useafter: str | None = None
    is_accepted: bool = False
    parameters: Mapping[str, Any]
    earlier: Earlier | None = None


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
    """Refuse to replace a region file that people have changed since a search has written it."""
    if not path.exists():
        return
    try:
        written = Table.read(_table_of(path), format="ascii.ecsv").meta["region_file_sha256"]
    except (OSError, KeyError, ValueError):
        written = None
    if written != sha256_of(path):
        raise OutputError(
            f"{path}: was changed since a search has written it, by a review perhaps; take another "
            "directory (-o), or --overwrite to lose that"
        )


def _table_of(region_path: Path) -> Path:
    """Return the table of evidence of a region file."""
    return region_path.with_name(f"{region_path.stem.removesuffix(DETECTOR_SUFFIX)}_pixels.ecsv")


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
    path = region_path_of(folder, name)
    # What takes long comes first: nothing is written when it is interrupted.
    text = make_page(result, region_file, path.name, outputs.earlier)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: can't be made ({error.strerror})") from error
    for entry in region_file.pixels:
        if entry.mask is not None and entry.image is not None:
            write_mask(folder / entry.mask, entry.image.full_image())
    write_regions(path, region_file)
    _write_table(_table_of(path), result, outputs.parameters, sha256_of(path))
    page = folder / f"{name}_badpixels.html"
    with atomic_write(page) as staged:
        staged.write_text(text, encoding="utf-8")
    return Written(path, page, region_file)


def _write_table(
    path: Path, result: SearchResult, parameters: Mapping[str, Any], region_hash: str
) -> None:
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
        "region_file_sha256": region_hash,
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
