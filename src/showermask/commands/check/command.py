"""The command ``showermask check``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from showermask.messages import say

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = (
        "Validate region files. With an exposure, say for each accepted entry how many pixels, "
        "groups and how much exposure time it costs, and what is masked in all. Of several region "
        "files, or of directories of them, there is a line each; exposures among them are brought "
        "together with their region files. The exit code is 1 if one fails."
    )
    parser.add_argument(
        "paths",
        metavar="REGIONS",
        type=Path,
        nargs="+",
        help="region files, exposures (FITS: ramp, rateints or rate), or directories of either",
    )
    parser.add_argument("--json", action="store_true", help="print what is found as JSON")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from showermask.commands.check.describe import check_region_file
    from showermask.commands.check.matching import find_pairs
    from showermask.commands.check.result import check_files

    pairs, is_plain = find_pairs(options.paths)
    if is_plain and not options.json:
        (pair,) = pairs
        for line in check_region_file(*pair):
            say(line)
        return 0
    results = check_files(pairs)
    if options.json:
        print(json.dumps([result.to_dict() for result in results], indent=2))
    else:
        for result in results:
            say(result.describe(), file=None if result.is_good else sys.stderr)
    return 0 if all(result.is_good for result in results) else 1
