"""The light curve of an entry, and the glow that fits it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.ndimage import distance_transform_edt
from scipy.optimize import nnls

from showermask.glow.differences import NEVER_GOOD, Images, read_differences
from showermask.regionfile.entry import Box, Entry, box_within, grow_box

__all__ = [
    "Aperture",
    "GlowFit",
    "LightCurve",
    "best_onset",
    "fit_glow",
    "measure_light_curve",
    "measure_rates",
]

#: Decay times in units of the time between values; a slower glow can't be told from a rate.
_DECAYS = (0.7, 1.5, 3.0, 6.0, 12.0, 25.0, 50.0)
_TYPICAL = 6.0
#: Times, in the same units, for which a glow rises.
_RISES = (1.5, 3.0, 6.0)
#: The ring begins so far outside the entry, and is so wide: pixels, and parts of its mean radius.
_GAP, _LEAST_WIDTH, _WIDTH = 2.0, 6.0, 0.8
#: Samples that are read at most, and rows that are read at a time where these are too many.
_MOST_SAMPLES, _BAND = 10_000_000, 4
#: A pixel with less noise than this part of the typical one has no more weight for it.
_QUIETEST = 0.7
#: Chi-square by which an onset fits clearly better than another, or nearly as well.
_CLEARLY_BETTER, _NEARLY_AS_GOOD = 2.0, 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Aperture:
    """The pixels of an entry, and a ring of pixels around them.

    Parameters
    ----------
    box : tuple of slice
        Rows and columns that hold both.
    inside, ring : `numpy.ndarray`
        ``(rows, columns)`` bool.
    """

    box: Box
    inside: NDArray[np.bool_]
    ring: NDArray[np.bool_]

    @classmethod
    def of_entry(cls, entry: Entry, image_shape: tuple[int, int]) -> Aperture:
        """Return the aperture of an entry in images of a shape."""
        inner, mask = entry.pixels(image_shape)
        width = max(_LEAST_WIDTH, _WIDTH * float(np.sqrt(np.count_nonzero(mask) / np.pi)))
        box = grow_box(inner, int(np.ceil(_GAP + width)), image_shape)
        inside = np.zeros([part.stop - part.start for part in box], bool)
        inside[box_within(inner, box)] = mask
        distance = distance_transform_edt(~inside) if inside.any() else np.zeros(inside.shape)
        ring = (distance > _GAP) & (distance <= _GAP + width)
        return cls(box=box, inside=inside, ring=ring)


@dataclass(frozen=True, kw_only=True, eq=False)
class LightCurve:
    """The differences of an entry, its surroundings taken away.

    Parameters
    ----------
    values, errors : `numpy.ndarray`
        ``(ndiff,)``: mean of the pixels inside less that of the ring, in DN, and its error; NaN
        where too few pixels are known.
    correlation : float
        Correlation of the noise of one difference with the next, -0.5 to 0.
    pixels : float
        Number of pixels that count inside.
    """

    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    correlation: float
    pixels: float

    @property
    def known(self) -> NDArray[np.bool_]:
        """``(ndiff,)``: the differences that have a value."""
        known: NDArray[np.bool_] = np.isfinite(self.values)
        return known

    @cached_property
    def noise_root(self) -> NDArray[np.float64]:
        """``(nknown, nknown)`` in DN: lower triangular root of the covariance of the known ones."""
        which = np.flatnonzero(self.known)
        # Errors that differ by chance make no weights: neighbours share the same noise.
        error = np.maximum(self.errors[which], 0.5 * float(np.median(self.errors[which])) or 1.0)
        matrix = np.eye(len(which))
        beside = np.flatnonzero(np.diff(which) == 1)
        matrix[beside, beside + 1] = matrix[beside + 1, beside] = self.correlation
        root: NDArray[np.float64] = error[:, np.newaxis] * cholesky(matrix, lower=True)
        return root


@dataclass(frozen=True, kw_only=True, eq=False)
class GlowFit:
    """A glow, fitted to a light curve.

    Parameters
    ----------
    glow : `numpy.ndarray`
        ``(ndiff,)`` in DN: what it adds to each difference; 0 before its onset.
    shape : `numpy.ndarray`
        ``(ndiff,)``: its course; where no light fits, that of a typical glow.
    level : float
        The constant below it, in DN.
    chi_square : float
        Of the fit, with the correlation of the noise.
    gain : float
        By how much chi-square is less than that of a constant alone.
    """

    glow: NDArray[np.float64]
    shape: NDArray[np.float64]
    level: float
    chi_square: float
    gain: float


def measure_light_curve(
    images: Images, integration: int, aperture: Aperture, image_shape: tuple[int, int]
) -> LightCurve:
    """Measure the light curve of the pixels of an aperture in a ramp.

    Parameters
    ----------
    images : Images
        The ramp.
    integration : int
        Which integration, zero-based.
    aperture : Aperture
        The pixels.
    image_shape : tuple of int
        Rows and columns of the images.

    Returns
    -------
    LightCurve
        Its values, in DN.

    Notes
    -----
    The mean of each pixel is taken away before pixels are averaged, and the average mean is added
    again: a source that is flagged in some differences leaves no steps. Noisy pixels, and those
    with a hit that nobody has flagged, have little weight.
    """
    columns = aperture.box[1]
    inside, ring = [], []
    for rows in _sampled_rows(images, aperture):
        box = rows, columns
        differences = read_differences(images, integration, image_shape, box).values
        part = slice(rows.start - aperture.box[0].start, rows.stop - aperture.box[0].start)
        inside.append(differences[:, aperture.inside[part]])
        ring.append(differences[:, aperture.ring[part]])
    around = np.concatenate(ring, axis=1)
    correlation = _correlation(_without_mean(around)[0])
    return _curve(np.concatenate(inside, axis=1), around, correlation)


def _sampled_rows(images: Images, aperture: Aperture) -> list[slice]:
    """Return the rows to read: all, or evenly spaced ones of an aperture of very many samples."""
    rows, columns = aperture.box
    of_row = max(1, images.stack_shape[1] * (columns.stop - columns.start))
    most = max(8 * _BAND, _MOST_SAMPLES // of_row)
    if rows.stop - rows.start <= most:
        return [rows]
    starts = np.linspace(rows.start, rows.stop - _BAND, most // _BAND).astype(int)
    return [slice(int(start), int(start) + _BAND) for start in starts]


def measure_rates(images: Images, aperture: Aperture) -> LightCurve:
    """Measure the pixels of an aperture in all integrations of rateints.

    Parameters
    ----------
    images : Images
        The rateints.
    aperture : Aperture
        The pixels.

    Returns
    -------
    LightCurve
        A value for each integration, in the units of the data.
    """
    nints = images.stack_shape[0]
    cube = np.stack([images.window(i, 0, aperture.box) for i in range(nints)])
    flags = np.stack([images.dq_window(i, 0, aperture.box) for i in range(nints)])
    cube[(flags & NEVER_GOOD) > 0] = np.nan
    return _curve(cube[:, aperture.inside], cube[:, aperture.ring], 0.0)


def _curve(
    inside: NDArray[np.float32], ring: NDArray[np.float32], correlation: float
) -> LightCurve:
    value, error, level, pixels = _mean(inside)
    value_around, error_around, level_around, _ = _mean(ring)
    return LightCurve(
        values=value - value_around + level - level_around,
        errors=np.hypot(error, error_around),
        correlation=correlation,
        pixels=pixels,
    )


def _without_mean(
    differences: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Return ``(ndiff, npixels)`` less the mean of each pixel; the means; what is known."""
    known = np.isfinite(differences)
    count = np.count_nonzero(known, axis=0)
    total = np.where(known, differences, np.float32(0)).sum(axis=0)
    mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    return np.where(known, differences - mean, np.float32(0)), mean, known


