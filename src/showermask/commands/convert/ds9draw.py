"""Write region files as DS9 regions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from astropy import units
from regions import EllipsePixelRegion, PixCoord, PolygonPixelRegion, RectanglePixelRegion, Regions

from showermask.commands.convert.ds9shapes import GEOMETRY, numbers_of, parsed
from showermask.commands.convert.ds9text import HEADER, LARGEST
from showermask.exceptions import ConvertError
from showermask.regionfile.badpixels import BadPixels
from showermask.regionfile.content import SECTIONS, RegionFile

__all__ = ["write_ds9"]

_COLOURS = {"accepted": "green", "candidate": "yellow", "rejected": "red"}
_TAGGED = (
    "integration", "group", "last_group", "status", "flags", "source", "score",
    "action", "probability", "kind", "comment",
)  # fmt: skip
_DECIMALS = 6


def write_ds9(region_file: RegionFile) -> str:
    """Return a region file as DS9 regions, in image coordinates.

    Masks in files, and whole columns and rows, are kept in comment lines.
    """
    tree = region_file.to_tree()
    header = {key: value for key, value in tree.items() if key not in SECTIONS}
    lines = ["# Region file format: DS9", HEADER + json.dumps(header), "image"]
    for entry in region_file.entries:
        try:
            drawn = _DRAWN[entry.SECTION](entry)
        except (ConvertError, ValueError) as error:
            raise ConvertError(
                f"{region_file.key_of(entry)}: {entry.location} can't be written for DS9 ({error})"
            ) from error
        if drawn is None:
            lines.append(HEADER + json.dumps({entry.SECTION: entry.to_mapping()}))
        else:
            line, extra = drawn
            lines.append(line + _properties(entry.to_mapping(), extra))
    return "\n".join(lines) + "\n"


def _line(shape: Any) -> str:
    text: str = Regions([shape]).serialize(format="ds9", precision=_DECIMALS)
    return text.strip().splitlines()[-1].strip()


def _drawn_exactly(shape: Any, exact: list[float]) -> tuple[str, list[str]]:
    """Return the line of a shape, and its numbers as a tag where DS9's decimals change them."""
    if max(map(abs, exact)) > LARGEST / 2:
        raise ConvertError(f"numbers beyond {LARGEST / 2:g} are not read back")
    line = _line(shape)
    (read,) = parsed(line)
    is_kept = numbers_of(read) == exact
    return line, [] if is_kept else ["exact " + " ".join(map(repr, exact))]


def _draw_shower(shower: Any) -> tuple[str, list[str]]:
    shape = EllipsePixelRegion(
        PixCoord(shower.x, shower.y), 2 * shower.a, 2 * shower.b, shower.theta * units.deg
    )
    return _drawn_exactly(shape, [getattr(shower, name) for name in GEOMETRY])


def _draw_polygon(polygon: Any) -> tuple[str, list[str]]:
    corners = polygon.outline()
    shape = PolygonPixelRegion(PixCoord(corners[:, 0], corners[:, 1]))
    return _drawn_exactly(shape, corners.ravel().tolist())


def _draw_pixels(region: Any) -> tuple[str, list[str]] | None:
    box = _box(region)
    return None if box is None else (_line(box), ["pixels"])


_DRAWN: Mapping[str, Callable[[Any], tuple[str, list[str]] | None]] = {
    "showers": _draw_shower,
    "pixels": _draw_pixels,
    "polygons": _draw_polygon,
}


def _box(region: BadPixels) -> RectanglePixelRegion | None:
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
