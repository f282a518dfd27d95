"""Read single images of an exposure in memory, as those of a file."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from showermask.exposure.product import Exposure, describe_model

__all__ = ["ModelImages"]

_Box = tuple[slice, slice]


class ModelImages:
    """An open datamodel, for reading images as from an `~showermask.exposure.images.ImageReader`.

    Parameters
    ----------
    model : datamodel
        A ramp, rateints or a rate. It stays open, and is only read.

    Raises
    ------
    ExposureError
        When it is another product.
    """

    def __init__(self, model: Any) -> None:
        self.exposure: Exposure = describe_model(model)
        ny, nx = self.exposure.image_shape
        shape = (*self.exposure.stack_shape, ny, nx)
        self._data = np.asarray(model.data).reshape(shape)
        # A model makes the planes that it lacks when they are asked for: it must not.
        plane = self.exposure.product.plane
        has_flags = model.hasattr(plane)
        self._dq = np.asarray(getattr(model, plane)).reshape(shape) if has_flags else None
        has_pixel_flags = self.exposure.is_ramp and model.hasattr("pixeldq")
        self._pixel_dq = np.asarray(model.pixeldq) if has_pixel_flags else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    @property
    def stack_shape(self) -> tuple[int, int]:
        """Integrations and groups; 1 for an axis that the product has not."""
        return self.exposure.stack_shape

    def window(self, integration: int, group: int, box: _Box) -> NDArray[np.float32]:
        """Return a copy of part of an image."""
        return self._data[integration, group, *box].astype(np.float32)

    def dq_window(self, integration: int, group: int, box: _Box) -> NDArray[np.unsignedinteger]:
        """Return part of the flags of an image; zeros where the model has none."""
        if self._dq is None:
            return np.zeros([part.stop - part.start for part in box], np.uint8)
        return self._dq[integration, group, *box]

    def pixel_dq_window(self, box: _Box) -> NDArray[np.unsignedinteger]:
        """Return part of the flags that pixels have for all of the exposure; zeros without any."""
        if self._pixel_dq is None:
            return np.zeros([part.stop - part.start for part in box], np.uint32)
        return self._pixel_dq[box]
