"""Lists of pixels, ``x y`` in each line."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from showermask.commands.convert.format import (
    Content,
    Converted,
    Format,
    lost_in_image,
    masked_content,
    read_text,
    write_text,
)
from showermask.commands.convert.options import ConvertOptions
from showermask.exceptions import ConvertError
from showermask.regionfile.content import RegionFile

__all__ = ["FORMAT", "read_pixel_list"]

#: More pixels than this, or a larger image, need the shape of an exposure.
_MOST_PIXELS, _LARGEST_IMAGE = 1000, 100_000
#: A line that is neither empty, nor a comment, nor a pair of whole numbers.
_NO_PAIR = re.compile(
    r"^(?![ \t\r]*(?:\d{1,9}[, \t]+\d{1,9}[ \t\r]*)?(?:#.*)?$).*$", re.MULTILINE | re.ASCII
)


def read_pixel_list(text: str, path: Path, options: ConvertOptions) -> NDArray[np.int64]:
    """Read a list of pixels, ``x y`` in each line; # begins a comment.

    Parameters
    ----------
    text : str
        The list.
    path : `~pathlib.Path`
        Where it is from, for messages.
    options : Context
        Says the index of the first pixel, which the list does not.

    Returns
    -------
    `numpy.ndarray`
        ``(n, 2)`` int: columns and rows, zero-based.

    Raises
    ------
    ConvertError
        When it is no such list, or the origin is not given.
    """
    if options.origin is None:
        raise ConvertError(
            f"{path}: does not say whether the first pixel is 0 or 1; give --origin 0 or --origin 1"
        )
    if _NO_PAIR.search(text):
        lines = text.split("\n")
        line = next(line for line in lines if _NO_PAIR.match(line))
        number = lines.index(line) + 1
        raise ConvertError(
            f"{path}: line {number} is {line.strip()[:60]!r}, expected two whole numbers, x y"
        )
    numbers = re.sub(r"#.*", "", text).replace(",", " ")
    pixels = np.array(numbers.split(), dtype=np.int64).reshape(-1, 2) - options.origin
    if pixels.size and pixels.min() < 0:
        raise ConvertError(f"{path}: has pixels below {options.origin}, the origin that is given")
    return pixels


def _read(source: Path, options: ConvertOptions) -> Content:
    pixels = read_pixel_list(read_text(source), source, options)
    if not len(pixels):
        return Content(options.empty())
    shape = options.image_shape
    if shape is None:
        shape = int(pixels[:, 1].max()) + 1, int(pixels[:, 0].max()) + 1
        if len(pixels) > _MOST_PIXELS or max(shape) > _LARGEST_IMAGE:
            shape = options.image_shape_for(
                source, f"has {len(pixels)} pixels, which go into a mask"
            )
    outside = (pixels >= [shape[1], shape[0]]).any(axis=1)
    if outside.any():
        x, y = pixels[outside][0]
        raise ConvertError(
            f"{source}: has the pixel ({x}, {y}), zero-based, but the frame has columns 0 to "
            f"{shape[1] - 1} and rows 0 to {shape[0] - 1}"
        )
    mask = np.zeros(shape, bool)
    mask[pixels[:, 1], pixels[:, 0]] = True
    return masked_content(mask, source, options.output, options)


def _write(region_file: RegionFile, output: Path, options: ConvertOptions) -> Converted:
    """Write the pixels that are masked at any time."""
    if options.origin is None:
        raise ConvertError(
            f"{output}: a list does not say whether the first pixel is 0 or 1; give --origin"
        )
    rows, columns = np.nonzero(options.image(region_file, output))
    lines = [f"# x y, the first pixel is {options.origin}"]
    pairs = zip(columns + options.origin, rows + options.origin, strict=True)
    lines += [f"{x} {y}" for x, y in pairs]
    write_text(output, "\n".join(lines) + "\n")
    return Converted.of(region_file, output, lost=lost_in_image(region_file))


FORMAT = Format("pixels", (), _read, _write, names_masks=False)
