"""Pictures of exposures with the entries of a region file, by matplotlib."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from showermask.exposure.dq import DO_NOT_USE
from showermask.exposure.images import ImageReader
from showermask.exposure.models import ModelImages
from showermask.regionfile.content import RegionFile
from showermask.regionfile.entry import Box, Entry, Status

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot"]

#: Lines of outlines, by status: colours that people tell apart whatever they see.
_LINES: dict[Status, dict[str, Any]] = {
    Status.ACCEPTED: {"color": "#00c2a8", "linestyle": "-"},
    Status.CANDIDATE: {"color": "#ffb000", "linestyle": "--"},
    Status.REJECTED: {"color": "#dc267f", "linestyle": ":"},
}
_ALPHA = 0.45
#: A group of which more is flagged DO_NOT_USE is one that the pipeline rejects, as first and last.
_MOST_FLAGGED = 0.5

_Images = ImageReader | ModelImages


def plot(
    exposure: str | os.PathLike[str] | Any,
    region_file: RegionFile | None = None,
    *,
    ax: Axes | None = None,
    integration: int = 0,
    group: int | None = None,
    statuses: tuple[str, ...] = ("accepted", "candidate"),
    **kwargs: Any,
) -> Axes:
    """Draw an image of an exposure, and the entries of a region file that affect it.

    Parameters
    ----------
    exposure : str, path or datamodel
        A ramp, rateints or a rate.
    region_file : RegionFile, optional
        Outlines of its showers and polygons are drawn, and its bad pixels filled.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; new axes without it.
    integration, group : int, optional
        The image, zero-based. Of a ramp, the difference of the group and the one before; without a
        group, that of the last usable group and the first, with all entries of the integration.
    statuses : tuple of str, optional
        Which entries are drawn: accepted (solid), candidate (dashed), rejected (dotted).
    **kwargs
        Go to `~matplotlib.axes.Axes.imshow`; limits are those of a z-scale by default.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes.

    Raises
    ------
    ShowermaskError
        When the exposure can't be read, or has no such image.
    """
    from astropy.visualization import ZScaleInterval

    is_path = isinstance(exposure, str | os.PathLike)
    with ImageReader(exposure) if is_path else ModelImages(exposure) as images:
        described = images.exposure
        image, title = _image(images, integration, group)
    if ax is None:
        from matplotlib import pyplot as plt

        _, ax = plt.subplots()
    known = image[np.isfinite(image)]
    low, high = ZScaleInterval().get_limits(known) if known.size else (0.0, 1.0)
    given = {"cmap": "gray", "vmin": low, "vmax": high, "origin": "lower", **kwargs}
    ax.imshow(image, **given)
    where = integration if described.product.is_ramp or described.product.is_rateints else None
    for entry in () if region_file is None else region_file.entries:
        if entry.status in statuses and entry.is_at(where, group):
            _draw(entry, ax, described.image_shape)
    ax.set(xlabel="x (pixel)", ylabel="y (pixel)", title=f"{described.name}\n{title}")
    ax.set_xlim(-0.5, described.image_shape[1] - 0.5)
    ax.set_ylim(-0.5, described.image_shape[0] - 0.5)
    return ax


def _image(images: _Images, integration: int, group: int | None) -> tuple[NDArray[Any], str]:
    """Return an image and its name."""
    described = images.exposure
    if not described.is_ramp:
        image = _read(images, integration, 0)
        image[_is_flagged(images, integration, 0)] = np.nan
        return image, f"integration {integration}" if described.product.is_rateints else "rate"
    last, first = (0, 0) if group is None else (group, max(0, group - 1))
    if group is None:
        usable = [
            number
            for number in range(images.stack_shape[1])
            if np.mean(_is_flagged(images, integration, number)) < _MOST_FLAGGED
        ]
        first, last = (usable[0], usable[-1]) if usable else (0, images.stack_shape[1] - 1)
    image = _read(images, integration, last)
    if last == first:
        return image, f"integration {integration}, group {last}"
    image -= _read(images, integration, first)
    return image, f"integration {integration}, group {last} less group {first}"


def _read(images: _Images, integration: int, group: int) -> NDArray[np.float64]:
    return np.array(images.window(integration, group, _whole(images)), np.float64)


def _is_flagged(images: _Images, integration: int, group: int) -> NDArray[np.bool_]:
    flags = images.dq_window(integration, group, _whole(images))
    return np.asarray(flags & DO_NOT_USE) > 0


def _whole(images: _Images) -> Box:
    ny, nx = images.exposure.image_shape
    return slice(0, ny), slice(0, nx)


def _draw(entry: Entry, ax: Axes, image_shape: tuple[int, int]) -> None:
    line = _LINES[entry.status]
    outline = entry.outline()
    if outline is not None:
        closed = np.concatenate([outline, outline[:1]])
        ax.plot(*closed.T, linewidth=1.5, **line)
        return
    box, inside = entry.pixels(image_shape)
    from matplotlib.colors import to_rgba

    rows, columns = box
    overlay = np.zeros((*inside.shape, 4))
    overlay[inside] = to_rgba(line["color"], _ALPHA)
    extent = (columns.start - 0.5, columns.stop - 0.5, rows.start - 0.5, rows.stop - 0.5)
    ax.imshow(overlay, origin="lower", extent=extent)
