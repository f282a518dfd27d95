"""The ``showermask`` command."""

from __future__ import annotations

import argparse
import io
import math
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from showermask import __version__
from showermask.exceptions import ShowermaskError
from showermask.exposure import PRODUCT_KINDS, product_root
from showermask.messages import printable

__all__ = ["main"]

_THRESHOLD = 6.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command-line arguments; those of the process without it.

    Returns
    -------
    int
        Exit code: 0 when all is well, 1 for a problem that was reported, 2 for wrong usage.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name may hold any character
    options = _parse(sys.argv[1:] if arguments is None else list(arguments))
    try:
        code: int = options.run(options)
        if sys.stdout is not None:
            sys.stdout.flush()
    except ShowermaskError as error:
        for problem in error.problems:
            _say(f"showermask: {problem}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, such as head, has seen enough
        sys.stderr.close()
        return 1
    except OSError as error:
        _say(f"showermask: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("showermask: interrupted", file=sys.stderr)
        return 130
    return code


def _say(line: str, *, file: TextIO | None = None) -> None:
    """Print a line at once; what others have written into it can't steer the terminal."""
    print(printable(line), file=file, flush=True)


def _parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line; ``--steps.…``, which argparse can't know, are taken out before."""
    parser = _parser()
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
    options = parser.parse_args(plain)
    if steps and options.run is not _batch:
        parser.error("--steps.…: only batch runs steps")
    options.steps = steps
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="showermask",
        description="Mask reviewed cosmic-ray showers in JWST ramps and rates. The mask itself is "
        "applied by the pipeline: strun manual_shower_mask, or calwebb_detector1_showers.",
    )
    parser.add_argument("--version", action="version", version=f"showermask {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_check(commands)
    _add_propose(commands)
    _add_review(commands)
    _add_batch(commands)
    _add_convert(commands)
    _add_report(commands)
    _add_demo(commands)
    return parser


def _add_check(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "check",
        help="validate a region file, and say what it masks",
        description="Validate a region file. With an exposure, say for each accepted shower how "
        "many pixels, groups and how much exposure time it costs, and what is masked in all.",
    )
    command.add_argument("regions", metavar="REGIONS", type=Path, help="region file")
    command.add_argument(
        "exposure", metavar="EXPOSURE", type=Path, nargs="?", help="ramp, rateints or rate (FITS)"
    )
    command.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    from showermask.check import check_flag_names, describe_mask, describe_regions
    from showermask.exposure import describe_file
    from showermask.regionfile import read_regions

    regions = read_regions(options.regions)
    if options.exposure is None:
        check_flag_names(regions)
    for line in describe_regions(regions):
        _say(line)
    if options.exposure is not None:
        for line in describe_mask(regions, describe_file(options.exposure)):
            _say(line)
    return 0


def _add_propose(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "propose",
        help="look for showers, as candidates for the review",
        description="Look for glows that fade in ramps (_jump, _ramp), and write them into region "
        "files as candidates, with their signal-to-noise ratio. What people have accepted, "
        "rejected or drawn is never touched.",
    )
    command.add_argument(
        "exposures",
        metavar="EXPOSURE",
        type=Path,
        nargs="+",
        help="ramp (FITS), or a directory of them",
    )
    command.add_argument(
        "--output-dir",
        "-o",
        metavar="DIR",
        type=Path,
        help="directory of the region files (default: beside each exposure)",
    )
    command.add_argument(
        "--threshold",
        metavar="S/N",
        type=_above_zero,
        help=f"signal-to-noise ratio from which on a glow is proposed (default: {_THRESHOLD})",
    )
    persistence = command.add_argument_group(
        "persistence",
        "With --persistence no showers are looked for: what saturated in an exposure is masked in "
        "the later ones of the same detector, as pixels with DO_NOT_USE and PERSISTENCE.",
    )
    persistence.add_argument("--persistence", action="store_true", help="do that instead")
    persistence.add_argument(
        "--unsaturated-groups",
        metavar="N",
        type=_whole,
        help="most groups in which such a pixel is not saturated, and fewer than half (default: 3)",
    )
    persistence.add_argument(
        "--grow",
        metavar="N",
        type=_whole,
        help="pixels to grow them by (default: 0)",
    )
    persistence.add_argument(
        "--time-limit",
        metavar="SECONDS",
        type=_above_zero,
        help="longest time from the end of an exposure to the start of a later one (default: any)",
    )
    persistence.add_argument(
        "--as-candidates",
        action="store_true",
        help="for the review; without it they are accepted",
    )
    command.set_defaults(run=_propose, parser=command)


def _above_zero(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"is {text}, expected a number above 0")
    return value


def _whole(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"is {text}, expected a whole number, 0 or more")
    return int(text)


def _check_propose_options(options: argparse.Namespace) -> None:
    """Refuse options that the other way to propose has."""
    given = {
        "--unsaturated-groups": options.unsaturated_groups,
        "--grow": options.grow,
        "--time-limit": options.time_limit,
        "--as-candidates": options.as_candidates or None,
    }
    foreign = [name for name, value in given.items() if value is not None]
    if foreign and not options.persistence:
        options.parser.error(f"{', '.join(foreign)}: only for --persistence; add it, or leave out")
    if options.persistence and options.threshold is not None:
        options.parser.error("--threshold: not for --persistence, which looks for no showers")


def _propose(options: argparse.Namespace) -> int:
    _check_propose_options(options)
    from showermask.propose.proposing import find_ramps, propose_showers

    work, failed = find_ramps(options.exposures, options.output_dir)
    if options.persistence:
        failed += _propose_persistence(work, options)
        work = []
    for path, regions in work:
        try:
            proposal = propose_showers(path, regions, threshold=options.threshold or _THRESHOLD)
        except ShowermaskError as error:  # the others may be better
            failed += error.problems
        else:
            _say(proposal.describe())
    for problem in failed:
        _say(f"showermask: {problem}", file=sys.stderr)
    return 1 if failed else 0


def _propose_persistence(work: list[tuple[Path, Path]], options: argparse.Namespace) -> list[str]:
    from showermask.entry import Status
    from showermask.propose.persistence import Rules, propose_persistence

    rules = Rules(
        unsaturated_groups=3 if options.unsaturated_groups is None else options.unsaturated_groups,
        grow=options.grow or 0,
        time_limit=options.time_limit,
        status=Status.CANDIDATE if options.as_candidates else Status.ACCEPTED,
    )
    done, problems = propose_persistence(work, rules)
    for result in done:
        _say(result.describe())
    return problems


def _add_review(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "review",
        help="look at exposures and mark showers, in the browser",
        description="Show the difference images of a ramp, rateints or a rate on a page in the "
        "browser; mark, correct, accept and reject showers there, and save the region file. The "
        "page is served to this machine only, by an address with a secret in it.",
    )
    command.add_argument(
        "exposure", metavar="EXPOSURE", type=Path, help="exposure (FITS), or a directory of them"
    )
    command.add_argument(
        "--regions",
        metavar="PATH",
        type=Path,
        help="region file, or directory of region files (default: beside the exposure)",
    )
    command.add_argument(
        "--reviewer", metavar="NAME", default="", help="name to write into the region file"
    )
    command.add_argument(
        "--port", type=_port, default=0, help="port on 127.0.0.1 (default: a free one)"
    )
    command.add_argument(
        "--no-browser", action="store_true", help="only print the address, open no browser"
    )
    command.add_argument(
        "--base-url",
        metavar="PREFIX",
        default="/",
        help="prefix under which a proxy shows the page, such as /user/me/proxy/8765/",
    )
    command.add_argument(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="host name that requests may carry besides localhost, for proxies that keep it",
    )
    command.set_defaults(run=_review)


def _port(text: str) -> int:
    value = _whole(text)
    if value > 65535:
        raise argparse.ArgumentTypeError(f"is {text}, expected a port, 0 to 65535")
    return value


def _review(options: argparse.Namespace) -> int:
    from showermask.review.server import Review, serve
    from showermask.worklist import find_work

    work = find_work(options.exposure, options.regions)
    review = Review(work, reviewer=options.reviewer)
    if len(work) == 1:
        review.get(0)  # what is wrong with the only exposure is better said here than on the page
    serve(
        review,
        port=options.port,
        base_url=options.base_url,
        open_browser=not options.no_browser,
        allowed_hosts=tuple(options.allow_host),
        announce=_say,
    )
    return 0


def _add_batch(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "batch",
        help="mask many exposures from a directory of region files",
        description="Find the exposures that region files are for, and mask them, or make their "
        "rates. What is up to date is left; run it again after anything that stopped it. "
        "Parameters of the pipeline's steps are given as to strun, "
        "--steps.<step>.<parameter>=<value>.",
    )
    command.add_argument(
        "regions", metavar="REGIONS", type=Path, help="directory of reviewed region files"
    )
    command.add_argument(
        "data", metavar="DATA", type=Path, nargs="+", help="exposures, or directories of them"
    )
    command.add_argument(
        "--output-dir",
        "-o",
        metavar="OUT",
        type=Path,
        required=True,
        help="directory for the products, their logs and the manifest",
    )
    command.add_argument(
        "--from",
        dest="kind",
        choices=PRODUCT_KINDS,
        help="product to start from (default: the most useful there is)",
    )
    command.add_argument(
        "--to",
        choices=("masked", "rate"),
        default="masked",
        help="the same product, masked, or rate and rateints (default: %(default)s)",
    )
    command.add_argument(
        "--parameters", metavar="FILE", type=Path, help="parameter file of stpipe (.asdf)"
    )
    command.add_argument(
        "-j",
        dest="workers",
        metavar="N",
        type=_positive,
        help="worker processes (default: as many as cores and memory allow)",
    )
    command.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="use the cluster of a running dask scheduler, tcp://host:port or its scheduler file",
    )
    command.add_argument("--force", action="store_true", help="redo what is up to date")
    command.add_argument(
        "--dry-run", action="store_true", help="say what would be done and lost, and do nothing"
    )
    command.set_defaults(run=_batch)


def _batch(options: argparse.Namespace) -> int:
    from showermask.batch.conductor import Request, preview, run_batch
    from showermask.batch.progress import Progress
    from showermask.batch.settings import Settings

    request = Request(
        regions=options.regions,
        data=tuple(options.data),
        output=options.output_dir,
        target=options.to,
        kind=options.kind,
        settings=Settings(steps=options.steps, parameter_file=options.parameters),
        workers=options.workers,
        scheduler=options.scheduler,
        is_forced=options.force,
    )
    if options.dry_run:
        return 0 if preview(request, Progress()).is_good else 1
    # A batch system that wants its node back says so by SIGTERM.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    summary = run_batch(request, Progress())
    for line in summary.describe():
        _say(line)
    return 0 if summary.is_good else 1


def _add_convert(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "convert",
        help="convert region files from and to other files",
        description="Convert a file into a region file, or a region file into another: DS9 regions "
        "(ds9, .reg), ECSV tables (ecsv), FITS masks (mask), the lists that the original tool "
        "prints (tool), lists of pixels x y (pixels), manual flag files of jwst_reffiles (flags).",
    )
    command.add_argument("source", metavar="INPUT", type=Path, help="file to convert")
    command.add_argument("target", metavar="OUTPUT", type=Path, help="file to make")
    kinds = ("regions", "ds9", "ecsv", "mask", "tool", "pixels", "flags")
    command.add_argument(
        "--from", dest="kind", choices=kinds, help="what INPUT is (default: by its suffix)"
    )
    command.add_argument(
        "--to", dest="target_kind", choices=kinds, help="what OUTPUT is (default: by its suffix)"
    )
    command.add_argument(
        "--exposure",
        metavar="EXPOSURE",
        type=Path,
        help="exposure that the regions are for: its name and shape go into the region file",
    )
    for name, what in (
        ("integration", "integration, zero-based,"),
        ("group", "first affected group, zero-based,"),
        ("last-group", "last affected group, zero-based,"),
    ):
        command.add_argument(f"--{name}", type=int, metavar="N", help=f"{what} of what has none")
    command.add_argument(
        "--origin", type=int, choices=(0, 1), help="index of the first pixel in lists of pixels"
    )
    command.add_argument(
        "--drawn-size",
        action="store_true",
        help="take the axes of the original tool as it drew them, half of what it masked",
    )
    command.add_argument(
        "--overwrite", action="store_true", help="replace OUTPUT, and a mask beside it, if there"
    )
    command.set_defaults(run=_convert)


def _convert(options: argparse.Namespace) -> int:
    from showermask.convert.context import Context
    from showermask.convert.converting import convert_file
    from showermask.exposure import describe_file

    context = Context(
        exposure=None if options.exposure is None else describe_file(options.exposure),
        integration=options.integration,
        group=options.group,
        last_group=options.last_group,
        origin=options.origin,
        is_drawn_size=options.drawn_size,
        path=options.exposure,
        overwrite=options.overwrite,
    )
    converted = convert_file(
        options.source,
        options.target,
        context,
        kind=options.kind,
        target_kind=options.target_kind,
    )
    for line in converted.describe():
        _say(line)
    return 0


def _add_report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "report",
        help="show on a page what a batch has masked",
        description="Make one page (HTML, pictures included) of what a batch has masked and at "
        "what cost; with --one, of a single exposure and its region file.",
    )
    command.add_argument("batch", metavar="OUT", type=Path, nargs="?", help="output of a batch")
    command.add_argument(
        "--one",
        metavar=("EXPOSURE", "REGIONS"),
        type=Path,
        nargs=2,
        help="an exposure, as it was before it was masked, and its region file",
    )
    command.add_argument(
        "--output",
        "-o",
        metavar="FILE",
        type=Path,
        help="the page (default: OUT/report.html; <exposure>_showers.html for --one)",
    )
    command.add_argument(
        "--pictures",
        metavar="N",
        type=_whole,
        default=500,
        help="show at most this many showers in pictures (default: %(default)s)",
    )
    command.set_defaults(run=_report, parser=command)