def _mean(
    differences: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float]:
    """Return weighted mean and error of each difference, the mean level, and the pixels in it."""
    residuals, level, known = _without_mean(differences)
    count = np.count_nonzero(known, axis=0)
    variance = np.divide(
        (residuals**2).sum(axis=0), count - 1, out=np.zeros_like(level), where=count > 1
    )
    ndiff = len(differences)
    if not count.any():
        return np.full(ndiff, np.nan), np.full(ndiff, np.nan), 0.0, 0.0
    # A ramp without any noise has no weights either.
    usable = variance > 0 if (variance > 0).any() else count > 0
    least = _QUIETEST * float(np.median(variance[usable])) or 1.0
    weight = np.where(usable, 1 / np.maximum(variance, least), 0.0)
    total = known @ weight
    enough = total > 0.3 * weight.sum()
    unknown = np.full(ndiff, np.nan)
    mean = np.divide(residuals @ weight, total, out=unknown.copy(), where=enough)
    # From the scatter of the pixels itself, difference by difference.
    scatter = (residuals**2) @ weight**2
    error = np.divide(np.sqrt(scatter), total, out=unknown, where=enough)
    pixels = float(weight.sum() ** 2 / np.sum(weight**2))
    return mean, error, float(level @ weight / weight.sum()), pixels


