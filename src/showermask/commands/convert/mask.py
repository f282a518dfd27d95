"""Masks as FITS images."""

from __future__ import annotations

from pathlib import Path

from showermask.commands.convert.format import (
    Content,
    Converted,
    Format,
    lost_in_image,
    masked_content,
)
from showermask.commands.convert.options import ConvertOptions
from showermask.exceptions import ConvertError, PixelsError
from showermask.regionfile.content import RegionFile
from showermask.regionfile.maskfile import read_mask, write_mask

__all__ = ["FORMAT"]


def _read(source: Path, options: ConvertOptions) -> Content:
    """Take a mask for what it is: the region file names a copy, or lists its few ranges."""
    try:
        image = read_mask(source)
    except PixelsError as error:
        raise ConvertError(f"{source}: {error}") from error
    return masked_content(image.full_image(), source, options.output, options)


def _write(region_file: RegionFile, output: Path, options: ConvertOptions) -> Converted:
    """Write the pixels that are masked at any time."""
    write_mask(output, options.image(region_file, output))
    return Converted.of(region_file, output, lost=lost_in_image(region_file))


FORMAT = Format("mask", (".fits",), _read, _write, names_masks=False)