def _report(options: argparse.Namespace) -> int:
    from showermask.report.writer import report_batch, report_exposure

    if (options.batch is None) == (options.one is None):
        options.parser.error("expected either the output of a batch or --one EXPOSURE REGIONS")
    if options.one is None:
        target = options.output or options.batch / "report.html"
        report_batch(options.batch, target, pictures=options.pictures)
    else:
        exposure, regions = options.one
        target = options.output or Path(f"{product_root(exposure)}_showers.html")
        report_exposure(exposure, regions, target, pictures=options.pictures)
    _say(str(target))
    return 0


def _positive(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,3}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"is {text}, expected a number of processes, 1 or more")
    return int(text)


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "demo",
        help="mask two synthetic showers, and compare the rates with the truth",
        description="Write a small synthetic MIRI exposure with two showers and its region file, "
        "fit its ramps with the stock ramp_fit unmasked, masked the classic way (JUMP_DET only) "
        "and masked by showermask, print the rates and draw a picture. Needs no network, no CRDS.",
    )
    command.add_argument(
        "folder",
        metavar="FOLDER",
        type=Path,
        nargs="?",
        default=Path("showermask-demo"),
        help="where to put the files (default: %(default)s)",
    )
    command.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> int:
    from showermask.demo import run_demo

    for line in run_demo(options.folder):
        _say(line)
    return 0
