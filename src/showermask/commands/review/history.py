"""A pixel in all integrations of an exposure, and of those beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from showermask.commands.review.witnesses import beside, is_alike
from showermask.exceptions import ShowermaskError
from showermask.exposure.dq import DO_NOT_USE, JUMP_DET, SATURATED
from showermask.exposure.images import ImageReader, PixelRamp

__all__ = ["PixelIntegration", "pixel_history"]

#: Exposures of the folder, and integrations in all.
_EXPOSURES, _INTEGRATIONS = 12, 48


@dataclass(frozen=True)
class PixelIntegration:
    """A pixel in one integration.

    Parameters
    ----------
    exposure : str
        Name of the exposure.
    integration : int
        Which integration, zero-based.
    values : tuple of float or None
        Value of each group less the first usable one, in DN; None where it is not usable. For
        rates the value alone, in DN/s.
    rate : float or None
        Mean of the usable differences in DN/s, or the value of a rate; None where there is none.
    """

    exposure: str
    integration: int
    values: tuple[float | None, ...]
    rate: float | None


def pixel_history(reader: ImageReader, x: int, y: int) -> list[PixelIntegration]:
    """Return a pixel in an exposure, and in the others of its detector in the folder.

    Parameters
    ----------
    reader : ImageReader
        The exposure.
    x, y : int
        Column and row, zero-based.

    Returns
    -------
    list of PixelIntegration
        Those of the exposure first.

    Raises
    ------
    IndexError
        When there is no such pixel.
    """
    ny, nx = reader.exposure.image_shape
    if not (0 <= x < nx and 0 <= y < ny):
        raise IndexError(f"pixel ({x}, {y}): expected x 0 to {nx - 1} and y 0 to {ny - 1}")
    found: list[PixelIntegration] = []
    for one in _readers(reader):
        time = one.exposure.group_time if one.exposure.is_ramp else 1.0
        with one:
            for integration in range(one.stack_shape[0]):
                if len(found) == _INTEGRATIONS:
                    return found
                ramp = one.pixel(integration, x, y)
                found.append(_integration(one, integration, ramp, time or 1.0))
    return found


def _readers(reader: ImageReader) -> Iterator[ImageReader]:
    yield ImageReader(reader.path)
    for path in beside(reader.path)[:_EXPOSURES]:
        try:
            other = ImageReader(path)
        except ShowermaskError:  # the page shows what can be read
            continue
        if is_alike(reader, other):
            yield other


def _integration(
    reader: ImageReader, integration: int, ramp: PixelRamp, time: float
) -> PixelIntegration:
    values: NDArray[np.float64] = np.array(
        [np.nan if value is None else value for value in ramp.values], float
    )
    flags = np.array(ramp.flags, np.int64)
    values[(flags & (DO_NOT_USE | SATURATED)) > 0] = np.nan
    rate = values[0] if len(values) == 1 else np.nan
    if len(values) > 1:
        steps = np.diff(values)[(flags[1:] & JUMP_DET) == 0]
        known = steps[np.isfinite(steps)]
        rate = known.mean() / time if known.size else np.nan
        usable = values[np.isfinite(values)]
        values = values - (usable[0] if usable.size else 0.0)
    return PixelIntegration(
        exposure=reader.exposure.name,
        integration=integration,
        values=tuple(float(v) if np.isfinite(v) else None for v in values),
        rate=float(rate) if np.isfinite(rate) else None,
    )
