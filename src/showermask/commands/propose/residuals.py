"""Residuals: a ramp without everything that does not change.

Differences of groups, less what all integrations do, less the level of each pixel, less what each
row and frame has in common, less what sources do; flagged samples left out, single outliers cut
off; binned.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from showermask.commands.propose.background import smooth_background
from showermask.commands.propose.sources import SourceTerms, read_source_terms
from showermask.glow.common_mode import LEAST_ROW, common
from showermask.glow.differences import (
    Images,
    level_and_noise,
    noise_without_glows,
    read_differences,
)
from showermask.glow.jumps import lasting

__all__ = ["BIN", "Residuals", "read_residuals", "sum_bins", "thread_pool"]

#: Pixels of a bin, along each axis.
BIN = 2

_Number = TypeVar("_Number", np.float32, np.uint8)
_Result = TypeVar("_Result")
_STRIP_ROWS = 64
_PART = 8  # differences of which the background is taken at a time
_THREADS = min(4, os.cpu_count() or 1)
_SMALL = 2_000_000  # cells of all differences
#: A glow is far below this in a single pixel of a single difference; hits and jumps are above.
_CLIP = 6.0
#: Higher steps than this have no place in 16 bits.
_HIGHEST_STEP = 60000.0
_READ_PART_SIGMA = 2.0  # bins
#: What is left of a source after its terms are taken away, as a part of its rate; it lasts for so
#: many differences.
_LEFT_OF_SOURCES, _LASTING = 0.004, 10.0
#: Pixels around one that saturates in which its charge may be.
_SPILL = 5


@dataclass(frozen=True, kw_only=True)
class Residuals:
    """The residuals of one integration, binned.

    Parameters
    ----------
    values : `numpy.ndarray`
        Mean residual of each bin in DN, ``(ngroups - 1, ny / BIN, nx / BIN)`` float32; 0 where
        there is none.
    weights : `numpy.ndarray`
        One over its variance, same shape; 0 where there is none.
    brightness : `numpy.ndarray`
        Rate of each bin, less the background, in units of the noise of one difference;
        ``(ny / BIN, nx / BIN)``.
    read_part : `numpy.ndarray`
        Part of the variance of each bin that reading makes, in units of that of a typical bin and 1
        at most, ``(ny / BIN, nx / BIN)``: noise of photons is not correlated in time.
    jumps : `numpy.ndarray`
        Mean step of each bin in what is flagged as a jump, in DN, same shape as `values`, float16;
        0 where nothing is flagged.
    saturated : `numpy.ndarray`
        First difference in which a pixel of each bin is saturated, ``(ny / BIN, nx / BIN)``; the
        number of differences where none is.
    level : `numpy.ndarray`
        ``(ny / BIN, nx / BIN)``: mean difference of each bin in DN, NaN where unknown.
    image_shape : tuple of int
        Rows and columns of the full frame.
    """

    values: NDArray[np.float32]
    weights: NDArray[np.float32]
    brightness: NDArray[np.float32]
    read_part: NDArray[np.float32]
    jumps: NDArray[np.float16]
    saturated: NDArray[np.int16]
    level: NDArray[np.float32]
    image_shape: tuple[int, int]


def read_residuals(
    images: Images,
    integration: int,
    image_shape: tuple[int, int],
    typical_ramp: NDArray[np.float32] | None = None,
    *,
    sources: SourceTerms | None = None,
    threads: int | None = None,
) -> Residuals:
    """Read an integration in strips, and return its residuals.

    Parameters
    ----------
    images : Images
        The exposure.
    integration : int
        Which integration, zero-based.
    image_shape : tuple of int
        Rows and columns.
    typical_ramp : `numpy.ndarray`, optional
        What all integrations do, from `read_typical_ramp`.
    sources : SourceTerms, optional
        Images of the sources; of this integration by default.
    threads : int, optional
        Threads to read with; as many as there are processors, 4 at most, by default.

    Returns
    -------
    Residuals
        Its residuals.
    """
    if sources is None:
        sources = read_source_terms(images, [integration], image_shape)
    reading = _Reading(images, integration, image_shape, typical_ramp, sources.afresh())
    with thread_pool(threads) as pool:
        list(pool.map(reading.read, reading.strips))
        list(pool.map(reading.take_background, reading.parts))
    return reading.finish()


def thread_pool(threads: int | None = None, *, cells: int | None = None) -> Executor:
    """Return a pool of so many threads; of as many as there are processors by default.

    For few cells there is none: threads that wait for each other are slower than one.
    """
    count = min(threads or _THREADS, _THREADS)
    is_small = cells is not None and cells < _SMALL
    return _NoPool() if count == 1 or is_small else ThreadPoolExecutor(count)


class _NoPool(Executor):
    """An executor that does what it gets at once."""

    def submit(
        self, fn: Callable[..., _Result], /, *args: object, **kwargs: object
    ) -> Future[_Result]:
        """Call a function, and return its result as a future."""
        future: Future[_Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  # raised by whoever asks for the result
            future.set_exception(error)
        return future


class _Reading:
    """The residuals of an integration while its strips are read, by several threads."""

    def __init__(
        self,
        images: Images,
        integration: int,
        image_shape: tuple[int, int],
        typical_ramp: NDArray[np.float32] | None,
        sources: SourceTerms,
    ) -> None:
        self.images, self.integration, self.image_shape = images, integration, image_shape
        self.typical_ramp = typical_ramp
        ny, nx = image_shape
        height, width = ny // BIN, nx // BIN
        ndiff = images.stack_shape[1] - 1
        self.values = np.zeros((ndiff, height, width), np.float32)
        self.weights = np.zeros_like(self.values)
        self.jumps = np.zeros(self.values.shape, np.float16)
        self.saturated = np.full((height, width), ndiff, np.int16)
        self.level = np.full((height, width), np.nan, np.float32)
        self.sources = sources
        rows = _STRIP_ROWS if nx >= LEAST_ROW else height * BIN
        self.strips = [
            slice(start, min(start + rows, height * BIN)) for start in range(0, height * BIN, rows)
        ]
        self.parts = [slice(start, start + _PART) for start in range(0, ndiff, _PART)]

    def read(self, strip: slice) -> None:
        """Read a strip."""
        here = slice(strip.start // BIN, strip.stop // BIN)
        box = strip, slice(0, self.image_shape[1])
        read = read_differences(self.images, self.integration, self.image_shape, box, spill=_SPILL)
        differences = read.values
        if self.typical_ramp is not None:
            differences -= self.typical_ramp[:, strip]
        level, noise = level_and_noise(differences)
        noise = noise_without_glows(differences, noise)
        self.level[here] = sum_bins(level[np.newaxis])[0] / BIN**2
        differences -= level
        differences -= common(differences, noise)
        limit = _CLIP * noise
        # What is flagged as a jump and no fainter than a hit is one, though it be as large as a
        # shower, unless its light goes on.
        is_jump = read.jumps != 0
        is_high = np.abs(differences) > limit
        bright = lasting(differences, is_high)
        differences[is_jump & is_high & ~bright] = np.nan
        kept = differences[bright]
        np.clip(differences, -limit, limit, out=differences)
        differences[bright] = kept
        self.sources.add_strip(strip, differences, noise)
        self.values[:, here], self.weights[:, here] = _binned(differences, noise)
        steps = np.subtract(read.jumps, np.nan_to_num(level), out=read.jumps, where=is_jump)
        self.jumps[:, here] = np.clip(sum_bins(steps) / BIN**2, -_HIGHEST_STEP, _HIGHEST_STEP)
        self.saturated[here] = _first(read.saturated)

    def take_background(self, part: slice) -> None:
        """Take the smooth background from some differences."""
        values, known = self.values[part], self.weights[part] > 0
        values -= smooth_background(values, known)
        values *= known

    def finish(self) -> Residuals:
        """Take away what all strips have in common, and return the residuals."""
        typical = np.median(self.weights, axis=0)
        noise = np.sqrt(np.divide(1, typical, out=np.full_like(typical, np.inf), where=typical > 0))
        self.sources.take_away(self.values, self.weights)
        known = np.isfinite(self.level) & (typical > 0)
        source = self.level - smooth_background(self.level, known)
        brightness = np.where(known, source / noise, np.float32(0))
        self.weights /= 1 + _LASTING * (_LEFT_OF_SOURCES * brightness) ** 2
        return Residuals(
            values=self.values,
            weights=self.weights,
            brightness=brightness,
            read_part=_read_part(self.weights),
            jumps=self.jumps,
            saturated=self.saturated,
            level=self.level,
            image_shape=self.image_shape,
        )


def _first(saturated: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return the least of each bin."""
    ny, nx = saturated.shape
    trimmed = saturated[: ny // BIN * BIN, : nx // BIN * BIN]
    least: NDArray[np.int16] = trimmed.reshape(ny // BIN, BIN, nx // BIN, BIN).min(axis=(1, 3))
    return least


def _read_part(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the part of the variance of each bin that reading makes, smoothed."""
    strongest = weights.max(axis=0)
    known = strongest > 0
    typical = float(np.median(strongest[known])) if known.any() else 1.0
    part = np.where(known, strongest / typical, np.float32(1))
    smooth: NDArray[np.float32] = gaussian_filter(part, _READ_PART_SIGMA)
    return np.minimum(smooth, np.float32(1))


def _binned(
    differences: NDArray[np.float32], noise: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    # Without noise nothing stands out: such pixels are dead, or not real.
    weight = np.divide(1, noise**2, out=np.zeros_like(noise), where=noise > 0)
    known = np.isfinite(differences)
    weights = np.where(known, weight, np.float32(0))
    values = np.where(known, differences, np.float32(0)) * weights
    total = sum_bins(weights)
    mean = np.divide(sum_bins(values), total, out=np.zeros_like(total), where=total > 0)
    return mean, total


def sum_bins(cube: NDArray[_Number]) -> NDArray[_Number]:
    """Sum images over bins of `BIN` × `BIN`; what is left over at the edges is dropped.

    Parameters
    ----------
    cube : `numpy.ndarray`
        ``(n, ny, nx)``.

    Returns
    -------
    `numpy.ndarray`
        ``(n, ny / BIN, nx / BIN)``, of the same type.
    """
    ny, nx = cube.shape[1:]
    trimmed = cube[:, : ny // BIN * BIN, : nx // BIN * BIN]
    # Four strided additions are several times as quick as a sum over two axes.
    rows = trimmed[:, ::BIN] + trimmed[:, 1::BIN]
    summed: NDArray[_Number] = rows[:, :, ::BIN] + rows[:, :, 1::BIN]
    return summed
