"""The command-line arguments that say on how many processes, and where."""

from __future__ import annotations

import argparse
import re

__all__ = ["add_worker_arguments"]


def add_worker_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``-j`` (``workers``) and ``--scheduler`` to a command."""
    parser.add_argument(
        "-j",
        dest="workers",
        metavar="N",
        type=_positive,
        help="worker processes (default: as many as cores and memory allow)",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="use the cluster of a running dask scheduler, tcp://host:port or its scheduler file",
    )


def _positive(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,3}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"is {text}, expected a number of processes, 1 or more")
    return int(text)