def _correlation(residuals: NDArray[np.float32]) -> float:
    """Return the correlation of neighbours in residuals of ``(ndiff, npixels)``; 0 if unknown."""
    square = float(np.sum(residuals**2))
    if len(residuals) < 3 or not square:
        return 0.0
    product = float(np.sum(residuals[1:] * residuals[:-1])) * len(residuals) / (len(residuals) - 1)
    # Taking away the mean of so many values makes them anticorrelated by itself.
    return float(np.clip(product / square + 1 / len(residuals), -0.49, 0.0))


def fit_glow(curve: LightCurve, onset: int, *, is_rising: bool = False) -> GlowFit:
    """Fit a glow of a given onset to a light curve.

    Parameters
    ----------
    curve : LightCurve
        The light curve.
    onset : int
        First difference with light; -1 if it glows from before the first one on.
    is_rising : bool, optional
        Whether the glow may rise before it fades.

    Returns
    -------
    GlowFit
        The best sum of decaying exponentials, none negative, above a constant of any sign.
    """
    ndiff, known = len(curve.values), curve.known
    templates = _templates(ndiff, onset)
    if is_rising:
        templates = np.hstack([templates, _rising_templates(ndiff, onset)])
    typical = _exponential(ndiff, onset, _TYPICAL)
    count = np.count_nonzero(known)
    if not count:
        zero = np.zeros(ndiff)
        return GlowFit(glow=zero, shape=typical, level=0.0, chi_square=0.0, gain=0.0)
    white = solve_triangular(
        curve.noise_root,
        np.column_stack([curve.values[known], np.ones(count), templates[known]]),
        lower=True,
    )
    values, constant, shapes = white[:, 0], white[:, 1], white[:, 2:]
    along = constant / (constant @ constant)
    free = values - constant * (along @ values)
    amplitudes, misfit = nnls(shapes - np.outer(constant, along @ shapes), free)
    glow = templates @ amplitudes
    return GlowFit(
        glow=glow,
        shape=glow if glow.any() else typical,
        level=float(along @ (values - shapes @ amplitudes)),
        chi_square=float(misfit**2),
        gain=float(free @ free - misfit**2),
    )


def best_onset(curve: LightCurve, onsets: Sequence[int] | None = None) -> int:
    """Return the onset of the glow that fits a light curve best.

    Parameters
    ----------
    curve : LightCurve
        The light curve.
    onsets : sequence of int, optional
        Onsets to try, -1 for one before the first difference; all by default.

    Returns
    -------
    int
        First difference with light; -1 if it glows from before the first known one on, or if no
        light is found.

    Notes
    -----
    A glow that begins earlier has more differences to follow noise with. So the latest onset is
    taken of those that fit nearly as well as the best; and -1 only where it fits clearly better
    than all others.
    """
    known = np.flatnonzero(curve.known)
    if not len(known):
        return -1
    tried = [-1, *(int(onset) for onset in known[1:])] if onsets is None else sorted(onsets)
    gains = {onset: fit_glow(curve, onset).gain for onset in tried}
    later = {onset: gain for onset, gain in gains.items() if onset >= 0}
    best = max(later.values(), default=-np.inf)
    if gains.get(-1, -np.inf) > best + _CLEARLY_BETTER or not best > 0:
        return -1
    return max(onset for onset, gain in later.items() if gain >= best - _NEARLY_AS_GOOD)


@lru_cache(maxsize=1024)
def _templates(ndiff: int, onset: int) -> NDArray[np.float64]:
    """Return the exponentials that glows are made of, as columns.

    A glow may begin anywhere within its first difference, which has some, all or none of the light
    that it would have on average.
    """
    columns = [_exponential(ndiff, onset, decay) for decay in _DECAYS]
    if 0 <= onset < ndiff - 1:
        columns += [_exponential(ndiff, onset + 1, decay) for decay in _DECAYS]
        columns.append(np.arange(ndiff) == onset)
    return np.column_stack(columns)


@lru_cache(maxsize=1024)
def _rising_templates(ndiff: int, onset: int) -> NDArray[np.float64]:
    """Return glows that rise for one decay time, and fade, as columns."""
    since = np.maximum(np.arange(ndiff) - max(onset, -1), 0)
    columns = [since * np.exp(-since / decay) for decay in _RISES]
    return np.column_stack([column / max(column.max(), 1e-12) for column in columns])


def _exponential(ndiff: int, onset: int, decay: float) -> NDArray[np.float64]:
    """Return the light of each difference, on average over when the glow began."""
    times = np.arange(ndiff)
    if onset < 0:
        idle: NDArray[np.float64] = np.exp(-times / decay)
        return idle
    step = 1 / decay
    gained = (1 - np.exp(-step)) / step
    light = np.where(times > onset, gained**2 * np.exp(-(times - onset - 1) * step), 0.0)
    light[onset : onset + 1] = (1 - gained) / step
    return light
