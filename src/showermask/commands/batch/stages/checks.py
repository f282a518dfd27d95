"""Check the parameters of all stages before anything is done."""

from __future__ import annotations

from showermask.commands.batch.parameters import MaskParameters, StepParameters
from showermask.commands.batch.stages import calibrated, masked, mosaic
from showermask.commands.batch.stages.parameters import split_by_stage

__all__ = ["check_step_parameters"]


def check_step_parameters(step_parameters: StepParameters, target: str) -> MaskParameters:
    """Refuse parameters that no step has, and return those of the mask."""
    by_stage = split_by_stage(step_parameters, target)
    parameters = masked.check(by_stage["detector1"], is_fit=target != "masked")
    if "image2" in by_stage:
        calibrated.check(by_stage["image2"])
    if "image3" in by_stage:
        mosaic.check(by_stage["image3"])
    return parameters
