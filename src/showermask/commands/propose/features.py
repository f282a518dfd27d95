"""Numbers about a glow and its surroundings, which tell a shower from what looks like one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.ndimage import distance_transform_edt, gaussian_filter, maximum_filter

from showermask.commands.propose.measure import Glow
from showermask.commands.propose.profile import fit_profile
from showermask.commands.propose.residuals import BIN, Residuals
from showermask.glow.light_curve import LightCurve
from showermask.glow.time_filters import TimeFilters

__all__ = ["Features", "measure_features", "point_size", "with_others"]

#: Distances in pixels beyond which nothing is near.
_FAR = 40.0
#: Cells around a flagged one that belong to it; and to those beside it.
_AT_JUMPS, _BESIDE_JUMPS = 1.0, 3.5
#: What is flagged at the onset is a hit if it is so many times as high as the glow.
_HIT = 2.5
#: Weight of its profile from which on a place is inside of a glow.
_INSIDE = 0.1
#: Pieces of a moving target are of like size, and so far apart at most, in pixels.
_LIKE_SIZE, _FARTHEST_LINK = 2.0, 80.0
#: Standard deviations in differences of the bumps that moving targets make.
_BUMPS = (0.8, 1.5, 3.0, 6.0)
#: Sources that tell the size of a point source: how bright in units of the noise, how many; and the
#: standard deviation in pixels (of bins, too) where there are too few.
_POINT_SIGMAS, _MOST_POINTS, _FEW_POINTS, _TYPICAL_POINT = 3.0, 40, 5, 2.0


@dataclass(frozen=True, kw_only=True)
class Features:
    """Numbers about a glow.

    Parameters
    ----------
    significance : float
        Signal-to-noise ratio.
    size, ratio : float
        Standard deviation of its profile in pixels, geometric mean of both axes; the shorter axis
        in units of the longer.
    is_idle : float
        1 if it glows from before the first difference on.
    before, after : float
        Usable differences before and after its onset.
    fit : float
        Chi-square of the glow that fits its light curve, per degree of freedom.
    gain : float
        Root of the chi-square that this glow explains.
    step, bump, drift, rise : float
        Chi-square that other courses explain, in units of what the glow does: steady from some
        difference on; up and down again; slow over all of the ramp; steady up to some difference.
    single : float
        Part of the signal that the strongest difference has.
    motion : float
        By how many standard deviations its early and its late light lie apart, in units of its
        signal-to-noise ratio.
    negative : float
        The deepest hole around it with the same course, in units of its height.
    concentration : float
        Light within half of the standard deviations of its profile, in units of that within twice
        as many.
    brightness, slope : float
        Rate of the sources below it, and their gradient over a bin, in units of the noise.
    saturation : float
        Distance in pixels to the nearest saturated pixel, `_FAR` at most.
    saturates : float
        Differences between its onset and the nearest saturation near it, 20 at most.
    jumps, jumps_around : float
        Part of its light where jumps are flagged at its onset; and in typical differences.
    jump_height : float
        How high these jumps are in units of the glow, as a logarithm: an afterglow is a small part
        of its hit.
    beside_jumps : float
        Light beside these jumps in units of that at them: an afterglow has the shape of its hit.
    alignment : float
        How much it is a row or a column: 1 if its longer axis lies along one, times its length.
    row : float
        Signal of the same rows to its sides, in units of its own.
    hidden : float
        Part of its area where nothing is known.
    excess : float
        By how much noise is more than expected.
    depth : float
        How deep the deepest holes of the frame are, in units of the noise, at its size.
    overlap : float
        Light of brighter glows that were taken away there, in units of its own.
    company : float
        Other glows of the frame with the same onset.
    neighbour : float
        Distance in pixels to the nearest glow with another onset, `_FAR` at most.
    linked : float
        Other glows that lie on a line with it as a moving target would be at their onsets.
    of_point : float
        Size in units of that of a point source of the frame.
    ndiff : float
        Usable differences.
    halves : float
        Chi-square of the difference between the courses of its halves, per degree of freedom.
    """

    significance: float
    size: float
    ratio: float
    is_idle: float
    before: float
    after: float
    fit: float
    gain: float
    step: float
    bump: float
    drift: float
    rise: float
    single: float
    motion: float
    negative: float
    concentration: float
    brightness: float
    slope: float
    saturation: float
    saturates: float
    jumps: float
    jump_height: float
    beside_jumps: float
    jumps_around: float
    alignment: float
    row: float
    hidden: float
    excess: float
    depth: float
    overlap: float
    company: float
    neighbour: float
    linked: float
    of_point: float
    ndiff: float
    halves: float

    def as_array(self) -> NDArray[np.float64]:
        """Return the numbers, in the order of `names`."""
        return np.array(list(asdict(self).values()), np.float64)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of the numbers."""
        return tuple(f.name for f in fields(cls))


