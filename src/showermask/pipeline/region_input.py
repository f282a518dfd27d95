"""The region file that a step takes for an exposure."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from showermask.exposure.product import Exposure
from showermask.messages import log
from showermask.regionfile.lookup import REGION_SUFFIX, RegionLookup

__all__ = ["find_region_file"]


def find_region_file(step: Any, exposure: Exposure, done: str) -> Path | None:
    """Return the region file of an exposure, None where there is none, which is logged.

    Parameters
    ----------
    step : stpipe.Step
        The step, with its parameter ``region_file``.
    exposure : Exposure
        The exposure.
    done : str
        What is not done to it without a region file: ``masked`` …

    Returns
    -------
    `~pathlib.Path` or None
        The region file.
    """
    lookup = RegionLookup(step.region_file)
    beside = Path(step.input_dir)
    found = lookup.find(exposure.root, beside)
    for other in found[1:]:
        log.warning("%s: not used, %s comes first", other, found[0])
    if found:
        return found[0]
    # On its own the step was run for a mask; in a pipeline most exposures have no shower.
    log.log(
        logging.WARNING if step.parent is None else logging.INFO,
        "%s: no region file %s%s.yaml, .yml or .asdf in %s; nothing %s",
        exposure.name,
        exposure.name,
        REGION_SUFFIX,
        " or ".join(str(folder.absolute()) for folder in lookup.searched(beside)),
        done,
    )
    return None
