"""Region files as DS9 region files, which count pixels from 1 and have no integrations.

Shapes go through the ``regions`` package. What DS9 has no place for is in tags, such as
``tag={group 12}``; the comment is the text where braces allow it. Numbers that DS9's decimals
would change are kept in a tag too, and count as long as nobody has moved the shape.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
from astropy import units
from numpy.typing import NDArray
from regions import (
    CirclePixelRegion,
    EllipsePixelRegion,
    PixCoord,
    PointPixelRegion,
    RectanglePixelRegion,
    Regions,
)

from showermask.convert.context import Context
from showermask.convert.ds9text import HEADER, LARGEST, Ds9Text
from showermask.entry import Status
from showermask.exceptions import ConvertError, EntryError
from showermask.pixels import PixelRegion, ranges_of
from showermask.regionfile import RegionFile, regions_of_tree

__all__ = ["read_ds9", "write_ds9"]

_COLOURS = {"accepted": "green", "candidate": "yellow", "rejected": "red"}
_TAGGED = ("integration", "group", "last_group", "status", "flags", "source", "score", "comment")
_GEOMETRY = ("x", "y", "a", "b", "theta")
_CLOSE = 1e-4  # pixels and degrees: nearer than this, a shape was not moved
_DECIMALS = 6
_TEXT = re.compile(r"""\btext\s*=\s*(?:\{([^}]*)\}|"([^"]*)"|'([^']*)')""")
_LARGEST = 10  # times the frame
_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)


def write_ds9(regions: RegionFile) -> str:
    """Return a region file as DS9 regions, in image coordinates.

    Parameters
    ----------
    regions : RegionFile
        The region file. Masks in files, and whole columns and rows, are kept in comment lines.

    Returns
    -------
    str
        The DS9 region file, ASCII.

    Raises
    ------
    ConvertError
        When DS9 can't hold a shape.
    """
    tree = regions.to_tree()
    header = {key: value for key, value in tree.items() if key not in ("showers", "pixels")}
    lines = ["# Region file format: DS9", HEADER + json.dumps(header), "image"]
    for position, shower in enumerate(regions.showers):
        line = _drawn(
            EllipsePixelRegion(
                PixCoord(shower.x, shower.y), 2 * shower.a, 2 * shower.b, shower.theta * units.deg
            )
        )
        exact = [getattr(shower, name) for name in _GEOMETRY]
        if max(map(abs, exact)) > LARGEST / 2:
            raise ConvertError(
                f"showers[{position}]: {shower.place} has numbers beyond {LARGEST / 2:g}, which "
                "are not read back from DS9"
            )
        try:
            (shape,) = _parsed(line)
            found = [_shower_geometry(shape)[name] for name in _GEOMETRY]
        except (ConvertError, ValueError) as error:
            raise ConvertError(
                f"showers[{position}]: {shower.place} can't be written for DS9 ({error})"
            ) from error
        extra = [] if found == exact else ["exact " + " ".join(map(repr, exact))]
        lines.append(line + _properties(shower.to_mapping(), extra))
    for region in regions.pixels:
        box = _box(region)
        if box is None:
            lines.append(HEADER + json.dumps({"pixels": region.to_mapping()}))
        else:
            lines.append(_drawn(box) + _properties(region.to_mapping(), ["pixels"]))
    return "\n".join(lines) + "\n"


def _drawn(shape: Any) -> str:
    text: str = Regions([shape]).serialize(format="ds9", precision=_DECIMALS)
    return text.strip().splitlines()[-1].strip()


def _box(region: PixelRegion) -> RectanglePixelRegion | None:
    """Return the rectangle of a pixel region; None where it has none."""
    ends = []
    for value in (region.x, region.y):
        if value is None or isinstance(value, str):
            return None
        ends.append(value if isinstance(value, tuple) else (value, value))
    (x0, x1), (y0, y1) = ends
    return RectanglePixelRegion(PixCoord((x0 + x1) / 2, (y0 + y1) / 2), x1 - x0 + 1, y1 - y0 + 1)


def _properties(entry: dict[str, Any], extra: Sequence[str]) -> str:
    """Return what follows a shape: colour, text and tags."""
    status = entry.get("status", "accepted")
    parts = [f"color={_COLOURS[status]}"]
    comment = entry.get("comment")
    if comment is not None and _is_plain(comment):
        parts.append(f"text={{{comment}}}")
    tags = list(extra)
    for name in _TAGGED:
        value = entry.get(name)
        if value is None or (name == "comment" and _is_plain(value)):
            continue
        values = value if isinstance(value, list) else [value]
        written = [quote(v, safe="") if isinstance(v, str) else repr(v) for v in values]
        tags.append(" ".join([name, *written]))
    return " # " + " ".join([*parts, *(f"tag={{{tag}}}" for tag in tags)])


def _is_plain(text: str) -> bool:
    """Tell whether DS9 and others read a text in braces as it is."""
    return bool(re.fullmatch(r"[\w.,:;/+*?!()' -]*[\w.,:/+*?!()'-]", text, re.ASCII)) and (
        text == text.strip()
    )


