"""Feed showermask with broken input, and tell what it does not stand.

Three parts: region files that are read and written again, conversions from and to other files, and
requests to the review application. A case is made from the seed and its number alone. Complaints:

crash
    Anything raised that is not a `ShowermaskError`; an answer of the server with status 500.
slow
    One operation that takes more than 2 s of processor time.
unclear
    A problem whose sentence has a line break or control character, is longer than 500 characters,
    or does not name the file (not asked of the server, which may list problems line by line).
wrong
    A result that is not what was promised: a round trip that changes something, a comment that is
    lost, files left behind by what was refused, a review that can't be saved or shown.

Run: python fuzz.py --region-files 20000 --conversions 20000 --requests 5000 --seed 1 --seconds 3000

A single case, with its input and traceback: python fuzz.py --seed 1 --only conversions:412
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import logging
import math
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from showermask import BadPixels, RegionFile, Shower, read_regions, write_regions
from showermask.commands.check.describe import describe_mask, describe_regions
from showermask.commands.convert.conversion import convert_file
from showermask.commands.convert.format import Converted
from showermask.commands.convert.options import ConvertOptions
from showermask.commands.review.app import make_app
from showermask.commands.review.exposures import Review
from showermask.commands.review.security import TOKEN_HEADER
from showermask.exceptions import ShowermaskError
from showermask.exposure.product import Exposure, describe_file
from showermask.masking.footprint import find_footprints, masked_pixels
from showermask.masking.mask import Mask
from showermask.regionfile.content import SECTIONS
from showermask.regionfile.entry import Status
from showermask.regionfile.lookup import find_work
from showermask.regionfile.polygon import Polygon
from showermask.synthetic.crds_cache import cache_environment
from showermask.synthetic.ramps import RampBuilder

T = TypeVar("T")

MOST_SECONDS = 2.0
MOST_CHARACTERS = 500
#: Seconds of processor time after which an operation is interrupted.
STUCK_SECONDS = 6.0
#: Bytes of address space; what needs more gets a `MemoryError`.
MOST_MEMORY = 8 * 1024**3
#: Requests to one review, which begins anew after them.
BLOCK = 200
SHAPE = (2, 20, 32, 40)
TOKEN = "secret"
KINDS = ("crash", "slow", "unclear", "wrong")
EXPOSURE = Path("x_jump.fits")
MASK = "m.fits"


# Judging


@dataclass(frozen=True)
class Complaint:
    """Something that is not as it should be: its kind, what cases have in common, and a detail."""

    kind: str
    what: str
    detail: str


@dataclass(frozen=True)
class Attempt(Generic[T]):
    """What came of an operation: whether it was done, and its value."""

    is_done: bool
    value: T | None = None


@dataclass
class Result:
    """What came of a case: its input, whether it was taken, and the complaints."""

    shown: str
    is_taken: bool = False
    complaints: list[Complaint] = field(default_factory=list)


class StuckError(BaseException):
    """Raised in an operation that takes too long; no handler of the project may catch it."""


class Watch:
    """Tries operations and keeps the complaints about them."""

    def __init__(self) -> None:
        self.complaints: list[Complaint] = []
        self.refusal = ""

    def complain(self, kind: str, what: str, detail: str = "") -> None:
        """Add a complaint."""
        self.complaints.append(Complaint(kind, what, detail))

    def do(self, label: str, action: Callable[[], T], *names: str) -> Attempt[T]:
        """Try an operation; its problems have to contain one of the names."""
        started = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, STUCK_SECONDS)
        try:
            value = action()
        except ShowermaskError as error:
            signal.setitimer(signal.ITIMER_PROF, 0)
            self.read_problems(label, error.problems, names)
            self.refusal = "; ".join(error.problems)[:1000]
            return Attempt(is_done=False)
        except StuckError:
            return Attempt(is_done=False)
        except Exception as error:  # noqa: BLE001  # which are what is looked for
            signal.setitimer(signal.ITIMER_PROF, 0)
            self.complain("crash", f"{label}: {_where(error)}", _trace(error))
            return Attempt(is_done=False)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            self.look_at_time(label, time.process_time() - started)
        return Attempt(is_done=True, value=value)

    def look_at_time(self, label: str, seconds: float) -> None:
        """Complain of an operation that took too long."""
        if seconds > MOST_SECONDS:
            self.complain("slow", label, f"{seconds:.1f} s")

    def read_problems(self, label: str, problems: Sequence[str], names: Sequence[str]) -> None:
        """Complain of sentences that are not clear."""
        for problem in problems:
            reasons = [*_unclear(problem)]
            if names and not any(name in problem for name in names):
                reasons.append("does not name the file")
            for reason in reasons:
                self.complain("unclear", f"{label}: {reason}: {_kind_of(problem)}", problem)


def _unclear(problem: str) -> Iterator[str]:
    """Tell why a sentence is not clear."""
    kinds = {unicodedata.category(character) for character in problem}
    if kinds & {"Zl", "Zp"} or "\n" in problem or "\r" in problem or "\x85" in problem:
        yield "has a line break"
    if "Cs" in kinds or any(
        unicodedata.category(c) == "Cc" and c not in "\n\r\x85" for c in problem
    ):
        yield "has a control character"
    if len(problem) > MOST_CHARACTERS:
        yield f"has more than {MOST_CHARACTERS} characters"


def _kind_of(problem: str) -> str:
    """Return what a sentence has in common with others of its kind."""
    known = re.search(
        r"is not a known key|appears twice|which is no path|can't be \w+(?: [a-z]+){0,4}"
        r"|found the tag|is no flag of the pixel plane|but the (?:exposure|frame) has"
        r"|is not understood|is not JSON|expected(?: [a-z]+){1,4}|is not there",
        problem,
    )
    if known is not None:
        return f"… {known.group()} …"
    plain = "".join(c if c.isprintable() else "?" for c in problem[:300])
    plain = re.sub(r"^\S*?[-/]\d+\S*:\s", "", plain)
    plain = re.sub(r"'[^']*'?|\"[^\"]*\"?", "'…'", plain)
    return re.sub(r"\d+", "0", plain)[:70]


def _where(error: BaseException) -> str:
    """Return the type of an error and where it was raised: in the project, and below."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [
        image_shape for image_shape in frames if "showermask" in Path(image_shape.filename).parts
    ]
    last = ours[-1] if ours else frames[-1]
    place = f"{Path(last.filename).name}:{last.lineno} in {last.name}"
    below = frames[-1]
    if below is not last:
        place += f", below {Path(below.filename).name} in {below.name}"
    return f"{type(error).__name__} at {place}"


