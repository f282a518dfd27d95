"""The record of a batch: one row per exposure, in ``manifest.ecsv`` beside the products."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from showermask.exceptions import OutputError
from showermask.files import atomic_write, sha256_of

__all__ = ["MANIFEST_NAME", "FileState", "Row", "file_time", "read_manifest", "write_manifest"]

#: Name of the file, by which the output of a batch is known.
MANIFEST_NAME = "manifest.ecsv"

_FORMAT = "showermask-manifest-1.0"


@dataclass(frozen=True, kw_only=True)
class FileState:
    """What tells that a file is the one that was written.

    Parameters
    ----------
    name : str
        Name within its folder.
    size : int
        Bytes.
    mtime : int
        Time of the last change in ns.
    sha256 : str
        Hash of the content.
    """

    name: str
    size: int
    mtime: int
    sha256: str

    @classmethod
    def of_file(cls, path: Path) -> FileState:
        """Return the state of a file.

        Parameters
        ----------
        path : `~pathlib.Path`
            The file.

        Returns
        -------
        FileState
            Its state.
        """
        status = path.stat()
        return cls(
            name=path.name, size=status.st_size, mtime=status.st_mtime_ns, sha256=sha256_of(path)
        )

    def is_intact(self, folder: Path) -> bool:
        """Tell whether the file is still in its folder, with the same content.

        Parameters
        ----------
        folder : `~pathlib.Path`
            Its folder.

        Returns
        -------
        bool
            Whether size and time are the same, or else size and hash.
        """
        path = folder / self.name
        try:
            status = path.stat()
            if status.st_size != self.size:
                return False
            return status.st_mtime_ns == self.mtime or sha256_of(path) == self.sha256
        except OSError:
            return False


@dataclass(frozen=True, kw_only=True)
class Row:
    """What was done to one exposure.

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
        Number of masked showers, of pixel regions, of distinct masked pixels summed over
        integrations, and of those of the frame.
    fraction : float
        Masked fraction of the frame, in the integration where it is largest.
    parameters : str
        What was asked for, JSON.
    versions : str
        Packages that did it, and the CRDS context, JSON.
    seconds : float
        How long it took.
    finished : str
        When, ISO 8601.
    outputs : str
        The products, JSON: name, size in bytes, time in ns, sha256.
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
    parameters: str
    versions: str = ""
    seconds: float = 0.0
    finished: str = ""
    outputs: str = "[]"
    error: str = ""

    @property
    def products(self) -> list[FileState]:
        """The products."""
        return [FileState(**entry) for entry in json.loads(self.outputs)]

    @property
    def target(self) -> str:
        """What the exposure was to be made into."""
        return str(json.loads(self.parameters)["to"])

    def check(self) -> None:
        """Raise `ValueError` when the row can't be one of ours.

        Names of products are names, not paths: what is listed here may be removed one day.
        """
        paths = [p.name for p in self.products if p.name in {"", ".."} or "/" in p.name]
        if paths or not self.target:
            raise ValueError(f"{self.exposure}: {', '.join(paths)} is not the name of a product")

    def with_products(self, products: Iterable[FileState]) -> Self:
        """Return the row with other products.

        Parameters
        ----------
        products : iterable of FileState
            The products.

        Returns
        -------
        Row
            The row.
        """
        entries = json.dumps([asdict(product) for product in products])
        return replace(self, outputs=entries)

    def is_current(self, wanted: Row, folder: Path) -> bool:
        """Tell whether what is wanted is done already, and its products are as they were made.

        Parameters
        ----------
        wanted : Row
            A pending row for the same exposure.
        folder : `~pathlib.Path`
            Where the products are.

        Returns
        -------
        bool
            Whether there is nothing to do.
        """
        same = ("input", "input_size", "input_time", "sha256", "parameters")
        return (
            self.status == "done"
            and all(getattr(self, name) == getattr(wanted, name) for name in same)
            and bool(self.products)
            and all(product.is_intact(folder) for product in self.products)
        )


def file_time(path: Path) -> str:
    """Return the time of a file's last change.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.

    Returns
    -------
    str
        ISO 8601, to the ns.
    """
    seconds, rest = divmod(path.stat().st_mtime_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def read_manifest(folder: Path) -> dict[str, Row]:
    """Read the manifest of a batch.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Directory with the output of a batch.

    Returns
    -------
    dict of str to Row
        By exposure; empty where there is no manifest.

    Raises
    ------
    OutputError
        When it is none of ours.
    """
    from astropy.table import Table

    path = folder / MANIFEST_NAME
    if not path.exists():
        return {}
    try:
        table = Table.read(path, format="ascii.ecsv", fill_values=None)
        names = [f.name for f in fields(Row) if f.name in table.colnames]
        rows = [Row(**{name: _plain(line[name]) for name in names}) for line in table]
        for row in rows:
            row.check()
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise OutputError(
            f"{path}: can't be read as the manifest of a batch ({reason}); "
            "take another output directory"
        ) from error
    if table.meta.get("format") != _FORMAT:
        raise OutputError(f"{path}: its format is {table.meta.get('format')}, expected {_FORMAT}")
    return {row.exposure: row for row in rows}


def write_manifest(folder: Path, rows: Mapping[str, Row]) -> None:
    """Write the manifest of a batch, whole or not at all.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Directory with the output of the batch.
    rows : mapping of str to Row
        By exposure.

    Raises
    ------
    OutputError
        When it can't be written.
    """
    from astropy import units
    from astropy.table import Table

    types: dict[str, Any] = {"int": "i8", "float": "f8", "str": "U"}
    ordered = [rows[root] for root in sorted(rows)]
    table = Table(
        {f.name: [getattr(row, f.name) for row in ordered] for f in fields(Row)},
        dtype=[types[str(f.type)] for f in fields(Row)],
        meta={"format": _FORMAT},
    )
    table["input_size"].unit, table["seconds"].unit = units.byte, units.s
    with atomic_write(folder / MANIFEST_NAME) as draft:
        table.write(draft, format="ascii.ecsv")


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
