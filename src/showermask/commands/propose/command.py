"""The command ``showermask propose``."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from showermask.commands.propose import THRESHOLD
from showermask.messages import positive_number, say, whole_number
from showermask.workers.arguments import add_worker_arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from showermask.commands.propose.persistence.run import Persistence
    from showermask.commands.propose.showers import Proposal
    from showermask.regionfile.lookup import WorkItem

__all__ = ["add_arguments", "run"]

#: Release of jwst whose persistence step reads and writes arrays.
_FIRST_WITH_ARRAYS = 3


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
        help=f"signal-to-noise ratio from which on a glow is proposed (default: {THRESHOLD})",
    )
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    add_worker_arguments(parser)
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
        metavar="[FILTER=]SECONDS",
        action="append",
        type=_time_limit,
        help="longest time from the end of an exposure to the start of a later one, of all filters "
        "or of one of the later exposure; any for no limit (default: 18600 for MIRI, else any)",
    )
    persistence.add_argument(
        "--as-candidates",
        action="store_true",
        help="for the review; without it they are accepted",
    )
    persistence.add_argument(
        "--earlier",
        metavar="EXPOSURE",
        type=Path,
        nargs="+",
        action="extend",
        help="ramps of other programmes, or directories of them: only looked at",
    )
    persistence.add_argument(
        "--slews",
        metavar="TABLE",
        type=Path,
        help="pixels that stars crossed between exposures: a table of x, y (pixel of the detector "
        "from 0, or a range as 10:20) and until (UTC or MJD); perhaps from and detector",
    )
    persistence.add_argument(
        "--persistence-array-file",
        metavar="ASDF",
        type=Path,
        help="what PersistenceStep (jwst 3.0) or --save-persistence has written after earlier "
        "exposures",
    )
    persistence.add_argument(
        "--save-persistence",
        metavar="ASDF",
        type=Path,
        help="write the state after the last exposure, as PersistenceStep (jwst 3.0) reads it",
    )


def _time_limit(text: str) -> tuple[str | None, float]:
    """Read a time limit, and the filter that it is for."""
    name, is_named, seconds = text.rpartition("=")
    if is_named and not name:
        raise argparse.ArgumentTypeError(f"is {text}, expected [FILTER=]SECONDS")
    return name.upper() or None, math.inf if seconds == "any" else positive_number(seconds)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    _check_options(options)
    from showermask.commands.propose.ramps import find_ramps

    work, problems = find_ramps(options.exposures, options.output_dir)
    found: Sequence[Proposal | Persistence] = ()
    if options.persistence:
        found, more = _propose_persistence(work, options)
        problems += more
    elif work:
        from showermask.commands.propose.tasks import run_searches

        found, more = run_searches(
            work,
            threshold=options.threshold or THRESHOLD,
            workers=options.workers,
            scheduler=options.scheduler,
        )
        problems += more
    if options.json:
        content = {"exposures": [one.to_dict() for one in found], "problems": problems}
        print(json.dumps(content, indent=2))
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
        "--earlier": options.earlier,
        "--slews": options.slews,
        "--persistence-array-file": options.persistence_array_file,
        "--save-persistence": options.save_persistence,
    }
    of_searches = {
        "--threshold": options.threshold,
        "-j": options.workers,
        "--scheduler": options.scheduler,
    }
    foreign = [name for name, value in given.items() if value is not None]
    if foreign and not options.persistence:
        options.parser.error(
            f"{', '.join(foreign)}: only for --persistence; add it, or leave them out"
        )
    unfit = [name for name, value in of_searches.items() if value is not None]
    if options.persistence and unfit:
        options.parser.error(
            f"{', '.join(unfit)}: not for --persistence, which looks for no showers; leave them out"
        )


def _propose_persistence(
    work: list[WorkItem], options: argparse.Namespace
) -> tuple[list[Persistence], list[str]]:
    from showermask.commands.propose.persistence.run import OtherSources, propose_persistence
    from showermask.commands.propose.persistence.saturation import PersistenceOptions
    from showermask.commands.propose.ramps import find_other_ramps
    from showermask.regionfile.entry import Status

    earlier, problems = find_other_ramps(options.earlier or ())
    given = PersistenceOptions(
        unsaturated_groups=3 if options.unsaturated_groups is None else options.unsaturated_groups,
        grow=options.grow or 0,
        time_limits=dict(options.time_limit or ()),
        status=Status.CANDIDATE if options.as_candidates else Status.ACCEPTED,
    )
    others = OtherSources(
        earlier=earlier,
        slews=options.slews,
        array_file=options.persistence_array_file,
        save_persistence=_array_to_write(options.save_persistence),
    )
    done, more = propose_persistence(work, given, others)
    for line in (line for result in done for line in result.describe()):
        say(line)
    return done, problems + more


def _array_to_write(path: Path | None) -> Path | None:
    """Return where a persistence array goes; nowhere where the step does not know of it."""
    if path is None:
        return None
    from importlib.metadata import version

    installed = version("jwst")
    if int(installed.split(".")[0]) < _FIRST_WITH_ARRAYS:
        say(
            f"{path}: not written, for the persistence step of jwst {installed} takes no "
            f"persistence array (that of {_FIRST_WITH_ARRAYS}.0 does)"
        )
        return None
    return path
