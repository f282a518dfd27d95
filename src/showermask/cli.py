"""The ``showermask`` command: a table of commands, each of which lives with its feature."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NoReturn

from showermask import __version__
from showermask.exceptions import ShowermaskError
from showermask.messages import lines_for_people, say

__all__ = ["main"]

#: The commands, each in ``showermask.commands.<name>.command``: ``add_arguments(parser)``,
#: ``run(options)``, and, where the command line has arguments that argparse can't know,
#: ``split_arguments``.
_COMMANDS = {
    "check": "validate a region file, and say what it masks",
    "propose": "look for showers, as candidates for the review",
    "review": "look at exposures and mark showers, in the browser",
    "badpixels": "look for bad pixels of a detector in darks and flats",
    "batch": "mask many exposures from a directory of region files",
    "convert": "convert region files from and to other files",
    "merge": "make one region file of those of two reviewers",
    "agree": "say how far the region files of two reviewers agree",
    "report": "show on a page what a batch has masked",
    "demo": "mask two synthetic showers, and compare the rates with the truth",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with some arguments, or those of the process.

    Return the exit code: 0 when all is well, 1 for a problem that was reported, 2 for wrong usage,
    130 when interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name may hold any character
    command, options = _parse(sys.argv[1:] if arguments is None else list(arguments))
    if options.verbose:
        _log_to_stderr(options.verbose)
    is_json = bool(getattr(options, "json", False))
    try:
        with lines_for_people(is_quiet=options.quiet, is_aside=is_json):
            code: int = command.run(options)
        if sys.stdout is not None:
            sys.stdout.flush()
    except ShowermaskError as error:
        for problem in error.problems:
            say(f"showermask: {problem}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, such as head, has seen enough
        sys.stderr.close()
        return 1
    except OSError as error:
        say(f"showermask: {error}", file=sys.stderr)
        _drop_output()
        return 1
    except KeyboardInterrupt:
        print("showermask: interrupted", file=sys.stderr)
        return 130
    return code


def _log_to_stderr(level: int) -> None:
    """Show what the packages log in this process."""
    import logging

    logging.basicConfig(stream=sys.stderr, format="%(name)s: %(message)s")
    for name in ("showermask", "stpipe", "jwst"):
        logging.getLogger(name).setLevel(logging.INFO if level == 1 else logging.DEBUG)


def _drop_output() -> None:
    """Drop what can't be written, on a full disk: Python would try again when it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parse(arguments: list[str]) -> tuple[Any, argparse.Namespace]:
    """Return the module of the command, and its options; only that module is imported."""
    parser = argparse.ArgumentParser(
        prog="showermask",
        description="Mask reviewed cosmic-ray showers in JWST ramps and rates. The mask itself is "
        "applied by the pipeline: strun manual_shower_mask, or calwebb_detector1_showers.",
    )
    version: Any = {"action": "version", "version": f"showermask {__version__}"}
    parser.add_argument("--version", **version)
    parser.add_argument(
        "--print-completion",
        metavar="SHELL",
        help="print a script that completes commands and options in a shell, to be sourced",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    if arguments[:1] == ["--print-completion"]:
        chosen = None
    if chosen is not None and chosen not in _COMMANDS:
        near = get_close_matches(chosen, _COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"expected {', '.join(_COMMANDS)}"
        parser.error(f"{chosen!r} is not a command; {hint}")
    is_completion = arguments[:1] == ["--print-completion"] and len(arguments) == 2
    module: Any = None
    for name, what in _COMMANDS.items():
        command = commands.add_parser(name, help=what)
        if name == chosen or is_completion:
            module = import_module(f"showermask.commands.{name}.command")
            module.add_arguments(command)
            _add_common(command, version)
            command.set_defaults(parser=command)
    if is_completion:
        _print_completion(parser, arguments[1])
    if hasattr(module, "split_arguments"):
        arguments, extra = module.split_arguments(arguments, parser)
    else:
        extra = {}
    options = parser.parse_args(arguments)
    vars(options).update(extra)
    return module, options


def _add_common(command: argparse.ArgumentParser, version: Any) -> None:
    """Add the options that all commands have."""
    common = command.add_argument_group("all commands")
    common.add_argument("--version", **version)
    common.add_argument("--quiet", "-q", action="store_true", help="say only what is wrong")
    common.add_argument(
        "--verbose", "-v", action="count", default=0, help="show the log too; -vv for all of it"
    )


def _print_completion(parser: argparse.ArgumentParser, shell: str) -> NoReturn:
    """Print the script that completes the command in a shell, and end."""
    import shtab

    if shell not in shtab.SUPPORTED_SHELLS:
        parser.error(f"{shell}: expected a shell, one of {', '.join(shtab.SUPPORTED_SHELLS)}")
    with suppress(BrokenPipeError):  # the reader has seen enough
        print(shtab.complete(parser, shell), flush=True)
    sys.exit(0)
