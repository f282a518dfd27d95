"""Search flats for pixels that are dead, of low quantum efficiency, or open."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter, uniform_filter

from showermask.defects.background import robust_sigma
from showermask.defects.found import FoundPixels, Threshold
from showermask.defects.kinds import KINDS
from showermask.defects.options import DeadSearch, FlatOptions, Normalisation, Smoothing
from showermask.defects.ramps import measure_integration, measure_rates
from showermask.exposure.detectors import reference_pixels
from showermask.exposure.dq import DO_NOT_USE, SATURATED
from showermask.exposure.images import ImageReader

__all__ = ["normalised", "search_flats"]

_STRIP_BYTES = 24_000_000
#: Pixels outside of these parts of their surroundings do not count for these.
_TYPICAL = (0.6, 1.4)
_ROUNDS = 2
_SAMPLE = 20_000


def search_flats(
    readers: Sequence[ImageReader],
    options: FlatOptions,
    *,
    on_rows: Callable[[float], None] = lambda _: None,
) -> list[FoundPixels]:
    """Search flats of one detector and subarray for bad pixels.

    Parameters
    ----------
    readers : sequence of ImageReader
        The exposures: ramps, rateints or rates, of any lamp; each is divided by its mean.
    options : FlatOptions
        The thresholds.
    on_rows : callable, optional
        Is told the part that is done.

    Returns
    -------
    list of FoundPixels
        One for each kind.
    """
    exposure = readers[0].exposure
    is_blind = reference_pixels(exposure)
    images = np.empty((len(readers), *exposure.image_shape), np.float32)
    is_full = np.zeros(images.shape, bool)
    for number, reader in enumerate(readers):
        with reader:
            _read(reader, images[number], is_full[number], options)
        images[number][is_blind] = np.nan
        level = float(np.nanmedian(images[number])) if np.isfinite(images[number]).any() else 0.0
        images[number] /= level or 1.0
        on_rows((number + 1) / len(readers))
    mean = _clipped_mean(images, options.mean_sigma)
    flat = normalised(mean, options)
    # Each exposure in units of its surroundings as well, which tells in how many a pixel is seen.
    around = np.divide(mean, flat, out=np.ones_like(mean), where=np.nan_to_num(flat) != 0)
    images /= around
    # A pixel that is full before it has a rate has none, and is not dead.
    is_saturated = is_full.mean(axis=0) >= 0.5
    return list(_judge(flat, images, is_saturated & ~is_blind, is_blind, options))


def normalised(mean: NDArray[np.float32], options: FlatOptions) -> NDArray[np.float32]:
    """Return a flat in units of its surroundings, or of its mean, or as it is.

    Parameters
    ----------
    mean : `numpy.ndarray`
        ``(ny, nx)``: the mean flat; NaN where unknown.
    options : FlatOptions
        How.

    Returns
    -------
    `numpy.ndarray`
        Likewise.
    """
    if options.normalisation is Normalisation.NONE:
        return mean
    known = np.isfinite(mean)
    if options.normalisation is Normalisation.MEAN:
        values = mean[known]
        middle = float(np.median(values)) if values.size else 1.0
        typical = values[np.abs(values - middle) < options.mean_sigma * robust_sigma(values)]
        level = float(typical.mean()) if typical.size else middle
        scaled: NDArray[np.float32] = mean / np.float32(level or 1.0)
        return scaled
    smooth = _smoothed(mean, known, options)
    for _ in range(_ROUNDS):
        ratio = np.divide(mean, smooth, out=np.zeros_like(mean), where=smooth > 0)
        typical_pixels = known & (ratio > _TYPICAL[0]) & (ratio < _TYPICAL[1])
        smooth = _smoothed(mean, typical_pixels, options)
    found: NDArray[np.float32] = np.divide(
        mean, smooth, out=np.full_like(mean, np.nan), where=smooth > 0
    )
    return found


def _smoothed(
    mean: NDArray[np.float32], use: NDArray[np.bool_], options: FlatOptions
) -> NDArray[np.float32]:
    """Return the flat, smoothed over the pixels that are used."""
    width = int(options.box_width)
    there = np.where(use, mean, np.float32(0))
    total = uniform_filter(there, width, mode="constant")
    part = uniform_filter(use.astype(np.float32), width, mode="constant")
    box: NDArray[np.float32] = np.divide(total, part, out=np.zeros_like(total), where=part > 1e-3)
    if options.smoothing is Smoothing.BOX:
        return box
    middle: NDArray[np.float32] = median_filter(np.where(use, mean, box), width, mode="nearest")
    return middle


def _read(
    reader: ImageReader,
    image: NDArray[np.float32],
    is_full: NDArray[np.bool_],
    options: FlatOptions,
) -> None:
    """Read the mean rate of an exposure, and which pixels are full from the start."""
    exposure = reader.exposure
    ny, nx = exposure.image_shape
    nints, ngroups = reader.stack_shape
    rows = max(1, min(ny, _STRIP_BYTES // (12 * ngroups * nx)))
    for start in range(0, ny, rows):
        box = slice(start, min(ny, start + rows)), slice(0, nx)
        rates, full = [], []
        for integration in range(nints):
            data = np.stack([reader.window(integration, g, box) for g in range(ngroups)])
            flags = np.stack([reader.dq_window(integration, g, box) for g in range(ngroups)])
            if not exposure.is_ramp:
                found = measure_rates(data[0], flags[0])
                is_saturated = (flags[0] & SATURATED) > 0
            else:
                of_groups = (flags & 0xFF).astype(np.uint8)
                found = measure_integration(
                    data, of_groups, exposure.group_time or 1.0, early_fraction=0.25
                )
                is_used = (of_groups & DO_NOT_USE) == 0
                first = np.where(is_used, data, np.inf).min(axis=0)
                is_saturated = found.is_saturated | (first > options.dead_flux)
            rates.append(np.where(is_saturated, np.float32(np.nan), found.rate))
            full.append(is_saturated)
        known = np.isfinite(rates).any(axis=0)
        mean = np.full(known.shape, np.nan, np.float32)
        mean[known] = np.nanmean(np.array(rates)[:, known], axis=0)
        image[box] = mean
        is_full[box] = np.mean(full, axis=0) >= 0.5


def _clipped_mean(images: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Return the mean of the exposures in each pixel, without outliers."""
    known = np.isfinite(images)
    count = known.sum(axis=0)
    mean = np.where(known, images, 0).sum(axis=0) / np.maximum(count, 1)
    if len(images) > 2:
        middle = np.median(np.where(known, images, mean), axis=0)
        away = np.where(known, np.abs(images - middle), 0)
        # The scatter of a pixel between few exposures is hardly known: that of all has a say.
        spread = 1.4826 * np.median(away, axis=0)
        typical = float(np.median(spread[count > 0])) if (count > 0).any() else 0.0
        use = known & (away <= sigma * np.maximum(spread, typical))
        some = use.any(axis=0)
        clipped = np.where(use, images, 0).sum(axis=0) / np.maximum(use.sum(axis=0), 1)
        mean = np.where(some, clipped, mean)
    return np.where(count > 0, mean, np.nan).astype(np.float32)


