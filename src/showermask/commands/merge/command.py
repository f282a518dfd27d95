"""The command ``showermask merge``."""

from __future__ import annotations

import argparse
from pathlib import Path

from showermask.messages import say

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = (
        "Make one region file of those of two reviewers of an exposure. Entries that overlap by "
        "half are the same; what the reviewers decide otherwise becomes a candidate again, with "
        "both comments. Nothing is lost."
    )
    parser.add_argument("one", metavar="A", type=Path, help="region file of a reviewer")
    parser.add_argument("other", metavar="B", type=Path, help="region file of another one")
    parser.add_argument(
        "--base", metavar="FILE", type=Path, help="region file that both began from"
    )
    parser.add_argument(
        "--output", "-o", metavar="FILE", type=Path, required=True, help="region file to make"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace that file if it is there")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from showermask.commands.merge.merging import merge_regions
    from showermask.exceptions import OutputError
    from showermask.regionfile.reader import read_regions
    from showermask.regionfile.writer import write_regions

    sources = [options.one, options.other, *([options.base] if options.base else [])]
    for source in sources:
        if options.output.exists() and source.exists() and source.samefile(options.output):
            raise OutputError(f"{options.output}: is one of the files to merge; give another name")
    if options.output.exists() and not options.overwrite:
        raise OutputError(f"{options.output}: exists; give another name, or --overwrite")
    one, other, *base = (read_regions(source) for source in sources)
    merged = merge_regions(one, other, base[0] if base else None)
    write_regions(options.output, merged.region_file)
    say(f"{options.output}: {merged.describe()}")
    return 0
