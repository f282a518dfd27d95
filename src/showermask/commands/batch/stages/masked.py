"""The first stage: mask an exposure, or make its masked rates.

It is done as by hand: the step, the drop-in pipeline, and the rate rebuilt from rateints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stpipe.config_parser import load_config_file

from showermask.commands.batch.parameters import NO_FILE, MaskParameters
from showermask.commands.batch.stages.parameters import (
    StageParameters,
    build_pipeline,
    check_parameters,
    check_step,
)
from showermask.exceptions import ExposureError, OutputError
from showermask.exposure.dq import all_flags, bits_of
from showermask.exposure.product import Exposure, describe_file
from showermask.masking.mask import Mask
from showermask.pipeline.detector1 import Detector1ShowersPipeline, completed_steps
from showermask.pipeline.provenance import STEP_NAME, Provenance
from showermask.pipeline.rateints import rate_beside, rate_from_rateints
from showermask.pipeline.step import ManualShowerMaskStep
from showermask.pipeline.subtract import SubtractShowersStep
from showermask.pipeline.subtraction_record import STEP_NAME as SUBTRACTION
from showermask.regionfile.reader import read_regions

__all__ = ["Masked", "check", "mask"]

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


_INDISPENSABLE = ("ramp_fit", STEP_NAME)


def check(parameters: StageParameters, *, is_fit: bool) -> MaskParameters:
    """Refuse parameters that no step has, and return those of the mask.

    Parameters
    ----------
    parameters : StageParameters
        Parameters of the stage.
    is_fit : bool
        Whether rates are made, or exposures masked alone.

    Returns
    -------
    MaskParameters
        The parameters of the mask.

    Raises
    ------
    OutputError
        When a parameter can't be given.
    """
    others = sorted(set(parameters.steps) - {STEP_NAME, SUBTRACTION})
    if others and not is_fit:
        raise OutputError(
            f"--steps.{others[0]}: masking runs no step but {SUBTRACTION} and {STEP_NAME}; "
            "add --to rate"
        )
    for name in (STEP_NAME, SUBTRACTION):
        if "region_file" in parameters.steps.get(name, {}):
            raise OutputError(
                f"--steps.{name}.region_file: the region files are those of the batch; leave it out"
            )
    where = parameters.where
    try:
        step = _pipeline(parameters, None, {}) if is_fit else _mask_step(parameters)
        of_step = step.get_pars()
    except Exception as error:
        said = " ".join(str(error).split())
        raise OutputError(f"{where}parameters of the steps: {said}") from error
    if is_fit:
        check_parameters(step, where, _INDISPENSABLE)
        of_step = of_step["steps"][STEP_NAME]
    else:
        check_step(STEP_NAME, of_step, where, _INDISPENSABLE)
    flags = of_step["flags"]
    bits_of(flags, all_flags(), where=f"{where}{STEP_NAME}.flags", plane="any plane")
    return MaskParameters(tuple(flags), of_step["max_masked_fraction"])


@dataclass(frozen=True, kw_only=True)
class Masked:
    """The result for one exposure."""

    #: The record of the mask, and the mask; None where there is nothing to mask.
    provenance: Provenance
    mask: Mask | None
    #: The CRDS context of the reference files, where there were any.
    crds_context: str | None = None


def mask(
    path: Path,
    suffix: str,
    *,
    files: Mapping[str, str],
    is_fit: bool,
    folder: Path,
    parameters: StageParameters,
) -> Masked:
    """Mask an exposure, or make its masked rates.

    Parameters
    ----------
    path : Path
        The exposure.
    suffix : str
        Which of `~showermask.exposure.names.PRODUCT_SUFFIXES` it is.
    files : mapping of str to str
        ``region_file`` and ``detector_file`` as the step takes them; ``none`` for none.
    is_fit : bool
        Whether rates are made of a ramp.
    folder : Path
        Where products are written.
    parameters : StageParameters
        Parameters of the steps.

    Returns
    -------
    Masked
        The mask and its record.
    """
    exposure = describe_file(path)
    if is_fit and suffix in ("uncal", "jump", "ramp"):
        return _fit(path, exposure, suffix, files, folder, parameters)
    step = _mask_step(
        parameters,
        **files,
        output_dir=str(folder),
        suffix=suffix,
        save_results=True,
    )
    subtraction = _subtracted(path, exposure, files["region_file"], parameters)
    model = step.run(str(path) if subtraction is None else subtraction[0])
    try:
        if subtraction is not None:
            subtraction[1].save_models(folder)
        if is_fit and suffix == "rateints":
            rate = rate_from_rateints(model, rate=rate_beside(path))
            rate.save(str(folder / f"{exposure.root}_rate.fits"))
            rate.close()
    finally:
        model.close()
    return Masked(provenance=step.provenance, mask=step.mask)


def _subtracted(
    path: Path, exposure: Exposure, region_file: str, parameters: StageParameters
) -> tuple[Any, SubtractShowersStep] | None:
    """Return an exposure without the showers that ask for it, and the step; None without any."""
    if region_file == NO_FILE:
        return None
    entries = read_regions(region_file).entries
    has_others = exposure.product.is_rateints and (exposure.nints or 1) > 1
    is_asked = any(entry.is_to_be_subtracted for entry in entries)
    if not is_asked or not (exposure.is_ramp or has_others):
        return None
    given = parameters.of_step(SUBTRACTION)
    config, _ = SubtractShowersStep.build_config(None, region_file=region_file, **given)
    step = SubtractShowersStep.from_config_section(config)
    return step.run(str(path)), step


def _fit(
    path: Path,
    exposure: Exposure,
    suffix: str,
    files: Mapping[str, str],
    folder: Path,
    parameters: StageParameters,
) -> Masked:
    """Run what of the drop-in pipeline the ramp has not behind it."""
    steps: dict[str, dict[str, Any]] = {
        name: {"skip": True} for name in _steps_behind(path, suffix)
    }
    steps[SUBTRACTION] = {"region_file": files["region_file"]}
    steps[STEP_NAME] = dict(files)
    pipeline = _pipeline(parameters, str(path), steps, output_dir=str(folder), save_results=True)
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


def _from_file(parameters: StageParameters) -> dict[str, Any]:
    """Return what the parameter file has for our step."""
    if parameters.file is None:
        return {}
    content = load_config_file(str(parameters.file))
    is_of_step = parameters.file_class == ManualShowerMaskStep.__name__
    of_step = dict(content if is_of_step else content.get("steps", {}).get(STEP_NAME, {}))
    return {k: v for k, v in of_step.items() if k not in {"class", "name"}}


def _mask_step(parameters: StageParameters, **others: Any) -> Any:
    """Return the step with these parameters, and others which nothing overrides.

    It is built by hand, for `stpipe.Step.call` would ask CRDS for parameters it has not.
    """
    given = {**_from_file(parameters), **parameters.of_step(STEP_NAME), **others}
    config, _ = ManualShowerMaskStep.build_config(None, **given)
    return ManualShowerMaskStep.from_config_section(config)


def _pipeline(
    parameters: StageParameters,
    path: str | None,
    steps: Mapping[str, Mapping[str, Any]],
    **others: Any,
) -> Any:
    """Return the drop-in pipeline as strun would make it for the exposure."""
    of_step = {**_from_file(parameters), **steps.get(STEP_NAME, {})}
    return build_pipeline(
        Detector1ShowersPipeline, parameters, path, {**steps, STEP_NAME: of_step}, **others
    )
