"""Traces of persistence: the excess or the deficit of pixels that saturated before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from showermask.exposure.dq import DO_NOT_USE, JUMP_DET, SATURATED
from showermask.exposure.images import ImageReader

__all__ = ["Trace", "measure_traces"]

#: Side of the surroundings of a pixel, in pixels.
_AROUND = 15
#: Pixels farther from the typical one than this are sources, in scatters.
_SOURCE = 5.0
#: A trace stands out of the noise by so much, in sigma.
_CLEAR = 3.0
#: Standard error of a median, in that of a mean.
_OF_MEDIAN = 1.2533
_OF_MAD = 1.4826


@dataclass(frozen=True)
class Trace:
    """Median of pixels over their surroundings in sigma; below 0 for a deficit."""

    sigma: float

    def describe(self) -> str:
        """Return it for people."""
        if abs(self.sigma) < _CLEAR:
            return "no trace"
        noun = "excess" if self.sigma > 0 else "deficit"
        return f"{noun} of {abs(self.sigma):.1f} sigma"


def measure_traces(reader: ImageReader, sources: Sequence[NDArray[np.bool_]]) -> list[Trace | None]:
    """Measure what pixels that saturated before show in the first integration of a ramp.

    Parameters
    ----------
    reader : ImageReader
        The ramp, with flags.
    sources : sequence of `numpy.ndarray`
        ``(ny, nx)`` bool: the pixels of each source.

    Returns
    -------
    list of Trace or None
        The trace of each source; None where no pixel can be used. Persistence may come as an
        excess (a latent) or as a deficit (arXiv:2512.15477).
    """
    if not sources:
        return []
    risen, is_usable = _rise(reader)
    is_quiet = is_usable & ~np.any(sources, axis=0)
    if np.count_nonzero(is_quiet) < _AROUND:
        return [None] * len(sources)
    typical = float(np.median(risen[is_quiet]))
    is_quiet &= np.abs(risen - typical) <= _SOURCE * _scatter(risen[is_quiet])
    weight = uniform_filter(is_quiet.astype(np.float64), _AROUND)
    level = uniform_filter(np.where(is_quiet, risen - typical, 0.0), _AROUND)
    has_surroundings = weight * _AROUND**2 >= _AROUND
    over = risen - typical - level / np.where(has_surroundings, weight, 1.0)
    scatter = _scatter(over[is_quiet & has_surroundings])
    return [_trace(over[pixels & is_usable & has_surroundings], scatter) for pixels in sources]


def _rise(reader: ImageReader) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the rise of pixels from their second to their last but one group, where known."""
    ngroups = reader.stack_shape[1]
    first, last = min(1, ngroups - 1), max(0, ngroups - 2)
    if last <= first:
        first, last = 0, ngroups - 1
    start, end = (reader.image(0, group).astype(np.float64) for group in (first, last))
    flags = np.bitwise_or.reduce([reader.dq(0, group) for group in range(first, last + 1)])
    is_usable = (flags & (DO_NOT_USE | SATURATED | JUMP_DET)) == 0
    risen = end - start
    is_usable &= np.isfinite(risen)
    return np.where(is_usable, risen, 0.0), is_usable


def _trace(over: NDArray[np.float64], scatter: float) -> Trace | None:
    if not len(over) or not scatter > 0:
        return None
    error = scatter / math.sqrt(len(over)) * (_OF_MEDIAN if len(over) > 1 else 1.0)
    return Trace(float(np.median(over)) / error)


def _scatter(values: NDArray[np.float64]) -> float:
    if not len(values):
        return 0.0
    return _OF_MAD * float(np.median(np.abs(values - np.median(values))))
