"""Region files as ECSV tables: a row for each shower, everything else in the metadata."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

from astropy.table import Table

from showermask.commands.convert.format import Content, Converted, Format, read_text, write_text
from showermask.commands.convert.options import ConvertOptions
from showermask.exceptions import ConvertError, RegionFileError
from showermask.regionfile.content import RegionFile
from showermask.regionfile.reader import regions_of_tree
from showermask.regionfile.tables import TEXTS, table_of, tree_of

__all__ = ["FORMAT", "read_table", "write_table"]


def write_table(region_file: RegionFile) -> str:
    """Return a region file as an ECSV table."""
    tree = region_file.to_tree()
    for row in tree["showers"]:
        for name in TEXTS & row.keys():
            row[name] = _written(row[name])
        if "flags" in row:
            row["flags"] = _flags_written(row["flags"])
    table = table_of(tree)
    header = table.meta["showermask"]
    table.meta["showermask"] = header if _is_kept(header) else _in_one_line(header)
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
    header = table.meta.get("showermask", {})
    if isinstance(header, str):
        table.meta["showermask"] = _json(header, path)
    try:
        tree = tree_of(table)
    except RegionFileError as error:
        raise ConvertError(*(f"{path}: {problem}" for problem in error.problems)) from error
    for row in tree["showers"]:
        for name in TEXTS & row.keys():
            row[name] = _text(str(row[name]), path)
        first = next(iter(row.get("flags", ())), "")
        if first.startswith("["):
            row["flags"] = _json(first, path)
    return regions_of_tree(tree, path)


def _read(source: Path, _: ConvertOptions) -> Content:
    return Content(read_table(read_text(source), source))


def _write(region_file: RegionFile, output: Path, _: ConvertOptions) -> Converted:
    write_text(output, write_table(region_file))
    return Converted.of(region_file, output)


def _json(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConvertError(f"{path}: has {text[:60]!r}, expected JSON ({error})") from error


def _flags_written(flags: list[str]) -> list[str]:
    """Return flags as a table joins them: names, or one text in JSON where any is none."""
    is_plain = all(re.fullmatch(r"\w+", flag) for flag in flags)
    return flags if is_plain else [json.dumps(flags)]


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


FORMAT = Format("ecsv", (".ecsv",), _read, _write)
