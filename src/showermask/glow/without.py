"""Read an exposure without the light of some showers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from showermask.exposure.product import Exposure
from showermask.glow.evidence import Evidence, ExposureImages
from showermask.glow.shower_model import ShowerModel
from showermask.regionfile.entry import Box, Entry

__all__ = ["WithoutShowers", "residual_evidence"]


def residual_evidence(
    images: ExposureImages, evidence: Evidence, entry: Entry, models: Sequence[ShowerModel]
) -> Evidence:
    """Return the evidence for an entry without the light of some showers.

    Parameters
    ----------
    images : ExposureImages
        The ramp.
    evidence : Evidence
        The evidence for the entry with all light: the same course is looked for.
    entry : Entry
        The entry.
    models : sequence of ShowerModel
        The showers that are taken out.

    Returns
    -------
    Evidence
        The evidence that is left.
    """
    course = None if evidence.fit is None else evidence.fit.shape
    return Evidence.of_entry(WithoutShowers(images, models), entry, course=course)


class WithoutShowers:
    """An exposure, read as from its file, without the light of some showers.

    Parameters
    ----------
    images : ExposureImages
        The ramp.
    models : sequence of ShowerModel
        The showers that are taken out of it.
    """

    def __init__(self, images: ExposureImages, models: Sequence[ShowerModel]) -> None:
        self._images, self._models = images, models
        self.exposure: Exposure = images.exposure

    @property
    def stack_shape(self) -> tuple[int, int]:
        """Integrations and groups."""
        return self._images.stack_shape

    def window(self, integration: int, group: int, box: Box) -> NDArray[np.float32]:
        """Return part of an image, less the light that its showers have by then."""
        image = self._images.window(integration, group, box)
        for model in self._models:
            if model.integration == integration:
                image -= np.float32(model.light[group]) * model.map_in(box)
        return image

    def dq_window(self, integration: int, group: int, box: Box) -> NDArray[np.unsignedinteger]:
        """Return the flags of part of an image."""
        return self._images.dq_window(integration, group, box)

    def pixel_dq_window(self, box: Box) -> NDArray[np.unsignedinteger]:
        """Return the flags that pixels have for all of the exposure."""
        return self._images.pixel_dq_window(box)
