"""What stpipe reads at the start of every ``strun``: names only, nothing imported.

A test keeps the list in step with the classes.
"""

from __future__ import annotations

__all__ = ["get_steps"]


def get_steps() -> list[tuple[str, str, bool]]:
    """Tell stpipe of the Steps of this package.

    Returns
    -------
    list of tuple
        Class name, alias, and whether it is a pipeline, of each.
    """
    return [
        ("showermask.ManualShowerMaskStep", "manual_shower_mask", False),
        ("showermask.Detector1ShowersPipeline", "calwebb_detector1_showers", True),
    ]
