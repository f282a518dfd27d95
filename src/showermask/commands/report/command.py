"""The command ``showermask report``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from showermask.exposure.names import product_root
from showermask.messages import say, whole_number

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = (
        "Make a page (HTML, with a folder of pictures beside it) of what a batch has "
        "masked and at what cost; with --one, of a single exposure and its region file."
    )
    parser.add_argument("batch", metavar="OUT", type=Path, nargs="?", help="output of a batch")
    parser.add_argument(
        "--one",
        metavar=("EXPOSURE", "REGIONS"),
        type=Path,
        nargs=2,
        help="an exposure, as it was before it was masked, and its region file",
    )
    parser.add_argument(
        "--output",
        "-o",
        metavar="FILE",
        type=Path,
        help="the page (default: OUT/report.html; <exposure>_showers.html for --one)",
    )
    parser.add_argument(
        "--pictures",
        metavar="N",
        type=whole_number,
        default=2000,
        help="show at most this many showers in pictures (default: %(default)s)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print what the page says as JSON, and write no page",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from showermask.commands.report.writer import (
        describe_batch,
        describe_exposure,
        report_batch,
        report_exposure,
    )

    if (options.batch is None) == (options.one is None):
        options.parser.error("expected either the output of a batch or --one EXPOSURE REGIONS")
    if options.json:
        described = (
            describe_batch(options.batch)
            if options.one is None
            else describe_exposure(*options.one)
        )
        print(json.dumps(described, indent=2))
        return 0
    if options.one is None:
        page = options.output or options.batch / "report.html"
        report_batch(options.batch, page, pictures=options.pictures)
    else:
        exposure_path, region_path = options.one
        page = options.output or Path(f"{product_root(exposure_path)}_showers.html")
        report_exposure(exposure_path, region_path, page, pictures=options.pictures)
    say(str(page))
    return 0
