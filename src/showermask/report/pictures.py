"""Arrays as small pictures, for a page that holds them itself."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Scale", "draw_flags", "draw_image"]

_NO_VALUE = (0.55, 0.55, 0.55, 1.0)
#: Colours of the flags that matter here, the first that applies.
_FLAG_COLOURS = {
    5: (0.85, 0.30, 0.12, 1.0),  # JUMP_DET and DO_NOT_USE: our mask
    1: (0.16, 0.16, 0.20, 1.0),  # DO_NOT_USE
    4: (0.96, 0.72, 0.26, 1.0),  # JUMP_DET
    2: (0.45, 0.30, 0.65, 1.0),  # SATURATED
}
_OTHER_FLAGS = (0.78, 0.80, 0.84, 1.0)
_NO_FLAG = (0.95, 0.95, 0.96, 1.0)


@dataclass(frozen=True)
class Scale:
    """The values that the ends of the colour map stand for.

    Parameters
    ----------
    low, high : float
        In the units of the image.
    """

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
    coloured = np.empty((*flags.shape, 4))
    coloured[:] = _NO_FLAG
    coloured[flags > 0] = _OTHER_FLAGS
    for bits, colour in reversed(_FLAG_COLOURS.items()):
        coloured[(flags & bits) == bits] = colour
    return _encoded(coloured)


def _encoded(coloured: NDArray[np.float64]) -> str:
    from matplotlib.image import imsave

    stream = io.BytesIO()
    imsave(stream, coloured[::-1], format="png")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
