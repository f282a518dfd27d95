"""Apply a saved region file to the exposure under review."""

from __future__ import annotations

import logging
from pathlib import Path

from showermask.logs import loggers_at

__all__ = ["apply_regions"]


def apply_regions(exposure: Path, regions: Path) -> tuple[Path, list[str]]:
    """Run the step on an exposure, and save its product beside it.

    Parameters
    ----------
    exposure : `~pathlib.Path`
        The ramp, rateints or rate.
    regions : `~pathlib.Path`
        The region file.

    Returns
    -------
    product : `~pathlib.Path`
        What was written.
    log : list of str
        What the step said.
    """
    from showermask.step import ManualShowerMaskStep

    lines: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not record.getMessage().startswith("Saved model"):  # the page names it itself
                lines.append(record.getMessage())

    with loggers_at(logging.INFO, ["stpipe.showermask"], Listener(logging.INFO)):
        # An instance, not call(): that would ask CRDS for parameters, which the step has not.
        step = ManualShowerMaskStep(region_file=str(regions))
        step.save_results = True
        step.output_dir = str(exposure.parent)
        step.run(str(exposure))
    return Path(step.saved_path or exposure), lines
