"""Region files as DS9 region files, which count pixels from 1 and have no integrations.

Shapes go through the ``regions`` package. What DS9 has no place for is in tags, such as
``tag={group 12}``; the comment is the text where braces allow it. Numbers that DS9's decimals
would change are kept in a tag too, and count as long as nobody has moved the shape. The text itself
is read by `Ds9Text`: ``regions`` alone misreads or takes 18 of 24 inputs that are refused here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from astropy import units
from numpy.typing import NDArray
from regions import (
    CirclePixelRegion,
    EllipsePixelRegion,
    PointPixelRegion,
    PolygonPixelRegion,
    RectanglePixelRegion,
)

from showermask.commands.convert.ds9draw import write_ds9
from showermask.commands.convert.ds9shapes import GEOMETRY, numbers_of, parsed
from showermask.commands.convert.ds9text import Ds9Text
from showermask.commands.convert.format import Content, Converted, Format, read_text, write_text
from showermask.commands.convert.options import ConvertOptions
from showermask.exceptions import ConvertError, EntryError, PolygonError
from showermask.regionfile.badpixels import ranges_of
from showermask.regionfile.content import SECTIONS, RegionFile
from showermask.regionfile.entry import Status
from showermask.regionfile.polygon import Polygon
from showermask.regionfile.reader import regions_of_tree
from showermask.regionfile.strictyaml import MAX_PROBLEMS

__all__ = ["FORMAT", "read_ds9", "write_ds9"]

_CLOSE = 1e-4  # pixels and degrees: nearer than this, a shape was not moved
_TEXT = re.compile(r"""\btext\s*=\s*(?:\{([^}]*)\}|"([^"]*)"|'([^']*)')""")
_LARGEST = 10  # times the frame
_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)


def read_ds9(text: str, path: Path, options: ConvertOptions) -> RegionFile:
    """Read DS9 regions in image coordinates; raise `ConvertError` with all that can't be read.

    Ellipses and circles become showers, polygons with a group polygons, all other shapes pixels.
    """
    source = Ds9Text(text)
    entries: dict[str, list[dict[str, Any]]] = {name: [] for name in SECTIONS}
    entries["pixels"] = source.pixels  # the text adds to it too, in its order
    for number, line in source.shapes():
        try:
            (shape,) = parsed(line)
            _convert(shape, _said(shape, line), options, entries, path)
        except (ConvertError, EntryError) as error:
            source.problems += [f"line {number}: {problem}" for problem in error.problems]
        if len(source.problems) > MAX_PROBLEMS:
            source.problems[MAX_PROBLEMS:] = ["… and more problems"]
            break
    ConvertError.check_none([f"{path}: {problem}" for problem in source.problems])
    tree = {**options.empty().to_tree(), **source.header}
    tree |= {name: listed for name, listed in entries.items() if listed or name == "showers"}
    tree.pop("format")
    return regions_of_tree(tree, path)


def _convert(
    shape: Any,
    said: dict[str, Any],
    options: ConvertOptions,
    entries: dict[str, list[dict[str, Any]]],
    path: Path,
) -> None:
    """Add the entry that a shape means."""
    exact = said.pop("exact", None)
    is_ours = said.pop("pixels", None) is not None
    times: dict[str, Any] = {k: v for k, v in options.times.items() if k not in said}
    is_ellipse = isinstance(shape, EllipsePixelRegion | CirclePixelRegion)
    is_polygon = isinstance(shape, PolygonPixelRegion) and "group" in {**times, **said}
    if is_ellipse or is_polygon:
        numbers = numbers_of(shape)
        if (
            exact is not None
            and len(exact) == len(numbers)
            and np.allclose(numbers, exact, rtol=1e-9, atol=_CLOSE)
        ):
            numbers = exact
        _check_times({**times, **said})
        if is_ellipse:
            geometry: dict[str, Any] = dict(zip(GEOMETRY, numbers, strict=True))
        else:
            geometry = {"vertices": [numbers[i : i + 2] for i in range(0, len(numbers), 2)]}
            PolygonError.check_none(
                [f"{name} {text}" for name, text in Polygon.relations(geometry)]
            )
        entries["showers" if is_ellipse else "polygons"].append({**times, **geometry, **said})
        return
    ranges = _rectangle(shape)
    if ranges is not None:
        entries["pixels"].append({**ranges, **({} if is_ours else times), **said})
        return
    image_shape = options.image_shape_for(path, f"{type(shape).__name__} becomes pixels")
    for ends in ranges_of(_mask(shape, image_shape)):
        x, y = (list(end) if isinstance(end, tuple) else end for end in ends)
        entries["pixels"].append({"x": x, "y": y, **times, **said})


