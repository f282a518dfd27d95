"""Apply a saved region file to the exposure under review."""

from __future__ import annotations

import logging
from pathlib import Path

from showermask.messages import loggers_at

__all__ = ["apply_regions"]


def apply_regions(exposure_path: Path, region_path: Path) -> tuple[Path, list[str]]:
    """Run the step on an exposure, and save its product beside it."""
    from showermask.pipeline.step import ManualShowerMaskStep

    lines: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not record.getMessage().startswith("Saved model"):  # the page names it itself
                lines.append(record.getMessage())

    with loggers_at(logging.INFO, ["stpipe.showermask"], Listener(logging.INFO)):
        # An instance, not call(): that would ask CRDS for parameters, which the step has not.
        step = ManualShowerMaskStep(region_file=str(region_path))
        step.save_results = True
        step.output_dir = str(exposure_path.parent)
        step.run(str(exposure_path))
    return Path(step.saved_path or exposure_path), lines