def measure_features(
    glow: Glow,
    residuals: Residuals,
    filters: TimeFilters,
    taken: NDArray[np.float32],
    point_size: float,
) -> Features:
    """Measure the numbers of a glow, before it is taken out of the residuals.

    Parameters
    ----------
    glow : Glow
        The glow.
    residuals : Residuals
        Of its integration, without brighter glows.
    filters : TimeFilters
        The filters over time.
    taken : `numpy.ndarray`
        ``(rows, columns)`` of bins: light of the glows that were taken away, in DN.
    point_size : float
        Standard deviation of a point source, in pixels.

    Returns
    -------
    Features
        The numbers.
    """
    curve, cells = glow.curve, glow.cells
    known = np.flatnonzero(curve.known)
    shape = cells.weights.shape[1:]
    grid = tuple(slice(0, size) for size in shape)
    weight = glow.profile.weights(*grid)
    radius = glow.profile.radius(*grid)
    longer, shorter = glow.profile.axes
    onset = glow.onset
    gain = max(glow.fit.gain, 1e-6)
    others = _other_courses(curve)
    dof = max(1, len(known) - 4)
    signal, power, _ = cells.combined(filters, glow.filter)
    bins = _Bins(glow, residuals)
    saturation, saturates = bins.saturation()
    light = np.abs(glow.course * curve.known)
    return Features(
        significance=glow.significance,
        size=glow.size,
        ratio=shorter / longer,
        is_idle=float(onset < 0),
        before=float(np.count_nonzero(known < onset)) if onset >= 0 else 0.0,
        after=float(np.count_nonzero(known >= max(onset, 0))),
        fit=glow.fit.chi_square / dof,
        gain=math.sqrt(gain),
        step=others["step"] / gain,
        bump=others["bump"] / gain,
        drift=others["drift"] / gain,
        rise=others["rise"] / gain,
        single=float(light.max() / light.sum()) if light.sum() > 0 else 1.0,
        motion=_motion(glow, weight),
        negative=_negative(signal, power, glow, radius),
        concentration=_concentration(glow, radius),
        brightness=bins.mean(bins.brightness),
        slope=bins.mean(np.hypot(*np.gradient(bins.brightness))),
        saturation=saturation,
        saturates=saturates,
        jumps=bins.jump_part(),
        jump_height=bins.jump_height(),
        beside_jumps=bins.beside_jumps(),
        jumps_around=bins.mean(np.mean(bins.jumps != 0, axis=0)),
        alignment=_alignment(glow),
        row=_row(signal, power, weight),
        hidden=float(np.average(~(power > 0.3 * np.median(power)), weights=weight)),
        excess=glow.excess,
        depth=glow.depth,
        overlap=bins.mean(taken[bins.box]) / max(float(glow.map.max()), 1e-6),
        company=0.0,
        neighbour=_FAR,
        linked=0.0,
        of_point=glow.size / point_size,
        ndiff=float(len(known)),
        halves=_halves(glow, weight),
    )


def with_others(all_features: Sequence[Features], glows: Sequence[Glow]) -> list[Features]:
    """Return the numbers of glows, with those that tell of other glows of the frame."""
    onsets = np.array([glow.onset for glow in glows])
    places = np.array([(glow.x, glow.y) for glow in glows]).reshape(-1, 2)
    sizes = np.array([glow.size for glow in glows])
    completed = []
    for number, features in enumerate(all_features):
        apart = np.abs(onsets - onsets[number])
        dx, dy = (places - places[number]).T
        away: list[float] = np.hypot(dx, dy)[apart > 1].tolist()
        completed.append(
            replace(
                features,
                company=min(20.0, float(np.sum(apart <= 1)) - 1),
                neighbour=min([_FAR, *away]),
                linked=float(_linked(number, places, onsets, sizes)),
            )
        )
    return completed