def _trace(error: BaseException) -> str:
    """Return type, message and last frames of an error, with no path in it."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    steps = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames))
    return f"{type(error).__name__}: {str(error)[:200]!r} ({steps})"


# Values and mutations

# fmt: off
_NUMBERS: tuple[str, ...] = (
    "nan", ".nan", "NaN", "inf", ".inf", "-.inf", "-inf", "Infinity", "1e999", "-1.0e+999", "-0",
    "-0.0", str(10**20), str(2**31), str(2**63), "-1", "1e308", "5e-324", "1.0e-320", "9" * 5000,
    "0." + "1" * 5000,
    "9" * 20_000 + "x", "9" * 5000 + ".0", "010", "0x10", "0o7", "1_000", "1:30", "1e2", "1.5",
    "٣", "１２", "²", "+5", "--5", "5.", ".5", "1.7976931348623157e+308", "1,5", "999999999",
    "2147483647", "2147483646", "1e9", "4294967296", "0", "True", "1j",
)
_WORDS: tuple[str, ...] = (
    "null", "~", "yes", "true", "False", "[]", "{}", "[1, 2]", "{a: 1}", '""', "''", "all",
    "accepted", "maybe", "[all]", "2026-01-01", "showermask-9.9", "showermask-1.0", "x", "-",
    "[0, 1, 2]", "[5, 3]", "[[1], [2]]", "m.fits", "../m.fits", "/dev/null", "/dev/zero", ".",
    "[DO_NOT_USE]", "[1]", "HOT", "dO_nOt_UsE", "GOOD", "3:5", ":", "5:", ":5", "7:3", "::",
)
_TOKENS: tuple[str, ...] = (
    "&a ", "*a", "!!python/name:os.system ", "!!int ", "!x ", "<<: *a", "---\n", "...\n", "? ",
    "%YAML 1.2\n", "| ", ">-\n", "'", '"', "{", "}", "[", "]", "(", ")", "#", ": ", "- ", ",",
    "\t", "# showermask {}", '# showermask {"pixels": 5}', "# showermask [1]", "fk5\n", "image\n",
    ";", "physical\n", "global include=0\n", "-circle(1,2,3)\n", "text={", "tag={", " # ", "||",
    "+", "tag={exact 1 2 3 4 5} ", "tag={exact nan nan nan nan nan} ", "tag={group 5} ",
    "tag={pixels}", "tag={flags a b} ", "tag={integration 1e999} ", "tag={comment %0A%1B} ",
    "np.float64(", "\\", "include=0", "%zz", "meta: ", "datatype: ", "subtype: json",
    "- !!omap\n", "\n\n", "\r", "\r\n", '"showers": ', "showers: []\n", "pixels: []\n",
    "format: showermask-1.0\n", "reviewer: |2\n",
)
_CONTROLS: tuple[str, ...] = (
    "\0", "\a", "\b", "\x1b[31m", "\x7f", "\x85", "\x9b", "\u2028", "\u2029", "\ufeff", "\ufffe",
    "\u202e", "\x0b", "\x0c", "\x1c", "\u00a0", "\u0301", "\U0001f600", "\ufffd",
)
_ESCAPES: tuple[str, ...] = (
    r"\ud800", r"\udfff", r"\x1b", r"\0", r"\N", r"\L", r"\u2028", r"\n", r"\U00110000",
)
_TEXTS: tuple[str, ...] = (
    "glow", "a: b", "# none", "'", '"', "two\nlines", "a\tb", "", " ", "x ", " x", "a  b", "\\",
    "\u2028", "a\u2028b", "a\x85b", "\ufeff", "\a", "\x1b[31m", "é", "\U0001f600", "}", "{",
    "{x}", "007", "null", "yes", "~", "1e5", "%41", "text={x}", "| x", "- x", "? x", "!t", "&a",
    "*a", "a" * 3000, "\r\n", "\r", "\x7f", "\0", "end\n", "\n", "a # b", "=", "[x", '"x', "<b>",
    "#", "word " * 100, "a;b", "\ufffe", "tag={group 3}", "# showermask {}", "'x'", "None",
    "\n\n a\n",
)
_EXTREMES: tuple[float, ...] = (
    0.0, -0.0, 1e308, -1e308, 5e-324, 1e-7, 1e16, 1e22, 0.1 + 0.2, 123456789.12345679, -7e5,
)
_POSITIVE: tuple[float, ...] = (
    5e-324, 1e-9, 0.5, 1 / 3, 1e4, 1e16, 1e308, 1e-4, 300.25, 1.7976931348623157e308,
)
# fmt: on
_NUMBER = re.compile(rb"(?<![\w.])[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
_VALUE = re.compile(rb"(?<=[:,(\[=] )[^\s,)\]}][^\n,)\]}]*|(?<=[,(\[=:])[^\s,)\]}]+")


def _flipped(rng: Random, data: bytes) -> bytes:
    """Change a few bytes."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 3, 20))):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _lines(rng: Random, data: bytes) -> bytes:
    """Delete, duplicate, swap or join lines."""
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    first, second = rng.randrange(len(lines)), rng.randrange(len(lines))
    way = rng.randrange(5)
    if way == 0:
        del lines[first]
    elif way == 1:
        lines.insert(second, lines[first])
    elif way == 2:
        lines[first], lines[second] = lines[second], lines[first]
    elif way == 3:
        lines[first] = lines[first].rstrip(b"\n")
    else:
        lines[first] = b" " * rng.randrange(1, 5) + lines[first]
    return b"".join(lines)


def _put(rng: Random, data: bytes, pattern: re.Pattern[bytes], values: Sequence[str]) -> bytes:
    """Put one of some values where a pattern is found."""
    places = list(pattern.finditer(data, 0, 50_000))
    if not places:
        return data
    match = rng.choice(places)
    return data[: match.start()] + rng.choice(values).encode() + data[match.end() :]


def _number(rng: Random, data: bytes) -> bytes:
    """Change a number."""
    return _put(rng, data, _NUMBER, _NUMBERS)


def _value(rng: Random, data: bytes) -> bytes:
    """Change a value into one of another type."""
    return _put(rng, data, _VALUE, (*_WORDS, *_NUMBERS))


def _inserted(rng: Random, data: bytes, piece: bytes) -> bytes:
    place = rng.randrange(len(data) + 1)
    return data[:place] + piece + data[place:]


def _nested(rng: Random, data: bytes) -> bytes:
    """Put deep nesting where a value is."""
    depth = rng.choice((2, 5, 19, 25, 1000, 20_000))
    start, end = rng.choice((("[", "]"), ("{a: ", "}"), ("(", ")"), ("- ", ""), ('{"a":', "}")))
    text = start * depth + "1" + (end * depth if rng.random() < 0.7 else "")
    return _put(rng, data, _VALUE, (text,))


def _control(rng: Random, data: bytes) -> bytes:
    """Put in a control character, a line separator, or half of a surrogate pair."""
    if rng.random() < 0.15:
        return _inserted(rng, data, b"\xed\xa0\x80")
    return _inserted(rng, data, rng.choice(_CONTROLS).encode())


def _escaped(rng: Random, data: bytes) -> bytes:
    """Put a text with an escape where a value is."""
    return _put(rng, data, _VALUE, [f'"a{escape}b"' for escape in _ESCAPES])


def _key(rng: Random, data: bytes) -> bytes:
    """Change a key: a tab or control character in it, another type, or far too long."""
    texts = (
        "a\tb",
        '"a\\x1bb"',
        '"a\\nb"',
        "k" * 5000,
        "1",
        "null",
        "? [1, 2]\n",
        "1.5",
        "x",
        "<<",
    )
    pattern = re.compile(rb"[A-Za-z_]+(?=:\s)")
    return _put(rng, data, pattern, (*texts, '"\\ud800"', "y", "mask", "score", '""', "group"))


def _token(rng: Random, data: bytes) -> bytes:
    """Put in a token that means something to a reader."""
    return _inserted(rng, data, rng.choice(_TOKENS).encode())


def _truncated(rng: Random, data: bytes) -> bytes:
    """Cut off the end."""
    return data[: rng.randrange(len(data) + 1)]


