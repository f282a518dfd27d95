"""clean_flicker_noise with showers kept out of the median image of the integrations."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from jwst.clean_flicker_noise import clean_flicker_noise
from jwst.pipeline import Detector1Pipeline
from numpy.typing import NDArray
from stdatamodels.jwst import datamodels

from showermask.masking.mask import Mask
from showermask.pipeline.provenance import STEP_NAME

__all__ = ["FlickerNoiseAroundShowersStep", "background_pixels"]

log = logging.getLogger(__name__)

_CleanFlickerNoiseStep: Any = Detector1Pipeline.step_defs["clean_flicker_noise"]

#: Method whose noise images are not differences of groups.
_MEDIAN_IMAGE = "median_image"
_SOSS = "NIS_SOSS"


class FlickerNoiseAroundShowersStep(_CleanFlickerNoiseStep):
    """The stock step; with ``median_image`` it gets the masked showers as part of ``user_mask``.

    With the other backgrounds the stock step leaves masked pixels out by the flags of each group.
    ``median_image`` does not look at these; worse, a masked shower does not stand out of the draft
    rate any more, so that all of its light is taken for background.
    """

    user_mask: Any

    @classmethod
    def get_config_reftype(cls) -> str:
        """Take the parameters that CRDS has for the stock step."""
        return str(_CleanFlickerNoiseStep.get_config_reftype())

    def process(self, input_data: Any) -> Any:
        """Correct a ramp.

        Parameters
        ----------
        input_data : `~stdatamodels.jwst.datamodels.RampModel`
            The ramp, with its showers masked.

        Returns
        -------
        `~stdatamodels.jwst.datamodels.RampModel`
            The corrected ramp.
        """
        mask = getattr(self.parent, STEP_NAME).mask
        if str(self.background_method).lower() != _MEDIAN_IMAGE or not mask or not mask.footprints:
            return super().process(input_data)
        if input_data.meta.exposure.type == _SOSS and self.mask_science_regions:
            log.warning("clean_flicker_noise: the masks of showers are not used for SOSS traces")
            return super().process(input_data)
        given: Any = self.user_mask
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "user_mask.fits"
            _save(background_pixels(self._scene(input_data), mask), path)
            self.user_mask = str(path)
            try:
                return super().process(input_data)
            finally:
                self.user_mask = given

    def _scene(self, ramp: Any) -> NDArray[np.bool_]:
        """Return the background pixels of each integration, or all: of the user, or the step's."""
        if self.user_mask is not None and str(self.user_mask).lower() != "none":
            with datamodels.open(self.user_mask) as model:
                return np.array(model.data, bool)
        rate = clean_flicker_noise.make_rate(ramp, return_cube=True, input_dir=self.input_dir)
        kind = ramp.meta.exposure.type
        if self.mask_science_regions:
            rate = clean_flicker_noise.post_process_rate(
                rate,
                assign_wcs=True,
                msaflagopen=kind in ("NRS_IFU", "NRS_MSASPEC"),
                flat_dq=kind == "MIR_IMAGE",
                input_dir=self.input_dir,
            )
        scene: NDArray[np.bool_] = clean_flicker_noise.create_mask(
            rate,
            mask_science_regions=self.mask_science_regions,
            n_sigma=self.n_sigma,
            fit_histogram=self.fit_histogram,
            single_mask=False,
        )
        rate.close()
        return scene


def background_pixels(scene: NDArray[np.bool_], mask: Mask) -> NDArray[np.bool_]:
    """Return the background pixels without the showers of each integration.

    Parameters
    ----------
    scene : `numpy.ndarray`
        ``(ny, nx)`` or ``(nints, ny, nx)`` bool: true for background.
    mask : Mask
        The masked showers.

    Returns
    -------
    `numpy.ndarray`
        ``(nints, ny, nx)`` bool.
    """
    nints = mask.exposure.shape[0]
    images = np.array(np.broadcast_to(scene, (nints, *scene.shape[-2:])))
    for footprint in mask.footprints:
        images[(footprint.integration, *footprint.box)] &= ~footprint.inside
    return images


def _save(images: NDArray[np.bool_], path: Path) -> None:
    model = datamodels.CubeModel(images.shape)
    model.data = images.astype(np.float32)
    model.save(str(path))
    model.close()