def _linked(
    number: int,
    places: NDArray[np.float64],
    onsets: NDArray[np.intp],
    sizes: NDArray[np.float64],
) -> int:
    """Return how many glows of like size lie where a target that moves through one would be."""
    later = (onsets - onsets[number]).astype(float)
    away = places - places[number]
    is_like = np.abs(np.log(sizes / sizes[number])) < np.log(_LIKE_SIZE)
    distance = np.hypot(*away.T)
    pairs = np.flatnonzero(is_like & (np.abs(later) > 1) & (distance < _FARTHEST_LINK))
    is_other = is_like.copy()
    is_other[number] = False
    most = 0
    for pair in pairs:
        expected = away[pair] / later[pair] * later[:, np.newaxis]
        off = np.hypot(*(away - expected).T)
        is_on = is_other & (np.abs(later) > 1) & (off < 2 * sizes[number])
        most = max(most, int(np.count_nonzero(is_on)))
    return most


def point_size(brightness: NDArray[np.float32]) -> float:
    """Return the standard deviation of the point sources of a frame, in pixels.

    Parameters
    ----------
    brightness : `numpy.ndarray`
        ``(rows, columns)`` of bins, in units of the noise.

    Returns
    -------
    float
        That of the smaller half of the bright, compact sources; a typical one where there are few.
    """
    smooth = gaussian_filter(brightness, 1.0)
    is_peak = (smooth == maximum_filter(smooth, 9)) & (smooth > _POINT_SIGMAS)
    rows, columns = np.nonzero(is_peak)
    order = np.argsort(-smooth[rows, columns])[:_MOST_POINTS]
    sizes = []
    for row, column in zip(rows[order], columns[order], strict=True):
        box = tuple(
            slice(max(0, c - 8), min(size, c + 9))
            for c, size in zip((row, column), brightness.shape, strict=True)
        )
        image = brightness[box].astype(float)
        image = image - np.median(image)
        start = float(column - box[1].start), float(row - box[0].start), 1.0
        profile = fit_profile(image, np.ones_like(image), *start, found=1.5)
        if profile is not None and profile.axes[1] > 0.6 * profile.axes[0]:
            sizes.append(math.sqrt(math.prod(profile.axes)) * BIN)
    return float(np.percentile(np.array(sizes), 25)) if len(sizes) > _FEW_POINTS else _TYPICAL_POINT


def _other_courses(curve: LightCurve) -> dict[str, float]:
    """Return the chi-square that courses of other things explain beside a constant."""
    which = np.flatnonzero(curve.known)
    n = len(which)
    if n < 4:
        return dict.fromkeys(("step", "bump", "drift", "rise"), 0.0)
    t = np.arange(n, dtype=float)
    steps = (t[:, np.newaxis] >= np.arange(1, n)).astype(float)
    bumps = np.concatenate(
        [np.exp(-0.5 * ((t[:, np.newaxis] - t) / width) ** 2) for width in _BUMPS], axis=1
    )
    courses = np.concatenate([steps, bumps, t[:, np.newaxis], t[:, np.newaxis] ** 2], axis=1)
    white = solve_triangular(
        curve.noise_root, np.column_stack([curve.values[which], np.ones(n), courses]), lower=True
    )
    along = white[:, 1] / np.linalg.norm(white[:, 1])
    free = white[:, [0, *range(2, white.shape[1])]]
    free = free - np.outer(along, along @ free)
    values, shapes = free[:, 0], free[:, 1:]
    size = np.linalg.norm(shapes, axis=0)
    amplitude = np.divide(values @ shapes, size, out=np.zeros_like(size), where=size > 1e-9)
    parabola, *_ = np.linalg.lstsq(shapes[:, -2:], values, rcond=None)
    up = np.maximum(amplitude, 0) ** 2
    return {
        "step": float(up[: n - 1].max()),
        "rise": float((np.minimum(amplitude[: n - 1], 0) ** 2).max()),
        "bump": float(up[n - 1 : -2].max()),
        "drift": float(np.sum((shapes[:, -2:] @ parabola) ** 2)),
    }