def _check_times(given: dict[str, Any]) -> None:
    """Refuse a shape without integration or group."""
    missing = [name for name in ("integration", "group") if name not in given]
    if missing:
        raise ConvertError(
            f"has no {' and '.join(missing)}; give "
            f"{' and '.join(f'--{name}' for name in missing)}, or tags such as tag={{group 12}}"
        )


def _said(shape: Any, line: str) -> dict[str, Any]:
    """Return what text and tags of a shape say.

    The text is taken from the line: ``regions`` makes numbers of texts that look like them.
    """
    said: dict[str, Any] = {}
    others: list[str] = []
    for tag in shape.meta.get("tag", []):
        name, space, rest = tag.partition(" ")
        is_ours = bool(space) or name == "pixels"
        values = [unquote(value) for value in rest.split()]
        value = _TAGS[name](values) if is_ours and name in _TAGS else None
        if value is None:
            others.append(tag)  # the user's own
        elif name in said:
            raise ConvertError(f"has several tags {name}, expected one")
        else:
            said[name] = value
    if not said:
        said["source"] = "ds9"  # nothing of ours: somebody drew it
    text = _TEXT.search(line)
    texts = [next(part for part in text.groups() if part is not None)] if text else []
    if texts or others:
        said["comment"] = "; ".join([*texts, *others])
    return said


_INDEX = re.compile(r"\d{1,9}", re.ASCII)


def _index(values: list[str]) -> int | None:
    return int(values[0]) if len(values) == 1 and _INDEX.fullmatch(values[0]) else None


def _numbers(values: list[str]) -> list[float] | None:
    return [float(value) for value in values] if all(map(_NUMBER.fullmatch, values)) else None


def _exact(values: list[str]) -> list[float] | None:
    """Return the numbers of an ellipse, or of the corners of a polygon."""
    numbers = _numbers(values) or []
    is_polygon = len(numbers) >= 6 and len(numbers) % 2 == 0
    return numbers if len(numbers) == len(GEOMETRY) or is_polygon else None


def _number(values: list[str]) -> float | None:
    numbers = _numbers(values) or []
    return numbers[0] if len(numbers) == 1 else None


#: What a tag of ours says, by its first word; None where it only begins like one of ours.
_TAGS: dict[str, Callable[[list[str]], Any]] = {
    "integration": _index,
    "group": _index,
    "last_group": _index,
    "status": lambda values: values[0] if len(values) == 1 and values[0] in set(Status) else None,
    "flags": lambda values: values or None,
    "source": " ".join,
    "score": _number,
    "action": " ".join,
    "probability": _number,
    "kind": " ".join,
    "comment": " ".join,
    "exact": _exact,
    "pixels": lambda values: None if values else True,
}


def _rectangle(shape: Any) -> dict[str, Any] | None:
    """Return the columns and rows of a point, or of a box along the pixels' edges."""
    if isinstance(shape, PointPixelRegion):
        return {
            "x": math.floor(shape.center.x + 0.5),
            "y": math.floor(shape.center.y + 0.5),
        }
    if not isinstance(shape, RectanglePixelRegion) or shape.angle.to_value(units.deg) != 0:
        return None
    ranges: dict[str, Any] = {}
    for name, centre, size in (
        ("x", shape.center.x, shape.width),
        ("y", shape.center.y, shape.height),
    ):
        first, last = centre - (size - 1) / 2, centre + (size - 1) / 2
        if any(abs(edge - round(edge)) > _CLOSE for edge in (first, last)) or first < 0:
            return None
        ranges[name] = round(first) if round(first) == round(last) else [round(first), round(last)]
    return ranges


def _mask(shape: Any, image_shape: tuple[int, int]) -> NDArray[np.bool_]:
    height, width = shape.bounding_box.shape
    if max(height, width) > _LARGEST * max(image_shape):
        raise ConvertError(
            f"is {width} × {height} pixels large, the frame {image_shape[1]} × {image_shape[0]}"
        )
    image = shape.to_mask(mode="center").to_image(image_shape)
    if image is None or not image.any():
        raise ConvertError("has no pixel of the frame inside")
    mask: NDArray[np.bool_] = image > 0
    return mask


def _read(source: Path, options: ConvertOptions) -> Content:
    return Content(read_ds9(read_text(source), source, options))


def _write(region_file: RegionFile, output: Path, _: ConvertOptions) -> Converted:
    try:
        text = write_ds9(region_file)
    except ConvertError as error:
        raise ConvertError(*(f"{output}: {problem}" for problem in error.problems)) from error
    write_text(output, text)
    return Converted.of(region_file, output)


FORMAT = Format("ds9", (".reg",), _read, _write)
