"""Calibrate the rate of an exposure: what the stock ``calwebb_image2`` makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jwst.pipeline import Image2Pipeline
from stdatamodels.jwst import datamodels
from stpipe.config_parser import ConfigObj

from showermask.batch.parameters import StepParameters
from showermask.exceptions import ExposureError, OutputError

__all__ = [
    "OUTPUT_PARAMETERS",
    "calibrate",
    "check_image2_parameters",
    "of_first_stage",
    "parsed",
]

#: What the batch has to decide for every exposure, or it could not tell what was made.
OUTPUT_PARAMETERS = ("output_dir", "output_file", "opt_name")
#: Exposures that ``calwebb_image2`` is for.
_IMAGES = (*Image2Pipeline.image_exptypes, "MIR_4QPM", "MIR_LYOT", "NRC_CORON")


def check_image2_parameters(step_parameters: StepParameters) -> None:
    """Refuse parameters that the steps of ``calwebb_image2`` have not."""
    try:
        of_steps = _pipeline(step_parameters, None).get_pars()["steps"]
    except Exception as error:
        raise OutputError(f"parameters of the steps: {' '.join(str(error).split())}") from error
    for name, of_step in of_steps.items():
        refused = [key for key in OUTPUT_PARAMETERS if of_step.get(key)]
        if refused:
            raise OutputError(f"{name}.{refused[0]}: not in a batch; leave it out")


def calibrate(rate: Path, step_parameters: StepParameters) -> None:
    """Run ``calwebb_image2`` on a rate; its products come beside it."""
    name = rate.name.removesuffix("_rate.fits")
    if not rate.exists():
        raise ExposureError(f"{name}: no rate was made of it, expected one to calibrate")
    with datamodels.open(rate) as model:
        kind = model.meta.exposure.type
    if kind not in _IMAGES:
        raise ExposureError(
            f"{name}: its type (EXP_TYPE) is {kind}, but --to cal runs calwebb_image2, for "
            f"{', '.join(_IMAGES)}; make the rate (--to rate), and run stage 2 by hand"
        )
    pipeline = _pipeline(step_parameters, str(rate), output_dir=str(rate.parent), save_results=True)
    pipeline.run(str(rate))


def of_first_stage(step_parameters: StepParameters) -> StepParameters:
    """Return the parameters without those of the steps of ``calwebb_image2``."""
    steps = step_parameters.steps
    return replace(
        step_parameters,
        steps={name: steps[name] for name in steps if name not in Image2Pipeline.step_defs},
    )


def parsed(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return parameters as a line of a configuration file has them: commas make lists."""
    return {name: ConfigObj([f"value = {text}"])["value"] for name, text in parameters.items()}


def _pipeline(step_parameters: StepParameters, path: str | None, **others: Any) -> Any:
    """Return ``calwebb_image2`` as strun would make it for a rate."""
    steps = {
        name: parsed(parameters)
        for name, parameters in step_parameters.steps.items()
        if name in Image2Pipeline.step_defs
    }
    config, file = Image2Pipeline.build_config(path, steps=steps, **others)
    return Image2Pipeline.from_config_section(config, config_file=file)
