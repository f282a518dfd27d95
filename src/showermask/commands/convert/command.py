"""The command ``showermask convert``."""

from __future__ import annotations

import argparse
from pathlib import Path

from showermask.messages import say

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    from showermask.commands.convert.conversion import FORMATS

    parser.description = (
        "Convert a file into a region file, or a region file into another: DS9 regions "
        "(ds9, .reg), ECSV tables (ecsv), FITS masks (mask), the lists that the original tool "
        "prints (tool), lists of pixels x y (pixels), manual flag files of jwst_reffiles (flags), "
        "MASK references (mask-reference), boolean arrays (npy), masks of clean_flicker_noise "
        "(user-mask)."
    )
    parser.add_argument("source", metavar="INPUT", type=Path, help="file to convert")
    parser.add_argument("output", metavar="OUTPUT", type=Path, help="file to make")
    parser.add_argument(
        "--from",
        dest="from_format",
        choices=tuple(FORMATS),
        help="what INPUT is (default: by its suffix)",
    )
    parser.add_argument(
        "--to",
        dest="to_format",
        choices=tuple(FORMATS),
        help="what OUTPUT is (default: by its suffix)",
    )
    parser.add_argument(
        "--exposure",
        metavar="EXPOSURE",
        type=Path,
        help="exposure that the regions are for: its name and shape go into the region file",
    )
    _add_facts(parser)
    _add_reference(parser)


def _add_facts(parser: argparse.ArgumentParser) -> None:
    """Add the facts that other formats do not hold."""
    for name, what in (
        ("integration", "integration, zero-based,"),
        ("group", "first affected group, zero-based,"),
        ("last-group", "last affected group, zero-based,"),
    ):
        parser.add_argument(f"--{name}", type=int, metavar="N", help=f"{what} of what has none")
    parser.add_argument(
        "--origin", type=int, choices=(0, 1), help="index of the first pixel in lists of pixels"
    )
    parser.add_argument(
        "--drawn-size",
        action="store_true",
        help="take the axes of the original tool as it drew them, half of what it masked",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace OUTPUT, and a mask beside it, if there"
    )


def _add_reference(parser: argparse.ArgumentParser) -> None:
    """Add what a reference file says."""
    group = parser.add_argument_group("MASK references (--to mask-reference)")
    group.add_argument(
        "--base", metavar="FILE", type=Path, help="MASK reference whose flags are kept as well"
    )
    group.add_argument(
        "--check",
        metavar="EXPOSURE",
        type=Path,
        help="raw exposure (uncal) on which dq_init is run with the new file",
    )
    for name, what in (
        ("author", "AUTHOR (default: showermask)"),
        ("pedigree", "PEDIGREE, such as INFLIGHT 2026-01-01 2026-03-01 (default: GROUND)"),
        ("description", "DESCRIP"),
    ):
        group.add_argument(f"--{name}", metavar="TEXT", help=what)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from showermask.commands.convert.conversion import convert_file
    from showermask.commands.convert.options import ConvertOptions, ReferenceOptions
    from showermask.exposure.product import describe_file

    names = ("base", "check", "author", "pedigree", "description")
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    if given and options.to_format != "mask-reference":
        listed = ", ".join(f"--{name}" for name in given)
        options.parser.error(f"{listed}: only for --to mask-reference; add it, or leave them out")

    converted = convert_file(
        options.source,
        options.output,
        ConvertOptions(
            exposure=None if options.exposure is None else describe_file(options.exposure),
            integration=options.integration,
            group=options.group,
            last_group=options.last_group,
            origin=options.origin,
            is_drawn_size=options.drawn_size,
            path=options.exposure,
            overwrite=options.overwrite,
            reference=ReferenceOptions(**given),
        ),
        from_format=options.from_format,
        to_format=options.to_format,
    )
    for line in converted.describe():
        say(line)
    return 0