def _motion(glow: Glow, weight: NDArray[np.float64]) -> float:
    """Return how far early and late light lie apart, in units of noise and of the significance."""
    cells, course = glow.cells, glow.course * glow.curve.known
    lit = np.cumsum(course) / (course.sum() or 1.0)
    early = course * (lit <= 0.5)
    late = course * (lit > 0.5)
    if not early.any() or not late.any():
        return 0.0
    images, noises = [], []
    for part in (early, late):
        coefficients = part / np.sum(part * course)
        images.append(np.tensordot(coefficients, cells.values * (cells.weights > 0), 1))
        noises.append(float(np.sum(coefficients**2)))
    apart = images[1] - images[0]
    typical = float(np.median(cells.weights[cells.weights > 0])) if cells.weights.any() else 1.0
    dy = np.arange(weight.shape[0])[:, np.newaxis] - glow.profile.y
    dx = np.arange(weight.shape[1]) - glow.profile.x
    found = 0.0
    for offset in (dx * weight, dy * weight):
        noise = math.sqrt(float(np.sum(offset**2)) * sum(noises) / typical)
        found += (float(np.sum(offset * apart)) / noise) ** 2 if noise > 0 else 0.0
    return math.sqrt(found) / max(glow.significance, 1.0)


def _negative(
    signal: NDArray[np.float64],
    power: NDArray[np.float64],
    glow: Glow,
    radius: NDArray[np.float64],
) -> float:
    """Return the deepest hole within a few sizes, in units of the height of the glow."""
    sigma = max(0.7, glow.profile.axes[1])
    smooth = gaussian_filter(signal, sigma, mode="constant")
    narrow = gaussian_filter(power, sigma / math.sqrt(2), mode="constant")
    noise = np.sqrt(np.maximum(narrow, 1e-30))
    ratio = smooth / noise
    near = (radius < 5) & (power > 0)
    if not near.any():
        return 0.0
    return float(max(0.0, -ratio[near].min()) / max(ratio[near].max(), 1e-6))


def _concentration(glow: Glow, radius: NDArray[np.float64]) -> float:
    known = np.isfinite(glow.variance)
    inner, outer = (float(glow.amplitude[known & (radius < limit)].sum()) for limit in (0.8, 2.5))
    return float(np.clip(inner / outer, -1, 2)) if outer > 0 else 2.0


def _alignment(glow: Glow) -> float:
    """Return how elongated a glow is along rows or columns."""
    longer, shorter = glow.profile.axes
    _, vectors = np.linalg.eigh(glow.profile.covariance)
    along = float(np.abs(vectors[:, 1]).max())
    return max(0.0, (along - 0.9) * 10) * (1 - shorter / longer)


