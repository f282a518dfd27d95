"""The second stage: what the stock ``calwebb_image2`` makes of a rate, or of rateints."""

from __future__ import annotations

from pathlib import Path

from jwst.pipeline import Image2Pipeline
from stdatamodels.jwst import datamodels

from showermask.commands.batch.stages.parameters import (
    StageParameters,
    build_pipeline,
    check_later_stage,
)
from showermask.exceptions import ExposureError
from showermask.exposure.names import product_root

__all__ = ["calibrate", "check"]

#: Exposures that ``calwebb_image2`` is for.
_IMAGES = (*Image2Pipeline.image_exptypes, "MIR_4QPM", "MIR_LYOT", "NRC_CORON")


def check(parameters: StageParameters) -> None:
    """Refuse parameters that the steps of ``calwebb_image2`` have not."""
    check_later_stage(Image2Pipeline, parameters)


def calibrate(rate: Path, parameters: StageParameters) -> None:
    """Run ``calwebb_image2`` on a rate, or on rateints; its products come beside it."""
    name, kind = product_root(rate), rate.stem.rpartition("_")[2]
    if not rate.exists():
        raise ExposureError(f"{name}: no {kind} was made of it, expected one to calibrate")
    with datamodels.open(rate) as model:
        exposure_type = model.meta.exposure.type
    if exposure_type not in _IMAGES:
        raise ExposureError(
            f"{name}: its type (EXP_TYPE) is {exposure_type}, but stage 2 of a batch is "
            f"calwebb_image2, for {', '.join(_IMAGES)}; make the {kind} (--to rate), and run "
            "stage 2 by hand"
        )
    pipeline = build_pipeline(
        Image2Pipeline, parameters, str(rate), output_dir=str(rate.parent), save_results=True
    )
    pipeline.run(str(rate))
