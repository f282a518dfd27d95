"""The groups of a ramp, combined so that a glow stands out most.

The differences of a ramp are added up with the weights of a matched filter for the light curve of
a glow. The weights have no part of a constant, so whatever shines at a constant rate vanishes:
sources, and most of what bad pixels do. Flagged samples are taken out again, pixel by pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_toeplitz

from showermask.exposure.dq import DO_NOT_USE, JUMP_DET, SATURATED
from showermask.glow.differences import NEVER_GOOD, Images
from showermask.glow.jumps import large_areas
from showermask.glow.light_curve import Aperture, LightCurve
from showermask.regionfile.entry import Box

__all__ = ["Template", "combine", "make_template"]

_UNUSABLE = DO_NOT_USE | SATURATED
#: Bytes of groups and flags that are held at a time.
_STRIP_BYTES = 40_000_000
#: A pixel that keeps less of the light of the glow than this tells nothing.
_LEAST_RESPONSE = 0.15
#: A glow that changes by less than this is a rate.
_LEAST_CHANGE = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Template:
    """The course of a glow, and the weights that find it in a pixel.

    Parameters
    ----------
    glow : `numpy.ndarray`
        ``(ndiff,)``: light of each difference, 1 at most.
    weights : `numpy.ndarray`
        ``(ndiff,)``: of a matched filter; 0 where no pixel is known, without a constant part.
    rate_weights : `numpy.ndarray`
        ``(ndiff,)``: of the best mean, whose noise is independent of that of the filter.
    used : `numpy.ndarray`
        ``(ndiff,)`` bool: the differences that have a weight.
    """

    glow: NDArray[np.float64]
    weights: NDArray[np.float64]
    rate_weights: NDArray[np.float64]
    used: NDArray[np.bool_]


def make_template(curve: LightCurve, glow: NDArray[np.float64]) -> Template | None:
    """Make the template of a glow.

    Parameters
    ----------
    curve : LightCurve
        Tells which differences are known, and the correlation of their noise.
    glow : `numpy.ndarray`
        ``(ndiff,)``: light of each difference, in any unit.

    Returns
    -------
    Template or None
        None where the known differences have no light, or all the same.
    """
    used = curve.known
    peak = float(glow[used].max(initial=0.0))
    if np.count_nonzero(used) < 2 or not peak > 0:
        return None
    glow = glow / peak
    column = np.zeros(len(used))
    column[0], column[1] = 1.0, curve.correlation
    constant = np.ones(np.count_nonzero(used))
    from_glow, from_constant = (_solve(column, used, part) for part in (glow[used], constant))
    share = (constant @ from_glow) / (constant @ from_constant)
    weights, rate_weights = np.zeros((2, len(used)))
    weights[used] = from_glow - from_constant * share
    rate_weights[used] = from_constant / from_constant.sum()
    if not float(weights @ glow) > _LEAST_CHANGE:
        return None
    weights /= np.abs(weights).max()
    return Template(glow=glow, weights=weights, rate_weights=rate_weights, used=used)


def _solve(
    column: NDArray[np.float64], used: NDArray[np.bool_], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what the inverse covariance of the used differences makes of values."""
    which = np.flatnonzero(used)
    solved = np.empty(len(which))
    # Differences with a gap between them share no group, and no noise.
    for run in np.split(np.arange(len(which)), np.flatnonzero(np.diff(which) > 1) + 1):
        solved[run] = solve_toeplitz(column[: len(run)], values[run])
    return solved


