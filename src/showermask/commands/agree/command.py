"""The command ``showermask agree``."""

from __future__ import annotations

import argparse
from pathlib import Path

from showermask.messages import say

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = (
        "Say how far the region files of two reviewers of an exposure agree: what both have, what "
        "only one has, how much the outlines overlap, and Cohen's kappa of the decisions."
    )
    parser.add_argument("one", metavar="A", type=Path, help="region file of a reviewer")
    parser.add_argument("other", metavar="B", type=Path, help="region file of another one")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from showermask.commands.agree.agreement import compare_regions
    from showermask.regionfile.reader import read_regions

    agreement = compare_regions(read_regions(options.one), read_regions(options.other))
    for line in agreement.describe():
        say(line)
    return 0
