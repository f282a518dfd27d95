"""Texts: how messages are worded, printed and logged, and how numbers are read.

Names and texts come from file systems, headers and region files, and may hold anything. Whatever is
printed, logged, or written into a FITS header or a page goes through `printable`.
"""

from __future__ import annotations

import argparse
import logging
import math
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO

__all__ = [
    "counted",
    "joined",
    "lines_for_people",
    "log",
    "loggers_at",
    "one_line",
    "positive_number",
    "printable",
    "say",
    "whole_number",
]

#: Characters of a message; what is quoted in one may be as long as a file.
_LONGEST = 480


def printable(text: str, *, keep: str = "") -> str:
    r"""Return a text in which characters that don't print are escaped, as ``\x1b`` or ``\n``."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in keep else _escaped(character)
        for character in text
    )


def one_line(text: str) -> str:
    """Return a text as one line that people read: printable, and not endless."""
    line = printable(text[: 20 * _LONGEST])
    if len(line) <= _LONGEST and len(text) <= 20 * _LONGEST:
        return line
    return f"{line[: _LONGEST * 2 // 3]} … {printable(text[-_LONGEST:])[-_LONGEST // 3 + 3 :]}"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: ``1 shower``, ``2 showers``."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def joined(*parts: str) -> str:
    """Return parts of a sentence with commas and an "and"; empty parts are left out."""
    *first, last = [part for part in parts if part] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


#: Below stpipe: the stock pipelines show and record the loggers of jwst and stpipe only.
log = logging.getLogger("stpipe.showermask")


def _make_printable(record: logging.LogRecord) -> bool:
    record.msg, record.args = printable(record.getMessage()), ()
    return True


log.addFilter(_make_printable)


@contextmanager
def loggers_at(
    level: int, names: Iterable[str], handler: logging.Handler | None = None
) -> Iterator[None]:
    """Set the level of loggers for the duration of a ``with`` block."""
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(level)
        if handler is not None:
            logger.addHandler(handler)
    try:
        yield
    finally:
        for logger, level_before in zip(loggers, before, strict=True):
            if handler is not None:
                logger.removeHandler(handler)
            logger.setLevel(level_before)


class _Output:
    """The place of lines for people; errors always go to stderr."""

    is_quiet = False
    #: Standard output belongs to a program that reads it.
    is_aside = False


@contextmanager
def lines_for_people(*, is_quiet: bool = False, is_aside: bool = False) -> Iterator[None]:
    """Leave out the lines of `say`, or print them to stderr, in a ``with`` block."""
    _Output.is_quiet, _Output.is_aside = is_quiet, is_aside
    try:
        yield
    finally:
        _Output.is_quiet = _Output.is_aside = False


def say(line: str, *, file: TextIO | None = None) -> None:
    """Print a line at once; what others have written into it can't steer the terminal."""
    if file is None and _Output.is_quiet:
        return
    if file is None and _Output.is_aside:
        file = sys.stderr
    print(printable(line), file=file, flush=True)


def whole_number(text: str) -> int:
    """Read a whole number, 0 or more, from a command line."""
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"is {text}, expected a whole number, 0 or more")
    return int(text)


def positive_number(text: str) -> float:
    """Read a number above 0 from a command line."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"is {text}, expected a number above 0")
    return value
