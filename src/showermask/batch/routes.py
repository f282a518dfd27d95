"""From a product on disk to masked products in a folder: one exposure, one way.

The ways are those by hand: the step, the drop-in pipeline, and the rate rebuilt from rateints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stpipe.config_parser import ConfigObj, load_config_file

from showermask.batch.settings import Settings
from showermask.exceptions import ExposureError, OutputError
from showermask.exposure import Exposure, Product, describe_file, known_flags
from showermask.flagging import Footprint, bits_of
from showermask.pipeline import Detector1ShowersPipeline, completed_steps
from showermask.provenance import STEP_NAME, Provenance
from showermask.rates import rate_beside, rate_from_rateints
from showermask.step import ManualShowerMaskStep

__all__ = ["Masked", "check_settings", "make_products"]

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


def check_settings(settings: Settings, target: str) -> None:
    """Refuse settings that no step has, before any exposure is touched.

    Parameters
    ----------
    settings : Settings
        What was given.
    target : str
        ``masked`` or ``rate``.

    Raises
    ------
    OutputError
        With what the steps have to say.
    """
    others = sorted(set(settings.steps) - {STEP_NAME})
    if target == "masked" and others:
        raise OutputError(
            f"--steps.{others[0]}: masking runs no step but {STEP_NAME}; add --to rate"
        )
    if "region_file" in settings.steps.get(STEP_NAME, {}):
        raise OutputError(
            f"--steps.{STEP_NAME}.region_file: the region files are those of the batch; "
            "leave it out"
        )
    where = f"{settings.parameter_file}, " if settings.parameter_file else ""
    try:
        step = _mask_step(settings) if target == "masked" else _pipeline(settings, None, {})
        parameters = step.get_pars()
    except Exception as error:
        said = " ".join(str(error).split())
        raise OutputError(f"{where}parameters of the steps: {said}") from error
    steps = parameters.pop("steps", {}) | ({STEP_NAME: parameters} if target == "masked" else {})
    for name, of_step in steps.items():
        refused = [key for key in _OUTPUT_PARAMETERS if of_step.get(key)]
        if name in _INDISPENSABLE and of_step.get("skip"):
            refused.append("skip")
        if refused:
            raise OutputError(f"{where}{name}.{refused[0]}: not in a batch; leave it out")
    every = {**known_flags(Product.IMAGE), **known_flags(Product.RAMP)}
    bits_of(steps[STEP_NAME]["flags"], every, f"{where}{STEP_NAME}.flags")


_TAKEN_CLASSES = ("Detector1Pipeline", "Detector1ShowersPipeline", "ManualShowerMaskStep")
#: What the batch has to decide for every exposure, or it could not tell what was made.
_OUTPUT_PARAMETERS = ("output_dir", "output_file", "opt_name")
_INDISPENSABLE = ("ramp_fit", STEP_NAME)


@dataclass(frozen=True, kw_only=True)
class Masked:
    """What became of one exposure.

    Parameters
    ----------
    provenance : Provenance
        The record of the mask.
    footprints : tuple of Footprint
        Where it is.
    exposure : Exposure
        The exposure that was masked.
    crds_context : str or None
        The CRDS context of the reference files, where there were any.
    """

    provenance: Provenance
    footprints: tuple[Footprint, ...]
    exposure: Exposure
    crds_context: str | None = None


def make_products(
    path: Path, kind: str, *, regions: Path, target: str, folder: Path, settings: Settings
) -> Masked:
    """Make the products of one exposure.

    Parameters
    ----------
    path : `~pathlib.Path`
        The product to start from.
    kind : str
        Which of `~showermask.exposure.PRODUCT_KINDS` it is.
    regions : `~pathlib.Path`
        The region file.
    target : str
        ``masked``: the same product under its own name, masked. ``rate``: rate and rateints, or the
        masked rate from a rate.
    folder : `~pathlib.Path`
        Where the products go.
    settings : Settings
        Parameters of the steps.

    Returns
    -------
    Masked
        What was done.

    Raises
    ------
    ShowermaskError
        When exposure, region file or parameters are at fault.
    """
    exposure = describe_file(path)
    if target == "rate" and kind in ("uncal", "jump", "ramp"):
        return _fit(path, exposure, kind, regions, folder, settings)
    step = _mask_step(
        settings,
        region_file=str(regions),
        output_dir=str(folder),
        suffix=kind,
        save_results=True,
    )
    model = step.run(str(path))
    try:
        if target == "rate" and kind == "rateints":
            rate = rate_from_rateints(model, rate=rate_beside(path))
            rate.save(str(folder / f"{exposure.root}_rate.fits"))
            rate.close()
    finally:
        model.close()
    return Masked(provenance=step.provenance, footprints=step.footprints, exposure=exposure)


def _fit(
    path: Path, exposure: Exposure, kind: str, regions: Path, folder: Path, settings: Settings
) -> Masked:
    """Run what of the drop-in pipeline the ramp has not behind it."""
    steps: dict[str, dict[str, Any]] = {name: {"skip": True} for name in _steps_behind(path, kind)}
    steps[STEP_NAME] = {"region_file": str(regions)}
    pipeline = _pipeline(settings, str(path), steps, output_dir=str(folder), save_results=True)
    rate = pipeline.run(str(path))
    if rate is None:
        raise ExposureError(f"{exposure.name}: ramp_fit found no pixel to fit; see its log")
    step = getattr(pipeline, STEP_NAME)
    context = rate.meta.ref_file.crds.context_used
    rate.close()
    return Masked(
        provenance=step.provenance,
        footprints=step.footprints,
        exposure=exposure,
        crds_context=context,
    )


def _steps_behind(path: Path, kind: str) -> set[str]:
    """Return the steps of the pipeline that are not to be run on a ramp (again)."""
    if kind == "uncal":
        return set()
    done = set(_FROM_JUMP_ON) & set(completed_steps(path))
    if kind == "jump":
        done.add("jump")
    return (done | set(_BEFORE_JUMP)) & set(Detector1ShowersPipeline.step_defs)


def _from_file(settings: Settings) -> tuple[bool, dict[str, Any]]:
    """Return whether the parameter file is a pipeline's, and what it has for our step."""
    if settings.parameter_file is None:
        return False, {}
    content = load_config_file(str(settings.parameter_file))
    kind = str(content.get("class", "")).rpartition(".")[2]
    if kind not in _TAKEN_CLASSES:
        raise OutputError(
            f"is for {kind or 'nothing'}, expected one of {', '.join(_TAKEN_CLASSES)}"
        )
    is_of_pipeline = kind != ManualShowerMaskStep.__name__
    of_step = dict(content.get("steps", {}).get(STEP_NAME, {}) if is_of_pipeline else content)
    return is_of_pipeline, {k: v for k, v in of_step.items() if k not in {"class", "name"}}


