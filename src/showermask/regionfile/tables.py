"""Showers of a region file as an astropy table, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from showermask.exceptions import RegionFileError

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["COLUMNS", "TEXTS", "table_of", "tree_of"]

#: Columns of a row: type, and name of the unit.
COLUMNS: dict[str, tuple[type, str | None]] = {
    "integration": (int, None),
    "group": (int, None),
    "last_group": (int, None),
    "x": (float, "pix"),
    "y": (float, "pix"),
    "a": (float, "pix"),
    "b": (float, "pix"),
    "theta": (float, "deg"),
    "status": (str, None),
    "flags": (str, None),
    "comment": (str, None),
    "source": (str, None),
    "score": (float, None),
    "action": (str, None),
    "probability": (float, None),
    "kind": (str, None),
}
#: Columns of any text.
TEXTS = frozenset(("comment", "source", "action", "kind"))
#: Columns that are there in any case.
_ALWAYS = frozenset(("integration", "group", "x", "y", "a", "b", "theta"))


def table_of(tree: dict[str, Any]) -> Table:
    """Return the showers of the tree of a region file as a table.

    Parameters
    ----------
    tree : dict
        The tree; the rest of it goes into the metadata of the table, under ``showermask``.

    Returns
    -------
    `~astropy.table.Table`
        A row for each shower.
    """
    from astropy.table import MaskedColumn, Table

    header = dict(tree)
    rows = header.pop("showers")
    table = Table(meta={"showermask": header})
    for name, (kind, unit) in COLUMNS.items():
        values = [row.get(name) for row in rows]
        if name == "flags":
            values = [None if flags is None else ",".join(flags) for flags in values]
        if name == "status":
            values = [value or "accepted" for value in values]
        gaps = [value is None for value in values]
        if all(gaps) and name not in _ALWAYS:
            continue
        filled = [kind() if value is None else value for value in values]
        data: Any = np.array(filled, dtype=object if kind is str else kind)
        table[name] = MaskedColumn(data.astype(str) if kind is str else data, mask=gaps, unit=unit)
        if not any(gaps):
            table[name] = table[name].filled()
    return table


def tree_of(table: Table) -> dict[str, Any]:
    """Return the tree of a region file that a table holds.

    Parameters
    ----------
    table : `~astropy.table.Table`
        A row for each shower, in the units of `table_of`; a `~astropy.table.QTable` too.

    Returns
    -------
    dict
        The tree, not judged yet.

    Raises
    ------
    RegionFileError
        When a column has another unit, or more than one value in a row.
    """
    problems = [text for name in table.colnames for text in _column_problems(table[name], name)]
    RegionFileError.check_none(problems)
    rows: list[dict[str, Any]] = []
    for line in table:
        row = {name: _plain(line[name]) for name in table.colnames if not _is_gap(line[name])}
        flags = row.get("flags")
        if isinstance(flags, str):
            is_json = flags.startswith("[")  # of a file that keeps names which are none
            row["flags"] = [flags] if is_json else [flag.strip() for flag in flags.split(",")]
        rows.append(row)
    header = table.meta.get("showermask", {})
    if not isinstance(header, dict):
        raise RegionFileError(
            f"its metadata showermask are {str(header)[:60]!r}, expected a mapping"
        )
    return {**header, "showers": rows}


def _column_problems(column: Any, name: str) -> list[str]:
    if getattr(column, "ndim", None) != 1:
        return [f"{name} holds arrays or objects, expected one value in a row"]
    unit = COLUMNS[name][1] if name in COLUMNS else None
    if getattr(column, "unit", None) not in (None, unit) and name in COLUMNS:
        return [f"{name} is in {column.unit}, expected {unit or 'no unit'}"]
    return []


def _is_gap(value: Any) -> bool:
    return value is np.ma.masked


def _plain(value: Any) -> Any:
    value = getattr(value, "value", value)
    return value.item() if hasattr(value, "item") else value