def _huge(rng: Random, data: bytes) -> bytes:
    """Repeat a line, a token or a letter very often."""
    way = rng.randrange(3)
    if way == 0:
        lines = data.splitlines(keepends=True) or [b"x"]
        piece = rng.choice(lines)
    elif way == 1:
        piece = rng.choice(_TOKENS).encode()
    else:
        piece = rng.choice((b"x", b" ", b"\n", b"(", b"9", b"\xc3\xa9", b",", b"x "))
    return _inserted(rng, data, piece * (rng.choice((10_000, 100_000)) // len(piece)))


def _encoded(rng: Random, data: bytes) -> bytes:
    """Write the text in another encoding, or with other line ends."""
    text = data.decode("utf-8", "replace")
    way = rng.randrange(5)
    if way < 2:
        return text.encode(("utf-16", "latin-1")[way], "replace")
    if way == 2:
        return b"\xef\xbb\xbf" + data
    return data.replace(b"\n", b"\r\n" if way == 3 else b"\r")


def _quoted(rng: Random, data: bytes) -> bytes:
    """Put an odd text, in quotes, where a value is."""
    return _put(rng, data, _VALUE, [json.dumps(text) for text in _TEXTS])


_MUTATIONS: tuple[tuple[Callable[[Random, bytes], bytes], int], ...] = (
    (_flipped, 10),
    (_lines, 10),
    (_number, 20),
    (_value, 15),
    (_nested, 3),
    (_control, 8),
    (_escaped, 5),
    (_key, 8),
    (_token, 12),
    (_truncated, 4),
    (_huge, 3),
    (_encoded, 3),
    (_quoted, 5),
)


def mutated(rng: Random, data: bytes) -> bytes:
    """Change data in up to four ways, or not at all."""
    ways, weights = zip(*_MUTATIONS, strict=True)
    for way in rng.choices(ways, weights, k=rng.choice((0, 1, 1, 1, 2, 2, 3, 4))):
        data = way(rng, data)
    return data


def mutated_fits(rng: Random, data: bytes) -> bytes:
    """Change cards of the headers of a FITS file, or the file as any other."""
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        cards = [i for i in range(0, len(data) - 80, 80) if re.match(rb"[A-Z]+\d* *= ", data[i:])]
        if not cards or rng.random() < 0.3:
            data = rng.choice((_flipped, _truncated, _inserted_block))(rng, data)
            continue
        card = rng.choice(cards)
        value = rng.choice((*_NUMBERS, "T", "F", "'x'", "'", "", "16", "-64", "3", "1", "2"))
        written = value.encode("ascii", "replace")[:70].rjust(20)
        data = data[: card + 10] + written.ljust(70)[:70] + data[card + 80 :]
    return data


def _inserted_block(rng: Random, data: bytes) -> bytes:
    """Put blocks of a FITS file where they do not belong, or delete one."""
    blocks = [data[i : i + 2880] for i in range(0, len(data), 2880)]
    if not blocks:
        return data
    place = rng.randrange(len(blocks))
    if rng.random() < 0.5:
        del blocks[place]
    else:
        blocks.insert(place, rng.choice(blocks))
    return b"".join(blocks)


# Good region files


def some_shower(rng: Random, *, is_odd: bool) -> Shower:
    """Return a shower that may be in a region file, with extreme values if it is odd."""
    group = rng.randrange(SHAPE[1])
    values: dict[str, Any] = {
        "integration": rng.randrange(SHAPE[0]),
        "group": group,
        "last_group": rng.choice((None, rng.randrange(group, SHAPE[1]))),
        "x": rng.choice((10.0, 12.5, rng.uniform(-5, 45))),
        "y": rng.choice((10.0, 12.5, rng.uniform(-5, 35))),
        "a": rng.choice((5.0, rng.uniform(0.1, 20))),
        "b": rng.choice((5.0, rng.uniform(0.1, 20))),
        "theta": rng.choice((0.0, 30.0, rng.uniform(-400, 400))),
        **_said(rng, is_odd=is_odd),
    }
    if rng.random() < 0.3:
        values["score"] = rng.choice((8.4, 1e-7, -3.0))
    if is_odd:
        values[rng.choice(("x", "y", "theta", "score"))] = rng.choice(_EXTREMES)
        values[rng.choice("ab")] = rng.choice(_POSITIVE)
    try:
        return Shower(**values)
    except ShowermaskError:  # too extreme
        return some_shower(rng, is_odd=False)


def some_pixels(rng: Random, *, is_odd: bool) -> BadPixels:
    """Return a pixel region that may be in a region file."""
    place: dict[str, Any] = {"mask": MASK}
    if rng.random() < 0.8:
        place = {
            name: rng.choice((rng.randrange(size), (3, rng.randrange(3, size)), "all"))
            for name, size in (("x", SHAPE[3]), ("y", SHAPE[2]))
        }
    if rng.random() < 0.5:
        place |= {"integration": rng.randrange(SHAPE[0]), "last_group": rng.randrange(5, SHAPE[1])}
        place["group"] = rng.randrange(5)
    return BadPixels(**place, **_said(rng, is_odd=is_odd))


def some_polygon(rng: Random, *, is_odd: bool) -> Polygon:
    """Return a polygon that may be in a region file: a star, seldom one that meets itself."""
    count = rng.choice((3, 4, 5, 12, 60))
    scale = rng.choice((3.0, 15.0, 1e-9, 4e5) if is_odd else (3.0, 15.0))
    angles = sorted(rng.uniform(0, 2 * math.pi) for _ in range(count))
    lengths = [scale * rng.uniform(0.3, 1.0) for _ in angles]
    x, y = rng.uniform(0, 40), rng.uniform(0, 32)
    vertices = [
        (x + r * math.cos(angle), y + r * math.sin(angle))
        for r, angle in zip(lengths, angles, strict=True)
    ]
    try:
        return Polygon(
            vertices=tuple(vertices),
            integration=rng.randrange(SHAPE[0]),
            group=rng.randrange(SHAPE[1]),
            **_said(rng, is_odd=is_odd),
        )
    except ShowermaskError:  # the centre is outside
        return some_polygon(rng, is_odd=is_odd)


def _said(rng: Random, *, is_odd: bool) -> dict[str, Any]:
    """Return status, flags and texts of an entry."""
    said: dict[str, Any] = {"status": rng.choice(("accepted", "accepted", "candidate", "rejected"))}
    if rng.random() < 0.3:
        said["flags"] = rng.choice((("JUMP_DET", "DO_NOT_USE"), ("DO_NOT_USE", "HOT")))
    if rng.random() < 0.5:
        said["comment"] = rng.choice(_TEXTS) if is_odd else "a glow"
        said["source"] = rng.choice(_TEXTS) if is_odd and rng.random() < 0.3 else "manual"
    if is_odd and rng.random() < 0.2:
        said["flags"] = (rng.choice(("a,b", "[x", " a", '"', "é", "a b", "\n", "{")),)
    return said


def some_regions(rng: Random) -> RegionFile:
    """Return a region file of any format."""
    is_odd = rng.random() < 0.4
    header: dict[str, Any] = {}
    if rng.random() < 0.6:
        header = {"exposure": "x", "shape": SHAPE, "subarray": "SUB128", "reviewer": "A. Name"}
        header["reviewed"] = rng.choice(("2026-11-20T15:00:00Z", "2026-11-20", "20261120T15"))
    if is_odd and rng.random() < 0.5:
        header["reviewer"] = rng.choice(_TEXTS)
    showers = [some_shower(rng, is_odd=is_odd) for _ in range(rng.choice((0, 1, 2, 3, 6)))]
    pixels = [some_pixels(rng, is_odd=is_odd) for _ in range(rng.choice((0, 0, 1, 2)))]
    polygons = [some_polygon(rng, is_odd=is_odd) for _ in range(rng.choice((0, 0, 1, 2)))]
    return RegionFile(entries=(*showers, *pixels, *polygons), **header)


def yaml_of(rng: Random, tree: Mapping[str, Any]) -> str:
    """Return the YAML of a region file in the layout of a person, with numbered comments."""
    count = 0

    def note() -> str:
        nonlocal count
        count += 1
        return f"# note-{count}"

    lines = [note()] if rng.random() < 0.6 else []
    for key, value in tree.items():
        if key not in SECTIONS:
            if key != "format" or rng.random() < 0.6:
                lines.append(f"{key}: {_scalar(rng, value)}")
            continue
        lines.append(f"{key}:" if value else f"{key}: []")
        indent = " " * rng.choice((0, 2, 4))
        for entry in value:
            if rng.random() < 0.3:
                lines.append(indent + note())
            items = [f"{name}: {_scalar(rng, item)}" for name, item in entry.items()]
            if rng.random() < 0.5:
                lines.append(f"{indent}- {{{', '.join(items)}}}")
            else:
                lines += [f"{indent}{'- ' if i == 0 else '  '}{x}" for i, x in enumerate(items)]
            if rng.random() < 0.3:
                lines[-1] += rng.choice(("  ", "  ", "  ", "\t")) + note()
        if rng.random() < 0.2:
            lines.append("")
    return "\n".join([*lines, *([note()] if rng.random() < 0.2 else [])]) + "\n"


def _scalar(rng: Random, value: Any) -> str:
    """Return a value as it may be written in YAML."""
    if isinstance(value, list):
        return "[" + ", ".join(_scalar(rng, item) for item in value) + "]"
    if isinstance(value, float):
        text = repr(value)
        mantissa, _, exponent = text.partition("e")
        if exponent:
            sign = "" if exponent.startswith(("-", "+")) else "+"
            text = f"{mantissa if '.' in mantissa else mantissa + '.0'}e{sign}{exponent}"
        return text
    if isinstance(value, str):
        is_plain = re.fullmatch(r"[A-Za-z_][\w. ]*[\w.]", value) and value not in _WORDS
        if is_plain and rng.random() < 0.7:
            return value
        return json.dumps(value)
    return str(value)


def region_bytes(rng: Random, regions: RegionFile, suffix: str) -> bytes:
    """Return the bytes of a region file, YAML or ASDF."""
    if suffix == ".asdf" and rng.random() < 0.4:
        import asdf

        out = BytesIO()
        asdf.AsdfFile(regions.to_tree()).write_to(out)
        return out.getvalue()
    text = yaml_of(rng, regions.to_tree())
    if suffix != ".asdf" and rng.random() < 0.1:
        begin = rng.choice(("---\n", "# note-0\n---\n", "%YAML 1.2\n---\n"))
        text = begin + text + rng.choice(("", "...\n"))
    if suffix == ".asdf":
        head = "#ASDF 1.0.0\n#ASDF_STANDARD 1.5.0\n%YAML 1.1\n%TAG ! tag:stsci.edu:asdf/\n"
        text = f"{head}--- !core/asdf-1.1.0\n{text}...\n"
    return text.encode()


# Files of other kinds


def some_ds9(rng: Random, regions: RegionFile) -> bytes:
    """Return a DS9 region file: drawn by a person, or written by showermask."""
    from showermask.commands.convert.ds9draw import write_ds9

    if rng.random() < 0.4:
        with suppress(ShowermaskError):
            return write_ds9(regions).encode()
    lines = ["# Region file format: DS9 version 4.1", "global color=green width=1", "image"]
    for _ in range(rng.randrange(1, 6)):
        x, y = rng.uniform(1, 40), rng.uniform(1, 32)
        shape = rng.choice(
            (
                f"ellipse({x:.2f},{y:.2f},5,3.5,30)",
                f"circle({x:.2f},{y:.2f},4)",
                f"box({int(x)},{int(y)},3,5,0)",
                f"box({x:.1f},{y:.1f},9,4,30)",
                f"point({x:.0f},{y:.0f}) # point=x",
                f"polygon({x:.1f},5,25.5,8,14,{y:.1f})",
                f"annulus({x:.1f},{y:.1f},4,9)",
                f"ellipse({x:.1f},{y:.1f},4,3,9,7,20)",
                f"+ellipse {x:.1f} {y:.1f} 2 1 0",
            )
        )
        properties = rng.choice(
            (
                "",
                " # text={a star}",
                ' # text="x" tag={night 2}',
                " # tag={group 3}",
                " # color=red",
            )
        )
        lines.append(shape if "#" in shape else shape + properties)
    return ("\n".join(lines) + "\n").encode()


def some_table(_: Random, regions: RegionFile) -> bytes:
    """Return an ECSV table."""
    from showermask.commands.convert.ecsv import write_table

    return write_table(regions).encode()


def some_tool_list(rng: Random, regions: RegionFile) -> bytes:
    """Return what the original tool prints."""
    rows = []
    for s in regions.showers:
        values = [repr(v) for v in (s.x, s.y, s.a, s.b, s.theta, s.integration, s.group)]
        if rng.random() < 0.4:
            values[:5] = [f"np.float64({value})" for value in values[:5]]
        rows.append(f"({', '.join(values)})")
    return rng.choice(("[" + ",\n ".join(rows) + "]\n", "\n".join(rows) + "\n")).encode()


def some_pixel_list(rng: Random, _: RegionFile) -> bytes:
    """Return a list of pixels."""
    between = rng.choice((" ", ",", "\t", ", "))
    count = rng.choice((0, 1, 5, 30, 1300))
    rows = [f"{rng.randrange(1, 40)}{between}{rng.randrange(1, 32)}" for _ in range(count)]
    if rows and rng.random() < 0.5:
        rows[0] += "  # a comment"
    return "\n".join(["# x y", *rows, ""]).encode()


def some_flag_file(rng: Random, _: RegionFile) -> bytes:
    """Return a manual flag file."""
    spans = ("5", "3:9", ":", "5:", ":7", "0", "38:39")
    names = ("DO_NOT_USE", "hot", "UNRELIABLE_SLOPE", "DEAD")
    rows = [
        f"{rng.choice(spans)} {rng.choice(spans)} {rng.choice(names)}"
        for _ in range(rng.randrange(1, 6))
    ]
    return "\n".join(["x y flag", *rows, ""]).encode()


def some_mask(rng: Random, _: RegionFile) -> bytes:
    """Return a FITS file with a mask: of any type, as an extension, compressed, or none."""
    from astropy.io import fits

    generator = np.random.default_rng(rng.randrange(2**32))
    image = generator.random(SHAPE[2:]) < rng.choice((0, 0.01, 0.6))
    way = rng.randrange(7)
    data = image.astype(
        rng.choice((np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64))
    )
    hdus: list[Any] = [fits.PrimaryHDU(data)]
    if way == 4:
        hdus = [fits.PrimaryHDU(), fits.ImageHDU(data, name="MASK")]
    elif way == 5:
        hdus = [fits.PrimaryHDU(), fits.CompImageHDU(image.astype(np.int16))]
    elif way == 6:
        hdus = [fits.PrimaryHDU(rng.choice((data[np.newaxis], data[0], None)))]
    out = BytesIO()
    fits.HDUList(hdus).writeto(out)
    return out.getvalue()


_SOURCES: dict[str, tuple[str, Callable[[Random, RegionFile], bytes]]] = {
    "ds9": ("x.reg", some_ds9),
    "ecsv": ("x.ecsv", some_table),
    "tool": ("x.txt", some_tool_list),
    "pixels": ("x.lst", some_pixel_list),
    "flags": ("x.flags", some_flag_file),
    "mask": ("x_hot.fits", some_mask),
}


# The parts


class Part(Protocol):
    """Something that runs cases by their numbers."""

    def run(self, number: int) -> Result:
        """Run a case."""
        ...


class Lab:
    """What cases share: an exposure and a mask, in the working directory."""

    def __init__(self, seed: int) -> None:
        from astropy.io import fits

        self.seed = seed
        nints, ngroups, ny, nx = SHAPE
        builder = RampBuilder(nints=nints, ngroups=ngroups, ny=ny, nx=nx, readnoise=5.0)
        with builder.model() as model:
            model.save(str(EXPOSURE))
        self.exposure: Exposure = describe_file(EXPOSURE)
        mask = np.zeros((ny, nx), np.uint8)
        mask[3:5, 7:11] = 1
        out = BytesIO()
        fits.PrimaryHDU(mask).writeto(out)
        self.mask = out.getvalue()

    def rng(self, part: str, number: int) -> Random:
        """Return the random numbers of a case."""
        return Random(f"{self.seed}:{part}:{number}")

    def folder(self, name: str) -> Path:
        """Return a new folder with the mask in it, of a name that no other case has."""
        folder = Path(name)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / MASK).write_bytes(self.mask)
        return folder


class RegionFiles:
    """Region files, broken, read, and written again."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def run(self, number: int) -> Result:
        """Read a file; write what was read anew, in both formats, and over itself."""
        rng = self._lab.rng("region-files", number)
        folder = self._lab.folder(f"regions-{number}")
        file = folder / ("x_showers" + rng.choice((".yaml", ".yaml", ".yml", ".asdf")))
        data = mutated(rng, region_bytes(rng, some_regions(rng), file.suffix))
        file.write_bytes(data)
        watch = Watch()
        found = watch.do("read", lambda: read_regions(file), file.name)
        if found.value is not None:
            self._use(watch, found.value)
            again = folder / ("again" + rng.choice((".yaml", ".asdf")))
            _write_and_compare(watch, f"write {again.suffix}", again, found.value)
            self._rewrite(watch, file, found.value)
        shutil.rmtree(folder)
        return Result(repr(data), found.is_done, watch.complaints)

    def _use(self, watch: Watch, regions: RegionFile) -> None:
        """Do what ``showermask check`` does."""
        watch.do("describe", lambda: list(describe_regions(regions)), regions.name)
        watch.do("check", lambda: list(describe_mask(Mask.plan(regions, self._lab.exposure))))

    def _rewrite(self, watch: Watch, file: Path, regions: RegionFile) -> None:
        """Write over the file, first as it is, then with a change; comments have to stay."""
        text = file.read_bytes().decode("utf-8", "replace")
        notes = set(re.findall(r"note-\d+", text)) if file.suffix != ".asdf" else set()
        for label in ("write over", "write over, changed"):
            if not _write_and_compare(watch, label, file, regions):
                return
            lost = notes - set(re.findall(r"note-\d+", file.read_text(encoding="utf-8")))
            if lost:
                has_odd = len(text.splitlines()) != len(text.replace("\r\n", "\n").split("\n")) - 1
                reason = "lines that end otherwise than in \\n" if has_odd else "no odd lines"
                detail = ", ".join(sorted(lost))
                watch.complain("wrong", f"{label}: comments lost, {reason}", detail)
                return
            if not regions.showers:
                return
            changed = replace(regions.showers[0], status=Status.REJECTED, x=1.25)
            regions = replace(regions, showers=(changed, *regions.showers[1:]))


def _write_and_compare(watch: Watch, label: str, path: Path, regions: RegionFile) -> bool:
    """Write regions and read them back; return whether they are the same."""
    if not watch.do(label, lambda: write_regions(path, regions), path.name).is_done:
        return False
    back = watch.do(f"{label}, read back", lambda: read_regions(path), path.name)
    if back.value is None:
        watch.complain("wrong", f"{label}: what was written is not read", watch.refusal)
    elif back.value != regions:
        pairs = zip(back.value.entries, regions.entries, strict=False)
        detail = next((f"{a} for {b}" for a, b in pairs if a != b), "header")
        watch.complain("wrong", f"{label}: what is read back is not the same", detail)
    return back.value == regions


class Conversions:
    """Other files into region files, and region files into others and back."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def run(self, number: int) -> Result:
        """Convert a file."""
        rng = self._lab.rng("conversions", number)
        folder = self._lab.folder(f"convert-{number}")
        watch = Watch()
        run = self._outward if rng.random() < 0.35 else self._inward
        shown, is_taken = run(rng, folder, watch)
        shutil.rmtree(folder)
        return Result(shown, is_taken, watch.complaints)

    def _context(self, rng: Random, *, is_good: bool) -> ConvertOptions:
        """Return what the user says, now and then nonsense."""
        numbers: list[int | None] = [None, 0, 1, 5]
        if not is_good:
            numbers += [-1, 10**20]
        has_exposure = rng.random() < 0.6
        return ConvertOptions(
            exposure=self._lab.exposure if has_exposure else None,
            integration=rng.choice((0, 0, 1, rng.choice(numbers))),
            group=rng.choice((0, 3, rng.choice(numbers))),
            last_group=rng.choice((None, None, rng.choice(numbers))),
            origin=rng.choice((0, 1, 1, None)),
            is_drawn_size=rng.random() < 0.3,
            path=EXPOSURE if has_exposure else None,
            overwrite=rng.random() < 0.2,
        )

    def _inward(self, rng: Random, folder: Path, watch: Watch) -> tuple[str, bool]:
        """Convert a file of another kind into a region file."""
        kind = rng.choice(tuple(_SOURCES))
        name, make = _SOURCES[kind]
        source = folder / name
        change = mutated_fits if kind == "mask" else mutated
        data = change(rng, make(rng, some_regions(rng)))
        source.write_bytes(data)
        target = folder / ("out" + rng.choice((".yaml", ".yaml", ".asdf")))
        context = self._context(rng, is_good=rng.random() < 0.9)
        converted = _convert(watch, source, target, context, from_format=kind)
        if converted is not None:
            back = watch.do("read what was converted", lambda: read_regions(target), target.name)
            if back.value is None:
                watch.complain("wrong", f"{kind}: what was made is not valid", watch.refusal)
            elif len(back.value.showers) != converted.counts["showers"]:
                watch.complain("wrong", f"{kind}: another number of showers than told")
        return f"{kind}, {_told(context)}: {data!r}", converted is not None

    def _outward(self, rng: Random, folder: Path, watch: Watch) -> tuple[str, bool]:
        """Convert a region file into one of another kind, and back."""
        source = folder / ("x_showers" + rng.choice((".yaml", ".yaml", ".asdf")))
        data = region_bytes(rng, some_regions(rng), source.suffix)
        if rng.random() < 0.5:
            data = mutated(rng, data)
        source.write_bytes(data)
        kind = rng.choice(("ds9", "ds9", "ecsv", "ecsv", "mask", "pixels", "tool", "flags"))
        target = folder / f"out{Path(_SOURCES[kind][0]).suffix}"
        context = self._context(rng, is_good=True)
        converted = _convert(watch, source, target, context, to_format=kind)
        if converted is not None:
            self._back(watch, source, target, kind, context)
        return f"to {kind}, {_told(context)}: {data!r}", converted is not None

    def _back(
        self, watch: Watch, source: Path, target: Path, kind: str, context: ConvertOptions
    ) -> None:
        """Convert back, and compare."""
        regions = read_regions(source)
        image_shape = context.image_shape or (regions.shape[2:] if regions.shape else None)
        again = target.with_name(
            "back.asdf"
        )  # not YAML, so that it is the other kind that is tried
        plain = ConvertOptions(exposure=context.exposure, origin=context.origin, path=context.path)
        if _convert(watch, target, again, plain, from_format=kind) is None:
            if kind == "pixels" and "give --exposure" in watch.refusal:
                return
            watch.complain("wrong", f"{kind}: what was written is not read back", watch.refusal)
            return
        back = read_regions(again)
        if kind in ("ds9", "ecsv"):
            is_same = _without_header(back, context) == _without_header(regions, context)
        elif kind == "tool":
            is_same = _places(back) == _places(regions)
        else:
            assert image_shape is not None
            is_same = bool(np.array_equal(_union(back, image_shape), _union(regions, image_shape)))
        if not is_same:
            watch.complain("wrong", f"{kind}: not the same, there and back")


def _convert(
    watch: Watch, source: Path, target: Path, context: ConvertOptions, **kinds: str
) -> Converted | None:
    """Convert a file; nothing may be left behind when that is refused."""
    before = sorted(target.parent.iterdir())
    label = f"convert {' '.join(f'{name}={kind}' for name, kind in kinds.items())}"
    done = watch.do(
        label,
        lambda: convert_file(source, target, context, **kinds),
        source.name,
        target.name,
        f"{target.stem}_mask.fits",
    )
    if not done.is_done and sorted(target.parent.iterdir()) != before:
        watch.complain("wrong", f"{label}: files are left behind")
    return done.value


def _told(context: ConvertOptions) -> str:
    """Return what the user says, for people."""
    names = ("integration", "group", "last_group", "origin", "is_drawn_size", "overwrite")
    said = ", ".join(f"{name}={getattr(context, name)}" for name in names)
    return f"{said}, {'with' if context.exposure else 'without'} exposure"


def _without_header(regions: RegionFile, context: ConvertOptions) -> RegionFile:
    """Return regions without what an exposure says of itself, if one was given."""
    if context.exposure is None:
        return regions
    return replace(regions, exposure=None, shape=None, subarray=None)


def _places(regions: RegionFile) -> list[tuple[Any, ...]]:
    """Return what the original tool knows of accepted showers."""
    names = ("x", "y", "a", "b", "theta", "integration", "group")
    return [
        tuple(getattr(entry, name) for name in names)
        for entry in regions.showers
        if entry.is_accepted
    ]


def _union(regions: RegionFile, image_shape: tuple[int, int]) -> np.ndarray[Any, Any]:
    """Return all pixels that are masked at any time."""
    return masked_pixels(find_footprints(regions.accepted, image_shape), image_shape)


# Requests

# fmt: off
_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1e308, 10**20, 10**400, float("nan"), float("inf"), -0.0, 5e-324,
    "", "x", "\ud800", "a\udfffb", "a\u2028b", "\0", "\x1b[31m", "a" * 60_000, "1", "all", "é\n",
    [], {}, [[]], [1], [0, 1], {"a": 1}, 2**31, 2**63, 1.5, [None], ["\ud800"], {"\ud800": 1},
    "\U0001f600", "\x7f", "accepted", "m.fits", "../../x", ["DO_NOT_USE"], [[[[[[1]]]]]],
    {"x": {"x": {}}}, "\ufffe",
)
_KEYS: tuple[str, ...] = (
    "\ud800", "id", "image", "mask", "x", "_problems", "self", "cls", "", "only", "a\nb",
    "k" * 900,
)
# fmt: on