def _row(
    signal: NDArray[np.float64],
    power: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> float:
    """Return the mean signal of the rows of a glow to both of its sides, in units of its own."""
    rows = weight.sum(axis=1)
    beside = (weight < 0.02) & (power > 0)
    across = rows[:, np.newaxis] * beside
    if not across.any():
        return 0.0
    mean = float(np.sum(across * signal) / np.sum(across))
    own = float(np.sum(weight**2 * signal) / np.sum(weight**2))
    return float(np.clip(mean / own, -1, 1)) if own > 0 else 0.0


def _halves(glow: Glow, weight: NDArray[np.float64]) -> float:
    """Return how much the courses of both halves along the longer axis differ."""
    _, vectors = np.linalg.eigh(glow.profile.covariance)
    dy = np.arange(weight.shape[0])[:, np.newaxis] - glow.profile.y
    dx = np.arange(weight.shape[1]) - glow.profile.x
    along = vectors[0, 1] * dx + vectors[1, 1] * dy
    curves, noises = [], []
    for side in (along > 0, along <= 0):
        part = weight * side
        total = np.tensordot(glow.cells.weights, part**2, axes=([1, 2], [0, 1]))
        sums = np.tensordot(glow.cells.values * glow.cells.weights, part, axes=([1, 2], [0, 1]))
        enough = total > 0.2 * np.median(total[total > 0]) if (total > 0).any() else total > 0
        values = np.divide(sums, total, out=np.full_like(sums, np.nan), where=enough)
        light = np.nansum(values * glow.course) / np.nansum(glow.course**2)
        curves.append(values / light if light > 0 else values * np.nan)
        noises.append(
            np.divide(1, total * light**2, out=np.full_like(sums, np.nan), where=enough)
            if light > 0
            else sums * np.nan
        )
    apart = (curves[0] - curves[1]) ** 2 / (noises[0] + noises[1])
    apart = apart[np.isfinite(apart)]
    return float(np.clip(apart.mean(), 0, 20)) if len(apart) else 5.0


class _Bins:
    """The bins around a glow, with its profile as their weight."""

    def __init__(self, glow: Glow, residuals: Residuals) -> None:
        self.glow = glow
        self.box = glow.cells.box
        self.brightness = residuals.brightness[self.box]
        self.jumps = residuals.jumps[:, *self.box]
        self.saturated = residuals.saturated[self.box]
        self.ndiff = len(residuals.values)
        y, x = (
            (np.arange(part.stop - part.start) + 0.5) / glow.cells.scale - 0.5 for part in self.box
        )
        y = y[:, np.newaxis]
        self.weight = np.exp(-0.5 * glow.profile.distance(x, y) ** 2)
        self.distance = np.hypot(x - glow.profile.x, y - glow.profile.y) * glow.cells.pixels
        around = slice(max(0, glow.onset - 1), glow.onset + 2)
        #: Step of what is flagged at the onset, in DN, 0 outside of the glow.
        self.steps = np.zeros_like(self.brightness)
        if glow.onset >= 0:
            self.steps = self.jumps[around].astype(np.float32).sum(axis=0)
            self.steps *= self.weight > _INSIDE
            # Jumps no higher than its own light are that light: a bright shower is flagged, too.
            own = glow.map.repeat(glow.cells.scale, axis=0).repeat(glow.cells.scale, axis=1)
            self.steps *= np.abs(self.steps) > _HIT * own * glow.course[around].sum()

    def mean(self, image: NDArray[np.floating] | NDArray[np.bool_]) -> float:
        """Return the mean of an image of the bins over the glow."""
        return float(np.average(image, weights=self.weight))

    def saturation(self) -> tuple[float, float]:
        """Return the distance to the nearest saturated bin, and to its saturation in time."""
        is_saturated = self.saturated < self.ndiff
        if not is_saturated.any():
            return _FAR, 20.0
        distance = float(self.distance[is_saturated].min())
        within = is_saturated & (self.distance < max(16.0, 2.5 * self.glow.size))
        apart = np.abs(self.saturated[within].astype(float) - max(self.glow.onset, 0))
        return min(distance, _FAR), float(min(apart.min(), 20.0)) if apart.size else 20.0

    def jump_part(self) -> float:
        """Return the part of the light of the glow where jumps are flagged at its onset."""
        flagged = self.steps != 0
        return self.mean(distance_transform_edt(~flagged) <= 1.0) if flagged.any() else 0.0

    def jump_height(self) -> float:
        """Return how high these jumps are in units of the glow, as a logarithm."""
        flagged = self.weight * (self.steps != 0)
        step = float(np.sum(flagged * np.abs(self.steps)))
        light = float(flagged.sum()) * float(self.glow.map.max())
        return math.log10(max(1.0, step / light)) if light > 0 else 0.0

    def beside_jumps(self) -> float:
        """Return the light beside these jumps in units of that at them."""
        scale = self.glow.cells.scale
        height, width = self.glow.map.shape
        flagged = (self.steps != 0).reshape(height, scale, width, scale).any(axis=(1, 3))
        if not flagged.any():
            return 1.0
        away = distance_transform_edt(~flagged)
        told = 1 / self.glow.variance
        at, beside = away <= _AT_JUMPS, (away > _AT_JUMPS) & (away <= _BESIDE_JUMPS)
        if not (told[at].any() and told[beside].any()):
            return 1.0
        light = [
            np.average(self.glow.amplitude[cells], weights=told[cells]) for cells in (at, beside)
        ]
        if light[0] <= 0:
            return 1.0
        return float(np.clip(light[1] / light[0], -0.5, 1.5))
