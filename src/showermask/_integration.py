"""The steps of this package, for stpipe, which reads them at the start of every ``strun``.

A test keeps the list in step with the classes.
"""

from __future__ import annotations

__all__ = ["get_steps"]


def get_steps() -> list[tuple[str, str, bool]]:
    """Tell stpipe of the Steps of this package."""
    return [
        ("showermask.ManualShowerMaskStep", "manual_shower_mask", False),
        ("showermask.SubtractShowersStep", "subtract_showers", False),
        ("showermask.Detector1ShowersPipeline", "calwebb_detector1_showers", True),
    ]
