"""The command ``showermask check``."""

from __future__ import annotations

import argparse
from pathlib import Path

from showermask.messages import say

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = (
        "Validate a region file. With an exposure, say for each accepted entry how many pixels, "
        "groups and how much exposure time it costs, and what is masked in all."
    )
    parser.add_argument("regions", metavar="REGIONS", type=Path, help="region file")
    parser.add_argument(
        "exposure", metavar="EXPOSURE", type=Path, nargs="?", help="ramp, rateints or rate (FITS)"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from showermask.commands.check.describe import check_region_file

    for line in check_region_file(options.regions, options.exposure):
        say(line)
    return 0
