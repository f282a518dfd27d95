"""From a product on disk to masked products in a folder: one exposure, one way.

The ways are those by hand: the step, the drop-in pipeline, and the rate rebuilt from rateints.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from astropy.io import fits
from stpipe.config_parser import ConfigObj, load_config_file

from showermask.exceptions import ExposureError, OutputError
from showermask.exposure import Exposure, describe_file
from showermask.flagging import Footprint
from showermask.pipeline import Detector1ShowersPipeline
from showermask.provenance import STEP_NAME, Provenance
from showermask.rates import rate_from_rateints
from showermask.step import ManualShowerMaskStep

__all__ = ["Masked", "Settings", "make_products"]

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


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Parameters of the steps, as strun takes them.

    Parameters
    ----------
    steps : dict of str to dict of str to str
        For each step its parameters, as typed in ``--steps.<step>.<parameter>=<value>``.
    parameter_file : `~pathlib.Path`, optional
        Parameter file of stpipe (``.asdf``), for ``calwebb_detector1``, with or without showers, or
        for the step.
    """

    steps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    parameter_file: Path | None = None

    def fingerprint(self) -> dict[str, Any]:
        """Return what tells these settings from others.

        Returns
        -------
        dict
            Parameters, name and hash of the parameter file; to be written as JSON.
        """
        found: dict[str, Any] = {}
        if self.steps:
            found["steps"] = {step: dict(pars) for step, pars in sorted(self.steps.items())}
        if self.parameter_file is not None:
            content = _read(self.parameter_file)
            found["parameter_file"] = {
                "name": self.parameter_file.name,
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        return found

    def check(self, target: str) -> None:
        """Refuse settings that no step has, before any exposure is touched.

        Parameters
        ----------
        target : str
            ``masked`` or ``rate``.

        Raises
        ------
        OutputError
            With what the steps have to say.
        """
        others = sorted(set(self.steps) - {STEP_NAME})
        if target == "masked" and others:
            raise OutputError(
                f"--steps.{others[0]}: masking runs no step but {STEP_NAME}; add --to rate"
            )
        if "region_file" in self.steps.get(STEP_NAME, {}):
            raise OutputError(
                f"--steps.{STEP_NAME}.region_file: the region files are those of the batch; "
                "leave it out"
            )
        if self.parameter_file is not None:
            _read(self.parameter_file)
        try:
            if target == "masked":
                self.mask_step("any.yaml")
            else:
                self.pipeline(None, {})
        except Exception as error:
            said = " ".join(str(error).split())
            raise OutputError(f"parameters of the steps: {said}") from error

    def mask_step(self, region_file: str, **others: Any) -> Any:
        """Return the step, with these settings.

        It is built by hand, for `stpipe.Step.call` would ask CRDS for parameters it has not.

        Parameters
        ----------
        region_file : str
            The region file.
        **others
            More parameters, which nothing overrides.

        Returns
        -------
        ManualShowerMaskStep
            The step, to be run.
        """
        given: dict[str, Any] = {}
        if self.parameter_file is not None:
            content = load_config_file(str(self.parameter_file))
            of_pipeline = content.get("steps", {}).get(STEP_NAME, {})
            given = dict(of_pipeline if "steps" in content else content)
        given |= _parsed(self.steps.get(STEP_NAME, {}))
        given |= {"region_file": region_file, **others}
        config, _ = ManualShowerMaskStep.build_config(None, **given)
        return ManualShowerMaskStep.from_config_section(config)

    def pipeline(
        self, path: str | None, steps: Mapping[str, Mapping[str, Any]], **others: Any
    ) -> Any:
        """Return the drop-in pipeline as strun would make it, with these settings.

        Parameters
        ----------
        path : str or None
            The exposure for which CRDS is asked for parameters; None to ask for none.
        steps : dict of str to dict
            Parameters of the steps, which the settings override.
        **others
            Parameters of the pipeline, which nothing overrides.

        Returns
        -------
        Detector1ShowersPipeline
            The pipeline, to be run.
        """
        merged = {step: dict(parameters) for step, parameters in steps.items()}
        for step, parameters in self.steps.items():
            merged[step] = {**merged.get(step, {}), **_parsed(parameters)}
        given: dict[str, Any] = {"steps": merged, **others}
        if self.parameter_file is not None:
            given["config_file"] = str(self.parameter_file)
        config, file = Detector1ShowersPipeline.build_config(path, **given)
        return Detector1ShowersPipeline.from_config_section(config, config_file=file)


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
    step = settings.mask_step(str(regions), output_dir=str(folder), suffix=kind, save_results=True)
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
    pipeline = settings.pipeline(str(path), steps, output_dir=str(folder), save_results=True)
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


def _read(parameter_file: Path) -> bytes:
    try:
        return parameter_file.read_bytes()
    except OSError as error:
        raise OutputError(
            f"{parameter_file}: can't be read ({error.strerror}), "
            "expected a parameter file of stpipe"
        ) from error
