"""From a product on disk to masked products in a folder: one exposure, one way.

The ways are those by hand: the step, the drop-in pipeline, and the rate rebuilt from rateints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astropy.io import fits
from stpipe.config_parser import ConfigObj, load_config_file

from showermask.batch.settings import Settings
from showermask.exceptions import ExposureError, OutputError
from showermask.exposure import Exposure, describe_file
from showermask.flagging import Footprint
from showermask.pipeline import Detector1ShowersPipeline
from showermask.provenance import STEP_NAME, Provenance
from showermask.rates import rate_from_rateints
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
#: The steps from jump on that a ramp may have behind it too, and the keyword that tells.
_FROM_JUMP_ON = {
    "jump": "S_JUMP",
    "picture_frame": "S_PCTFRM",
    "clean_flicker_noise": "S_CLNFNS",
    "persistence": "S_PERSIS",
}


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
    try:
        if target == "masked":
            _mask_step(settings, region_file="any.yaml")
        else:
            _pipeline(settings, None, {})
    except Exception as error:
        said = " ".join(str(error).split())
        raise OutputError(f"parameters of the steps: {said}") from error


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
            rate = rate_from_rateints(model)
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
    header = fits.getheader(path)
    done = {name for name, key in _FROM_JUMP_ON.items() if header.get(key) == "COMPLETE"}
    if kind == "jump":
        done.add("jump")
    return (done | set(_BEFORE_JUMP)) & set(Detector1ShowersPipeline.step_defs)


def _parsed(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return parameters as a line of a configuration file has them: commas make lists."""
    return {name: ConfigObj([f"value = {text}"])["value"] for name, text in parameters.items()}


def _mask_step(settings: Settings, **others: Any) -> Any:
    """Return the step with these settings, and others which nothing overrides.

    It is built by hand, for `stpipe.Step.call` would ask CRDS for parameters it has not.
    """
    given: dict[str, Any] = {}
    if settings.parameter_file is not None:
        content = load_config_file(str(settings.parameter_file))
        of_pipeline = content.get("steps", {}).get(STEP_NAME, {})
        given = dict(of_pipeline if "steps" in content else content)
    given |= {**_parsed(settings.steps.get(STEP_NAME, {})), **others}
    config, _ = ManualShowerMaskStep.build_config(None, **given)
    return ManualShowerMaskStep.from_config_section(config)


def _pipeline(
    settings: Settings, path: str | None, steps: Mapping[str, Mapping[str, Any]], **others: Any
) -> Any:
    """Return the drop-in pipeline as strun would make it for the exposure.

    The settings override ``steps``, and nothing overrides the others. CRDS is asked for parameters
    where there is a path.
    """
    merged = {step: dict(parameters) for step, parameters in steps.items()}
    for step, parameters in settings.steps.items():
        merged[step] = {**merged.get(step, {}), **_parsed(parameters)}
    given: dict[str, Any] = {"steps": merged, **others}
    if settings.parameter_file is not None:
        given["config_file"] = str(settings.parameter_file)
    config, file = Detector1ShowersPipeline.build_config(path, **given)
    return Detector1ShowersPipeline.from_config_section(config, config_file=file)
