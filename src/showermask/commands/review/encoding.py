"""Pack frames for the way to the page."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

__all__ = [
    "CODE_SCALE",
    "LINEAR_MADS",
    "EncodedImage",
    "bytes_response",
    "compress",
    "encode_image",
    "packed_response",
]

#: Frames travel as 16-bit codes, linear near the median and logarithmic far from it.
CODE_SCALE = 256
LINEAR_MADS = 8.0
_CODE_ZERO = 32768
_MAX_CODE = 32767
_STATISTICS_SAMPLE = 100_000


@dataclass(frozen=True, kw_only=True)
class EncodedImage:
    """A frame as it travels to the page."""

    #: Gzip of the low bytes, then the high bytes, of a uint16 code for each pixel: 0 for NaN,
    #: else ``32768 + CODE_SCALE * asinh((value - median) / (LINEAR_MADS * mad))``.
    data: bytes
    #: Median of the frame, and median absolute deviation from it.
    median: float
    mad: float


def encode_image(image: NDArray[np.float32]) -> EncodedImage:
    """Pack a frame for the page.

    Parameters
    ----------
    image : `numpy.ndarray`
        ``(ny, nx)`` float32.

    Returns
    -------
    EncodedImage
        Codes that are exact to a thirty-second of a MAD near the median, and to 0.4 % far from it.
    """
    finite = np.isfinite(image)
    median, mad = _statistics(image[finite])
    scaled = np.arcsinh((image - np.float32(median)) * np.float32(1 / (LINEAR_MADS * mad)))
    scaled *= CODE_SCALE
    np.rint(scaled, out=scaled)
    np.clip(scaled, -_MAX_CODE, _MAX_CODE, out=scaled)
    scaled += _CODE_ZERO
    scaled[~finite] = 0
    codes = scaled.astype(np.uint16).ravel()
    planes = (codes & 0xFF).astype(np.uint8).tobytes() + (codes >> 8).astype(np.uint8).tobytes()
    return EncodedImage(data=compress(planes), median=median, mad=mad)


def compress(data: bytes) -> bytes:
    """Gzip bytes in the quickest way that pays: noise has no strings to find."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31, 9, zlib.Z_HUFFMAN_ONLY)
    return packer.compress(data) + packer.flush()


def _statistics(values: NDArray[np.float32]) -> tuple[float, float]:
    """Return median and MAD of a sample of the values."""
    sample = values[:: max(1, values.size // _STATISTICS_SAMPLE)]
    if not sample.size:
        return 0.0, 1.0
    median = float(np.median(sample))
    mad = float(np.median(np.abs(sample - median)))
    spread = float(np.ptp(sample))
    if mad <= 1e-6 * spread:  # nearly all pixels alike, as in ramps without noise
        mad = float(np.std(sample))
    return median, mad or 1.0


def packed_response(
    image: EncodedImage,
    *,
    shape: tuple[int, ...] = (),
    at: tuple[int, ...] = (),
    place: tuple[float, ...] = (),
) -> Response:
    """Return the answer that holds an image.

    Of a part of one, also its shape and the column and row where it begins, or those of a ``place``
    in it.
    """
    headers = {"X-Median": repr(image.median), "X-Mad": repr(image.mad)}
    for name, numbers in (("X-Shape", shape), ("X-At", at), ("X-Place", place)):
        if numbers:
            headers[name] = " ".join(map(str, numbers))
    return bytes_response(image.data, headers)


def bytes_response(data: bytes, headers: dict[str, str] | None = None) -> Response:
    """Return the answer that holds compressed bytes."""
    return Response(
        data,
        media_type="application/octet-stream",
        headers={"Content-Encoding": "gzip", "Cache-Control": "no-store", **(headers or {})},
    )
