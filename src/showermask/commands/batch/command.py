"""The command ``showermask batch``."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from showermask.commands.batch.targets import TARGETS
from showermask.exposure.names import PRODUCT_SUFFIXES
from showermask.messages import say
from showermask.workers.arguments import add_worker_arguments

if TYPE_CHECKING:
    from showermask.commands.batch.run import Summary

__all__ = ["add_arguments", "run", "split_arguments"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = (
        "Find the exposures that region files are for, and mask them, or make their "
        "rates, calibrated images and mosaics. What is up to date is left; run it again after "
        "anything that stopped it. Parameters of the pipeline's steps are given as to strun, "
        "--steps.<step>.<parameter>=<value>; --steps.image3.<step>.<parameter>=<value> is for "
        "one stage (detector1, image2, image3), where two have a step."
    )
    regions = parser.add_argument(
        "regions", metavar="REGIONS", type=Path, help="directory of reviewed region files"
    )
    data = parser.add_argument(
        "data", metavar="DATA", type=Path, nargs="+", help="exposures, or directories of them"
    )
    output = parser.add_argument(
        "--output-dir",
        "-o",
        metavar="OUT",
        type=Path,
        required=True,
        help="directory for the products, their logs and the manifest",
    )
    _add_choices(parser)
    packages = parser.add_argument_group("packages")
    packages.add_argument(
        "--package",
        metavar="NAME",
        type=Path,
        help="when all is done, put products, region files, manifest, report and parameter files "
        "into the folder NAME, with checksums, so that others can verify it",
    )
    packages.add_argument(
        "--verify",
        metavar=("NAME", "DATA"),
        nargs="+",
        action=_Instead,
        instead_of=(regions, data, output),
        help="in place of all this: check the files of a package; with DATA, make its products "
        "again (in OUT, where one is given) and say what differs",
    )


class _Instead(argparse.Action):
    """An option that stands in place of arguments which are required without it."""

    def __init__(self, *args: Any, instead_of: Sequence[argparse.Action], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._instead_of = instead_of

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Take the values, and require nothing else."""
        del parser, option_string
        setattr(namespace, self.dest, [Path(value) for value in values])
        for action in self._instead_of:
            action.required = False


def _add_choices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from",
        dest="suffix",
        choices=PRODUCT_SUFFIXES,
        help="product to start from (default: the most useful there is)",
    )
    parser.add_argument(
        "--to",
        choices=TARGETS,
        default="masked",
        help="masked: the same product, masked; rate: rate and rateints; cal, calints: these and "
        "what calwebb_image2 makes of them; i2d: all these, and the mosaics of calwebb_image3 "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--parameters",
        metavar="FILE",
        type=Path,
        action="append",
        help="parameter file of stpipe (.asdf); again for another stage",
    )
    mosaics = parser.add_argument_group(
        "mosaics",
        "With --to i2d the images of one programme, target, filter, subarray and detector make a "
        "mosaic, those without a region file too.",
    )
    mosaics.add_argument(
        "--asn",
        metavar="FILE",
        type=Path,
        action="append",
        help="association (JSON) that tells the mosaics instead; again for another",
    )
    mosaics.add_argument(
        "--compare",
        metavar="I2D",
        type=Path,
        nargs="*",
        help="make the mosaics without masks too, on the same pixels, in OUT/unmasked; or take "
        "these, and make the mosaics on their pixels",
    )
    add_worker_arguments(parser)
    parser.add_argument("--force", action="store_true", help="redo what is up to date")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done and lost, and do nothing"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the outcome as JSON; all else goes to stderr"
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
    from showermask.commands.batch.packages.writing import check_package_name, write_package
    from showermask.commands.batch.parameters import StepParameters
    from showermask.commands.batch.plan import Request
    from showermask.commands.batch.progress import BatchProgress
    from showermask.commands.batch.run import preview, run_batch

    if options.verify:
        return _verify(options)
    if options.to != "i2d" and (options.asn or options.compare is not None):
        options.parser.error("--asn, --compare: only for mosaics; add --to i2d, or leave them out")
    request = Request(
        regions=options.regions,
        data=tuple(options.data),
        output=options.output_dir,
        target=options.to,
        suffix=options.suffix,
        step_parameters=StepParameters(
            steps=options.steps, parameter_files=tuple(options.parameters or ())
        ),
        associations=tuple(options.asn or ()),
        is_compared=options.compare == [],
        compared_with=tuple(options.compare or ()),
        workers=options.workers,
        scheduler=options.scheduler,
        is_forced=options.force,
    )
    if options.dry_run:
        summary = preview(request, BatchProgress())
        _print_json(summary, options)
        return 0 if summary.is_good else 1
    if options.package is not None:
        check_package_name(options.package)
    # A batch system that wants its node back says so by SIGTERM.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    summary = run_batch(request, BatchProgress())
    for line in summary.describe():
        say(line, file=None if summary.is_good else sys.stderr if options.quiet else None)
    if options.package is not None and summary.is_good:
        say(write_package(request, options.package))
    elif options.package is not None:
        say(f"{options.package}: not written, for not all is done", file=sys.stderr)
    _print_json(summary, options)
    return 0 if summary.is_good else 1


def _print_json(summary: Summary, options: argparse.Namespace) -> None:
    """Print a summary for a program, if one reads it."""
    if options.json:
        files = {"output": str(options.output_dir), "to": options.to}
        print(json.dumps({**files, **summary.to_dict()}, indent=2))


def _verify(options: argparse.Namespace) -> int:
    """Verify a package."""
    from showermask.commands.batch.packages.verifying import verify_package
    from showermask.commands.batch.progress import BatchProgress

    package, *data = options.verify
    if options.regions is not None or (options.output_dir is not None and not data):
        options.parser.error("--verify: expected --verify NAME [DATA ...], and OUT only with DATA")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        output = options.output_dir or Path(stack.enter_context(TemporaryDirectory()), "out")
        found = verify_package(package, tuple(data), output, BatchProgress())
    for line in found.describe():
        say(line)
    return 1 if found.problems else 0
