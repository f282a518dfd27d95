"""The command ``showermask propose``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from showermask.exceptions import ShowermaskError
from showermask.messages import positive_number, say, whole_number

if TYPE_CHECKING:
    from showermask.regionfile.lookup import WorkItem

__all__ = ["add_arguments", "run"]

_THRESHOLD = 6.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = (
        "Look for glows that fade in ramps (_jump, _ramp), and write them into region "
        "files as candidates, with their signal-to-noise ratio. What people have accepted, "
        "rejected or drawn is never touched."
    )
    parser.add_argument(
        "exposures",
        metavar="EXPOSURE",
        type=Path,
        nargs="+",
        help="ramp (FITS), or a directory of them",
    )
    parser.add_argument(
        "--output-dir",
        "-o",
        metavar="DIR",
        type=Path,
        help="directory of the region files (default: SHOWERMASK_REGIONS, else beside each "
        "exposure)",
    )
    parser.add_argument(
        "--threshold",
        metavar="S/N",
        type=positive_number,
        help=f"signal-to-noise ratio from which on a glow is proposed (default: {_THRESHOLD})",
    )
    _add_persistence_arguments(parser)


def _add_persistence_arguments(parser: argparse.ArgumentParser) -> None:
    persistence = parser.add_argument_group(
        "persistence",
        "With --persistence no showers are looked for: what saturated in an exposure is masked in "
        "the later ones of the same detector, as pixels with DO_NOT_USE and PERSISTENCE.",
    )
    persistence.add_argument("--persistence", action="store_true", help="do that instead")
    persistence.add_argument(
        "--unsaturated-groups",
        metavar="N",
        type=whole_number,
        help="most groups in which such a pixel is not saturated, and fewer than half (default: 3)",
    )
    persistence.add_argument(
        "--grow", metavar="N", type=whole_number, help="pixels to grow them by (default: 0)"
    )
    persistence.add_argument(
        "--time-limit",
        metavar="SECONDS",
        type=positive_number,
        help="longest time from the end of an exposure to the start of a later one (default: any)",
    )
    persistence.add_argument(
        "--as-candidates",
        action="store_true",
        help="for the review; without it they are accepted",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    _check_options(options)
    from showermask.propose.showers import find_ramps, propose_showers

    work, problems = find_ramps(options.exposures, options.output_dir)
    if options.persistence:
        problems += _propose_persistence(work, options)
        work = []
    for item in work:
        try:
            proposal = propose_showers(
                item.exposure_path, item.region_path, threshold=options.threshold or _THRESHOLD
            )
        except ShowermaskError as error:  # the others may be better
            problems += error.problems
        else:
            say(proposal.describe())
    for problem in problems:
        say(f"showermask: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _check_options(options: argparse.Namespace) -> None:
    """Refuse options of the other way to propose."""
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


def _propose_persistence(work: list[WorkItem], options: argparse.Namespace) -> list[str]:
    from showermask.propose.persistence import propose_persistence
    from showermask.propose.saturation import PersistenceOptions
    from showermask.regionfile.entry import Status

    given = PersistenceOptions(
        unsaturated_groups=3 if options.unsaturated_groups is None else options.unsaturated_groups,
        grow=options.grow or 0,
        time_limit=options.time_limit,
        status=Status.CANDIDATE if options.as_candidates else Status.ACCEPTED,
    )
    done, problems = propose_persistence(work, given)
    for result in done:
        say(result.describe())
    return problems
