"""The statistics that an integration gives of each of its pixels.

Most pixels have the same usable groups, and are measured at once; those with flags of their own one
by one, from the differences that are left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from showermask.exposure.dq import DO_NOT_USE, JUMP_DET, SATURATED

__all__ = ["PixelStatistics", "measure_integration", "measure_rates"]

_UNUSABLE = DO_NOT_USE | SATURATED
#: Groups that are not flagged in so large a part of the pixels are usable.
_USUAL = 0.5


@dataclass(kw_only=True, eq=False)
class PixelStatistics:
    """The pixels of an integration, or of some rows of it, all ``(rows, columns)``.

    Parameters
    ----------
    rate : `numpy.ndarray`
        Slope in DN/s, NaN where there is none.
    noise : `numpy.ndarray` or None
        Standard deviation of the differences of neighbouring groups in DN; None without groups.
    first : `numpy.ndarray` or None
        The first usable group in DN.
    curvature : `numpy.ndarray` or None
        Mean difference in the first part of the ramp less that of the last half, in DN.
    halves : `numpy.ndarray` or None
        ``(2, rows, columns)``: mean rate of the first and of the last half of the ramp, in DN/s.
    is_saturated : `numpy.ndarray`
        Whether all usable groups are saturated.
    jumps : `numpy.ndarray` or None
        Number of groups that are flagged as jumps.
    """

    rate: NDArray[np.float32]
    noise: NDArray[np.float32] | None
    first: NDArray[np.float32] | None
    curvature: NDArray[np.float32] | None
    halves: NDArray[np.float32] | None
    is_saturated: NDArray[np.bool_]
    jumps: NDArray[np.int16] | None


def measure_rates(rate: NDArray[np.float32], dq: NDArray[np.unsignedinteger]) -> PixelStatistics:
    """Return the statistics of a rate.

    Parameters
    ----------
    rate : `numpy.ndarray`
        ``(rows, columns)`` in DN/s.
    dq : `numpy.ndarray`
        Its flags.

    Returns
    -------
    PixelStatistics
        The rate alone, NaN where flagged.
    """
    is_saturated = (dq & SATURATED) > 0
    # Where no rate could be fitted there is 0 or NaN; another value was measured, whatever is
    # flagged.
    known = np.isfinite(rate) & ~is_saturated & ((rate != 0) | ((dq & DO_NOT_USE) == 0))
    return PixelStatistics(
        rate=np.where(known, rate, np.float32(np.nan)),
        noise=None,
        first=None,
        curvature=None,
        halves=None,
        is_saturated=is_saturated,
        jumps=None,
    )


def measure_integration(
    ramp: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    group_time: float,
    *,
    early_fraction: float,
) -> PixelStatistics:
    """Measure the pixels of an integration.

    Parameters
    ----------
    ramp : `numpy.ndarray`
        ``(ngroups, rows, columns)`` in DN.
    groupdq : `numpy.ndarray`
        Its flags.
    group_time : float
        Time between groups in s.
    early_fraction : float
        The first part of the ramp, for the curvature: a part of its groups.

    Returns
    -------
    PixelStatistics
        The pixels.
    """
    usable = _usual_groups(groupdq)
    groups = slice(usable[0], usable[-1] + 1) if len(usable) else slice(0, len(ramp))
    data, flags = ramp[groups], groupdq[groups]
    n = len(data)
    early = max(1, round(early_fraction * (n - 1)))
    half = max(1, (n - 1) // 2)
    every_flag = np.bitwise_and.reduce(flags, axis=0)
    # A pixel that an older mask flags in all groups is measured as the others are.
    flags = flags & ~(every_flag & np.uint8(DO_NOT_USE))
    any_flag = np.bitwise_or.reduce(flags, axis=0)
    differences = np.diff(data, axis=0)
    power = np.einsum("kij,kij->ij", differences, differences)
    total = data[-1] - data[0]
    steps = max(1, n - 1)
    weights = _slope_weights(n)
    found = PixelStatistics(
        rate=np.tensordot(weights, data, 1) / np.float32(group_time),
        noise=np.sqrt(np.maximum(power - total**2 / steps, 0) / max(1, steps - 1)),
        first=data[0].copy(),
        curvature=(data[early] - data[0]) / early - (data[-1] - data[half]) / max(1, steps - half)
        if n > 2
        else np.zeros_like(total),
        halves=np.stack(
            [
                (data[half] - data[0]) / (half * group_time),
                (data[-1] - data[half]) / (max(1, steps - half) * group_time),
            ]
        )
        if n > 2
        else np.stack([total, total]),
        is_saturated=(every_flag & SATURATED) > 0,
        jumps=np.zeros(total.shape, np.int16),
    )
    rows, columns = np.nonzero(any_flag & (_UNUSABLE | JUMP_DET))
    if len(rows):
        _measure_flagged(
            found, differences, flags, data, (rows, columns), (early, half, group_time)
        )
    return found


def _usual_groups(groupdq: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return the groups that are usable in most pixels."""
    sample = groupdq[:, ::2, ::8]
    return np.flatnonzero(np.mean((sample & DO_NOT_USE) == 0, axis=(1, 2)) > _USUAL)


