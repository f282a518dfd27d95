"""Masks as other pipelines take them: boolean arrays, and the masks of ``clean_flicker_noise``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

from showermask.commands.convert.format import (
    Content,
    Converted,
    Format,
    lost_in_image,
    masked_content,
)
from showermask.commands.convert.options import ConvertOptions
from showermask.exceptions import ConvertError
from showermask.files import atomic_write
from showermask.regionfile.content import RegionFile

__all__ = ["NPY", "USER_MASK"]


def _read_npy(source: Path, options: ConvertOptions) -> Content:
    try:
        mask = np.load(source, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ConvertError(f"{source}: can't be read as an array ({error})") from error
    if mask.ndim != 2 or mask.dtype != bool:
        raise ConvertError(
            f"{source}: is an array of {mask.dtype} and shape {mask.shape}, expected an image of "
            "bool, True where a pixel is bad"
        )
    return masked_content(mask, source, options.output, options)


def _write_npy(region_file: RegionFile, output: Path, options: ConvertOptions) -> Converted:
    """Write an image of bool, True where a pixel is bad."""
    mask = options.image(region_file, output)
    with atomic_write(output) as staged, staged.open("wb") as file:
        np.save(file, mask)
    return Converted.of(region_file, output, lost=lost_in_image(region_file))


def _read_user_mask(source: Path, options: ConvertOptions) -> Content:
    try:
        with fits.open(source) as hdus:
            used = np.asarray(hdus["SCI"].data)
    except (OSError, KeyError) as error:
        raise ConvertError(f"{source}: can't be read ({error}), expected an image SCI") from error
    if used.ndim != 2:
        raise ConvertError(f"{source}: has {used.ndim} axes, expected an image")
    return masked_content(used == 0, source, options.output, options)


def _write_user_mask(region_file: RegionFile, output: Path, options: ConvertOptions) -> Converted:
    """Write an image in which 1 is a pixel that tells the noise, and 0 one that does not."""
    used = (~options.image(region_file, output)).astype(np.float32)
    header = fits.Header()
    header["DATAMODL"] = ("ImageModel", "Type of data model")
    header["TELESCOP"] = "JWST"
    with atomic_write(output) as staged:
        hdus = [fits.PrimaryHDU(header=header), fits.ImageHDU(used, name="SCI")]
        fits.HDUList(hdus).writeto(staged, overwrite=True)
    return Converted.of(region_file, output, lost=lost_in_image(region_file))


NPY = Format("npy", (".npy",), _read_npy, _write_npy, names_masks=False)
USER_MASK = Format("user-mask", (), _read_user_mask, _write_user_mask, names_masks=False)
