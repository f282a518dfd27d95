"""Manual flag files of jwst_reffiles: columns x, y and flag."""

from __future__ import annotations

import re
from pathlib import Path

from showermask.commands.convert.format import Content, Converted, Format, read_text
from showermask.commands.convert.options import ConvertOptions
from showermask.exceptions import ConvertError
from showermask.exposure.dq import pixel_flags
from showermask.regionfile.badpixels import ALL, BadPixels
from showermask.regionfile.content import RegionFile

__all__ = ["FORMAT", "read_flag_file"]


def read_flag_file(text: str, path: Path, options: ConvertOptions) -> list[BadPixels]:
    """Read a manual flag file of jwst_reffiles: columns x, y and flag."""
    known = pixel_flags()
    problems: list[str] = []
    found: list[BadPixels] = []
    has_header = False
    for number, line in enumerate(text.split("\n"), 1):
        values = line.partition("#")[0].split()
        if not values:
            continue
        if [value.lower() for value in values] == ["x", "y", "flag"] and not has_header:
            has_header = True
            continue
        if len(values) != 3:
            problems.append(f"line {number} is {line.strip()[:60]!r}, expected x y flag")
            continue
        x, y = (
            _range(value, axis, (path, number), options, problems)
            for axis, value in enumerate(values[:2])
        )
        flag = values[2].upper()
        if flag not in known:
            problems.append(f"line {number}: {values[2][:60]} is no flag of the pixel plane")
        elif x is not None and y is not None:
            entry = {"x": x, "y": y, "flags": (flag,), "source": "jwst_reffiles"}
            found.append(BadPixels.from_mapping(entry, is_valid=True))
    ConvertError.check_none([f"{path}: {problem}" for problem in problems])
    return found


def _range(
    text: str, axis: int, where: tuple[Path, int], options: ConvertOptions, problems: list[str]
) -> int | tuple[int, int] | str | None:
    """Return columns or rows: a number, both ends, or all; None, and a problem, if it is none."""
    path, number = where
    if text == ":":
        return ALL
    match = re.fullmatch(r"(\d{0,9}):(\d{0,9})|(\d{1,9})", text, re.ASCII)
    if match is None:
        problems.append(
            f"line {number} has {text[:60]!r}, expected a number or a range such as 3:5"
        )
        return None
    if match[3]:
        return int(match[3])
    first = int(match[1] or 0)
    if match[2]:
        last = int(match[2])
    else:
        ny, nx = options.image_shape_for(path, f"line {number} has the range {text}")
        last = (nx, ny)[axis] - 1
    if last < first:
        problems.append(f"line {number} has {text!r}, expected a range that goes up")
        return None
    return first, last


def _read(source: Path, options: ConvertOptions) -> Content:
    return Content(options.empty(*read_flag_file(read_text(source), source, options)))


def _write(_: RegionFile, output: Path, __: ConvertOptions) -> Converted:
    raise ConvertError(f"{output}: flag files are read, not written; take ecsv, ds9 or mask")


FORMAT = Format("flags", (), _read, _write)