def _slope_weights(count: int) -> NDArray[np.float32]:
    """Return the weights of groups in a slope of equal weights, per group."""
    away = np.arange(count) - (count - 1) / 2
    power = float(away @ away)
    return (away / power if power else away).astype(np.float32)


def _measure_flagged(
    found: PixelStatistics,
    differences: NDArray[np.float32],
    flags: NDArray[np.uint8],
    data: NDArray[np.float32],
    where: tuple[NDArray[np.intp], NDArray[np.intp]],
    parts: tuple[int, int, float],
) -> None:
    """Measure pixels with flags of their own from the differences that are left."""
    early, half, group_time = parts
    of_pixel = flags[:, *where]
    is_bad = (of_pixel & _UNUSABLE) > 0
    is_jump = (of_pixel & JUMP_DET) > 0
    use = ~(is_bad[1:] | is_bad[:-1] | is_jump[1:])
    steps = np.where(use, differences[:, *where], 0)
    count = use.sum(axis=0)
    mean = _mean(steps, use)
    # The slope of the ramp with what is not usable replaced by the mean.
    of_steps = np.cumsum(_slope_weights(len(data))[::-1])[::-1][1:]
    found.rate[where] = of_steps @ np.where(use, steps, mean) / np.float32(group_time)
    spread = np.where(use, steps - np.nan_to_num(mean), 0)
    variance = np.sum(spread**2, axis=0) / np.maximum(count - 1, 1)
    assert found.noise is not None and found.first is not None  # noqa: PT018, S101  # of a ramp
    assert found.curvature is not None and found.halves is not None  # noqa: PT018, S101
    assert found.jumps is not None  # noqa: S101
    found.noise[where] = np.where(count > 2, np.sqrt(variance), np.nan)
    first = np.argmin(is_bad, axis=0)
    has_first = ~is_bad.all(axis=0)
    values = data[first, *where]
    found.first[where] = np.where(has_first, values, np.nan)
    halves = [_mean(steps[:half], use[:half]), _mean(steps[half:], use[half:])]
    found.curvature[where] = _mean(steps[:early], use[:early]) - halves[1]
    found.halves[:, *where] = np.stack(halves) / np.float32(group_time)
    found.jumps[where] = is_jump.sum(axis=0)


def _mean(values: NDArray[np.float32], use: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the mean of each column, NaN where nothing is used."""
    count = use.sum(axis=0)
    mean: NDArray[np.float32] = np.where(
        count > 0, values.sum(axis=0) / np.maximum(count, 1), np.nan
    ).astype(np.float32)
    return mean
