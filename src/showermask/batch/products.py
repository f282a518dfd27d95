"""Make the masked products of one exposure in a folder.

It is done as by hand: the step, the drop-in pipeline, and the rate rebuilt from rateints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stpipe.config_parser import load_config_file

from showermask.batch.calibrated import (
    OUTPUT_PARAMETERS,
    calibrate,
    check_image2_parameters,
    of_first_stage,
    parsed,
)
from showermask.batch.parameters import MaskParameters, StepParameters
from showermask.exceptions import ExposureError, OutputError
from showermask.exposure.dq import all_flags, bits_of
from showermask.exposure.names import product_root
from showermask.exposure.product import Exposure, describe_file
from showermask.masking.mask import Mask
from showermask.pipeline.detector1 import Detector1ShowersPipeline, completed_steps
from showermask.pipeline.provenance import STEP_NAME, Provenance
from showermask.pipeline.rateints import rate_beside, rate_from_rateints
from showermask.pipeline.step import ManualShowerMaskStep
from showermask.pipeline.subtract import SubtractShowersStep
from showermask.pipeline.subtraction_record import STEP_NAME as SUBTRACTION
from showermask.regionfile.reader import read_regions

__all__ = ["Masked", "check_step_parameters", "make_products"]

#: Steps of calwebb_detector1 that a ramp has behind it, or goes without, once it left the pipeline.
_BEFORE_JUMP = (
    "group_scale",
    "dq_init",
    "emicorr",
    "saturation",
    "ipc",
    "superbias",
    "refpix",
    "rscd",
    "firstframe",
    "lastframe",
    "linearity",
    "dark_current",
    "reset",
    "charge_migration",
)
#: The steps from jump on that a ramp may have behind it too; it tells which.
_FROM_JUMP_ON = ("jump", "picture_frame", "clean_flicker_noise", "persistence")


_TAKEN_CLASSES = ("Detector1Pipeline", "Detector1ShowersPipeline", "ManualShowerMaskStep")
_INDISPENSABLE = ("ramp_fit", STEP_NAME)


def check_step_parameters(step_parameters: StepParameters, target: str) -> MaskParameters:
    """Refuse parameters that no step has, and return those of the mask."""
    if target == "cal":
        check_image2_parameters(step_parameters)
        return check_step_parameters(of_first_stage(step_parameters), "rate")
    others = sorted(set(step_parameters.steps) - {STEP_NAME, SUBTRACTION})
    if target == "masked" and others:
        raise OutputError(
            f"--steps.{others[0]}: masking runs no step but {SUBTRACTION} and {STEP_NAME}; "
            "add --to rate"
        )
    for name in (STEP_NAME, SUBTRACTION):
        if "region_file" in step_parameters.steps.get(name, {}):
            raise OutputError(
                f"--steps.{name}.region_file: the region files are those of the batch; leave it out"
            )
    where = f"{step_parameters.parameter_file}, " if step_parameters.parameter_file else ""
    try:
        step = (
            _mask_step(step_parameters)
            if target == "masked"
            else _pipeline(step_parameters, None, {})
        )
        parameters = step.get_pars()
    except Exception as error:
        said = " ".join(str(error).split())
        raise OutputError(f"{where}parameters of the steps: {said}") from error
    steps = parameters.pop("steps", {}) | ({STEP_NAME: parameters} if target == "masked" else {})
    for name, of_step in steps.items():
        refused = [key for key in OUTPUT_PARAMETERS if of_step.get(key)]
        if name in _INDISPENSABLE and of_step.get("skip"):
            refused.append("skip")
        if refused:
            raise OutputError(f"{where}{name}.{refused[0]}: not in a batch; leave it out")
    parameters = steps[STEP_NAME]
    flags = parameters["flags"]
    bits_of(flags, all_flags(), where=f"{where}{STEP_NAME}.flags", plane="any plane")
    return MaskParameters(tuple(flags), parameters["max_masked_fraction"])


@dataclass(frozen=True, kw_only=True)
class Masked:
    """The result for one exposure."""

    #: The record of the mask.
    provenance: Provenance
    mask: Mask
    #: The CRDS context of the reference files, where there were any.
    crds_context: str | None = None


def make_products(
    path: Path,
    suffix: str,
    *,
    region_path: Path,
    detector_path: str | None,
    target: str,
    folder: Path,
    step_parameters: StepParameters,
) -> Masked:
    """Make the products of one exposure."""
    if target == "cal":
        masked = make_products(
            path,
            suffix,
            region_path=region_path,
            detector_path=detector_path,
            target="rate",
            folder=folder,
            step_parameters=of_first_stage(step_parameters),
        )
        calibrate(folder / f"{product_root(path)}_rate.fits", step_parameters)
        return masked
    exposure = describe_file(path)
    if target == "rate" and suffix in ("uncal", "jump", "ramp"):
        files = {"region_file": str(region_path), "detector_file": detector_path or "none"}
        return _fit(path, exposure, suffix, files, folder, step_parameters)
    step = _mask_step(
        step_parameters,
        region_file=str(region_path),
        detector_file=detector_path or "none",
        output_dir=str(folder),
        suffix=suffix,
        save_results=True,
    )
    subtraction = _subtracted(path, exposure, region_path, step_parameters)
    model = step.run(str(path) if subtraction is None else subtraction[0])
    try:
        if subtraction is not None:
            subtraction[1].save_models(folder)
        if target == "rate" and suffix == "rateints":
            rate = rate_from_rateints(model, rate=rate_beside(path))
            rate.save(str(folder / f"{exposure.root}_rate.fits"))
            rate.close()
    finally:
        model.close()
    return Masked(provenance=step.provenance, mask=step.mask)


def _subtracted(
    path: Path, exposure: Exposure, region_path: Path, step_parameters: StepParameters
) -> tuple[Any, SubtractShowersStep] | None:
    """Return an exposure without the showers that ask for it, and the step; None without any."""
    region_file = read_regions(region_path)
    has_others = exposure.product.is_rateints and (exposure.nints or 1) > 1
    is_asked = any(entry.is_to_be_subtracted for entry in region_file.entries)
    if not is_asked or not (exposure.is_ramp or has_others):
        return None
    given = parsed(step_parameters.steps.get(SUBTRACTION, {}))
    config, _ = SubtractShowersStep.build_config(None, region_file=str(region_path), **given)
    step = SubtractShowersStep.from_config_section(config)
    return step.run(str(path)), step


def _fit(
    path: Path,
    exposure: Exposure,
    suffix: str,
    files: Mapping[str, str],
    folder: Path,
    step_parameters: StepParameters,
) -> Masked:
    """Run what of the drop-in pipeline the ramp has not behind it."""
    steps: dict[str, dict[str, Any]] = {
        name: {"skip": True} for name in _steps_behind(path, suffix)
    }
    steps[SUBTRACTION] = {"region_file": files["region_file"]}
    steps[STEP_NAME] = dict(files)
    pipeline = _pipeline(
        step_parameters, str(path), steps, output_dir=str(folder), save_results=True
    )
    rate = pipeline.run(str(path))
    if rate is None:
        raise ExposureError(f"{exposure.name}: ramp_fit found no pixel to fit; see its log")
    step = getattr(pipeline, STEP_NAME)
    context = rate.meta.ref_file.crds.context_used
    rate.close()
    return Masked(provenance=step.provenance, mask=step.mask, crds_context=context)


def _steps_behind(path: Path, suffix: str) -> set[str]:
    """Return the steps of the pipeline that are not to be run on a ramp (again)."""
    if suffix == "uncal":
        return set()
    done = set(_FROM_JUMP_ON) & set(completed_steps(path))
    if suffix == "jump":
        done.add("jump")
    return (done | set(_BEFORE_JUMP)) & set(Detector1ShowersPipeline.step_defs)


def _from_file(step_parameters: StepParameters) -> tuple[bool, dict[str, Any]]:
    """Return whether the parameter file is a pipeline's, and what it has for our step."""
    if step_parameters.parameter_file is None:
        return False, {}
    content = load_config_file(str(step_parameters.parameter_file))
    suffix = str(content.get("class", "")).rpartition(".")[2]
    if suffix not in _TAKEN_CLASSES:
        raise OutputError(
            f"is for {suffix or 'nothing'}, expected one of {', '.join(_TAKEN_CLASSES)}"
        )
    is_of_pipeline = suffix != ManualShowerMaskStep.__name__
    of_step = dict(content.get("steps", {}).get(STEP_NAME, {}) if is_of_pipeline else content)
    return is_of_pipeline, {k: v for k, v in of_step.items() if k not in {"class", "name"}}