def _parsed(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return parameters as a line of a configuration file has them: commas make lists."""
    return {name: ConfigObj([f"value = {text}"])["value"] for name, text in parameters.items()}


def _mask_step(settings: Settings, **others: Any) -> Any:
    """Return the step with these settings, and others which nothing overrides.

    It is built by hand, for `stpipe.Step.call` would ask CRDS for parameters it has not.
    """
    _, of_step = _from_file(settings)
    given = {**of_step, **_parsed(settings.steps.get(STEP_NAME, {})), **others}
    config, _ = ManualShowerMaskStep.build_config(None, **given)
    return ManualShowerMaskStep.from_config_section(config)


def _pipeline(
    settings: Settings, path: str | None, steps: Mapping[str, Mapping[str, Any]], **others: Any
) -> Any:
    """Return the drop-in pipeline as strun would make it for the exposure.

    The settings override ``steps``, and nothing overrides the others. CRDS is asked for parameters
    where there is a path.
    """
    is_of_pipeline, of_step = _from_file(settings)
    merged = {STEP_NAME: dict(of_step)}
    for step, parameters in steps.items():
        merged[step] = {**merged.get(step, {}), **parameters}
    for step, parameters in settings.steps.items():
        merged[step] = {**merged.get(step, {}), **_parsed(parameters)}
    given: dict[str, Any] = {"steps": merged, **others}
    if is_of_pipeline:
        given["config_file"] = str(settings.parameter_file)
    config, file = Detector1ShowersPipeline.build_config(path, **given)
    return Detector1ShowersPipeline.from_config_section(config, config_file=file)
