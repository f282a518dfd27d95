"""calwebb_detector1 with the shower mask as a step of its own."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import numpy as np
from jwst.pipeline import Detector1Pipeline
from stdatamodels.jwst import datamodels

from showermask.exposure.dq import DO_NOT_USE, dq_plane
from showermask.exposure.product import describe_model
from showermask.masking.footprint import find_footprints
from showermask.masking.mask import Mask
from showermask.pipeline.provenance import STEP_NAME, Provenance
from showermask.pipeline.saving import AtomicSave
from showermask.pipeline.step import ManualShowerMaskStep

__all__ = ["Detector1ShowersPipeline", "completed_steps"]


_JumpStep: Any = Detector1Pipeline.step_defs["jump"]


class _JumpThenShowersStep(_JumpStep):
    """The stock jump step, followed by the shower mask of the pipeline."""

    @classmethod
    def get_config_reftype(cls) -> str:
        """Take the parameters that CRDS has for the stock step."""
        return str(_JumpStep.get_config_reftype())

    def run(self, *args: Any) -> Any:
        """Detect jumps, save them if asked to, then mask showers."""
        return getattr(self.parent, STEP_NAME).run(super().run(*args))


class Detector1ShowersPipeline(AtomicSave, Detector1Pipeline):
    """Apply all calibration steps to raw ramps, with reviewed showers masked right after ``jump``.

    In everything else this is the `~jwst.pipeline.Detector1Pipeline` that is installed: its steps,
    their order, its parameters and those that CRDS has for it. The rate and rateints carry the
    provenance of the mask, and masked pixels without a rate are flagged DO_NOT_USE at once.
    """

    class_alias = "calwebb_detector1_showers"

    step_defs: ClassVar = {
        **Detector1Pipeline.step_defs,
        "jump": _JumpThenShowersStep,
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
        self._done_before = completed_steps(step_input)
        result = super().process(step_input)
        self._finish(result)
        return result

    def save_model(self, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Save a product of the pipeline, with the provenance of the mask."""
        self._finish(model)
        return super().save_model(model, *args, **kwargs)

    def _finish(self, model: Any) -> None:
        """Write into a product what ``ramp_fit``, which makes new models, can't hand on."""
        if model is None:
            return
        for name in self._done_before:
            setattr(model.meta.cal_step, name, "COMPLETE")
        step = getattr(self, STEP_NAME)
        (step.provenance or Provenance(status="SKIPPED")).stamp(model)
        flag_missing_rates(model, step.mask)


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
