"""The command ``showermask demo``."""

from __future__ import annotations

import argparse
from pathlib import Path

from showermask.messages import say

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = (
        "Write a small synthetic MIRI exposure with two showers and its region file, "
        "fit its ramps with the stock ramp_fit unmasked, masked the classic way (JUMP_DET only), "
        "masked by showermask, and with the light subtracted, print the rates and draw a picture. "
        "Needs no network, no CRDS."
    )
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        type=Path,
        nargs="?",
        default=Path("showermask-demo"),
        help="where to put the files (default: %(default)s)",
    )
    parser.add_argument(
        "--badpixels",
        action="store_true",
        help="write darks and flats with known bad pixels instead, find them, and compare",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    if options.badpixels:
        from showermask.commands.demo.badpixels import run_badpixels_demo as run_demo
    else:
        from showermask.commands.demo.comparison import run_demo

    for line in run_demo(options.folder):
        say(line)
    return 0