def _mask_step(step_parameters: StepParameters, **others: Any) -> Any:
    """Return the step with these parameters, and others which nothing overrides.

    It is built by hand, for `stpipe.Step.call` would ask CRDS for parameters it has not.
    """
    _, of_step = _from_file(step_parameters)
    given = {**of_step, **parsed(step_parameters.steps.get(STEP_NAME, {})), **others}
    config, _ = ManualShowerMaskStep.build_config(None, **given)
    return ManualShowerMaskStep.from_config_section(config)


def _pipeline(
    step_parameters: StepParameters,
    path: str | None,
    steps: Mapping[str, Mapping[str, Any]],
    **others: Any,
) -> Any:
    """Return the drop-in pipeline as strun would make it for the exposure.

    The parameters override ``steps``, and nothing overrides the others. CRDS is asked for
    parameters where there is a path.
    """
    is_of_pipeline, of_step = _from_file(step_parameters)
    merged = {STEP_NAME: dict(of_step)}
    for step, parameters in steps.items():
        merged[step] = {**merged.get(step, {}), **parameters}
    for step, parameters in step_parameters.steps.items():
        merged[step] = {**merged.get(step, {}), **parsed(parameters)}
    given: dict[str, Any] = {"steps": merged, **others}
    if is_of_pipeline:
        given["config_file"] = str(step_parameters.parameter_file)
    config, file = Detector1ShowersPipeline.build_config(path, **given)
    return Detector1ShowersPipeline.from_config_section(config, config_file=file)