def read_ds9(text: str, path: Path, context: Context) -> RegionFile:
    """Read DS9 regions in image coordinates.

    Ellipses and circles become showers, all other shapes pixels.

    Parameters
    ----------
    text : str
        The DS9 region file.
    path : `~pathlib.Path`
        Where it is from: for messages, and where mask files are seen from.
    context : Context
        Integration and groups of shapes that have no tags; the frame, for polygons and annuli.

    Returns
    -------
    RegionFile
        The regions.

    Raises
    ------
    ConvertError
        When anything can't be converted, with all of that; nothing is left out silently.
    """
    source = Ds9Text(text)
    showers: list[dict[str, Any]] = []
    pixels = source.pixels  # the text adds to it too, in its order
    for number, line in source.shapes():
        try:
            (shape,) = _parsed(line)
            _convert(shape, _said(shape, line), context, showers, pixels, path)
        except (ConvertError, EntryError) as error:
            source.problems += [f"line {number}: {problem}" for problem in error.problems]
    ConvertError.raise_if([f"{path}: {problem}" for problem in source.problems])
    tree = {**context.empty().to_tree(), **source.header, "showers": showers}
    tree.pop("format")
    if pixels:
        tree["pixels"] = pixels
    return regions_of_tree(tree, path)


def _parsed(line: str) -> list[Any]:
    """Return the shapes that ``regions`` reads of a line: all of it, or an error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            shapes = list(Regions.parse(f"image\n{line}\n", format="ds9"))
        except Exception as error:
            raise ConvertError(f"{line[:40]!r} can't be read ({error})") from error
    if caught or len(shapes) != 1:
        reason = str(caught[0].message) if caught else f"{len(shapes)} shapes"
        raise ConvertError(f"{line[:40]!r} can't be read ({reason})")
    return shapes


def _convert(
    shape: Any,
    said: dict[str, Any],
    context: Context,
    showers: list[dict[str, Any]],
    pixels: list[dict[str, Any]],
    path: Path,
) -> None:
    """Add the entry that a shape means."""
    exact = said.pop("exact", None)
    is_ours = said.pop("pixels", None) is not None
    times: dict[str, Any] = {k: v for k, v in context.times.items() if k not in said}
    if isinstance(shape, EllipsePixelRegion | CirclePixelRegion):
        geometry = _shower_geometry(shape)
        if exact is not None and all(
            math.isclose(geometry[name], exact[name], abs_tol=_CLOSE) for name in _GEOMETRY
        ):
            geometry = exact
        missing = [name for name in ("integration", "group") if name not in {**times, **said}]
        if missing:
            raise ConvertError(
                f"has no {' and '.join(missing)}; give "
                f"{' and '.join(f'--{name}' for name in missing)}, or tags such as tag={{group 12}}"
            )
        showers.append({**times, **geometry, **said})
        return
    place = _rectangle(shape)
    if place is not None:
        pixels.append({**place, **({} if is_ours else times), **said})
        return
    frame = context.need_frame(path, f"{type(shape).__name__} becomes pixels")
    found = (PixelRegion(x=x, y=y, **times, **said) for x, y in ranges_of(_mask(shape, frame)))
    pixels.extend(region.to_mapping() for region in found)


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


def _exact(values: list[str]) -> dict[str, float] | None:
    numbers = _numbers(values) or []
    return dict(zip(_GEOMETRY, numbers, strict=True)) if len(numbers) == len(_GEOMETRY) else None


def _score(values: list[str]) -> float | None:
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
    "score": _score,
    "comment": " ".join,
    "exact": _exact,
    "pixels": lambda values: None if values else True,
}


def _shower_geometry(shape: EllipsePixelRegion | CirclePixelRegion) -> dict[str, float]:
    if isinstance(shape, CirclePixelRegion):
        a = b = float(shape.radius)
        theta = 0.0
    else:
        a, b = float(shape.width) / 2, float(shape.height) / 2
        theta = float(shape.angle.to_value(units.deg))
    return {"x": float(shape.center.x), "y": float(shape.center.y), "a": a, "b": b, "theta": theta}


def _rectangle(shape: Any) -> dict[str, Any] | None:
    """Return the columns and rows of a point, or of a box along the pixels' edges."""
    if isinstance(shape, PointPixelRegion):
        return {
            "x": math.floor(shape.center.x + 0.5),
            "y": math.floor(shape.center.y + 0.5),
        }
    if not isinstance(shape, RectanglePixelRegion) or shape.angle.to_value(units.deg) != 0:
        return None
    place: dict[str, Any] = {}
    for name, centre, size in (
        ("x", shape.center.x, shape.width),
        ("y", shape.center.y, shape.height),
    ):
        first, last = centre - (size - 1) / 2, centre + (size - 1) / 2
        if any(abs(edge - round(edge)) > _CLOSE for edge in (first, last)) or first < 0:
            return None
        place[name] = round(first) if round(first) == round(last) else [round(first), round(last)]
    return place


def _mask(shape: Any, frame: tuple[int, int]) -> NDArray[np.bool_]:
    height, width = shape.bounding_box.shape
    if max(height, width) > _LARGEST * max(frame):
        raise ConvertError(f"is {width} × {height} pixels large, the frame {frame[1]} × {frame[0]}")
    image = shape.to_mask(mode="center").to_image(frame)
    if image is None or not image.any():
        raise ConvertError("has no pixel of the frame inside")
    mask: NDArray[np.bool_] = image > 0
    return mask
