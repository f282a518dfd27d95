"""The record of a batch: a row for each product, in ``manifest.ecsv`` beside the products.

An exposure or a mosaic of which there is no product (yet) has one row without a product.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from showermask.exceptions import OutputError
from showermask.files import atomic_write, sha256_of
from showermask.regionfile.lookup import MANIFEST_NAME

__all__ = ["UNMASKED_FOLDER", "FileState", "Record", "file_time", "read_manifest", "write_manifest"]

#: Folder in the output of a batch with its mosaics without masks.
UNMASKED_FOLDER = "unmasked"

_FORMAT = "showermask-manifest-2.0"
#: One row for each exposure, with its products as JSON.
_OLD_FORMAT = "showermask-manifest-1.0"

#: Columns that hold JSON in the file; a column of the old format is among them.
_JSON = ("parameters", "versions", "outputs")
#: Columns of a product, and what is in them where there is none.
_OF_PRODUCT = {
    "product": "",
    "product_size": 0,
    "product_time": 0,
    "product_sha256": "",
    "made_from": "",
}


@dataclass(frozen=True, kw_only=True)
class FileState:
    """The state by which a file is known to be the one that was written."""

    #: Name within its folder.
    name: str
    #: Bytes.
    size: int
    #: Time of the last change in ns.
    mtime: int
    #: Hash of the content.
    sha256: str
    #: Files that it was made from, with their hashes.
    made_from: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_file(cls, path: Path) -> FileState:
        """Return the state of a file."""
        status = path.stat()
        return cls(
            name=path.name, size=status.st_size, mtime=status.st_mtime_ns, sha256=sha256_of(path)
        )

    def is_intact(self, folder: Path) -> bool:
        """Tell whether the file is still in its folder, with the same content."""
        path = folder / self.name
        try:
            status = path.stat()
            if status.st_size != self.size:
                return False
            return status.st_mtime_ns == self.mtime or sha256_of(path) == self.sha256
        except OSError:
            return False


@dataclass(frozen=True, kw_only=True)
class Record:
    """The record of one exposure in a batch, or of one mosaic.

    Parameters
    ----------
    exposure : str
        Product root; of a mosaic its product name.
    status : str
        ``done``, ``failed``, or ``pending`` until it is one of these.
    input : str
        The product that was started from; of a mosaic the association, where one was given.
    input_size : int
        Its size in bytes.
    input_time : str
        Time of its last change, ISO 8601, to the ns.
    region_file : str
        The region file.
    sha256 : str
        Its hash, of when it was applied; with mask files, that of all of them.
    input_sha256 : str
        Hash of the input.
    showers, regions, pixels, frame_pixels : int
        Number of masked showers, of other entries, of distinct masked pixels summed over
        integrations, and of those of the frame.
    fraction : float
        Masked fraction of the frame, in the integration where it is largest.
    parameters : mapping
        What was asked for; JSON in the file, as ``versions`` and ``outputs``.
    versions : mapping of str to str
        Packages that did it, and the CRDS context.
    seconds : float
        How long it took.
    finished : str
        When, ISO 8601.
    outputs : tuple of FileState
        The products: name, size in bytes, time in ns, sha256, what they were made from.
    error : str
        Why it failed.
    """

    exposure: str
    status: str = "pending"
    input: str
    input_size: int
    input_time: str
    region_file: str
    sha256: str
    input_sha256: str = ""
    showers: int = 0
    regions: int = 0
    pixels: int = 0
    frame_pixels: int = 0
    fraction: float = 0.0
    parameters: Mapping[str, Any]
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    finished: str = ""
    outputs: tuple[FileState, ...] = ()
    error: str = ""

    @property
    def target(self) -> str:
        """The kind of products that the exposure was to be made into."""
        return str(self.parameters["to"])

    @property
    def is_mosaic(self) -> bool:
        """Whether it is that of a mosaic, not of an exposure."""
        return "members" in self.parameters

    def product(self, suffix: str) -> FileState | None:
        """Return the product of a suffix (``cal`` …), None where there is none."""
        name = f"{self.exposure}_{suffix}.fits"
        return next((product for product in self.outputs if product.name == name), None)

    def is_current(self, wanted: Record, folder: Path) -> bool:
        """Tell whether there is nothing to do for a wanted record, with products in ``folder``."""
        same = ("input", "input_size", "input_time", "sha256", "parameters")
        return (
            self.status == "done"
            and all(getattr(self, name) == getattr(wanted, name) for name in same)
            and bool(self.outputs)
            and all(product.is_intact(folder) for product in self.outputs)
        )

    @classmethod
    def from_rows(cls, rows: Sequence[Mapping[str, Any]]) -> Self:
        """Make a record of its rows; raise `ValueError` when they can't be ours."""
        first = {key: value for key, value in rows[0].items() if key not in _OF_PRODUCT}
        values = {name: json.loads(first[name] or "{}") for name in _JSON if name in first}
        if "outputs" in values:
            outputs = [FileState(**entry) for entry in values["outputs"]]
        else:
            outputs = [_product_of(row) for row in rows if row["product"]]
        record = cls(**{**first, **values, "outputs": tuple(outputs)})
        # Names of products are names, not paths: what is listed here may be removed one day.
        paths = [p.name for p in record.outputs if p.name in {"", ".."} or "/" in p.name]
        if paths or not record.target:
            raise ValueError(f"{record.exposure}: {', '.join(paths)} is not the name of a product")
        return record

    def to_rows(self) -> list[dict[str, Any]]:
        """Return the rows of the file: one for each product, one at least."""
        names = [column.name for column in fields(self) if column.name != "outputs"]
        common = {name: getattr(self, name) for name in names}
        common["parameters"] = json.dumps(self.parameters, sort_keys=True)
        common["versions"] = json.dumps(self.versions) if self.versions else ""
        products: list[dict[str, Any]] = [
            {
                "product": product.name,
                "product_size": product.size,
                "product_time": product.mtime,
                "product_sha256": product.sha256,
                "made_from": json.dumps(product.made_from) if product.made_from else "",
            }
            for product in self.outputs
        ]
        return [{**common, **product} for product in products or [_OF_PRODUCT]]


