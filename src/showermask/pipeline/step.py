"""The pipeline step that masks showers."""

from __future__ import annotations

import os
from typing import Any

from showermask.exposure.dq import dq_plane
from showermask.exposure.names import PRODUCT_SUFFIX, product_stem
from showermask.exposure.product import Exposure, check_not_truncated, describe_model
from showermask.masking.mask import Mask
from showermask.messages import counted, log
from showermask.pipeline.provenance import STEP_NAME, Provenance
from showermask.pipeline.region_input import find_detector_file, find_region_file
from showermask.pipeline.saving import AtomicSave
from showermask.pipeline.subtraction_record import SubtractionRecord
from showermask.regionfile.content import RegionFile

__all__ = ["ManualShowerMaskStep"]


class ManualShowerMaskStep(AtomicSave):
    """Mask reviewed cosmic-ray showers and other bad pixels in the data-quality plane.

    They are read from a region file, the bad pixels of the detector from a second one. Takes a
    ramp (``_jump``, ``_ramp``), rateints or calints, a rate or cal: as a file name, as a datamodel,
    or as what a pipeline hands to a hook. Bits are ORed into ``groupdq`` or ``dq``, no other array
    is touched, and no bit is cleared. Without a region file for the exposure or its detector the
    step is recorded as SKIPPED.
    """

    class_alias = STEP_NAME
    suffix: str | None

    spec = """
        region_file = string(default=None) # Region file, or a directory of <exposure>_showers.yaml, .yml, .asdf; none for none
        detector_file = string(default=None) # Bad pixels of the detector; <detector>_badpixels.yaml in the directory of region files by default, none for none
        flags = force_list(default=list('JUMP_DET', 'DO_NOT_USE')) # Flags of what names none
        max_masked_fraction = float(default=0.5, min=0.0, max=1.0) # Largest part of a frame that may be masked
    """  # noqa: E501  # stpipe takes one line per parameter

    #: The record of the last run, for products that a pipeline makes later.
    provenance: Provenance | None = None
    #: The mask of the last run; None where nothing was masked.
    mask: Mask | None = None
    #: Whether the last run found everything masked and recorded already.
    was_up_to_date: bool = False

    def process(self, step_input: Any) -> Any:
        """Mask the showers of one exposure.

        Parameters
        ----------
        step_input : str, `~pathlib.Path`, `~stdatamodels.jwst.datamodels.JwstDataModel` or tuple
            The exposure; or the tuple of models that ``ramp_fit`` returns, masked one by one.

        Returns
        -------
        `~stdatamodels.jwst.datamodels.JwstDataModel` or tuple
            The masked exposure: the input model itself where a pipeline runs the step, else a copy.

        Raises
        ------
        ShowermaskError
            When the region file, the exposure or the flags are at fault; nothing is changed then.
        """
        if isinstance(step_input, (tuple, list)):
            return tuple(None if model is None else self.process(model) for model in step_input)
        path = None
        if isinstance(step_input, (str, os.PathLike)):
            path = self.make_input_path(os.fspath(step_input))
            check_not_truncated(path)
        model = self.prepare_output(step_input if path is None else path)
        try:
            self._mask(model, describe_model(model, path=path))
        except BaseException:
            if path is not None:
                model.close()
            raise
        return model

    def run(self, *args: Any) -> Any:
        """Run the step; a suffix that was made for this input is not kept for the next.

        Parameters
        ----------
        *args
            As in `stpipe.Step.run`.

        Returns
        -------
        `~stdatamodels.jwst.datamodels.JwstDataModel` or tuple
            The masked exposure.
        """
        if self.skip and self.parent is None and not isinstance(args[0], (str, os.PathLike)):
            # stpipe takes a hook that is an instance for a step on its own, which it never skips.
            return _recorded_as_skipped(args[0])
        given = self.suffix
        try:
            return super().run(*args)
        finally:
            self.suffix = given

    def default_suffix(self) -> str:
        """Return ``<product>_showermask``, so that the masked ramp and rate stay apart."""
        source = self.search_attr("_input_filename")
        if self.parent is not None or not source:
            return PRODUCT_SUFFIX
        stem = product_stem(source).removesuffix(f"_{PRODUCT_SUFFIX}")
        product = stem.removeprefix(self.remove_suffix(stem)[0]).strip("_-")
        return f"{product}_{PRODUCT_SUFFIX}" if product else PRODUCT_SUFFIX

    def keep_input(self, path: str) -> bool:
        """Leave the input file alone when it is the very result; see `AtomicSave`."""
        if self.was_up_to_date:
            log.info("%s: is masked by this region file already; left as it is", path)
        return self.was_up_to_date

    def _mask(self, model: Any, exposure: Exposure) -> None:
        exposure.check_not_raw()
        self.mask = None
        self.was_up_to_date = False
        detector_file = find_detector_file(self, exposure)
        path = find_region_file(self, exposure, "masked", is_needed=detector_file is None)
        if path is None and detector_file is None:
            self.provenance = Provenance.of_model(model) or Provenance(status="SKIPPED")
            self.provenance.stamp(model)
            return
        before = SubtractionRecord.of_model(model)
        parameters: dict[str, Any] = {
            "subtracted": before.fingerprints if before is not None else (),
            "default_flags": self.flags or (),
            "max_masked_fraction": self.max_masked_fraction,
            "detector_file": detector_file,
        }
        if path is not None:
            mask = Mask.read(path, exposure, **parameters)
        else:
            mask = Mask.plan(RegionFile.for_exposure(exposure), exposure, **parameters)
        plane = dq_plane(model, exposure)
        was_applied = mask.is_applied(plane)
        lone_groups = mask.apply(plane)
        if exposure.is_ramp and mask.apply_pixel_flags(model.pixeldq):
            was_applied = False
        record = Provenance.of_mask(mask, lone_groups=lone_groups)
        self.was_up_to_date = was_applied and not lone_groups and record.is_of_same_mask(model)
        self.provenance = record.added_to(model)
        self.mask = mask
        self.provenance.stamp(model)
        log.info(
            "%s: masked %s of %s, %s, %.2f %% of the frame, in %s%s",
            exposure.name,
            mask.coverage.entries_text(),
            " and ".join(str(one) for one in (path, detector_file and detector_file.path) if one),
            mask.coverage.pixels_text(),
            100 * mask.coverage.fraction,
            exposure.product.plane,
            f" and {counted(lone_groups, 'lone group')}" if lone_groups else "",
        )
        for remark in mask.remarks():
            log.warning("%s", remark)


def _recorded_as_skipped(result: Any) -> Any:
    """Record in a model, or a tuple of models, that the step was skipped, and return it."""
    for model in result if isinstance(result, (tuple, list)) else (result,):
        if model is not None:
            Provenance(status="SKIPPED").stamp(model)
    return result
