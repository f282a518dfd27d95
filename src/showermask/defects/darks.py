"""Search darks for pixels that are hot, warm, drifting, jumping, noisy, saturated or low.

The exposures are read in strips, an integration at a time. Each integration gives a few statistics
of each pixel (`measure_integration`); over all integrations these become images (`Tally`), which
are compared with the rest of the detector at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from showermask.defects.background import sigma_of_amplifiers
from showermask.defects.found import FoundPixels, Threshold
from showermask.defects.kinds import KINDS
from showermask.defects.options import DarkOptions
from showermask.defects.ramps import PixelStatistics, measure_integration, measure_rates
from showermask.defects.tally import Tally, least_count
from showermask.defects.telegraph import two_levels
from showermask.exceptions import ExposureError
from showermask.exposure.detectors import amplifiers_of, reference_pixels
from showermask.exposure.dq import DO_NOT_USE, JUMP_DET, SATURATED
from showermask.exposure.images import ImageReader

__all__ = ["MIN_GROUPS", "search_darks"]

#: With fewer groups nothing is told of what happens in a ramp.
MIN_GROUPS = 8

#: Bytes of a strip and of its statistics.
_STRIP_BYTES, _STATISTICS_BYTES = 12_000_000, 30_000_000
#: Raw counts of 16 bits end here: what is higher is saturated.
_FULL = 60_000.0
#: A pixel may be a telegraph one if its noise is so many sigma above that of others, or it has so
#: many jumps in an integration; and if it goes from one level to the other so often.
_SUSPICIOUS_SIGMA, _SUSPICIOUS_JUMPS, _LEAST_CHANGES = 4.0, 2, 2
#: Two rates are told by one test of all integrations, which has to be surer.
_SURER = 7.0
#: Such a part of the deviations of the rates of a pixel is left out, the largest: they may be hits.
#: The mean of the others is so much smaller than a standard deviation.
_LEFT_OUT, _OF_NORMAL = 0.2, 1.79
_NEARLY_NORMAL = 2 / 3
#: A telegraph pixel is one in so many integrations, at least: in one it may be a hit.
_LEAST_TELEGRAPH = 2
#: An integration of which so large a part is saturated has no rates for that.
_MOSTLY = 0.5
#: Degree of the polynomial that stands for a slow curve.
_BENDS = 3
#: With fewer integrations there is no telling whether rates scatter.
_LEAST_FOR_SCATTER = 8


def search_darks(
    readers: Sequence[ImageReader],
    options: DarkOptions,
    *,
    threads: int = 1,
    on_rows: Callable[[float], None] = lambda _: None,
) -> list[FoundPixels]:
    """Search darks of one detector, read-out pattern and subarray for bad pixels.

    Parameters
    ----------
    readers : sequence of ImageReader
        The exposures: ramps, rateints or rates.
    options : DarkOptions
        The thresholds.
    threads : int, optional
        Threads that read and measure.
    on_rows : callable, optional
        Is told the part that is done.

    Returns
    -------
    list of FoundPixels
        One for each kind that the exposures can tell.
    """
    return _DarkSearch(readers, options).run(on_rows, threads)


@dataclass
class _Strip:
    """The statistics of all integrations for some rows, ``(nints, rows, columns)``."""

    rate: NDArray[np.float32]
    halves: NDArray[np.float32]
    noise: NDArray[np.float32]
    first: NDArray[np.float32]
    curvature: NDArray[np.float32]
    saturated: NDArray[np.int32]
    #: Integrations with telegraph noise; sum of the likelihoods, and of the steps.
    telegraph: NDArray[np.int32]
    likelihood: NDArray[np.float32]
    step: NDArray[np.float32]

    @classmethod
    def empty(cls, nints: int, shape: tuple[int, int]) -> _Strip:
        def unknown(*leading: int) -> NDArray[np.float32]:
            return np.full((*leading, *shape), np.nan, np.float32)

        return cls(
            rate=unknown(nints),
            halves=unknown(2 * nints),
            noise=unknown(nints),
            first=unknown(nints),
            curvature=unknown(nints),
            saturated=np.zeros(shape, np.int32),
            telegraph=np.zeros(shape, np.int32),
            likelihood=np.zeros(shape, np.float32),
            step=np.zeros(shape, np.float32),
        )

    def take(self, number: int, found: PixelStatistics) -> None:
        """Take the statistics of an integration."""
        self.rate[number] = found.rate
        self.saturated += found.is_saturated
        if found.noise is not None and found.first is not None:
            self.noise[number], self.first[number] = found.noise, found.first
            self.curvature[number] = found.curvature
            self.halves[2 * number : 2 * number + 2] = found.halves


class _DarkSearch:
    def __init__(self, readers: Sequence[ImageReader], options: DarkOptions) -> None:
        self.readers, self.options = readers, options
        self.exposure = readers[0].exposure
        self.shape = self.exposure.image_shape
        self.amplifiers = amplifiers_of(self.exposure)
        self.is_reference = reference_pixels(self.exposure)
        self.has_groups = self.exposure.is_ramp
        #: Whether ramps are long enough to tell what happens in them.
        self.has_courses = self.has_groups and min(r.stack_shape[1] for r in readers) >= MIN_GROUPS
        self.nints = sum(reader.stack_shape[0] for reader in readers)
        one = self.shape
        self.rate = Tally(one, self.amplifiers, options.hot_fraction)
        self.rising = Tally(one, self.amplifiers, options.rc_fraction)
        self.falling = Tally(one, self.amplifiers, options.rc_fraction, sign=-1)
        self.low = Tally(one, self.amplifiers, options.low_pedestal_fraction, sign=-1)
        self.noise = np.full(one, np.nan, np.float32)
        self.scatter = np.full(one, np.nan, np.float32)
        self.two_rates = np.full(one, -np.inf, np.float32)
        self.rate_step = np.zeros(one, np.float32)
        self.saturated, self.telegraph = np.zeros(one, np.int32), np.zeros(one, np.int32)
        self.likelihood, self.step = np.zeros(one, np.float32), np.zeros(one, np.float32)
        #: Noise from which on a pixel may be a telegraph one.
        self.suspicious: NDArray[np.float32] = np.full(one, np.inf, np.float32)
        #: Integrations in which any pixel has a rate.
        self.is_seen = np.zeros(self.nints, bool)

    def run(self, on_rows: Callable[[float], None], threads: int) -> list[FoundPixels]:
        strips = list(self._strips())
        with ExitStack() as opened, ThreadPoolExecutor(threads) as pool:
            for reader in self.readers:
                opened.enter_context(reader)
            self.suspicious = self._suspicious_noise()
            for number, _ in enumerate(pool.map(self._do, strips), 1):
                on_rows(number / len(strips))
        self._check_seen()
        return list(self._judge())

    def _check_seen(self) -> None:
        """Refuse exposures in which no pixel has a rate."""
        first = 0
        unseen = []
        for reader in self.readers:
            nints = reader.stack_shape[0]
            if not self.is_seen[first : first + nints].all():
                unseen.append(reader.path.name)
            first += nints
        ExposureError.check_none(
            [f"{name}: no pixel has a rate in an integration; leave it out" for name in unseen]
        )

    def _do(self, rows: slice) -> None:
        self._take(rows, self._read(rows))

    def _strips(self) -> Iterator[slice]:
        ny, nx = self.shape
        ngroups = max(reader.stack_shape[1] for reader in self.readers)
        rows = min(_STRIP_BYTES // (12 * ngroups * nx), _STATISTICS_BYTES // (24 * self.nints * nx))
        rows = max(1, min(ny, rows))
        yield from (slice(start, min(ny, start + rows)) for start in range(0, ny, rows))

    def _suspicious_noise(self) -> NDArray[np.float32]:
        """Return the noise of each pixel from which on it may be a telegraph one."""
        if not self.has_courses:
            return self.suspicious
        ny = self.shape[0]
        height = max(2, min(8, ny))
        starts = np.unique(np.linspace(0, max(0, ny - height), 8).astype(int))
        sampled = np.full(self.shape, np.nan, np.float32)
        for start in starts:
            rows = slice(int(start), min(ny, int(start) + height))
            noise = self._measured(*self._images(self.readers[0], 0, rows)).noise
            assert noise is not None  # noqa: S101  # of a ramp
            sampled[rows] = noise
        sampled[self.is_reference] = np.nan
        level, sigma = sigma_of_amplifiers(sampled, self.amplifiers)
        return level + _SUSPICIOUS_SIGMA * sigma

    def _measured(self, data: NDArray[np.float32], flags: NDArray[np.uint8]) -> PixelStatistics:
        return measure_integration(
            data,
            flags,
            self.exposure.group_time or 1.0,
            early_fraction=self.options.early_fraction,
        )

    def _images(
        self, reader: ImageReader, integration: int, rows: slice
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        box = rows, slice(0, self.shape[1])
        groups = range(reader.stack_shape[1])
        data = np.stack([reader.window(integration, group, box) for group in groups])
        flags = np.stack([reader.dq_window(integration, group, box) for group in groups])
        if reader.exposure.is_raw:
            flags = np.where(data >= _FULL, SATURATED, 0)
        return data, (flags & 0xFF).astype(np.uint8)

    def _read(self, rows: slice) -> _Strip:
        strip = _Strip.empty(self.nints, (rows.stop - rows.start, self.shape[1]))
        number = 0
        for reader in self.readers:
            for integration in range(reader.stack_shape[0]):
                data, flags = self._images(reader, integration, rows)
                if self.has_groups:
                    found = self._measured(data, flags)
                    if self.has_courses:
                        self._test_telegraph(strip, data, flags, found, self.suspicious[rows])
                else:
                    found = measure_rates(data[0], flags[0])
                strip.take(number, found)
                is_full = float(found.is_saturated.mean()) > _MOSTLY
                self.is_seen[number] |= is_full or bool(np.isfinite(found.rate).any())
                number += 1
        is_blind = self.is_reference[rows]
        for values in (strip.rate, strip.noise, strip.first, strip.curvature, strip.halves):
            values[:, is_blind] = np.nan
        for counts in (strip.saturated, strip.telegraph):
            counts[is_blind] = 0
        return strip

    def _test_telegraph(
        self,
        strip: _Strip,
        data: NDArray[np.float32],
        flags: NDArray[np.uint8],
        found: PixelStatistics,
        suspicious: NDArray[np.float32],
    ) -> None:
        """Test the pixels of an integration that are noisy or have jumps for two levels."""
        assert found.noise is not None and found.jumps is not None  # noqa: PT018, S101  # of a ramp
        is_suspicious = (found.noise > suspicious) | (found.jumps >= _SUSPICIOUS_JUMPS)
        where = np.nonzero(is_suspicious)
        if not len(where[0]):
            return
        values, of_pixel = data[:, where[0], where[1]], flags[:, where[0], where[1]]
        usual = np.mean((of_pixel & DO_NOT_USE) == 0, axis=1) > 0.5
        values, of_pixel = values[usual], of_pixel[usual]
        is_whole = ((of_pixel & (DO_NOT_USE | SATURATED)) == 0).all(axis=0)
        if len(values) < 2 or not is_whole.any():
            return
        y, x = (axis[is_whole] for axis in where)
        likelihood, step, changes = _two_levels_of_ramps(values[:, is_whole], of_pixel[:, is_whole])
        is_one = (likelihood > self.options.telegraph_likelihood) & (changes >= _LEAST_CHANGES)
        y, x = y[is_one], x[is_one]
        strip.telegraph[y, x] += 1
        strip.likelihood[y, x] += likelihood[is_one]
        strip.step[y, x] += step[is_one]

    def _take(self, rows: slice, strip: _Strip) -> None:
        # What drifts from one integration to the next is the same for an amplifier.
        for values in (strip.rate, strip.halves):
            _level(values, self.amplifiers[rows])
        self.rate.add(rows, strip.rate)
        deviations = np.abs(strip.rate - self.rate.middle[rows])
        self.scatter[rows] = _trimmed(deviations)
        self.saturated[rows], self.telegraph[rows] = strip.saturated, strip.telegraph
        self.likelihood[rows], self.step[rows] = strip.likelihood, strip.step
        if not self.has_courses:
            return
        _level(strip.curvature, self.amplifiers[rows])
        self.rising.add(rows, strip.curvature)
        self.falling.add(rows, strip.curvature)
        self.low.add(rows, strip.first)
        self.noise[rows] = _medians(strip.noise)
        self._test_rates(rows, strip)

    def _test_rates(self, rows: slice, strip: _Strip) -> None:
        """Test pixels whose rate scatters for two rates."""
        scatter = self.scatter[rows]
        level, sigma = sigma_of_amplifiers(scatter, self.amplifiers[rows])
        suspicious = np.nan_to_num(scatter, nan=0.0) > level + _SUSPICIOUS_SIGMA * sigma
        suspicious &= np.isfinite(strip.halves).all(axis=0)
        y, x = np.nonzero(suspicious)
        if len(y):
            likelihood, step, changes = two_levels(strip.halves[:, y, x])
            self.two_rates[y + rows.start, x] = np.where(
                changes >= _LEAST_CHANGES, likelihood, -np.inf
            )
            self.rate_step[y + rows.start, x] = step

    def _judge(self) -> Iterator[FoundPixels]:
        options = self.options
        saturated = self._saturated()
        yield saturated
        is_known = saturated.mask(self.shape)
        hot = self.rate.found(
            KINDS["hot"],
            sigmas=options.hot_sigma,
            least=options.hot_rate,
            option="hot_sigma, hot_rate",
            but=is_known,
        )
        yield hot
        is_hot = hot.mask(self.shape) | is_known
        is_drifting = is_known.copy()
        if self.has_courses:
            noisier = self._noisier()
            for name, tally in (("rc", self.rising), ("inverse_rc", self.falling)):
                drifting = tally.found(
                    KINDS[name],
                    sigmas=options.rc_sigma,
                    option="rc_sigma",
                    noisier=noisier,
                    but=is_known,
                )
                is_drifting |= drifting.mask(self.shape)
                yield drifting
            telegraph = self._telegraph(is_drifting)
            yield telegraph
            is_drifting |= telegraph.mask(self.shape)
            yield self.low.found(
                KINDS["low_pedestal"],
                sigmas=options.pedestal_sigma,
                option="pedestal_sigma",
                but=is_known,
            )
        # What drifts after a reset has a rate above others, which is no dark current.
        yield self.rate.found(
            KINDS["warm"],
            sigmas=options.warm_sigma,
            option="warm_sigma",
            but=is_hot | is_drifting,
        )
        if self.nints >= _LEAST_FOR_SCATTER:
            yield self._noisy(is_drifting)

    def _saturated(self) -> FoundPixels:
        part = self.saturated / self.nints
        is_one = self.saturated >= least_count(self.options.saturated_fraction, self.nints)
        ngroups = np.full(self.shape, self.readers[0].stack_shape[1])
        return FoundPixels.of_mask(
            KINDS["saturated"],
            is_one & ~self.is_reference,
            score=100 * part,
            value=ngroups,
            seen=self.saturated,
            looks=self.nints,
        )

    def _noisier(self) -> NDArray[np.float32]:
        """Return the noise of each pixel in units of that of its amplifier, 1 or more."""
        level, _ = sigma_of_amplifiers(self.noise, self.amplifiers)
        ratio = self.noise / np.maximum(level, 1e-12)
        found: NDArray[np.float32] = np.maximum(np.nan_to_num(ratio, nan=1.0), 1)
        return found

    def _telegraph(self, but: NDArray[np.bool_]) -> FoundPixels:
        options = self.options
        least = least_count(options.telegraph_fraction, self.nints)
        is_often = self.telegraph >= max(_LEAST_TELEGRAPH, least)
        # Two rates are told by all integrations together.
        has_two_rates = self.two_rates > options.telegraph_likelihood + _SURER
        mean = self.likelihood / np.maximum(self.telegraph, 1)
        step = self.step / np.maximum(self.telegraph, 1)
        time = (self.exposure.group_time or 1.0) * self.readers[0].stack_shape[1]
        return FoundPixels.of_mask(
            KINDS["telegraph"],
            (is_often | has_two_rates) & ~but,
            score=np.where(is_often, mean, np.maximum(self.two_rates, 0)),
            value=np.where(is_often, step, self.rate_step * time),
            seen=np.where(is_often, self.telegraph, self.nints),
            looks=self.nints,
        )

    def _noisy(self, but: NDArray[np.bool_]) -> FoundPixels:
        """Return the pixels whose rates scatter by more than their photons make them."""
        excess = np.maximum(np.nan_to_num(self.rate.excess()), 0)
        level, _ = sigma_of_amplifiers(self.scatter, self.amplifiers)
        # The scatter of hot pixels has a part from photons, which grows with the rate.
        is_hot = excess > self.options.hot_rate
        power = self.scatter[is_hot] ** 2 - level[is_hot] ** 2
        known = np.isfinite(power)
        ratio = float(np.median((power / excess[is_hot])[known])) if known.any() else 0.0
        expected = np.sqrt(level**2 + max(0.0, ratio) * excess)
        # A scatter of few values has no normal distribution, but to this power nearly has one.
        relative = (self.scatter / np.maximum(expected, 1e-12)).astype(np.float32) ** np.float32(
            _NEARLY_NORMAL
        )
        middle, sigma = sigma_of_amplifiers(relative, self.amplifiers)
        score = ((relative - middle) / np.maximum(sigma, 1e-12)).astype(np.float32)
        is_noisy = np.nan_to_num(score, nan=0.0) > self.options.noisy_sigma
        known = np.isfinite(score)
        return FoundPixels.of_mask(
            KINDS["noisy"],
            is_noisy & ~but,
            score=np.nan_to_num(score),
            value=self.scatter,
            seen=np.full(self.shape, self.nints),
            looks=self.nints,
            threshold=Threshold(
                statistic="noisy: scatter of the rates",
                unit="sigma",
                value=self.options.noisy_sigma,
                option="noisy_sigma",
                values=score[known][:: max(1, np.count_nonzero(known) // 20_000)],
            ),
        )


def _level(values: NDArray[np.float32], amplifiers: NDArray[np.intp]) -> None:
    """Take the level of each amplifier away from each image, in place."""
    for amplifier in np.unique(amplifiers):
        here = amplifiers == amplifier
        part = values[:, here]
        known = np.isfinite(part).any(axis=1)
        level = np.zeros(len(values), np.float32)
        if known.any():
            level[known] = np.nanmedian(part[known][:, ::3], axis=1)
        values[:, here] = part - np.nan_to_num(level)[:, np.newaxis]


def _medians(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the median of the first axis, NaN left out."""
    ordered = np.sort(values, axis=0)
    count = np.count_nonzero(np.isfinite(ordered), axis=0)
    index = np.clip(count // 2, 0, len(values) - 1)
    found: NDArray[np.float32] = np.take_along_axis(ordered, index[np.newaxis], 0)[0]
    return found


def _trimmed(deviations: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the scatter that deviations tell, the largest left out; NaN where there are few."""
    count = np.count_nonzero(np.isfinite(deviations), axis=0)
    left = count - np.ceil(_LEFT_OUT * count).astype(int)
    ordered = np.nan_to_num(np.sort(deviations, axis=0))
    use = np.arange(len(ordered))[:, np.newaxis, np.newaxis] < left
    total = np.where(use, ordered, 0).sum(axis=0)
    scatter: NDArray[np.float32] = _OF_NORMAL * total / np.maximum(left, 1)
    return np.where(count >= _LEAST_FOR_SCATTER, scatter, np.float32(np.nan))


def _two_levels_of_ramps(
    values: NDArray[np.float32], flags: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]:
    """Return what `two_levels` says of ramps, less the steps of lone jumps.

    What bends slowly, as after a reset, has not two levels: these must tell the ramp better than a
    curve does, or be left when the curve is taken off.
    """
    n = len(values)
    steps = np.diff(values, axis=0)
    # A hit is one step that stays: where a pixel has no more than one jump, it is taken away.
    is_jump = (flags[1:] & JUMP_DET) > 0
    is_lone = is_jump.sum(axis=0) == 1
    steps = np.where(is_jump & is_lone, np.median(steps, axis=0), steps)
    ramp = np.concatenate([np.zeros_like(values[:1]), np.cumsum(steps, axis=0)])
    line, curve = (_less_polynomial(ramp, degree) for degree in (1, _BENDS))
    powers = [np.einsum("ij,ij->j", left, left, dtype=np.float64) for left in (line, curve)]
    of_curve = 0.5 * n * np.log(np.maximum(powers[0], 1e-9) / np.maximum(powers[1], 1e-9))
    of_line, of_rest = two_levels(line), two_levels(curve)
    on_line = of_line[0] - of_curve.astype(np.float32)
    is_better = on_line > of_rest[0]
    return (
        np.where(is_better, on_line, of_rest[0]),
        np.where(is_better, of_line[1], of_rest[1]),
        np.where(is_better, of_line[2], of_rest[2]),
    )


def _less_polynomial(ramp: NDArray[np.float32], degree: int) -> NDArray[np.float32]:
    """Return ramps less the polynomial that fits them best."""
    basis, _ = np.linalg.qr(np.vander(np.linspace(-1, 1, len(ramp)), degree + 1))
    curves = basis.astype(np.float32)
    left: NDArray[np.float32] = ramp - curves @ (curves.T @ ramp)
    return left