def _product_of(row: Mapping[str, Any]) -> FileState:
    made_from = json.loads(row["made_from"] or "{}")
    if not isinstance(made_from, dict):
        raise TypeError(f"{row['product']}: made_from is no mapping")
    return FileState(
        name=row["product"],
        size=row["product_size"],
        mtime=row["product_time"],
        sha256=row["product_sha256"],
        made_from=made_from,
    )


def file_time(path: Path) -> str:
    """Return the time of a file's last change."""
    seconds, rest = divmod(path.stat().st_mtime_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def read_manifest(folder: Path) -> dict[str, Record]:
    """Read the manifest of a batch."""
    path = folder / MANIFEST_NAME
    if not path.exists():
        return {}
    try:
        form, rows = _read_table(path)
        by_exposure: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            by_exposure.setdefault(row["exposure"], []).append(row)
        records = {root: Record.from_rows(of_one) for root, of_one in by_exposure.items()}
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise OutputError(
            f"{path}: can't be read as the manifest of a batch ({reason}); "
            "take another output directory"
        ) from error
    if form not in (_FORMAT, _OLD_FORMAT):
        raise OutputError(f"{path}: its format is {form}, expected {_FORMAT}")
    return records


def write_manifest(folder: Path, records: Mapping[str, Record]) -> None:
    """Write the manifest of a batch, whole or not at all."""
    rows = [row for root in sorted(records) for row in records[root].to_rows()]
    with atomic_write(folder / MANIFEST_NAME) as staged:
        _write_table(staged, rows)


# Table itself keeps each column of text as wide as its longest cell, which for a mosaic of many
# exposures is some ten thousand characters; so it reads and writes the header alone.


def _read_table(path: Path) -> tuple[Any, list[dict[str, Any]]]:
    """Return the format and the rows of a table in ECSV."""
    from astropy.table import Table

    with path.open(encoding="utf-8", newline="") as stream:
        header: list[str] = []
        lines = csv.reader(_after_header(stream, header), delimiter=" ", strict=True)
        table = Table.read("".join(header), format="ascii.ecsv")
        kinds = {name: table[name].dtype.kind for name in table.colnames}
        convert = [{"i": int, "f": float}.get(kind, str) for kind in kinds.values()]
        known = {*(column.name for column in fields(Record)), *_OF_PRODUCT}
        rows = [
            {
                name: kind(text)
                for name, kind, text in zip(kinds, convert, line, strict=True)
                if name in known
            }
            for line in lines
            if line
        ]
    return table.meta.get("format"), rows


def _after_header(stream: Iterator[str], header: list[str]) -> Iterator[str]:
    """Put the comments and the line of names into ``header``, and yield the others."""
    for line in stream:
        header.append(line)
        if not line.startswith("#"):
            break
    return stream


def _write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    from astropy import units
    from astropy.table import Table

    types = {int: "i8", float: "f8", str: "U"}
    # Types are those of a record with nothing in it, for a manifest may have no row.
    (empty,) = Record(
        exposure="", input="", input_size=0, input_time="", region_file="", sha256="", parameters={}
    ).to_rows()
    table = Table(
        {name: [] for name in empty},
        dtype=[types[type(value)] for value in empty.values()],
        meta={"format": _FORMAT},
    )
    table["input_size"].unit = table["product_size"].unit = units.byte
    table["product_time"].unit, table["seconds"].unit = units.ns, units.s
    table.write(path, format="ascii.ecsv")
    with path.open("a", encoding="utf-8", newline="") as stream:
        writer = csv.writer(
            stream, delimiter=" ", lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC
        )
        writer.writerows([row[name] for name in empty] for row in rows)
