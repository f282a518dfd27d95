"""The pipeline step that takes the light of showers out of ramps."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from showermask.exceptions import ExposureError
from showermask.exposure.dq import DO_NOT_USE
from showermask.exposure.models import ModelImages
from showermask.exposure.names import PRODUCT_SUFFIX, SUBTRACTED_SUFFIX, product_stem
from showermask.exposure.product import Exposure, check_not_truncated, describe_model
from showermask.glow.ramp_noise import RampNoise, measure_ramp_noise
from showermask.glow.verdicts import Verdict, judge_rates, judge_showers
from showermask.masking.mask import Mask
from showermask.messages import counted, log
from showermask.pipeline.region_input import find_region_file
from showermask.pipeline.saving import AtomicSave
from showermask.pipeline.showermodels import RemovedShower, ShowerModels, models_path
from showermask.pipeline.subtraction_record import STEP_NAME, SubtractionRecord

__all__ = ["SubtractShowersStep", "used_groups"]

#: Every so many rows and columns tell which groups are used.
_SAMPLED = 4


class SubtractShowersStep(AtomicSave):
    """Take the light of reviewed cosmic-ray showers out of a ramp, or out of rateints.

    Those entries of the region file that say ``action: subtract`` or ``auto`` are fitted, each
    with a map and a course. The light of those whose fit passes the rule is taken out of the
    ramp; the others are left to `ManualShowerMaskStep`. No flag is set, and nothing before the
    onset of a shower is touched. Of rateints, the smooth excess over the other integrations is
    taken out. The models are saved beside the product, and ``restore`` puts the
    light back.
    """

    class_alias = STEP_NAME
    suffix: str | None

    spec = """
        region_file = string(default=None) # Region file, or a directory of <exposure>_showers.yaml, .yml, .asdf; none for none
        override_gain = string(default=None) # GAIN reference file; measured from the ramp by default
        override_readnoise = string(default=None) # READNOISE reference file; measured by default
        force = boolean(default=False) # Subtract from moving targets and time series as well
        restore = boolean(default=False) # Put the light back that was taken out before
        models_file = string(default=None) # Models for that; <exposure>_showermodel.fits beside the input by default
    """  # noqa: E501  # stpipe takes one line per parameter

    #: The record of the last run, for products that a pipeline makes later.
    record: SubtractionRecord | None = None
    #: The showers that the last run took out; None where there are none.
    models: ShowerModels | None = None
    #: What the last run said of each entry.
    verdicts: tuple[Verdict, ...] = ()
    #: For each integration with a shower, the groups that the ramp fit uses.
    used_groups: Mapping[int, NDArray[np.bool_]] = MappingProxyType({})
    #: Whether the pipeline adds what the subtraction costs to the variances of its rates.
    is_variance_added_later: bool = False

    def process(self, step_input: Any) -> Any:
        """Take the showers out of one exposure.

        Parameters
        ----------
        step_input : str, `~pathlib.Path` or `~stdatamodels.jwst.datamodels.JwstDataModel`
            The ramp, after the jump step; or rateints of several integrations.

        Returns
        -------
        `~stdatamodels.jwst.datamodels.JwstDataModel`
            The exposure without their light: the input model itself where a pipeline runs the step,
            else a copy.

        Raises
        ------
        ShowermaskError
            When the region file or the exposure are at fault; nothing is changed then.
        """
        path = None
        if isinstance(step_input, (str, os.PathLike)):
            path = self.make_input_path(os.fspath(step_input))
            check_not_truncated(path)
        self.record, self.models, self.verdicts, self.used_groups = None, None, (), {}
        model = self.prepare_output(step_input if path is None else path)
        try:
            exposure = describe_model(model, path=path)
            _check_product(exposure)
            if self.restore:
                self._restore(model, exposure)
            else:
                self._subtract(model, exposure)
        except BaseException:
            if path is not None:
                model.close()
            raise
        return model

    def default_suffix(self) -> str:
        """Return ``<product>_showersubtract``."""
        source = self.search_attr("_input_filename")
        if self.parent is not None or not source:
            return SUBTRACTED_SUFFIX
        stem = product_stem(source)
        for ours in (PRODUCT_SUFFIX, SUBTRACTED_SUFFIX):
            stem = stem.removesuffix(f"_{ours}")
        product = stem.removeprefix(self.remove_suffix(stem)[0]).strip("_-")
        return f"{product}_{SUBTRACTED_SUFFIX}" if product else SUBTRACTED_SUFFIX

    def save_model(self, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Save the ramp, and its models beside it."""
        path = super().save_model(model, *args, **kwargs)
        if path is not None:
            self.save_models(Path(path).parent)
        return path

    def save_models(self, folder: Path) -> None:
        """Save the models of the last run, if there are any."""
        if self.models is None:
            return
        path = models_path(folder, self.models.exposure)
        self.models.write(path)
        log.info("Saved shower models in %s", path)

    def _subtract(self, model: Any, exposure: Exposure) -> None:
        path = find_region_file(self, exposure, "subtracted")
        mask = None if path is None else Mask.read(path, exposure)
        if mask is not None and self._is_wanted(model, mask):
            self._take_out(model, mask)
        if self.record is None:
            before = SubtractionRecord.of_model(model)
            self.record = before or SubtractionRecord(status="SKIPPED")
        self.record.stamp(model)

    def _is_wanted(self, model: Any, mask: Mask) -> bool:
        """Tell whether anything is to be taken out; refuse what can't be.

        In a pipeline an exposure that is refused is left to the mask, and goes on.
        """
        region_file, exposure = mask.region_file, mask.exposure
        if not any(entry.is_to_be_subtracted for entry in region_file.entries):
            log.info(
                "%s: no accepted entry of %s says action: subtract or auto; nothing subtracted",
                exposure.name,
                region_file.name,
            )
            return False
        refusal = _refusal(model, is_forced=self.force)
        if refusal is None:
            return True
        if self.parent is None:
            raise ExposureError(f"{exposure.name}: {refusal}")
        log.warning("%s: %s; nothing is subtracted", exposure.name, refusal)
        return False

    def _take_out(self, model: Any, mask: Mask) -> None:
        """Fit the showers that ask for it, and take out those that pass the rule."""
        region_file, exposure = mask.region_file, mask.exposure
        images = ModelImages(model)
        gain = math.inf
        if exposure.is_ramp:
            noise = self._noise(images, exposure)
            gain = noise.gain
            is_given = bool(self.override_gain or self.override_readnoise)
            self.verdicts = tuple(
                judge_showers(region_file, images, exposure, noise=noise if is_given else None)
            )
        else:
            self.verdicts = tuple(judge_rates(region_file, *_rates(model)))
        for verdict in self.verdicts:
            log.info("%s: %s", exposure.name, verdict.describe())
        showers = tuple(
            RemovedShower(key=one.key, fingerprint=one.entry.fingerprint, model=one.model)
            for one in self.verdicts
            if one.is_subtracted and one.model is not None
        )
        if not showers:
            return
        self.models = ShowerModels(
            exposure=exposure.root or "",
            region_file=region_file.name,
            region_hash=(region_file.fingerprint or "")[:16],
            stack_shape=images.stack_shape,
            gain=gain,
            showers=showers,
        )
        _change(model, self.models, sign=-1)
        self.used_groups = {
            one.integration: used_groups(model.groupdq[one.integration])
            for one in self.models.of_ramp
        }
        refused = len(self.verdicts) - len(showers)
        self.record = SubtractionRecord.of_models(self.models, refused=refused)
        log.info(
            "%s: subtracted %s of %s, %.4g DN%s",
            exposure.name,
            counted(len(showers), "shower"),
            region_file.name,
            self.models.removed,
            f"; {refused} left to the mask" if refused else "",
        )
        if exposure.is_ramp:
            self._note_variance(model, exposure)
        is_hook = self.parent is not None and not self.is_variance_added_later
        if is_hook and self.parent.save_results:  # our own pipeline saves them with its products
            self.save_models(Path(self.search_attr("output_dir") or "."))

    def _note_variance(self, model: Any, exposure: Exposure) -> None:
        """Hand the noise of the photons on to ``ramp_fit``, where nobody adds it later."""
        if self.is_variance_added_later or self.models is None:
            return
        if self.models.stack_shape[0] == 1:
            add_photon_rate(model, self.models, exposure.group_time or 1.0)
            log.info(
                "%s: the noise of the photons that were subtracted goes into the variance of the "
                "rate (average_dark_current), that of maps and courses can't be added here; "
                "calwebb_detector1_showers and batch add it",
                exposure.name,
            )
        else:
            log.warning(
                "%s: what the subtraction adds to the variance of the rates can't be added here; "
                "calwebb_detector1_showers and batch add it",
                exposure.name,
            )

    def _noise(self, images: ModelImages, exposure: Exposure) -> RampNoise:
        """Return the noise of the ramp, from reference files where they are given."""
        measured = measure_ramp_noise(images, 0, exposure.image_shape)
        read, gain = measured.read, measured.gain
        if self.override_readnoise:
            # The reference has the noise of the difference of two reads, in DN.
            read = _typical(self.override_readnoise, "READNOISE") ** 2
        if self.override_gain:
            gain = _typical(self.override_gain, "GAIN")
        return RampNoise(read=read, gain=gain)

    def _restore(self, model: Any, exposure: Exposure) -> None:
        """Put the light of all subtracted showers back."""
        before = SubtractionRecord.of_model(model)
        if before is None:
            raise ExposureError(
                f"{exposure.name}: no shower was subtracted, expected a ramp that "
                f"{STEP_NAME} has written"
            )
        path = Path(self.models_file or models_path(self.input_dir or ".", exposure.root or ""))
        models = ShowerModels.read(path)
        if models.hash != before.models_hash:
            raise ExposureError(
                f"{path}: its models have the hash {models.hash}, but {before.models_hash} were "
                f"subtracted from {exposure.name}; give the file of that run (--models_file)"
            )
        _change(model, models, sign=1)
        if exposure.is_ramp:
            add_photon_rate(model, models, exposure.group_time or 1.0, sign=-1)
        text = f"showermask: put {counted(len(models.showers), 'shower')} of {path.name} back"
        SubtractionRecord.remove(model, text)
        log.info("%s: %s", exposure.name, text)


