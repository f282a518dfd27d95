"""The command ``showermask batch``."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path
from typing import Any

from showermask.exposure.names import PRODUCT_SUFFIXES
from showermask.messages import say
from showermask.workers.arguments import add_worker_arguments

__all__ = ["add_arguments", "run", "split_arguments"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = (
        "Find the exposures that region files are for, and mask them, or make their "
        "rates. What is up to date is left; run it again after anything that stopped it. "
        "Parameters of the pipeline's steps are given as to strun, "
        "--steps.<step>.<parameter>=<value>."
    )
    parser.add_argument(
        "regions", metavar="REGIONS", type=Path, help="directory of reviewed region files"
    )
    parser.add_argument(
        "data", metavar="DATA", type=Path, nargs="+", help="exposures, or directories of them"
    )
    parser.add_argument(
        "--output-dir",
        "-o",
        metavar="OUT",
        type=Path,
        required=True,
        help="directory for the products, their logs and the manifest",
    )
    _add_choices(parser)


def _add_choices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from",
        dest="suffix",
        choices=PRODUCT_SUFFIXES,
        help="product to start from (default: the most useful there is)",
    )
    parser.add_argument(
        "--to",
        choices=("masked", "rate", "cal"),
        default="masked",
        help="the same product, masked; or rate and rateints; or these and what calwebb_image2 "
        "makes of the rate (default: %(default)s)",
    )
    parser.add_argument(
        "--parameters", metavar="FILE", type=Path, help="parameter file of stpipe (.asdf)"
    )
    add_worker_arguments(parser)
    parser.add_argument("--force", action="store_true", help="redo what is up to date")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done and lost, and do nothing"
    )


def split_arguments(
    arguments: list[str], parser: argparse.ArgumentParser
) -> tuple[list[str], dict[str, Any]]:
    """Take ``--steps.…``, which argparse can't know, out of a command line."""
    plain: list[str] = []
    steps: dict[str, dict[str, str]] = {}
    remaining = iter(arguments)
    for argument in remaining:
        if not argument.startswith("--steps."):
            plain.append(argument)
            continue
        name, is_joined, value = argument.removeprefix("--steps.").partition("=")
        step, is_dotted, parameter = name.partition(".")
        given = value if is_joined else next(remaining, "--")
        if not (step and is_dotted and parameter) or given.startswith("--"):
            parser.error(f"{argument}: expected --steps.<step>.<parameter>=<value>")
        steps.setdefault(step, {})[parameter] = given
    return plain, {"steps": steps}


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from showermask.batch.parameters import StepParameters
    from showermask.batch.plan import Request
    from showermask.batch.progress import BatchProgress
    from showermask.batch.run import preview, run_batch

    request = Request(
        regions=options.regions,
        data=tuple(options.data),
        output=options.output_dir,
        target=options.to,
        suffix=options.suffix,
        step_parameters=StepParameters(steps=options.steps, parameter_file=options.parameters),
        workers=options.workers,
        scheduler=options.scheduler,
        is_forced=options.force,
    )
    if options.dry_run:
        return 0 if preview(request, BatchProgress()).is_good else 1
    # A batch system that wants its node back says so by SIGTERM.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    summary = run_batch(request, BatchProgress())
    for line in summary.describe():
        say(line)
    return 0 if summary.is_good else 1