@dataclass
class Asked:
    """A request: method, path, headers and the pieces of its body."""

    method: str
    path: str
    body: Any = None
    raw: list[bytes] = field(default_factory=list)
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    query: bytes = b""
    is_good: bool = True
    is_cut: bool = False

    def shown(self) -> str:
        """Return the request, for people."""
        head = f"{self.method} {self.path[:300]!r} {self.query!r} {self.headers}"
        return f"{head} {b''.join(self.raw)!r}"


@dataclass(frozen=True)
class Answer:
    """An answer: status, headers and body."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def content(self) -> Any:
        """What the answer says, in JSON, if it is JSON."""
        if self.headers.get(b"content-type", b"").startswith(b"application/json"):
            return json.loads(self.body.decode(), parse_constant=_refuse_constant)
        if self.headers.get(b"content-encoding") == b"gzip":
            return gzip.decompress(self.body)
        return None


def _refuse_constant(name: str) -> Any:
    message = f"{name} is not JSON"
    raise ValueError(message)


async def ask(app: Any, asked: Asked) -> Answer:
    """Send a request to an application as the web server would."""
    pieces = list(asked.raw) or [b""]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not pieces or (asked.is_cut and len(pieces) == 1):
            return {"type": "http.disconnect"}
        body = pieces.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(pieces)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": asked.method,
        "scheme": "http",
        "path": asked.path,
        "raw_path": asked.path.encode("utf-8", "replace"),
        "query_string": asked.query,
        "root_path": "",
        "headers": asked.headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }
    await app(scope, receive, send)
    bodies = [m.get("body", b"") for m in sent if m["type"] == "http.response.body"]
    return Answer(sent[0]["status"], dict(sent[0]["headers"]), b"".join(bodies))


class Requests:
    """Requests to reviews of two exposures; a review has `BLOCK` of them."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._next = -1
        self._review: Review | None = None
        self._folder = Path()
        self._app: Any = None
        self._runner = asyncio.Runner()

    def run(self, number: int) -> Result:
        """Send a request, after those of its review that come before it."""
        if number != self._next or number % BLOCK == 0:
            start = number - number % BLOCK
            self._begin(start // BLOCK)
            for earlier in range(start, number):
                self._step(earlier)
        self._next = number + 1
        result = self._step(number)
        if number % BLOCK == BLOCK - 1:
            watch = Watch()
            self._end(watch)
            result.complaints += watch.complaints
        return result

    def _send(self, asked: Asked) -> Answer:
        """Send a request."""
        return self._runner.run(ask(self._app, asked))

    def _begin(self, block: int) -> None:
        """Begin a review, with a region file or without."""
        if self._review is not None:
            self._review.close()
            shutil.rmtree(self._folder)
        self._folder = self._lab.folder(f"review-{block}")
        rng = self._lab.rng("review", block)
        for root in "xy":
            shutil.copy(EXPOSURE, self._folder / f"{root}_jump.fits")
        if rng.random() < 0.6:
            regions = some_regions(rng)
            regions = replace(regions, exposure=None, shape=None, subarray=None)
            text = yaml_of(rng, regions.to_tree())
            (self._folder / "x_showers.yaml").write_text(text, encoding="utf-8")
        self._review = Review(find_work(self._folder), reviewer="A. Name")
        self._app = make_app(self._review, token=TOKEN, base_url="/user/me/")

    def _step(self, number: int) -> Result:
        """Make a request, send it, and look at the answer and at the state after it."""
        rng = self._lab.rng("requests", number)
        if rng.random() < 0.02:
            self._meddle(rng)
        asked = self._asked(rng)
        watch = Watch()
        before = self._states()
        label = f"{asked.method} {_route(asked.path)}"
        done = watch.do(label, partial(self._send, asked))
        answer = done.value
        if answer is None:
            return Result(asked.shown(), complaints=watch.complaints)
        is_taken = answer.status < 400
        self._judge(watch, label, asked, answer)
        if not is_taken and self._states() != before:
            detail = f"{before} to {self._states()}"
            watch.complain("wrong", f"{label}: was refused, and changed something", detail)
        if asked.method == "POST" and not self._has_state(watch, label):
            self._begin(number // BLOCK)  # all that follows would be as wrong
        elif asked.method == "POST" and is_taken:
            self._read_drafts(watch)
        return Result(asked.shown(), is_taken, watch.complaints)

    def _judge(self, watch: Watch, label: str, asked: Asked, answer: Answer) -> None:
        """Look at an answer."""
        if answer.status >= 500:
            watch.complain("crash", f"{label}: status {answer.status}", repr(answer.body[:200]))
        try:
            content = answer.content
        except ValueError as error:
            watch.complain("wrong", f"{label}: the answer is not JSON", str(error))
            return
        if answer.status >= 400 and isinstance(content, dict):
            sentence = str(content.get("error"))
            watch.read_problems(label, sentence.split("\n"), ())
            if asked.is_good and "is not understood" in sentence:
                watch.complain("wrong", f"{label}: a good request is refused", sentence)

    def _has_state(self, watch: Watch, label: str) -> bool:
        """Ask for the state, which has to be there whatever was sent before."""
        for number in (0, 1):
            asked = Asked("GET", f"/api/exposures/{number}", headers=_headers())
            answer = watch.do("state", partial(self._send, asked)).value
            if answer is None:
                return False
            # A region file that is broken on disk is refused with what is wrong with it.
            if answer.status not in (200, 422) or b"is not understood" in answer.body:
                detail = answer.body[:300].decode("utf-8", "replace")
                watch.complain("wrong", f"after {label}: the state can't be shown", detail)
                return False
        return True

    def _read_drafts(self, watch: Watch) -> None:
        """Read what would be left of unsaved marks if the server were killed now."""
        assert self._review is not None
        for number in (0, 1):
            with suppress(ShowermaskError):
                session = self._review.get(number)[1]
                if session.is_dirty:
                    entries = [one.entry for one in session.entries]
                    self._compare(watch, "draft", session.draft_path, entries)

    def _states(self) -> list[tuple[int, bool, str]]:
        """Return how many changes each review has seen, whether one is unsaved, and by whom."""
        assert self._review is not None
        found = []
        for number in (0, 1):
            with suppress(ShowermaskError):
                session = self._review.get(number)[1]
                found.append((session.revision, session.is_dirty, repr(session.reviewer_on_show)))
        return found

    def _meddle(self, rng: Random) -> None:
        """Change a region file on disk, as somebody else would."""
        file = self._folder / f"{rng.choice('xy')}_showers.yaml"
        if rng.random() < 0.3:
            file.unlink(missing_ok=True)
            return
        regions = replace(some_regions(rng), exposure=None, shape=None, subarray=None)
        data = yaml_of(rng, regions.to_tree()).encode()
        file.write_bytes(mutated(rng, data) if rng.random() < 0.5 else data)

    def _end(self, watch: Watch) -> None:
        """Save both reviews, and read what was written."""
        assert self._review is not None
        for number in (0, 1):
            try:
                _, session = self._review.get(number)
            except ShowermaskError:
                continue  # the file on disk was broken before it was first looked at
            entries = [one.entry for one in session.entries]
            body = {"force": True, "reviewer": "B. Name"}
            asked = Asked("POST", f"/api/exposures/{number}/save", body, headers=_headers())
            asked.raw = [json.dumps(body).encode()]
            saved = watch.do("last save", partial(self._send, asked))
            if saved.value is None or saved.value.status != 200:
                detail = repr(saved.value.body[:300]) if saved.value else ""
                watch.complain("wrong", "last save: is refused", detail)
                continue
            self._compare(watch, "saved file", session.path, entries)

    def _compare(self, watch: Watch, label: str, path: Path, entries: list[Any]) -> None:
        """Read a file that the server has written, and compare it with what is on show."""
        found = watch.do(f"read {label}", lambda: read_regions(path), path.name)
        if found.value is None:
            watch.complain("wrong", f"{label}: is not read", watch.refusal)
            return
        shown = list(RegionFile(entries=entries).entries)
        written = list(found.value.entries)
        if written != shown:
            pairs = zip(written, shown, strict=False)
            detail = next((f"{a} for {b}" for a, b in pairs if a != b), "another number")
            watch.complain("wrong", f"{label}: is not what is on show", detail)

    def _asked(self, rng: Random) -> Asked:
        """Make a request: a good one, mutated more often than not."""
        asked = self._good(rng)
        if asked.method == "POST":
            asked.body = asked.body or {}
        asked.headers = _headers()
        if rng.random() < 0.6 and asked.body is not None:
            asked.is_good = False
            for _ in range(rng.choice((1, 1, 2))):
                asked.body = mutated_json(rng, asked.body)
        if asked.body is not None:
            asked.raw = [
                json.dumps(asked.body, ensure_ascii=rng.random() < 0.8).encode(
                    "utf-8", "surrogatepass"
                )
            ]
        if rng.random() < 0.25:
            asked.is_good = False
            rng.choice((_other_body, _other_body, _other_path, _other_headers, _other_method))(
                rng, asked
            )
        return asked

    def _good(self, rng: Random) -> Asked:
        """Make a request that the page could make."""
        number = rng.choice((0, 0, 0, 1))
        api = f"/api/exposures/{number}"
        where = f"{rng.randrange(SHAPE[0])}/{rng.randrange(SHAPE[1])}"
        pixel = f"{rng.randrange(SHAPE[3])}/{rng.randrange(SHAPE[2])}"
        shower = some_shower(rng, is_odd=rng.random() < 0.5).to_mapping()
        choices: list[tuple[int, str, str, Any]] = [
            (1, "GET", "/api/exposures", None),
            (1, "GET", "/", None),
            (2, "GET", api, None),
            (2, "GET", f"{api}/frame/{where}", None),
            (1, "GET", f"{api}/dq/{where}", None),
            (2, "GET", f"{api}/pixel/0/{pixel}", None),
            (6, "POST", f"{api}/mask/{where}", {"selected": self._mark(rng, number)}),
            (
                3,
                "POST",
                f"{api}/mask/{where}",
                {"only": self._mark(rng, number), "extra": {"shower": shower}},
            ),
            (6, "POST", f"{api}/effect", {"shower": shower}),
            (1, "GET", f"{api}/pixeldq", None),
            (4, "POST", f"{api}/view", self._view(rng, shower)),
            (2, "POST", f"{api}/part", {"showers": shower, "kind": "evidence"}),
            (3, "POST", f"{api}/curve", {"showers": shower}),
            (
                4,
                "POST",
                f"{api}/fit",
                {"showers": shower, "what": rng.choice(("group", "last_group", "ellipse"))},
            ),
            (2, "POST", f"{api}/witnesses", {"showers": shower}),
            (
                2,
                "POST",
                f"{api}/witness",
                {"showers": shower, "witness": rng.choice((None, "i0", "i1", "e0", "e9"))},
            ),
            (50, "POST", f"{api}/change", self._change(rng, number, shower)),
            (
                5,
                "POST",
                f"{api}/save",
                {"reviewer": rng.choice(("A. Name", "é", *_TEXTS)), "force": rng.random() < 0.5},
            ),
        ]
        if rng.random() < 0.01:
            choices = [(1, "POST", f"{api}/apply", {})]
        ((_, method, path, body),) = rng.choices(choices, [choice[0] for choice in choices])
        if rng.random() < 0.05:
            path = "/user/me" + path
        return Asked(method, path, body)

    def _view(self, rng: Random, shower: dict[str, Any]) -> dict[str, Any]:
        """Return the body of a request for an image."""
        kind = rng.choice(("evidence", "pair", "mean", "before", "after"))
        body: dict[str, Any] = {"kind": kind, "integration": rng.randrange(SHAPE[0])}
        if kind == "pair":
            return body | {name: rng.randrange(SHAPE[1]) for name in ("group", "from")}
        if rng.random() < 0.8 or kind == "evidence":
            body["showers"] = shower
        return body | {"smoothing": rng.choice((None, 0, 1.5, 4))}

    def _mark(self, rng: Random, number: int) -> int:
        """Return the number of a mark, mostly of one that there is."""
        assert self._review is not None
        with suppress(ShowermaskError):
            entries = self._review.get(number)[1].entries
            if entries and rng.random() < 0.9:
                return rng.choice(entries).id
        return rng.randrange(40)

    def _change(self, rng: Random, number: int, shower: dict[str, Any]) -> dict[str, Any]:
        """Return the body of a change."""
        kinds = ("add", "add", "add", "edit", "edit", "status", "remove", "undo", "redo", "reload")
        kind = rng.choice(kinds)
        body: dict[str, Any] = {"change": kind}
        if rng.random() < 0.2:
            body["revision"] = rng.choice([state[0] for state in self._states()] or [0])
        if kind == "add" and rng.random() < 0.3:
            pixels = some_pixels(rng, is_odd=rng.random() < 0.5).to_mapping()
            body["pixels"] = pixels if "x" in pixels else {"x": 1, "y": [2, 3]}
        elif kind == "add" and rng.random() < 0.2:
            body["polygons"] = some_polygon(rng, is_odd=rng.random() < 0.5).to_mapping()
        elif kind == "add":
            body["shower"] = shower
        elif kind == "status":
            ids = [self._mark(rng, number) for _ in range(rng.randrange(3))]
            body |= {"ids": ids, "status": rng.choice(("accepted", "rejected", "candidate"))}
        elif kind in ("edit", "remove"):
            body["id"] = self._mark(rng, number)
        if kind == "edit":
            name = rng.choice(("x", "group", "comment", "status", "last_group", "flags"))
            odd = {"comment": rng.choice(_TEXTS), "flags": ["DO_NOT_USE"]}
            body["values"] = {name: shower.get(name, odd.get(name))}
        return body


def _headers() -> list[tuple[bytes, bytes]]:
    """Return the headers of a good request."""
    return [(b"host", b"127.0.0.1:8000"), (TOKEN_HEADER.lower().encode(), TOKEN.encode())]


def _route(path: str) -> str:
    """Return what paths have in common."""
    return re.sub(r"\d+", "0", path.encode("ascii", "backslashreplace").decode()).removeprefix(
        "/user/me"
    )[:50]


def mutated_json(rng: Random, value: Any) -> Any:
    """Return a JSON value with one place in it changed."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        changed = dict(value)
        key = rng.choice(list(changed))
        way = rng.random()
        if way < 0.7:
            changed[key] = mutated_json(rng, changed[key])
        elif way < 0.8:
            del changed[key]
        elif way < 0.9:
            changed[rng.choice(_KEYS)] = changed.pop(key)
        else:
            changed[rng.choice(_KEYS)] = rng.choice(_ODD)
        return changed
    if isinstance(value, list) and value and rng.random() < 0.7:
        place = rng.randrange(len(value))
        return [*value[:place], mutated_json(rng, value[place]), *value[place + 1 :]]
    return rng.choice(_ODD)


def _other_body(rng: Random, asked: Asked) -> None:
    """Break the body: bytes, pieces, encoding, or its size."""
    data = b"".join(asked.raw)
    way = rng.randrange(6)
    if way == 0:
        data = _flipped(rng, data)
    elif way == 1:
        data = mutated(rng, data)
    elif way == 2:
        data = rng.choice(
            (b"", b"null", b"[]", b"1e999", b"NaN", b"[" * 100_000, b"{" * 9999, b'"\xff"')
        )
    elif way == 3:
        data = data.decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-32", "utf-8-sig")))
    elif way == 4:
        data = _put(rng, data, _NUMBER, ("9" * 5000, "1e999", "-0", "NaN", "-Infinity", "0" * 400))
    else:
        data = _inserted(rng, data, b" " * rng.choice((1000, 300_000)))
    asked.raw = [data[i : i + 50_000] for i in range(0, len(data), 50_000)]
    asked.is_cut = rng.random() < 0.1


def _other_path(rng: Random, asked: Asked) -> None:
    """Change the path, or add a query."""
    ways = (
        "/..",
        "//",
        "\0",
        "é",
        "/-1",
        "/" + "9" * 5000,
        "%2e%2e/",
        "?",
        "\n",
        "/1e3",
        "/٣",
    )
    place = rng.randrange(len(asked.path) + 1)
    if rng.random() < 0.2:
        asked.query = rng.choice((b"a=b", b"\xff", b"token=secret", b"&" * 5000))
    elif rng.random() < 0.5:
        asked.path = asked.path[:place] + rng.choice(ways) + asked.path[place:]
    else:
        asked.path = re.sub(
            r"\d+", lambda _: rng.choice(("0", "7", "999999999", "٣", "-1")), asked.path
        )


def _other_headers(rng: Random, asked: Asked) -> None:
    """Take headers away, or change them."""
    header = rng.randrange(2)
    values = (
        b"",
        b"wrong",
        b"s\xe9cret",
        b"secret" * 2000,
        b"\xff\xfe",
        b"evil.example",
        b"[::1]:80",
    )
    asked.headers[header] = (asked.headers[header][0], rng.choice(values))
    if rng.random() < 0.3:
        del asked.headers[header]
    if rng.random() < 0.3:
        asked.headers += [(b"content-length", rng.choice((b"-1", b"999999999999", b"x")))]


def _other_method(rng: Random, asked: Asked) -> None:
    """Take another method."""
    asked.method = rng.choice(("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "X"))


# Counting and telling


@dataclass
class Tally:
    """Counts of a part, and its complaints by what they have in common."""

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    complaints: dict[tuple[str, str], list[tuple[int, str]]] = field(default_factory=dict)

    def add(self, number: int, result: Result) -> None:
        """Count a case."""
        self.counts["cases"] += 1
        self.counts["taken" if result.is_taken else "refused"] += 1
        for kind in {complaint.kind for complaint in result.complaints}:
            self.counts[kind] += 1
        for complaint in result.complaints:
            known = self.complaints.setdefault((complaint.kind, complaint.what), [])
            if not known or known[-1][0] != number:
                known.append((number, complaint.detail))

    def lines(self, seed: int, examples: int) -> Iterator[str]:
        """Yield the complaints, each with its first examples."""
        for (kind, what), found in sorted(self.complaints.items()):
            yield f"{self.name}: {kind}: {what} ({len(found)} cases)"
            for number, detail in found[:examples]:
                shown = detail.encode("unicode_escape").decode()
                yield f"    --seed {seed} --only {self.name}:{number}  {shown[:240]}"


def make_parts(lab: Lab) -> dict[str, Part]:
    """Return the parts by name."""
    return {
        "region-files": RegionFiles(lab),
        "conversions": Conversions(lab),
        "requests": Requests(lab),
    }


def run_part(name: str, part: Part, count: int, seconds: float) -> Tally:
    """Run cases until there are enough, or the time is over."""
    tally = Tally(name)
    end = time.monotonic() + seconds
    for number in range(count):
        if time.monotonic() > end:
            break
        tally.add(number, part.run(number))
    return tally


def print_table(tallies: Sequence[Tally]) -> None:
    """Print the counts of all parts."""
    columns = ("cases", "refused", "taken", "crash", "slow", "unclear", "wrong")
    print(f"{'part':14s}" + "".join(f"{column:>9s}" for column in columns))
    for tally in tallies:
        print(f"{tally.name:14s}" + "".join(f"{tally.counts[column]:9d}" for column in columns))


def _interrupt(_signal: int, _frame: Any) -> None:
    raise StuckError


def _prepare() -> None:
    """Limit memory, silence what is not looked at, and keep everything in the scratch folder."""
    signal.signal(signal.SIGPROF, _interrupt)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, hard))
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    tempfile.tempdir = str(Path.cwd())


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    for name, count in (("region-files", 20_000), ("conversions", 20_000), ("requests", 5000)):
        parser.add_argument(f"--{name}", type=int, default=count, help=f"cases (default: {count})")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3000.0, help="for all parts together")
    parser.add_argument("--examples", type=int, default=3, help="shown of each complaint")
    parser.add_argument("--only", metavar="PART:NUMBER", help="repeat one case, and show it")
    return parser.parse_args(arguments)


def show_case(parts: Mapping[str, Part], only: str) -> int:
    """Repeat a case, and print its input and all complaints."""
    name, _, number = only.partition(":")
    parts[name].run(0)  # what is imported late is no matter of the case
    result = parts[name].run(int(number))
    shown = result.shown if len(result.shown) < 20_000 else result.shown[:20_000] + " …"
    print(shown.encode("ascii", "backslashreplace").decode())
    print("taken" if result.is_taken else "refused")
    for complaint in result.complaints:
        print(f"{complaint.kind}: {complaint.what}")
        print(f"    {complaint.detail[:3000].encode('unicode_escape').decode()}")
    return 1 if result.complaints else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all parts, print what was found, and return 1 if there is any complaint."""
    options = _options(arguments)
    os.environ.update(cache_environment(Path("unused")))
    with tempfile.TemporaryDirectory() as scratch, chdir(scratch):
        _prepare()
        lab = Lab(options.seed)
        parts = make_parts(lab)
        if options.only:
            return show_case(parts, options.only)
        end = time.monotonic() + options.seconds
        tallies = []
        for position, (name, part) in enumerate(parts.items()):
            part.run(0)
            count = getattr(options, name.replace("-", "_"))
            left = (end - time.monotonic()) / (len(parts) - position)
            tallies.append(run_part(name, part, count, left))
    print_table(tallies)
    for tally in tallies:
        for line in tally.lines(options.seed, options.examples):
            print(line)
    return 1 if any(tally.complaints for tally in tallies) else 0


if __name__ == "__main__":
    sys.exit(main())
