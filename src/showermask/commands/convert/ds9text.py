"""The text of DS9 region files: what it says, and what of it is not taken."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["HEADER", "LARGEST", "Ds9Text"]

#: What begins a comment line of ours; JSON follows.
HEADER = "# showermask "
#: Shapes, and how many numbers each has.
_SHAPES = {
    "circle": {3},
    "ellipse": {5, 7},
    "box": {5, 7},
    "annulus": {4},
    "point": {2},
    "polygon": set(range(6, 2002, 2)),
}
_SKY = {
    *("fk4", "fk5", "icrs", "galactic", "ecliptic", "j2000", "b1950", "wcs", "linear"),
    *(f"wcs{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"),
}
_OTHER_FRAMES = {"physical", "detector", "amplifier"}
#: What DS9 draws and writes as comments.
_ANNOTATION = re.compile(
    r"#\s*(text|vector|ruler|compass|projection|segment|composite|b?panda|epanda)\s*\(",
    re.IGNORECASE,
)
_INSIDE_GLOBAL = re.compile(r"\b(include\s*=\s*0|(?:-?[a-z]+)\s*\()", re.IGNORECASE)
#: The largest number, of pixels or degrees, that is taken.
LARGEST = 1e9
_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
_SHAPE = re.compile(r"([-+!]?)\s*([A-Za-z]\w*)\s*\(?([^()#]*)\)?\s*(#.*)?$", re.DOTALL)


class Ds9Text:
    """The text of a DS9 region file."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.header: dict[str, Any] = {}
        self.pixels: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self._has_frame = False

    def shapes(self) -> Iterator[tuple[int, str]]:
        """Yield the shapes in image coordinates, each with its line; fill the attributes."""
        for number, line in enumerate(self.text.split("\n"), 1):
            if line.startswith(HEADER):
                self._read_header(number, line)
                continue
            for part in _split(line):
                if self._is_shape(number, part):
                    yield number, part
            if self.problems and not self._has_frame:
                return  # all that follows would be as wrong

    def _is_shape(self, number: int, part: str) -> bool:
        """Tell whether a statement is a shape that can be converted; if not, why."""
        if part.startswith("#"):
            if _ANNOTATION.match(part):
                self._refuse(number, f"{part[:40]!r} is no shape with pixels inside")
            return False
        match = re.match(r"[-+!]?\s*(\w*)", part)
        word = match[1].lower() if match else ""
        if word == "global":
            if _INSIDE_GLOBAL.search(part):
                self._refuse(number, f"{part[:40]!r} is more than defaults for what follows")
            return False
        if word == "image":
            self._has_frame = True
            rest = part[len(word) :].strip()
            if rest:
                self._refuse(number, f"{part[:40]!r} is more than a coordinate system; use a ;")
        if word == "image" or not part:
            return False
        reason = _why_no_frame(word, is_first=not self._has_frame)
        if reason is not None:
            self._has_frame = False
        else:
            reason = _why_no_shape(part, word)
        if reason is not None:
            self._refuse(number, reason)
        return reason is None

    def _read_header(self, number: int, line: str) -> None:
        try:
            found = json.loads(line.removeprefix(HEADER))
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            self._refuse(number, f"begins as one of ours, but is not whole: {line[:60]!r}")
        elif "pixels" in found:
            self.pixels.append(found["pixels"])
        else:
            self.header.update(found)

    def _refuse(self, number: int, reason: str) -> None:
        self.problems.append(f"line {number}: {reason}")


def _split(line: str) -> list[str]:
    """Split a line at semicolons that are in no braces or quotes, and not behind a #."""
    parts, start, closing, is_comment = [], 0, "", False
    for i, character in enumerate(line):
        is_comment = is_comment or character == "#"
        if closing:
            closing = "" if character == closing else closing
        elif character in "{\"'":
            closing = "}" if character == "{" else character
        elif character == ";" and not is_comment:
            parts.append(line[start:i].strip())
            start = i + 1
    return [*parts, line[start:].strip()]


def _why_no_frame(word: str, *, is_first: bool) -> str | None:
    """Tell why what a statement sets, or lacks, is no coordinate system to be taken."""
    if word in _SKY:
        return (
            f"is in {word}, sky coordinates, for which ramps and rates have no WCS; "
            "save the regions in image coordinates"
        )
    if word in _OTHER_FRAMES:
        return f"is in {word} coordinates; save the regions in image ones"
    if is_first:
        return (
            "comes before any coordinate system, which in DS9 means physical; "
            "save the regions in image coordinates"
        )
    return None


def _why_no_shape(part: str, word: str) -> str | None:
    """Tell why a statement can't be converted."""
    match = _SHAPE.match(part)
    shape, _, properties = part.partition("#")
    if word not in _SHAPES or match is None or shape.count("(") != shape.count(")"):
        return f"{part[:40]!r} can't be converted, expected {', '.join(_SHAPES)}"
    if match[1] in ("-", "!") or re.search(r"\binclude\s*=\s*0", properties):
        return f"{part[:40]!r} excludes pixels, which a region file can't; draw what is masked"
    if properties.count("{") != properties.count("}") or re.search(r"\{[^}]*\{", properties):
        return "has braces within braces, which DS9 does not read back; take them out of the text"
    return _why_no_numbers(word, match[3])


def _is_number(text: str) -> bool:
    """Tell whether a text is a number that pixels or degrees may have."""
    return bool(_NUMBER.fullmatch(text)) and abs(float(text)) <= LARGEST


def _why_no_numbers(word: str, text: str) -> str | None:
    """Tell why what is in brackets can't be the numbers of a shape."""
    numbers = [value for value in re.split(r"[,\s]+", text) if value]
    bad = [value for value in numbers if not _is_number(value)]
    if bad:
        return f"{word} has {bad[0][:40]!r}, expected numbers of pixels or degrees, at most 1e9"
    if len(numbers) not in _SHAPES[word]:
        counts = " or ".join(map(str, sorted(_SHAPES[word])[:2]))
        return f"{word} has {len(numbers)} numbers, expected {counts}"
    return None