def _judge(
    flat: NDArray[np.float32],
    images: NDArray[np.float32],
    is_saturated: NDArray[np.bool_],
    is_blind: NDArray[np.bool_],
    options: FlatOptions,
) -> Iterator[FoundPixels]:
    known = np.isfinite(flat)
    sigma = robust_sigma(flat[known]) or 1e-6
    value = np.nan_to_num(flat)
    dead_limit, dead_option = options.dead_rate, "dead_rate"
    if options.dead_search is DeadSearch.SIGMA_RATE:
        # A pixel of low quantum efficiency is not dead, however even the flat is.
        dead_option = "dead_sigma"
        dead_limit = min(options.low_qe_rate, 1 - options.dead_sigma * sigma)
    is_dead = known & (value < dead_limit) & ~is_saturated & ~is_blind
    is_low = known & (value < options.low_qe_rate) & ~is_dead & ~is_saturated
    is_bright = known & (value > options.adjacent_rate)
    has_bright_neighbours = np.ones_like(is_bright)
    for dy, dx in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        has_bright_neighbours &= _shifted(is_bright, dy, dx)
    is_open = (is_low | is_dead) & has_bright_neighbours
    is_adjacent = np.zeros_like(is_open)
    for dy, dx in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        is_adjacent |= _shifted(is_open, dy, dx)
    is_adjacent &= ~is_open & ~is_blind
    looks = len(images)
    sample = flat[known]
    sample = sample[:: max(1, sample.size // _SAMPLE)]
    below = (1 - value) / np.float32(sigma)
    for name, mask, limit, option, is_under in (
        ("dead", is_dead & ~is_open, dead_limit, dead_option, True),
        ("low_qe", is_low & ~is_open, options.low_qe_rate, "low_qe_rate", True),
        ("open", is_open, options.low_qe_rate, "low_qe_rate", True),
        ("adj_open", is_adjacent, options.adjacent_rate, "adjacent_rate", False),
    ):
        with_value = np.isfinite(images)
        is_seen = with_value & ((images < limit) if is_under else (images > 1.0))
        yield FoundPixels.of_mask(
            KINDS[name],
            mask,
            score=np.abs(below),
            value=value,
            seen=np.where(known, is_seen.sum(axis=0), looks),
            looks=looks,
            noun="exposure",
            threshold=Threshold(
                statistic="flat in units of its surroundings",
                unit="",
                value=float(limit),
                option=option,
                values=sample,
                is_strict_when_low=is_under and option != "dead_sigma",
            ),
        )


def _shifted(image: NDArray[np.bool_], dy: int, dx: int) -> NDArray[np.bool_]:
    """Return an image in which each pixel has the value of a neighbour; False beyond the edge."""
    found = np.zeros_like(image)
    ny, nx = image.shape
    found[max(0, -dy) : ny - max(0, dy), max(0, -dx) : nx - max(0, dx)] = image[
        max(0, dy) : ny + min(0, dy), max(0, dx) : nx + min(0, dx)
    ]
    return found
