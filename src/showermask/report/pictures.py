"""Arrays as small pictures, for a page that holds them itself."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from showermask.exposure.dq import (
    COLOURS,
    DO_NOT_USE,
    JUMP_DET,
    MASK_COLOUR,
    OTHER_COLOUR,
    SATURATED,
)

__all__ = ["LEGEND", "Scale", "draw_flags", "draw_image"]

_NO_VALUE = (0.55, 0.55, 0.55, 1.0)
_NO_FLAG = (0.95, 0.95, 0.96, 1.0)
#: Bits and colour (red, green, blue) of the flags, the first that applies.
_FLAGS = (
    (DO_NOT_USE | JUMP_DET, MASK_COLOUR, "JUMP_DET and DO_NOT_USE (the mask)"),
    (DO_NOT_USE, COLOURS["DO_NOT_USE"], "DO_NOT_USE"),
    (JUMP_DET, COLOURS["JUMP_DET"], "JUMP_DET"),
    (SATURATED, COLOURS["SATURATED"], "SATURATED"),
)

#: Colours of the flags, as in CSS, with their names.
LEGEND = [
    *((f"rgb{colour}", name) for _, colour, name in _FLAGS),
    (f"rgb{OTHER_COLOUR}", "others"),
]


@dataclass(frozen=True)
class Scale:
    """The values that the ends of the colour map stand for."""

    #: In the units of the image.
    low: float
    high: float

    @classmethod
    def of_values(cls, *images: NDArray[np.float32] | None) -> Scale:
        """Return a scale that shows the background's noise and what stands out of it a little.

        Parameters
        ----------
        *images : `numpy.ndarray` or None
            The images that share the scale.

        Returns
        -------
        Scale
            The scale.
        """
        finite = [image[np.isfinite(image)] for image in images if image is not None]
        values = np.concatenate([np.empty(0, np.float32), *finite])
        if not values.size:
            return cls(0.0, 1.0)
        median = float(np.median(values))
        spread = 1.4826 * float(np.median(np.abs(values - median)))
        brightest = float(np.percentile(values, 98))
        low, high = median - 3 * spread, max(median + 4 * spread, brightest)
        return cls(low, high if high > low else low + 1.0)


def draw_image(image: NDArray[np.float32], scale: Scale) -> str:
    """Draw an image, its first row at the bottom; grey where there is no value.

    Parameters
    ----------
    image : `numpy.ndarray`
        ``(rows, columns)``.
    scale : Scale
        Values at the ends of the colour map.

    Returns
    -------
    str
        A ``data:`` address of a PNG, one pixel for each of the image.
    """
    from matplotlib import colormaps

    scaled = (image - scale.low) / (scale.high - scale.low)
    coloured = colormaps["viridis"](np.clip(np.nan_to_num(scaled), 0, 1))
    coloured[~np.isfinite(image)] = _NO_VALUE
    return _encoded(coloured)


def draw_flags(flags: NDArray[np.unsignedinteger]) -> str:
    """Draw flags in the colours of the page's legend.

    Parameters
    ----------
    flags : `numpy.ndarray`
        ``(rows, columns)``.

    Returns
    -------
    str
        A ``data:`` address of a PNG.
    """
    coloured = np.ones((*flags.shape, 4))
    coloured[:] = _NO_FLAG
    coloured[flags > 0, :3] = np.array(OTHER_COLOUR) / 255
    for bits, colour, _ in reversed(_FLAGS):
        coloured[(flags & bits) == bits, :3] = np.array(colour) / 255
    return _encoded(coloured)


def _encoded(coloured: NDArray[np.float64]) -> str:
    from matplotlib.image import imsave

    stream = io.BytesIO()
    imsave(stream, coloured[::-1], format="png")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