def _check_product(exposure: Exposure) -> None:
    """Refuse what tells a shower from sources by nothing, and ramps that are not calibrated yet."""
    exposure.check_not_raw()
    if exposure.product.is_rateints and (exposure.nints or 1) > 1:
        return
    if not exposure.is_ramp:
        raise ExposureError(
            f"{exposure.name}: is a {exposure.product.value} of {exposure.nints or 1} "
            "integration(s), in which nothing tells a shower from a source; expected a ramp "
            "(_jump, _ramp), or rateints of several integrations"
        )


def _refusal(model: Any, *, is_forced: bool) -> str | None:
    """Return why showers are not taken out of a ramp; None where they may be."""
    before = SubtractionRecord.of_model(model)
    if before is not None:
        return (
            f"{counted(len(before.entries), 'shower')} of {before.region_file} were subtracted "
            f"already (models {before.models_hash}); put them back first (--restore=true), or take "
            "the ramp as it was before"
        )
    if is_forced:
        return None
    changing = "and changing light is its science; mask showers, or give --force=true"
    if str(model.meta.target.type).upper() == "MOVING":
        return f"its target moves (TARGTYPE), {changing}"
    if model.meta.visit.tsovisit:
        return f"it is a time series (TSOVISIT), {changing}"
    return None


