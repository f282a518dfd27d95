"""Lists that people keep: the original tool's showers, pixels, manual flags."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from showermask.convert.context import Context
from showermask.exceptions import ConvertError, EntryError
from showermask.exposure import Product, known_flags
from showermask.pixels import ALL, PixelRegion
from showermask.shower import Shower

__all__ = ["read_flag_file", "read_pixel_list", "read_tool_list", "write_tool_list"]

_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_WRAPPED = re.compile(r"np\.(?:float|int)\d+\(([^()]*)\)")
_TUPLE = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
#: A line that is neither empty, nor a comment, nor a pair of whole numbers.
_NO_PAIR = re.compile(
    r"^(?![ \t\r]*(?:\d{1,9}[, \t]+\d{1,9}[ \t\r]*)?(?:#.*)?$).*$", re.MULTILINE | re.ASCII
)
_TOOL_VALUES = ("x", "y", "a", "b", "theta", "int", "group")


def read_tool_list(text: str, path: Path, context: Context) -> list[Shower]:
    """Read what the original tool prints: tuples of x, y, a, b, theta, integration and group.

    Parameters
    ----------
    text : str
        Tuples of seven numbers, in a list or not; all indices zero-based, theta in degrees. The
        tool masked ``a`` and ``b`` as semi-axes, and drew them as full widths.
    path : `~pathlib.Path`
        Where it is from, for messages.
    context : Context
        Says whether what was drawn counts.

    Returns
    -------
    list of Shower
        The showers, each to the end of its integration.

    Raises
    ------
    ConvertError
        When anything else is in the text.
    """
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
    found: list[Shower] = []
    if not plain.strip("[]() \t\r\n"):
        return found
    for number, match in enumerate(_TUPLE.finditer(plain)):
        values = [value.strip() for value in match[1].removesuffix(",").split(",")]
        is_good = len(values) == len(_TOOL_VALUES)
        if not is_good or not all(re.fullmatch(_NUMBER, value) for value in values):
            raise ConvertError(
                f"{path}: tuple {number} is ({match[1][:80]}), expected seven numbers "
                f"({', '.join(_TOOL_VALUES)})"
            )
        x, y, a, b, theta, integration, group = map(float, values)
        where = f"{path}: line {plain.count(chr(10), 0, match.start()) + 1}: tuple {number}"
        if not all(is_whole_number(value) for value in (integration, group)):
            raise ConvertError(
                f"{where} has no whole integration and group: found {values[5][:40]} and "
                f"{values[6][:40]}, expected whole numbers, 0 or more"
            )
        scale = 0.5 if context.is_drawn_size else 1.0
        try:
            found.append(
                Shower(
                    integration=int(integration),
                    group=int(group),
                    x=x,
                    y=y,
                    a=a * scale,
                    b=b * scale,
                    theta=theta,
                    source="MIRI ShowerMasking",
                )
            )
        except EntryError as error:
            raise ConvertError(*(f"{where}: {problem}" for problem in error.problems)) from error
    return found


def is_whole_number(value: float) -> bool:
    """Tell whether a number can be an index.

    Parameters
    ----------
    value : float
        Any number.

    Returns
    -------
    bool
        Whether it is whole, not negative and not absurdly large.
    """
    return 0 <= value < 1e9 and value % 1 == 0


def write_tool_list(showers: list[Shower]) -> str:
    """Write showers as the original tool prints them.

    Parameters
    ----------
    showers : list of Shower
        What to write; the tool masks to the end of an integration, whatever ``last_group`` is.

    Returns
    -------
    str
        A list of tuples.
    """
    rows = [(s.x, s.y, s.a, s.b, s.theta, s.integration, s.group) for s in showers]
    return "[" + ",\n ".join(map(repr, rows)) + "]\n"


def read_pixel_list(text: str, path: Path, context: Context) -> np.ndarray[Any, Any]:
    """Read a list of pixels, ``x y`` in each line; # begins a comment.

    Parameters
    ----------
    text : str
        The list.
    path : `~pathlib.Path`
        Where it is from, for messages.
    context : Context
        Says the index of the first pixel, which the list does not.

    Returns
    -------
    `numpy.ndarray`
        ``(n, 2)`` int: columns and rows, zero-based.

    Raises
    ------
    ConvertError
        When it is no such list, or the origin is not given.
    """
    if context.origin is None:
        raise ConvertError(
            f"{path}: does not say whether the first pixel is 0 or 1; give --origin 0 or --origin 1"
        )
    if _NO_PAIR.search(text):
        lines = text.split("\n")
        line = next(line for line in lines if _NO_PAIR.match(line))
        number = lines.index(line) + 1
        raise ConvertError(
            f"{path}: line {number} is {line.strip()[:60]!r}, expected two whole numbers, x y"
        )
    numbers = re.sub(r"#.*", "", text).replace(",", " ")
    pixels = np.array(numbers.split(), dtype=np.int64).reshape(-1, 2) - context.origin
    if pixels.size and pixels.min() < 0:
        raise ConvertError(f"{path}: has pixels below {context.origin}, the origin that is given")
    return pixels


def read_flag_file(text: str, path: Path, context: Context) -> list[PixelRegion]:
    """Read a manual flag file of jwst_reffiles: columns x, y and flag.

    Parameters
    ----------
    text : str
        Lines of ``x y flag``, zero-based: a number, an inclusive range ``350:352``, ``2030:``,
        ``:10`` or ``:``; flags in any case.
    path : `~pathlib.Path`
        Where it is from, for messages.
    context : Context
        Gives the frame, where ranges have no end.

    Returns
    -------
    list of PixelRegion
        One for each line, with its flag.

    Raises
    ------
    ConvertError
        With all that is wrong.
    """
    known = {name for name, value in known_flags(Product.IMAGE).items() if value}
    problems: list[str] = []
    found: list[PixelRegion] = []
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
            _range(value, axis, (path, number), context, problems)
            for axis, value in enumerate(values[:2])
        )
        flag = values[2].upper()
        if flag not in known:
            problems.append(f"line {number}: {values[2][:60]} is no flag of the pixel plane")
        elif x is not None and y is not None:
            found.append(PixelRegion(x=x, y=y, flags=(flag,), source="jwst_reffiles"))
    ConvertError.raise_if([f"{path}: {problem}" for problem in problems])
    return found


def _range(
    text: str, axis: int, where: tuple[Path, int], context: Context, problems: list[str]
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
        ny, nx = context.need_frame(path, f"line {number} has the range {text}")
        last = (nx, ny)[axis] - 1
    if last < first:
        problems.append(f"line {number} has {text!r}, expected a range that goes up")
        return None
    return first, last
