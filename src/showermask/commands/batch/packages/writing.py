"""Write a package: what a batch made, and what it was made with."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from showermask.commands.batch.associations import read_associations
from showermask.commands.batch.matching import Matches
from showermask.commands.batch.packages.layout import (
    ASSOCIATIONS,
    CHECKSUMS,
    COMPARED,
    INPUTS,
    PARAMETERS,
    PRODUCTS,
    README,
    REGIONS,
    REPORT,
    REQUEST,
    PackagedRequest,
)
from showermask.commands.batch.plan import Request, find_matches
from showermask.exceptions import OutputError
from showermask.files import atomic_folder, sha256_of
from showermask.messages import counted
from showermask.pipeline.manifest import UNMASKED_FOLDER, Record, read_manifest, write_manifest
from showermask.regionfile.content import RegionFile

__all__ = ["check_package_name", "write_package"]


def check_package_name(package: Path) -> None:
    """Refuse a folder that holds something else than an earlier package."""
    if package.exists() and not (package / REQUEST).is_file():
        raise OutputError(
            f"{package}: is there, and is no package; expected a new folder, or a package to "
            "replace"
        )


def write_package(request: Request, package: Path) -> str:
    """Write the package of a batch that is done.

    Parameters
    ----------
    request : Request
        The request for the batch.
    package : Path
        Folder to write; an earlier package is replaced.

    Returns
    -------
    str
        A line for people.

    Raises
    ------
    OutputError
        When a product is not what the manifest says.
    """
    check_package_name(package)
    matches = find_matches(request)
    wanted = {match.exposure for match in matches.found}
    wanted |= {association.name for association in matches.associations}
    with atomic_folder(package.absolute()) as folder:
        records = _copy_products(request.output, folder / PRODUCTS, wanted)
        if request.is_compared:
            _copy_products(
                request.output / UNMASKED_FOLDER, folder / PRODUCTS / UNMASKED_FOLDER, None
            )
        _copy_regions(matches, request.regions, folder / REGIONS)
        packaged = _copy_request(request, matches, folder)
        (folder / REQUEST).write_text(packaged.to_text(), encoding="utf-8")
        _write_report(request.output, folder / REPORT)
        (folder / README).write_text(_readme(package.name, packaged, records), encoding="utf-8")
        (folder / INPUTS).write_text(_inputs(records), encoding="utf-8")
        sums = {path.relative_to(folder): sha256_of(path) for path in _files(folder)}
        (folder / CHECKSUMS).write_text(
            "".join(f"{sha256}  {name.as_posix()}\n" for name, sha256 in sums.items()),
            encoding="utf-8",
        )
    return f"{package}: package of {counted(len(sums), 'file')}"


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _copy_products(output: Path, target: Path, wanted: set[str] | None) -> dict[str, Record]:
    """Copy products and their manifest; with names of files in place of their paths."""
    target.mkdir(parents=True)
    records = {
        name: record
        for name, record in read_manifest(output).items()
        if wanted is None or name in wanted
    }
    problems = []
    for record in records.values():
        for product in record.outputs:
            shutil.copy2(output / product.name, target / product.name)
            if sha256_of(target / product.name) != product.sha256:
                problems.append(
                    f"{output / product.name}: has been changed since the batch made it; "
                    "run the batch again"
                )
    OutputError.check_none(problems)
    plain = {
        name: replace(
            record,
            input=Path(record.input).name,
            region_file=Path(record.region_file).name if record.region_file else "",
        )
        for name, record in records.items()
    }
    write_manifest(target, plain)
    return plain


def _copy_regions(matches: Matches, regions: Path, folder: Path) -> None:
    """Copy the region files that were used, and their masks, as they lie in their directory."""
    folder.mkdir()
    used = [match.region_file for match in matches.found]
    used += matches.of_detectors
    top = regions.absolute() if regions.is_dir() else regions.absolute().parent
    for region_file in used:
        if region_file.path is None:  # an exposure that is in a mosaic, and has none
            continue
        for path in (region_file.path.absolute(), *_masks(region_file)):
            inside = path.relative_to(top) if path.is_relative_to(top) else Path(path.name)
            (folder / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, folder / inside)


def _masks(region_file: RegionFile) -> Iterator[Path]:
    if region_file.path is not None:
        names = {entry.mask for entry in region_file.pixels if entry.mask is not None}
        yield from ((region_file.path.parent / name).absolute() for name in sorted(names))


def _copy_request(request: Request, matches: Matches, folder: Path) -> PackagedRequest:
    """Copy the files that a request names, and return it with their names."""
    associations = _copy_all(request.associations, folder / ASSOCIATIONS)
    for association in read_associations(request.associations, matches.inputs):
        for path in association.files:
            shutil.copy2(path, folder / ASSOCIATIONS / path.name)
    return PackagedRequest(
        target=request.target,
        suffix=request.suffix,
        steps=request.step_parameters.steps,
        parameter_files=_copy_all(request.step_parameters.parameter_files, folder / PARAMETERS),
        associations=associations,
        compared_with=_copy_all(request.compared_with, folder / COMPARED),
        is_compared=request.is_compared,
    )


def _copy_all(paths: Iterable[Path], folder: Path) -> tuple[str, ...]:
    """Copy files into a folder of their own; those of one name get a number."""
    names: list[str] = []
    for path in paths:
        folder.mkdir(exist_ok=True)
        name = path.name if path.name not in names else f"{len(names) + 1}_{path.name}"
        shutil.copy2(path, folder / name)
        names.append(name)
    return tuple(names)


def _write_report(output: Path, page: Path) -> None:
    """Write the report of a batch, by the command: features know nothing of each other."""
    command = [sys.executable, "-m", "showermask", "report", str(output), "-o", str(page)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise OutputError(f"{output}: its report can't be made ({reason})")


def _inputs(records: Mapping[str, Record]) -> str:
    """Return the checksums of the data, in the format of sha256sum."""
    exposures = [record for record in records.values() if not record.is_mosaic]
    return "".join(f"{record.input_sha256}  {record.input}\n" for record in exposures)


def _readme(name: str, packaged: PackagedRequest, records: Mapping[str, Record]) -> str:
    mosaics = sum(record.is_mosaic for record in records.values())
    made = counted(len(records) - mosaics, "exposure")
    if mosaics:
        made += f" and {counted(mosaics, 'mosaic')}"
    versions = sorted(
        {f"{key} {value}" for record in records.values() for key, value in record.versions.items()}
    )
    given = {
        PARAMETERS: ("parameter files of the pipeline", packaged.parameter_files),
        ASSOCIATIONS: ("the associations of the mosaics", packaged.associations),
        COMPARED: ("mosaics without masks that were given", packaged.compared_with),
    }
    rows = "".join(
        f"| `{folder}/` | {what} |\n" for folder, (what, names) in given.items() if names
    )
    return f"""# {name}

JWST data of {made} in which cosmic-ray showers were masked, made by
`showermask batch --to {packaged.target}` and packaged on {datetime.now(UTC):%Y-%m-%d}.

Made with {", ".join(versions)}.

| | |
|---|---|
| `{PRODUCTS}/` | the products, and `manifest.ecsv`: what each was made from, with hashes |
| `{REGIONS}/` | the reviewed region files |
{rows}| `{REQUEST}` | the options of the batch |
| `{REPORT}` | what was masked, at what cost, and what it did to the mosaics |
| `{CHECKSUMS}` | SHA-256 of all files (`sha256sum -c {CHECKSUMS}`) |
| `{INPUTS}` | SHA-256 of the data that it was made from, which are in the archive |

To make the products again, and see whether they are the same (DATA is a directory with the data):

    pip install showermask
    showermask batch --verify {name} DATA
"""
