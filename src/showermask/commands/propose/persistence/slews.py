"""Slews: pixels that bright stars crossed between exposures, listed by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from astropy.time import Time
from numpy.typing import NDArray

from showermask.commands.propose.observation import Observation
from showermask.commands.propose.persistence.sources import SlewSource
from showermask.exceptions import ShowermaskError

__all__ = ["Slew", "read_slews"]

_COLUMNS = ("x", "y", "until")
_OPTIONAL = ("from", "detector")
_EXPECTED = (
    f"expected a table with the columns {', '.join(_COLUMNS)}, and perhaps {', '.join(_OPTIONAL)}"
)
_RANGE = re.compile(r"(\d+)(?::(\d+))?")
_SECONDS_OF_A_DAY = 86400.0


@dataclass(frozen=True, kw_only=True)
class Slew:
    """Pixels of a detector that a slew has lit.

    Parameters
    ----------
    source : SlewSource
        The list, and the end for people.
    rows, columns : tuple of int
        First and last row and column on the detector, from 0.
    start, until : float
        Time in s in which exposures that begin then are masked.
    detector : str or None
        Name of the detector; None for that of all exposures.
    """

    source: SlewSource
    rows: tuple[int, int]
    columns: tuple[int, int]
    start: float
    until: float
    detector: str | None = None

    def matters_to(self, one: Observation) -> bool:
        """Tell whether an exposure begins in the time of the slew."""
        is_there = self.detector is None or self.detector == one.detector
        return is_there and self.start <= one.start < self.until

    def pixels(self, one: Observation) -> NDArray[np.bool_]:
        """Return the pixels in the images of an exposure, ``(ny, nx)`` bool."""
        mask = np.zeros(one.exposure.image_shape, bool)
        rows, columns = (
            slice(max(0, first - corner + 1), max(0, last - corner + 2))
            for (first, last), corner in zip((self.rows, self.columns), one.corner, strict=True)
        )
        mask[rows, columns] = True
        return mask


def read_slews(path: Path, observations: Sequence[Observation]) -> list[Slew]:
    """Read a list of slews.

    Parameters
    ----------
    path : Path
        Table that astropy reads as ECSV or as text: columns ``x`` and ``y`` (pixel of the detector
        from 0, or a range ``10:20``), ``until`` and perhaps ``from`` (UTC in ISO format, or MJD)
        and ``detector``. Three columns need no names.
    observations : sequence of Observation
        Exposures: a list without detectors is for exposures of one.

    Returns
    -------
    list of Slew
        Its rows.

    Raises
    ------
    ShowermaskError
        When it can't be read, or a row makes no sense; names all of them.
    """
    table = _read_table(path)
    problems = []
    slews = []
    for number, row in enumerate(table, 1):
        values = {name: row[name] for name in table.colnames}
        try:
            slews.append(_read_row(path, values))
        except ValueError as error:
            problems.append(f"{path}: row {number}: {error}")
    if problems:
        raise ShowermaskError(*problems)
    detectors = sorted({one.detector for one in observations})
    if len(detectors) > 1 and any(slew.detector is None for slew in slews):
        raise ShowermaskError(
            f"{path}: has no column detector, but the exposures are of {', '.join(detectors)}; "
            "add one"
        )
    return slews


def _read_table(path: Path) -> Table:
    try:
        table = _parse([line for line in path.read_text().splitlines() if line.strip()])
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0] or "no table"
        raise ShowermaskError(f"{path}: can't be read ({reason}), {_EXPECTED}") from error
    names = set(table.colnames)
    if not set(_COLUMNS) <= names or not names <= {*_COLUMNS, *_OPTIONAL}:
        raise ShowermaskError(f"{path}: has the columns {', '.join(table.colnames)}, {_EXPECTED}")
    return table


def _parse(lines: list[str]) -> Table:
    data = [line for line in lines if not line.startswith("#")]
    if not data:
        raise ValueError("no rows")
    if lines[0].startswith("# %ECSV"):
        return Table.read(lines, format="ascii.ecsv")
    if data[0][0].isdigit():
        return Table.read(lines, format="ascii.no_header", names=_COLUMNS)
    return Table.read(lines, format="ascii.basic")


def _read_row(path: Path, values: dict[str, Any]) -> Slew:
    until = _time("until", values["until"])
    start = _time("from", values["from"]) if "from" in values else None
    if start is not None and not start < until:
        raise ValueError(f"from is {values['from']}, not before until, {values['until']}")
    return Slew(
        source=SlewSource(name=path.name, until=until.isot),
        rows=_range("y", values["y"]),
        columns=_range("x", values["x"]),
        start=-np.inf if start is None else start.mjd * _SECONDS_OF_A_DAY,
        until=until.mjd * _SECONDS_OF_A_DAY,
        detector=str(values["detector"]).upper() if "detector" in values else None,
    )


def _range(name: str, value: object) -> tuple[int, int]:
    match = _RANGE.fullmatch(str(value))
    if match is None:
        raise ValueError(f"{name} is {value}, expected a pixel from 0, or a range as 10:20")
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise ValueError(f"{name} is {value}, expected the first pixel before the last")
    return first, last


def _time(name: str, value: object) -> Time:
    text = str(value)
    try:
        return Time(text, format="isot" if "T" in text else "iso", scale="utc")
    except ValueError:
        pass
    try:
        return Time(float(text), format="mjd", scale="utc")
    except ValueError:
        raise ValueError(f"{name} is {text}, expected UTC as 2026-01-31T10:20:30, or MJD") from None
