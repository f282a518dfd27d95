"""Lists of the original tool: tuples of x, y, a, b, theta, integration and group."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from showermask.commands.convert.format import Content, Converted, Format, read_text, write_text
from showermask.commands.convert.options import ConvertOptions
from showermask.exceptions import ConvertError, EntryError
from showermask.messages import counted
from showermask.regionfile.content import SECTIONS, RegionFile
from showermask.regionfile.shower import Shower

__all__ = ["FORMAT", "read_tool_list", "write_tool_list"]

_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_WRAPPED = re.compile(r"np\.(?:float|int)\d+\(([^()]*)\)")
_TUPLE = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
_TOOL_VALUES = ("x", "y", "a", "b", "theta", "int", "group")


def read_tool_list(text: str, path: Path, options: ConvertOptions) -> list[Shower]:
    """Read what the original tool prints: tuples of x, y, a, b, theta, integration and group."""
    plain = _WRAPPED.sub(r"\1", text)
    outside = _TUPLE.sub("", plain)
    if plain.count("(") != plain.count(")") or plain.count("[") != plain.count("]"):
        raise ConvertError(f"{path}: has brackets that are not closed")
    leftover = outside.replace("[", "").replace("]", "").replace(",", "").strip()
    if leftover:
        shown = leftover.split("\n")[0][:60]
        raise ConvertError(
            f"{path}: has {shown!r}, expected tuples of seven numbers ({', '.join(_TOOL_VALUES)})"
        )
    if not plain.strip("[]() \t\r\n"):
        return []
    return [
        _shower_of(match, f"{path}: line {plain.count(chr(10), 0, match.start()) + 1}", n, options)
        for n, match in enumerate(_TUPLE.finditer(plain))
    ]


def _shower_of(match: re.Match[str], where: str, number: int, options: ConvertOptions) -> Shower:
    """Return the shower that a tuple means."""
    values = [value.strip() for value in match[1].removesuffix(",").split(",")]
    is_good = len(values) == len(_TOOL_VALUES)
    if not is_good or not all(re.fullmatch(_NUMBER, value) for value in values):
        raise ConvertError(
            f"{where}: tuple {number} is ({match[1][:80]}), expected seven numbers "
            f"({', '.join(_TOOL_VALUES)})"
        )
    x, y, a, b, theta, integration, group = map(float, values)
    if not (_is_index(integration) and _is_index(group)):
        raise ConvertError(
            f"{where}: tuple {number} has no whole integration and group: found {values[5][:40]} "
            f"and {values[6][:40]}, expected whole numbers, 0 or more"
        )
    scale = 0.5 if options.is_drawn_size else 1.0
    try:
        return Shower(
            integration=int(integration),
            group=int(group),
            x=x,
            y=y,
            a=a * scale,
            b=b * scale,
            theta=theta,
            source="MIRI ShowerMasking",
        )
    except EntryError as error:
        problems = (f"{where}: tuple {number}: {problem}" for problem in error.problems)
        raise ConvertError(*problems) from error


def _is_index(value: float) -> bool:
    """Tell whether a number can be an index."""
    return 0 <= value < 1e9 and value % 1 == 0


def write_tool_list(showers: list[Shower]) -> str:
    """Write showers as the original tool prints them."""
    rows = [(s.x, s.y, s.a, s.b, s.theta, s.integration, s.group) for s in showers]
    return "[" + ",\n ".join(map(repr, rows)) + "]\n"


def _read(source: Path, options: ConvertOptions) -> Content:
    return Content(options.empty(*read_tool_list(read_text(source), source, options)))


def _write(region_file: RegionFile, output: Path, _: ConvertOptions) -> Converted:
    showers = [shower for shower in region_file.showers if shower.is_accepted]
    write_text(output, write_tool_list(showers))
    lost = [
        counted(len(region_file.section(name)), kind.NOUN)
        for name, kind in SECTIONS.items()
        if name != "showers" and region_file.section(name)
    ]
    others = len(region_file.showers) - len(showers)
    lost += [f"{counted(others, 'shower')}, not accepted"] if others else []
    if any(shower.last_group is not None for shower in showers):
        lost.append("last groups; the tool masks to the end")
    return Converted.of(replace(region_file, entries=tuple(showers)), output, lost=tuple(lost))


FORMAT = Format("tool", (), _read, _write, names_masks=False)
