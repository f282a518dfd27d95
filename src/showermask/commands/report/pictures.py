"""Arrays and light curves as pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

__all__ = [
    "COLOUR_MAP",
    "LEGEND",
    "Scale",
    "draw_curve",
    "draw_flags",
    "draw_image",
    "save_picture",
]

#: Name of the colour map, and its colours as CSS has them, from low to high.
COLOUR_MAP = "viridis"
#: Size in pixels that a picture is enlarged to, along its longer side.
_ENLARGED = 480
#: Size of the largest picture, along its longer side.
_LARGEST = 1200
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


def draw_image(image: NDArray[np.float32], scale: Scale) -> NDArray[np.uint8]:
    """Draw an image, its first row at the bottom; grey where there is no value.

    Parameters
    ----------
    image : `numpy.ndarray`
        ``(rows, columns)``.
    scale : Scale
        Values at the ends of the colour map.

    Returns
    -------
    `numpy.ndarray`
        ``(rows, columns, 3)`` uint8: red, green and blue, the first row of the image last.
    """
    from matplotlib import colormaps

    scaled = (image - scale.low) / (scale.high - scale.low)
    coloured = colormaps[COLOUR_MAP](np.clip(np.nan_to_num(scaled), 0, 1))
    coloured[~np.isfinite(image)] = _NO_VALUE
    return _as_bytes(coloured)


def draw_flags(flags: NDArray[np.unsignedinteger]) -> NDArray[np.uint8]:
    """Draw flags in the colours of the page's legend.

    Parameters
    ----------
    flags : `numpy.ndarray`
        ``(rows, columns)``.

    Returns
    -------
    `numpy.ndarray`
        ``(rows, columns, 3)`` uint8: red, green and blue, the first row of the flags last.
    """
    coloured = np.ones((*flags.shape, 4))
    coloured[:] = _NO_FLAG
    coloured[flags > 0, :3] = np.array(OTHER_COLOUR) / 255
    for bits, colour, _ in reversed(_FLAGS):
        coloured[(flags & bits) == bits, :3] = np.array(colour) / 255
    return _as_bytes(coloured)


def _as_bytes(coloured: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.rint(255 * coloured[::-1, :, :3]).astype(np.uint8)


def save_picture(
    path: Path,
    picture: NDArray[np.uint8],
    outline: NDArray[np.float64] | None,
    edges: NDArray[np.bool_] | None = None,
) -> None:
    """Save a picture as PNG, enlarged or made smaller, with an outline over it.

    Parameters
    ----------
    path : Path
        File to write.
    picture : `numpy.ndarray`
        ``(rows, columns, 3)`` uint8.
    outline : `numpy.ndarray` or None
        ``(n, 2)``: columns and rows of the corners, from the upper left corner of the picture.
    edges : `numpy.ndarray` or None, optional
        ``(rows, columns)``: the pixels of an outline, which are drawn white.
    """
    from PIL import Image, ImageDraw

    if edges is not None:
        picture = picture.copy()
        picture[edges] = 255
    height, width = picture.shape[:2]
    factor = max(1, round(_ENLARGED / max(height, width)))
    size = width * factor, height * factor
    image = Image.fromarray(picture).resize(size, Image.Resampling.NEAREST)
    if max(size) > _LARGEST:
        image.thumbnail((_LARGEST, _LARGEST), Image.Resampling.BOX)
    if outline is not None:
        points = [(float(x) * factor, float(y) * factor) for x, y in outline]
        canvas = ImageDraw.Draw(image)
        for colour, line in (("black", 4), ("white", 2)):
            canvas.line([*points, points[0]], fill=colour, width=line)
    image.save(path)


def draw_curve(path: Path, curve: Any, groups: slice, time: float | None) -> None:
    """Save a light curve as SVG: points with errors, the glow that fits, the masked groups.

    Parameters
    ----------
    path : Path
        File to write.
    curve : Curve
        The light curve.
    groups : slice
        Masked groups.
    time : float or None
        Seconds between its values.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.6, 2.4), layout="constrained")
    axes = figure.add_subplot()
    at = curve.first + np.arange(len(curve.values))
    if curve.is_of_groups:
        axes.axvspan(groups.start - 0.5, groups.stop - 0.5, color="#2a9d55", alpha=0.14, lw=0)
    axes.errorbar(at, curve.values, curve.errors, fmt=".", ms=4, lw=0.8, color="#1f5894")
    if curve.model is not None:
        axes.plot(at, curve.model, color="#d9730d", lw=1.4)
    axes.set_xlim(at[0] - 0.7, at[-1] + 0.7)
    step = "" if time is None else f", {time:.3g} s each"
    axes.set_xlabel(f"{'group' if curve.is_of_groups else 'integration'}{step}", fontsize=8)
    axes.set_ylabel(curve.unit, fontsize=8)
    axes.tick_params(labelsize=7)
    figure.savefig(path, metadata={"Date": None})
