"""Read single images of an exposure on disk, however large it is.

Only the bytes that are asked for are read: an image, the difference of two, or one pixel through an
integration. Nothing is kept, so memory stays flat on ramps of many gigabytes. Images are read with
``os.pread``: ``hdu.section`` of astropy gave 49 wrong images in 240 reads from four threads.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from showermask.exceptions import ExposureError
from showermask.exposure.product import Exposure, describe_file

__all__ = ["ImageReader", "PixelRamp"]


@dataclass(frozen=True)
class _Plane:
    """The place of an image in the file, and its encoding."""

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    is_unsigned: bool
    is_compressed: bool


@dataclass(frozen=True, kw_only=True)
class PixelRamp:
    """One pixel through an integration."""

    #: Value of each group; None for NaN.
    values: tuple[float | None, ...]
    #: DQ of each group.
    flags: tuple[int, ...]
    #: DQ of the pixel for the whole exposure, where there is one.
    pixel_flags: int


class ImageReader:
    """An exposure on disk, for reading images.

    The file is open while one is read, or for the length of a ``with`` block.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.exposure: Exposure = describe_file(self.path)
        if self.path.suffix != ".fits":
            raise ExposureError(f"{self.path}: expected an uncompressed FITS file (.fits)")
        with fits.open(self.path, memmap=True, do_not_scale_image_data=True) as hdus:
            self._science = _find_plane(hdus["SCI"])
            wanted = "GROUPDQ" if self.exposure.is_ramp else "DQ"
            self._dq = _find_plane(hdus[wanted]) if wanted in hdus else None
            self._pixel_dq = _find_plane(hdus["PIXELDQ"]) if "PIXELDQ" in hdus else None
        self._check_planes()
        self._identity = _identity(self.path.stat())
        self._file: int | None = None

    def _check_planes(self) -> None:
        """Refuse a file whose flags are not those of its data, or whose images are compressed."""
        shape = self._science.shape
        for name, plane, expected in (
            ("SCI", self._science, shape),
            ("DQ", self._dq, shape),
            ("PIXELDQ", self._pixel_dq, shape[-2:]),
        ):
            if plane is None:
                continue
            if plane.is_compressed:
                raise ExposureError(
                    f"{self.path}: {name} is compressed; expected plain images (funpack)"
                )
            if plane.shape != expected:
                raise ExposureError(
                    f"{self.path}: {name} has shape {plane.shape}, expected {expected} as the data"
                )

    def close(self) -> None:
        """Close the file, if it is kept open."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Self:
        self._file = self._opened()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def has_flags(self) -> bool:
        """Whether the file has the DQ of its groups (of a ramp) or pixels."""
        return self._dq is not None

    @property
    def stack_shape(self) -> tuple[int, int]:
        """Integrations and groups to look at; 1 for an axis that the product has not."""
        return self.exposure.stack_shape

    def image(self, integration: int, group: int) -> NDArray[np.float32]:
        """Read one image.

        Parameters
        ----------
        integration, group : int
            Which one, zero-based; 0 for an axis that the product has not.

        Returns
        -------
        `numpy.ndarray`
            ``(ny, nx)`` float32.
        """
        return self.window(integration, group, self._whole)

    def window(self, integration: int, group: int, box: tuple[slice, slice]) -> NDArray[np.float32]:
        """Read part of an image.

        Parameters
        ----------
        integration, group : int
            Which one, zero-based.
        box : tuple of slice
            Rows and columns, within the image.

        Returns
        -------
        `numpy.ndarray`
            ``(rows, columns)`` float32.
        """
        return self._read(self._science, integration, group, box).astype(np.float32)

    def dq_window(
        self, integration: int, group: int, box: tuple[slice, slice]
    ) -> NDArray[np.unsignedinteger]:
        """Read part of the flags of an image; zeros where the file has none.

        Parameters
        ----------
        integration, group : int
            Which one, zero-based.
        box : tuple of slice
            Rows and columns, within the image.

        Returns
        -------
        `numpy.ndarray`
            ``(rows, columns)`` uint8 for groups, uint32 for rates.
        """
        if self._dq is None:
            return np.zeros([part.stop - part.start for part in box], np.uint8)
        flags: NDArray[np.unsignedinteger] = self._read(self._dq, integration, group, box)
        return flags

    def pixel_dq_window(self, box: tuple[slice, slice]) -> NDArray[np.unsignedinteger]:
        """Read part of the flags that pixels have for all of the exposure.

        Parameters
        ----------
        box : tuple of slice
            Rows and columns, with both ends.

        Returns
        -------
        `numpy.ndarray`
            ``(rows, columns)`` uint32; zeros where the file has no PIXELDQ.
        """
        if self._pixel_dq is None:
            return np.zeros([part.stop - part.start for part in box], np.uint32)
        flags: NDArray[np.unsignedinteger] = self._read(self._pixel_dq, 0, 0, box)
        return flags

    def difference(self, integration: int, group: int) -> NDArray[np.float32]:
        """Read a group less the one before; group 0 as it is.

        Parameters
        ----------
        integration, group : int
            Which one, zero-based.

        Returns
        -------
        `numpy.ndarray`
            ``(ny, nx)`` float32.
        """
        image = self.image(integration, group)
        if group > 0:
            image -= self.image(integration, group - 1)
        return image

    def dq(self, integration: int, group: int) -> NDArray[np.unsignedinteger]:
        """Read the flags of one image; zeros where the file has none.

        Parameters
        ----------
        integration, group : int
            Which one, zero-based.

        Returns
        -------
        `numpy.ndarray`
            ``(ny, nx)`` uint8 for groups, uint32 for rates.
        """
        return self.dq_window(integration, group, self._whole)

    def pixel(self, integration: int, x: int, y: int) -> PixelRamp:
        """Read one pixel through an integration."""
        _, ngroups = self.exposure.stack_shape
        values = [self._read_pixel(self._science, integration, g, x, y) for g in range(ngroups)]
        flags = (
            [0] * ngroups
            if self._dq is None
            else [self._read_pixel(self._dq, integration, g, x, y) for g in range(ngroups)]
        )
        pixel_flags = 0
        if self._pixel_dq is not None:
            pixel_flags = int(self._read_pixel(self._pixel_dq, 0, 0, x, y))
        return PixelRamp(
            values=tuple(float(v) if np.isfinite(v) else None for v in values),
            flags=tuple(int(flag) for flag in flags),
            pixel_flags=pixel_flags,
        )

    @property
    def _whole(self) -> tuple[slice, slice]:
        ny, nx = self.exposure.image_shape
        return slice(0, ny), slice(0, nx)

    def _read(
        self, plane: _Plane, integration: int, group: int, box: tuple[slice, slice]
    ) -> NDArray[Any]:
        rows, columns = box
        width = plane.shape[-1]
        count = (rows.stop - rows.start) * width
        values = self._read_values(plane, integration, group, rows.start * width, count)
        return values.reshape(-1, width)[:, columns]

    def _read_pixel(self, plane: _Plane, integration: int, group: int, x: int, y: int) -> float:
        value: float = self._read_values(plane, integration, group, y * plane.shape[-1] + x, 1)[0]
        return value

    def _read_values(
        self, plane: _Plane, integration: int, group: int, first: int, count: int
    ) -> NDArray[Any]:
        """Read ``count`` values of an image from its ``first`` on."""
        size = plane.dtype.itemsize
        image_bytes = plane.shape[-1] * plane.shape[-2] * size
        start = plane.offset + self._index(plane, integration, group) * image_bytes
        raw = self._read_bytes(count * size, start + first * size)
        if len(raw) != count * size:
            raise ExposureError(f"{self.path}: is cut short, expected more data")
        return _native(np.frombuffer(raw, plane.dtype), plane)

    def _read_bytes(self, count: int, start: int) -> bytes:
        if self._file is not None:
            return os.pread(self._file, count, start)
        file = self._opened()
        try:
            return os.pread(file, count, start)
        finally:
            os.close(file)

    def _opened(self) -> int:
        """Return a descriptor of the file, if it is still the one that was described."""
        try:
            file = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise ExposureError(f"{self.path}: can't be read ({error.strerror})") from error
        if _identity(os.fstat(file)) != self._identity:
            os.close(file)
            raise ExposureError(f"{self.path}: was changed since it was opened; open it again")
        return file

    def check_index(self, integration: int, group: int) -> None:
        """Raise `IndexError`, with what there is, for an image that is not there."""
        nints, ngroups = self.exposure.stack_shape
        if not (0 <= integration < nints and 0 <= group < ngroups):
            raise IndexError(
                f"integration {integration}, group {group}: expected integrations 0 to "
                f"{nints - 1} and groups 0 to {ngroups - 1}"
            )

    def _index(self, plane: _Plane, integration: int, group: int) -> int:
        self.check_index(integration, group)
        if len(plane.shape) == 4:
            return integration * plane.shape[1] + group
        return integration if len(plane.shape) == 3 else 0


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _find_plane(hdu: fits.ImageHDU) -> _Plane:
    header = hdu.header
    dtype = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}[header["BITPIX"]]
    return _Plane(
        offset=hdu.fileinfo()["datLoc"],
        shape=tuple(hdu.shape),
        dtype=np.dtype(dtype),
        is_unsigned=header.get("BZERO", 0) > 0,
        is_compressed=isinstance(hdu, fits.CompImageHDU),
    )


def _native(raw: NDArray[Any], plane: _Plane) -> NDArray[Any]:
    """Undo FITS's way of writing unsigned integers, and its byte order."""
    if not plane.is_unsigned:
        return raw.astype(plane.dtype.newbyteorder("="))
    unsigned = np.dtype(f">u{plane.dtype.itemsize}")
    native = raw.view(unsigned).astype(unsigned.newbyteorder("="))
    sign_bit = native.dtype.type(1 << (8 * unsigned.itemsize - 1))
    unsigned_values: NDArray[Any] = np.bitwise_xor(native, sign_bit)
    return unsigned_values