def _rates(model: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the rates of all integrations and their errors, NaN where flagged."""
    rates = np.array(model.data, np.float32)
    rates[(np.asarray(model.dq) & DO_NOT_USE) > 0] = np.nan
    return rates, np.asarray(model.err, np.float32)


def _change(model: Any, models: ShowerModels, *, sign: Literal[-1, 1]) -> None:
    """Take showers out of a model, or put them back; of rates, with what they cost in variance."""
    data = model.data
    for one in models.of_ramp:
        (one.take_out if sign < 0 else one.put_back)(data[one.integration])
    for excess in models.of_rates:
        (excess.take_out if sign < 0 else excess.put_back)(data[excess.integration][np.newaxis])
    model.data = data
    if not models.of_rates:
        return
    variance, error = np.array(model.var_poisson), np.array(model.err)
    for excess in models.of_rates:
        where = (excess.integration, *excess.box)
        added = np.where(error[where] > 0, -sign * excess.variance_of_rate(), 0)
        variance[where] = np.maximum(variance[where] + added, 0)
        error[where] = np.sqrt(np.maximum(error[where] ** 2 + added, 0))
    model.var_poisson, model.err = variance, error


def add_photon_rate(
    model: Any, models: ShowerModels, group_time: float, *, sign: Literal[-1, 1] = 1
) -> None:
    """Add the rate of the photons that were taken out to the average dark current of a ramp.

    ``ramp_fit`` adds the noise of that current to the variance of the rate, and nothing to the
    rate itself. With the sign -1 it is taken away again.
    """
    current = np.array(model.average_dark_current, np.float32)
    if current.shape != model.data.shape[-2:]:
        current = np.zeros(model.data.shape[-2:], np.float32)
    for one in models.of_ramp:
        use = used_groups(model.groupdq[one.integration])
        current[one.box] += sign * one.photon_rate(use, group_time).astype(np.float32)
    model.average_dark_current = np.maximum(current, 0)


def used_groups(groupdq: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which groups of an integration the ramp fit uses.

    Parameters
    ----------
    groupdq : `numpy.ndarray`
        ``(ngroups, ny, nx)`` uint8.

    Returns
    -------
    `numpy.ndarray`
        ``(ngroups,)`` bool: those that are not DO_NOT_USE in most pixels.
    """
    sample = groupdq[:, ::_SAMPLED, ::_SAMPLED]
    used: NDArray[np.bool_] = np.mean((sample & DO_NOT_USE) > 0, axis=(1, 2)) < 0.5
    return used


def _typical(path: str, kind: str) -> float:
    """Return the typical value of a reference image."""
    from astropy.io import fits

    try:
        values = np.asarray(fits.getdata(path, "SCI"), np.float64)
    except (OSError, KeyError) as error:
        raise ExposureError(
            f"{path}: can't be read ({error}), expected a {kind} reference file"
        ) from error
    known = values[np.isfinite(values) & (values > 0)]
    if not known.size:
        raise ExposureError(f"{path}: has no positive value, expected a {kind} reference file")
    return float(np.median(known))
