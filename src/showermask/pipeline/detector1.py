"""calwebb_detector1 with showers subtracted or masked, in steps of their own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jwst.pipeline import Detector1Pipeline
from stdatamodels.jwst import datamodels

from showermask.exposure.dq import DO_NOT_USE, dq_plane
from showermask.exposure.product import describe_model
from showermask.masking.footprint import find_footprints
from showermask.masking.mask import Mask
from showermask.pipeline.flicker import FlickerNoiseAroundShowersStep
from showermask.pipeline.provenance import STEP_NAME, Provenance
from showermask.pipeline.rate_variance import add_rate_variance
from showermask.pipeline.saving import AtomicSave
from showermask.pipeline.step import ManualShowerMaskStep
from showermask.pipeline.subtract import SubtractShowersStep
from showermask.pipeline.subtraction_record import STEP_NAME as SUBTRACTION
from showermask.pipeline.subtraction_record import SubtractionRecord

__all__ = ["Detector1ShowersPipeline", "completed_steps"]


_JumpStep: Any = Detector1Pipeline.step_defs["jump"]


class _JumpThenShowersStep(_JumpStep):
    """The stock jump step, followed by subtraction and mask of the pipeline."""

    @classmethod
    def get_config_reftype(cls) -> str:
        """Take the parameters that CRDS has for the stock step."""
        return str(_JumpStep.get_config_reftype())

    def run(self, *args: Any) -> Any:
        """Detect jumps, save them if asked to, then take out showers, then mask the others."""
        subtracted = getattr(self.parent, SUBTRACTION).run(super().run(*args))
        return getattr(self.parent, STEP_NAME).run(subtracted)


class Detector1ShowersPipeline(AtomicSave, Detector1Pipeline):
    """Apply all calibration steps to raw ramps, with reviewed showers gone right after ``jump``.

    ``subtract_showers`` takes out the light of those that ask for it, ``manual_shower_mask`` masks
    the others.

    In everything else this is the `~jwst.pipeline.Detector1Pipeline` that is installed: its steps,
    their order, its parameters and those that CRDS has for it. The rate and rateints carry the
    provenance of the mask, and masked pixels without a rate are flagged DO_NOT_USE at once.
    """

    class_alias = "calwebb_detector1_showers"

    step_defs: ClassVar = {
        **Detector1Pipeline.step_defs,
        "jump": _JumpThenShowersStep,
        "clean_flicker_noise": FlickerNoiseAroundShowersStep,
        SUBTRACTION: SubtractShowersStep,
        STEP_NAME: ManualShowerMaskStep,
    }

    _done_before: tuple[str, ...] = ()

    @classmethod
    def get_config_reftype(cls) -> str:
        """Take the parameters that CRDS has for the stock pipeline."""
        return str(Detector1Pipeline.get_config_reftype())

    def process(self, step_input: Any) -> Any:
        """Run the pipeline.

        Parameters
        ----------
        step_input : str or `~stdatamodels.jwst.datamodels.RampModel`
            The raw ramp.

        Returns
        -------
        `~stdatamodels.jwst.datamodels.JwstDataModel`
            The rate.
        """
        step = getattr(self, STEP_NAME)
        step.provenance, step.mask = None, None
        subtraction = getattr(self, SUBTRACTION)
        subtraction.record, subtraction.models = None, None
        subtraction.is_variance_added_later = True
        self._done_before = completed_steps(step_input)
        result = super().process(step_input)
        self._finish(result)
        return result

    def save_model(self, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Save a product of the pipeline, with the provenance of the mask."""
        self._finish(model)
        path = super().save_model(model, *args, **kwargs)
        if path is not None:
            getattr(self, SUBTRACTION).save_models(Path(path).parent)
        return path

    def _finish(self, model: Any) -> None:
        """Write into a product what ``ramp_fit``, which makes new models, can't hand on."""
        if model is None:
            return
        for name in self._done_before:
            setattr(model.meta.cal_step, name, "COMPLETE")
        step = getattr(self, STEP_NAME)
        (step.provenance or Provenance(status="SKIPPED")).stamp(model)
        flag_missing_rates(model, step.mask)
        self._finish_subtraction(model)

    def _finish_subtraction(self, model: Any) -> None:
        """Write the record of the subtraction, and add its noise to the variances, once."""
        step = getattr(self, SUBTRACTION)
        is_new = SubtractionRecord.of_model(model) is None
        (step.record or SubtractionRecord(status="SKIPPED")).stamp(model)
        if is_new and step.models is not None:
            group_time = describe_model(model).group_time or 1.0
            add_rate_variance(model, step.models, step.used_groups, group_time)


def completed_steps(step_input: Any) -> tuple[str, ...]:
    """Return the steps that an exposure has behind it; to skip them now does not undo them."""
    if isinstance(step_input, (str, os.PathLike)):
        with datamodels.open(step_input) as model:
            return completed_steps(model)
    recorded = step_input.meta.cal_step.instance or {}
    return tuple(name for name, status in recorded.items() if status == "COMPLETE")


def flag_missing_rates(model: Any, mask: Mask | None) -> None:
    """Flag the masked pixels of a rate or rateints that have no value as DO_NOT_USE.

    ``ramp_fit`` with the LIKELY algorithm leaves such pixels NaN without the flag; stages 2 and 3
    set it themselves.
    """
    exposure = describe_model(model)
    if exposure.is_ramp or mask is None:
        return
    entries = {id(footprint.entry): footprint.entry for footprint in mask.footprints}
    plane = dq_plane(model, exposure)
    for footprint in find_footprints(entries.values(), exposure.shape):
        where = (footprint.integration,) if plane.ndim == 3 else ()
        missing = footprint.inside & np.isnan(model.data[(*where, *footprint.box)])
        plane[(*where, *footprint.box)] |= missing * plane.dtype.type(DO_NOT_USE)
