"""Masks as FITS images: read them where a region file may name them, and write them."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from io import BytesIO
from pathlib import Path
from stat import S_ISREG

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from showermask.exceptions import PixelsError
from showermask.files import atomic_write
from showermask.regionfile.badpixels import MaskImage

__all__ = ["ANYWHERE_VARIABLE", "find_mask", "read_mask", "write_mask"]

#: Environment variable that, if set to 1, lets region files name masks outside their folder.
ANYWHERE_VARIABLE = "SHOWERMASK_MASKS_ANYWHERE"

_TOO_MANY_AXES = re.compile(rb"(?:NAXIS   |ZNAXIS  |TFIELDS )= *[0-9]{4}")
#: Bytes; a full frame of 64-bit numbers has 8 MB.
_MAX_SIZE = 100 * 1000**2


def find_mask(name: str, folder: Path, *, anywhere: bool | None = None) -> Path:
    """Return where a mask file is that a region file names."""
    if anywhere is None:
        anywhere = os.environ.get(ANYWHERE_VARIABLE) == "1"
    path = folder / name
    try:
        is_inside = path.resolve().is_relative_to(folder.resolve())
        if path.is_symlink():
            path.stat()  # from Python 3.13 on, links in circles are resolved without a word
    except FileNotFoundError:
        pass  # a link to what is not there
    except (RuntimeError, ValueError, OSError) as error:  # links in circles, names with NUL
        raise PixelsError(f"is {name!r}, which is no path ({error})") from error
    if not anywhere and not is_inside:
        raise PixelsError(
            f"is {name}, outside the folder of the region file; move it there, or set "
            f"{ANYWHERE_VARIABLE}=1 if you trust the file"
        )
    return path


def read_mask(path: Path) -> MaskImage:
    """Read a mask file."""
    if path.is_dir():
        raise PixelsError(f"is {path.name or path}, a directory, expected a FITS file")
    try:
        status = path.stat()
        is_small = S_ISREG(status.st_mode) and status.st_size <= _MAX_SIZE
        image = _read(path) if is_small else None
    except PixelsError:
        raise
    except Exception as error:  # whatever a broken header leads astropy to
        reason = getattr(error, "strerror", None) or error
        raise PixelsError(
            f"is {path.name}, which can't be read ({reason}); expected a FITS file {path}"
        ) from error
    if image is None:
        raise PixelsError(
            f"is {path.name}, expected a FITS file of at most {_MAX_SIZE // 1000**2} MB"
        )
    return image


#: Images of the last files, by hash: the region files of many exposures name the same mask. Not by
#: path, size and time, which a file that replaces another may have too.
_known: dict[str, MaskImage] = {}
_MOST_KNOWN = 16


def _read(path: Path) -> MaskImage:
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    image = _known.get(sha256)
    if image is None:
        image = _parse(path, data, sha256)
        while len(_known) >= _MOST_KNOWN:
            _known.pop(next(iter(_known)), None)
        _known[sha256] = image
    return image


def _parse(path: Path, data: bytes, sha256: str) -> MaskImage:
    if _TOO_MANY_AXES.search(data):  # astropy would look for a length of each
        raise PixelsError(f"is {path.name}, whose header has a NAXIS or TFIELDS above 999")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="File may have been truncated")
        with fits.open(BytesIO(data)) as hdus:
            images = (hdu.data for hdu in hdus if hdu.is_image and hdu.header["NAXIS"] > 0)
            image = next(images, None)
    if image is None or image.ndim != 2:
        found = "no image" if image is None else f"an image of {image.ndim} axes"
        raise PixelsError(f"is {path.name}, which has {found}, expected one of two axes")
    if image.dtype.kind == "f" and np.isnan(image).any():
        raise PixelsError(f"is {path.name}, which has NaN, expected 0 or something else")
    return MaskImage.of_array(image, sha256)


def write_mask(
    path: Path, mask: NDArray[np.bool_] | NDArray[np.uint16], header: fits.Header | None = None
) -> None:
    """Write a mask file, whole or not at all.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file to make or replace.
    mask : `numpy.ndarray`
        ``(ny, nx)`` bool, or numbers that tell what each masked pixel is.
    header : `astropy.io.fits.Header`, optional
        Keywords to be written with it.
    """
    image = mask.astype(np.uint8) if mask.dtype == bool else mask
    with atomic_write(path) as staged:
        fits.PrimaryHDU(image, header).writeto(staged, overwrite=True)
