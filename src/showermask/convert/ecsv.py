"""Region files as ECSV tables: a row for each shower, everything else in the metadata."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.table import Column, MaskedColumn, Table

from showermask.convert.format import Content, Converted, Format, read_text, write_text
from showermask.convert.options import ConvertOptions
from showermask.exceptions import ConvertError
from showermask.regionfile.content import RegionFile
from showermask.regionfile.reader import regions_of_tree

__all__ = ["FORMAT", "read_table", "write_table"]

_COLUMNS: dict[str, tuple[type, units.UnitBase | None]] = {
    "integration": (int, None),
    "group": (int, None),
    "last_group": (int, None),
    "x": (float, units.pix),
    "y": (float, units.pix),
    "a": (float, units.pix),
    "b": (float, units.pix),
    "theta": (float, units.deg),
    "status": (str, None),
    "flags": (str, None),
    "comment": (str, None),
    "source": (str, None),
    "score": (float, None),
    "action": (str, None),
    "probability": (float, None),
    "kind": (str, None),
}
_TEXTS = {"comment", "source", "action", "kind"}


def write_table(region_file: RegionFile) -> str:
    """Return a region file as an ECSV table."""
    tree = region_file.to_tree()
    rows = tree.pop("showers")
    table = Table(meta={"showermask": tree if _is_kept(tree) else _in_one_line(tree)})
    for name, (kind, unit) in _COLUMNS.items():
        values = [row.get(name) for row in rows]
        if name == "flags":
            values = [None if flags is None else _joined(flags) for flags in values]
        if name == "status":
            values = [value or "accepted" for value in values]
        if name in _TEXTS:
            values = [None if value is None else _written(value) for value in values]
        gaps = [value is None for value in values]
        if all(gaps) and name not in ("integration", "group", "x", "y", "a", "b", "theta"):
            continue
        filled = [kind() if value is None else value for value in values]
        data: Any = np.array(filled, dtype=object if kind is str else kind)
        table[name] = MaskedColumn(data.astype(str) if kind is str else data, mask=gaps, unit=unit)
        if not any(gaps):
            table[name] = table[name].filled()
    text = StringIO()
    table.write(text, format="ascii.ecsv", serialize_method="data_mask")
    return text.getvalue()


def read_table(text: str, path: Path) -> RegionFile:
    """Return the region file that an ECSV table holds."""
    try:
        table = Table.read(text.splitlines(keepends=True), format="ascii.ecsv", fill_values=None)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConvertError(f"{path}: can't be read as an ECSV table ({reason})") from error
    for name in table.colnames:
        _check_column(table[name], name, path)
    rows = [
        {name: _plain(line[name]) for name in table.colnames if line[name] is not np.ma.masked}
        for line in table
    ]
    for row in rows:
        for name in _TEXTS & row.keys():
            row[name] = _text(str(row[name]), path)
        flags = row.get("flags")
        if isinstance(flags, str):
            row["flags"] = _json(flags, path) if flags.startswith("[") else flags.split(",")
    header = table.meta.get("showermask", {})
    if isinstance(header, str):
        header = _json(header, path)
    if not isinstance(header, dict):
        raise ConvertError(
            f"{path}: its metadata showermask are {str(header)[:60]!r}, expected a mapping"
        )
    return regions_of_tree({**header, "showers": rows}, path)


def _read(source: Path, _: ConvertOptions) -> Content:
    return Content(read_table(read_text(source), source))


def _write(region_file: RegionFile, output: Path, _: ConvertOptions) -> Converted:
    write_text(output, write_table(region_file))
    return Converted.of(region_file, output)


def _check_column(column: Any, name: str, path: Path) -> None:
    """Refuse a column that a region file has no place for."""
    if not isinstance(column, Column) or column.ndim != 1:
        raise ConvertError(f"{path}: {name} holds arrays or objects, expected one value in a row")
    if name not in _COLUMNS:
        return  # the schema names it, and what is known
    unit = _COLUMNS[name][1]
    if column.unit not in (None, unit):
        raise ConvertError(f"{path}: {name} is in {column.unit}, expected {unit or 'no unit'}")


def _json(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConvertError(f"{path}: has {text[:60]!r}, expected JSON ({error})") from error


def _joined(flags: list[str]) -> str:
    is_plain = all(re.fullmatch(r"\w+", flag) for flag in flags)
    return ",".join(flags) if is_plain else json.dumps(flags)


def _is_kept(tree: dict[str, Any]) -> bool:
    """Tell whether the metadata of a table keep a tree as it is: they fold lines."""
    texts = json.dumps(tree, ensure_ascii=False)
    return texts.isprintable() and "\\" not in texts and "  " not in texts


def _in_one_line(tree: dict[str, Any]) -> str:
    return json.dumps(tree, separators=(",", ":")).replace(" ", "\\u0020")


def _written(text: str) -> str:
    """Return a text as a table keeps it: as it is, or in JSON where ends or lines would be lost."""
    is_safe = text == text.strip() and text.isprintable() and not text.startswith('"')
    return text if is_safe else json.dumps(text)


def _text(written: str, path: Path) -> str:
    if not written.startswith('"'):
        return written
    return str(_json(written, path))


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


FORMAT = Format("ecsv", (".ecsv",), _read, _write)
