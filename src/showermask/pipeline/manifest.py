"""The record of a batch: one row per exposure, in ``manifest.ecsv`` beside the products."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from showermask.exceptions import OutputError
from showermask.files import atomic_write, sha256_of
from showermask.regionfile.lookup import MANIFEST_NAME

__all__ = ["FileState", "Record", "file_time", "read_manifest", "write_manifest"]

_FORMAT = "showermask-manifest-1.0"

#: Columns that hold JSON in the file.
_JSON = ("parameters", "versions", "outputs")


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
    """The record of one exposure in a batch.

    Parameters
    ----------
    exposure : str
        Product root.
    status : str
        ``done``, ``failed``, or ``pending`` until it is one of these.
    input : str
        The product that was started from.
    input_size : int
        Its size in bytes.
    input_time : str
        Time of its last change, ISO 8601, to the ns.
    region_file : str
        The region file.
    sha256 : str
        Its hash, of when it was applied; with mask files, that of all of them.
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
        The products: name, size in bytes, time in ns, sha256.
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
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Make a record of a row of the file; raise `ValueError` when it can't be one of ours."""
        values = {name: json.loads(row[name] or "{}") for name in _JSON if name in row}
        values["outputs"] = tuple(FileState(**entry) for entry in values.get("outputs", ()))
        record = cls(**{**row, **values})
        # Names of products are names, not paths: what is listed here may be removed one day.
        paths = [p.name for p in record.outputs if p.name in {"", ".."} or "/" in p.name]
        if paths or not record.target:
            raise ValueError(f"{record.exposure}: {', '.join(paths)} is not the name of a product")
        return record

    def to_row(self) -> dict[str, Any]:
        """Return the row of the file."""
        row = {column.name: getattr(self, column.name) for column in fields(self)}
        row["parameters"] = json.dumps(self.parameters, sort_keys=True)
        row["versions"] = json.dumps(self.versions) if self.versions else ""
        row["outputs"] = json.dumps([asdict(product) for product in self.outputs])
        return row


def file_time(path: Path) -> str:
    """Return the time of a file's last change."""
    seconds, rest = divmod(path.stat().st_mtime_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def read_manifest(folder: Path) -> dict[str, Record]:
    """Read the manifest of a batch."""
    from astropy.table import Table

    path = folder / MANIFEST_NAME
    if not path.exists():
        return {}
    try:
        table = Table.read(path, format="ascii.ecsv", fill_values=None)
        names = [f.name for f in fields(Record) if f.name in table.colnames]
        records = [Record.from_row({name: _plain(line[name]) for name in names}) for line in table]
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise OutputError(
            f"{path}: can't be read as the manifest of a batch ({reason}); "
            "take another output directory"
        ) from error
    if table.meta.get("format") != _FORMAT:
        raise OutputError(f"{path}: its format is {table.meta.get('format')}, expected {_FORMAT}")
    return {record.exposure: record for record in records}


def write_manifest(folder: Path, records: Mapping[str, Record]) -> None:
    """Write the manifest of a batch, whole or not at all."""
    from astropy import units
    from astropy.table import Table

    rows = [records[root].to_row() for root in sorted(records)]
    types = {int: "i8", float: "f8", str: "U"}
    columns = [f.name for f in fields(Record)]
    # Types are those of a record with nothing in it, for a manifest may have no row.
    empty = Record(
        exposure="", input="", input_size=0, input_time="", region_file="", sha256="", parameters={}
    ).to_row()
    table = Table(
        {name: [row[name] for row in rows] for name in columns},
        dtype=[types[type(empty[name])] for name in columns],
        meta={"format": _FORMAT},
    )
    table["input_size"].unit, table["seconds"].unit = units.byte, units.s
    with atomic_write(folder / MANIFEST_NAME) as staged:
        table.write(staged, format="ascii.ecsv")


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