def combine(
    images: Images, integration: int, box: Box, template: Template, area: Aperture
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Combine the groups of an integration with the weights of a template.

    Parameters
    ----------
    images : Images
        The ramp.
    integration : int
        Which integration, zero-based.
    box : tuple of slice
        Rows and columns, with both ends.
    template : Template
        What is looked for.
    area : Aperture
        Where jumps over a large area are light of the glow rather than hits.

    Returns
    -------
    combined : `numpy.ndarray`
        ``(rows, columns)`` float32, in DN: the filtered differences, as a pixel without flags
        would have them for the same significance. NaN where too little is known.
    brightness : `numpy.ndarray`
        ``(rows, columns)`` float32: mean difference, in DN.
    """
    rows, columns = box
    shape = rows.stop - rows.start, columns.stop - columns.start
    used = np.flatnonzero(template.used)
    groups = range(int(used[0]), int(used[-1]) + 2)
    # Memory is taken once for all strips: to get it anew costs as much as to fill it.
    of_row = len(groups) * shape[1] * 5
    height = min(max(1, _STRIP_BYTES // of_row), shape[0])
    ramps = np.empty((len(groups), height, shape[1]), np.float32)
    flags = np.empty(ramps.shape, np.uint8)
    combined, brightness = np.empty((2, *shape), np.float32)
    for start in range(0, shape[0], height):
        part = slice(start, min(start + height, shape[0]))
        strip = slice(rows.start + part.start, rows.start + part.stop), columns
        here = slice(0, part.stop - part.start)
        for i, group in enumerate(groups):
            ramps[i, here] = images.window(integration, group, strip)
            flags[i, here] = images.dq_window(integration, group, strip)
        _accept_areas(flags[:, here], strip, area)
        first = slice(groups.start, groups.stop - 1)
        combined[part], brightness[part] = _weighted(
            ramps[:, here], flags[:, here], template, first
        )
        combined[part][(images.pixel_dq_window(strip) & NEVER_GOOD) > 0] = np.nan
    return combined, brightness


def _accept_areas(flags: NDArray[np.uint8], box: Box, area: Aperture) -> None:
    """Take back the jumps that fill a large area of the entry: they are its light, not hits."""
    rows, columns = (
        slice(max(a.start, b.start) - b.start, min(a.stop, b.stop) - b.start)
        for a, b in zip(area.box, box, strict=True)
    )
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return
    for group in flags[:, rows, columns]:
        is_jump = (group & JUMP_DET) > 0
        if is_jump.any():
            group[large_areas(is_jump)] &= ~np.uint8(JUMP_DET)


def _weighted(
    ramps: NDArray[np.float32], flags: NDArray[np.uint8], template: Template, here: slice
) -> NDArray[np.float32]:
    """Return the combination of groups ``(ngroups, ny, nx)``, and their mean difference."""
    of_differences = np.stack([template.weights[here], template.rate_weights[here]])
    # A sum of weighted differences is a sum of weighted groups.
    of_groups = -np.diff(of_differences, prepend=0, append=0).astype(np.float32)
    sums: NDArray[np.float32] = np.tensordot(of_groups, ramps, axes=1)
    is_flagged = (np.bitwise_or.reduce(flags) & (_UNUSABLE | JUMP_DET)) > 0
    some = np.flatnonzero(is_flagged)
    groups = ramps.reshape(len(ramps), -1).take(some, axis=1)
    of_pixels = flags.reshape(len(flags), -1).take(some, axis=1)
    is_bad = (of_pixels & _UNUSABLE) > 0
    known = ~(is_bad[1:] | is_bad[:-1] | ((of_pixels[1:] & JUMP_DET) > 0))
    sums[:, is_flagged] = _with_gaps(np.diff(groups, axis=0), known, template, here)
    return sums


def _with_gaps(
    differences: NDArray[np.float32], known: NDArray[np.bool_], template: Template, here: slice
) -> NDArray[np.float32]:
    """Return combination and mean of the known differences of some pixels, ``(ndiff, npixels)``.

    The weights are made free of a constant again. The result is scaled to the significance that it
    has: the noise of a filtered pixel goes as the root of its response.
    """
    weights = (template.weights[here] * template.used[here]).astype(np.float32)
    glow = (template.glow[here] * template.used[here]).astype(np.float32)
    known = known & template.used[here, np.newaxis]
    there = np.where(known, differences, np.float32(0))
    factors = known.astype(np.float32)
    count = np.maximum(factors.sum(axis=0), 1)
    share = (weights @ factors) / count
    total = there.sum(axis=0)
    value = weights @ there - share * total
    response = ((weights * glow) @ factors - share * (glow @ factors)) / float(weights @ glow)
    scale = np.sqrt(np.where(response > _LEAST_RESPONSE, response, np.float32(np.nan)))
    return np.stack([value / scale, total / count])
