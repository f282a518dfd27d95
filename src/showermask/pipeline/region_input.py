"""The region file that a step takes for an exposure."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from showermask.exceptions import RegionFileError
from showermask.exposure.product import Exposure
from showermask.messages import log
from showermask.regionfile.content import RegionFile
from showermask.regionfile.lookup import REGION_SUFFIX, RegionLookup
from showermask.regionfile.reader import read_regions

__all__ = ["find_detector_file", "find_region_file"]


def find_region_file(
    step: Any, exposure: Exposure, done: str, *, is_needed: bool = True
) -> Path | None:
    """Return the region file of an exposure, None where there is none, which is logged.

    Parameters
    ----------
    step : stpipe.Step
        The step, with its parameter ``region_file``.
    exposure : Exposure
        The exposure.
    done : str
        What is not done to it without a region file: ``masked`` …
    is_needed : bool, optional
        Whether nothing is done without it.

    Returns
    -------
    `~pathlib.Path` or None
        The region file.
    """
    if _is_none(step.region_file):
        log.info("%s: nothing %s: region_file is none", exposure.name, done)
        return None
    lookup = RegionLookup(step.region_file)
    beside = Path(step.input_dir)
    found = lookup.find(exposure.root, beside)
    for other in found[1:]:
        log.warning("%s: not used, %s comes first", other, found[0])
    if found:
        return found[0]
    # On its own the step was run for a mask; in a pipeline most exposures have no shower.
    log.log(
        logging.WARNING if step.parent is None and is_needed else logging.INFO,
        "%s: no region file %s%s.yaml, .yml or .asdf in %s%s",
        exposure.name,
        exposure.name,
        REGION_SUFFIX,
        " or ".join(str(folder.absolute()) for folder in lookup.searched(beside)),
        f"; nothing {done}" if is_needed else "",
    )
    return None


def find_detector_file(step: Any, exposure: Exposure) -> RegionFile | None:
    """Return the file with the bad pixels of an exposure's detector, None where there is none.

    Parameters
    ----------
    step : stpipe.Step
        The step, with its parameters ``region_file`` and ``detector_file``.
    exposure : Exposure
        The exposure.

    Returns
    -------
    RegionFile or None
        The file; it fits the exposure.

    Raises
    ------
    RegionFileError
        When a file is not valid, or the one that is given is not for the exposure.
    """
    given = step.detector_file
    if _is_none(given):
        return None
    if given:
        region_file = read_regions(given)
        problems = [*region_file.mismatches(exposure)]
        if region_file.detector is None:
            problems.append("is for an exposure, expected a file with detector (badpixels)")
        RegionFileError.check_none([f"{region_file.name}: {problem}" for problem in problems])
        return region_file
    folder = None if _is_none(step.region_file) else step.region_file
    return RegionLookup(folder).find_detector_file(exposure, Path(step.input_dir))


def _is_none(given: str | None) -> bool:
    """Tell whether a parameter says that no file is to be taken, nor looked for."""
    return given is not None and given.lower() == "none"
