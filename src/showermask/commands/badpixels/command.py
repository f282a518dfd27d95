"""The command ``showermask badpixels``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from showermask.messages import counted, say
from showermask.workers.arguments import add_worker_arguments

if TYPE_CHECKING:
    from showermask.commands.badpixels.search import SearchResult, SearchTask
    from showermask.commands.badpixels.writer import Outputs

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = (
        "Look for bad pixels in darks and flats of any JWST detector, and write them into region "
        "files of the detector, as candidates for the review, with a page. What is given as a dark "
        "or flat is taken for one, whatever its EXP_TYPE."
    )
    for name, what in (("darks", "darks (FITS)"), ("flats", "flats (FITS)")):
        parser.add_argument(
            f"--{name}",
            metavar="PATH",
            type=Path,
            nargs="+",
            default=[],
            help=f"{what}, or directories of them",
        )
    parser.add_argument(
        "--output-dir", "-o", metavar="DIR", type=Path, required=True, help="directory for results"
    )
    parser.add_argument(
        "--few",
        action="store_true",
        help="search in fewer than 3 exposures and 10 integrations as well",
    )
    parser.add_argument("--accept", action="store_true", help="as accepted, without a review")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace region files that were reviewed"
    )
    parser.add_argument(
        "--flag-values",
        metavar="KIND=FLAG[+FLAG]",
        type=_flag_values,
        default={},
        help="flags of kinds, separated by commas: hot=HOT,low_pedestal=OTHER_BAD_PIXEL",
    )
    parser.add_argument(
        "--do-not-use",
        metavar="KINDS",
        type=lambda text: frozenset(filter(None, map(str.strip, text.split(",")))),
        help="kinds that get DO_NOT_USE as well, separated by commas (default: all but warm and "
        "low_qe; none with an empty text)",
    )
    parser.add_argument(
        "--useafter", metavar="DAY", type=_day, help="first day of the exposures that it is for"
    )
    parser.add_argument(
        "--earlier",
        metavar="FILE",
        type=Path,
        help="region file or MASK reference to compare with: what is new, what is gone",
    )
    add_worker_arguments(parser)
    _add_thresholds(parser)


def _add_thresholds(parser: argparse.ArgumentParser) -> None:
    """Add an option for each threshold of the searches."""
    from showermask.defects.options import DarkOptions, FlatOptions

    for kind, title in ((DarkOptions, "thresholds in darks"), (FlatOptions, "thresholds in flats")):
        group = parser.add_argument_group(title, "See docs/bad-pixels.md for each.")
        for field in fields(kind):
            default: Any = field.default
            is_choice = isinstance(default, StrEnum)
            group.add_argument(
                f"--{field.name.replace('_', '-')}",
                type=type(default),
                choices=list(default.__class__) if isinstance(default, StrEnum) else None,
                metavar=None if is_choice else ("N" if isinstance(default, int) else "X"),
                help=f"(default: {default})",
            )


def _flag_values(text: str) -> dict[str, tuple[str, ...]]:
    """Read the flags of kinds."""
    found = {}
    for part in filter(None, text.split(",")):
        kind, is_given, flags = part.partition("=")
        names = tuple(flag.strip().upper() for flag in flags.split("+"))
        if not is_given or not all(names) or kind.strip() in found:
            raise argparse.ArgumentTypeError(
                f"has {part!r}, expected KIND=FLAG[+FLAG], each kind once"
            )
        found[kind.strip()] = names
    return found


def _day(text: str) -> str:
    from datetime import date

    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"is {text}, expected a day such as 2026-03-01") from None


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from showermask.commands.badpixels.changes import read_earlier
    from showermask.commands.badpixels.entries import FlagTable
    from showermask.commands.badpixels.inputs import collect
    from showermask.commands.badpixels.search import SearchTask
    from showermask.commands.badpixels.writer import Outputs, check_free, region_path_of
    from showermask.defects.options import DarkOptions, FlatOptions

    dark_options = DarkOptions(**_given(options, DarkOptions))
    flat_options = FlatOptions(**_given(options, FlatOptions))
    table = FlagTable(options.flag_values, options.do_not_use)
    sets, problems = collect(options.darks, options.flats, may_be_few=options.few)
    if not options.overwrite:
        for one in sets:
            check_free(region_path_of(options.output_dir, one.name))
    outputs = Outputs(
        folder=options.output_dir,
        table=table,
        useafter=options.useafter,
        is_accepted=options.accept,
        parameters=asdict(dark_options) | asdict(flat_options),
        earlier=None if options.earlier is None else read_earlier(options.earlier, sets),
    )
    tasks = [
        SearchTask(exposures=one, dark_options=dark_options, flat_options=flat_options)
        for one in sets
    ]
    for one in sets:
        for note in one.notes:
            say(note)
    for result in _results(tasks, options):
        problems += result.problems or _written(result, outputs)
    for problem in problems:
        say(f"showermask: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _given(options: argparse.Namespace, kind: type[Any]) -> dict[str, Any]:
    """Return the thresholds that the command line gives."""
    values = ((field.name, getattr(options, field.name)) for field in fields(kind))
    return {name: value for name, value in values if value is not None}


def _results(tasks: list[SearchTask], options: argparse.Namespace) -> Iterator[SearchResult]:
    """Search the sets: here, with threads, or one each on workers."""
    from dataclasses import replace
    from uuid import uuid4

    if options.scheduler is None and (options.workers == 1 or len(tasks) < 2):
        threads = options.workers or os.cpu_count() or 1
        yield from (replace(task, threads=threads).run() for task in tasks)
        return
    from showermask.workers.cluster import count_workers, open_client
    from showermask.workers.flight import run_tasks

    run_id = uuid4().hex
    tasks = [replace(task, run_id=run_id) for task in tasks]
    count = count_workers(tasks, options.workers)
    with open_client(workers=count, scheduler=options.scheduler) as client:
        yield from run_tasks(client, tasks, say=say)


def _written(result: SearchResult, outputs: Outputs) -> list[str]:
    """Write a result, and say what it is; return what went wrong."""
    from showermask.commands.badpixels.writer import write_result
    from showermask.exceptions import ShowermaskError

    try:
        written = write_result(result, outputs)
    except ShowermaskError as error:
        return list(error.problems)
    exposures = result.exposures
    say(
        f"{exposures.name}: {counted(len(exposures.darks), 'dark')}, "
        f"{counted(len(exposures.flats), 'flat')}"
    )
    for one in result.found:
        say(f"  {one.kind.name:13s}{len(one):7d}  {one.kind.meaning}")
    say(f"  in {written.region_path}")
    say(f"  page {written.page}")
    return []
