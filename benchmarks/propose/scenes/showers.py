"""Showers: stated guesses of their shapes, decays and brightness.

No sizes, shapes or decay times of showers are published; those here are guesses: glows of tens to
thousands of pixels, a few DN/s at most, that fade within tens of seconds. The signal-to-noise ratio
is that of the best filter: one that knows the shower and all noise, but not the level of a pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import gamma, gammainc

from scenes.detector import GAIN, READ_NOISE, Hit, track
from scenes.sky import Sky, box_around

FORMS = ("ellipse", "lumpy", "filament", "ring", "clump", "comet", "fan")
DECAYS = ("exponential", "two exponentials", "power law", "stretched", "rising")
_FORM_PARTS = (0.31, 0.27, 0.1, 0.07, 0.08, 0.09, 0.08)
_DECAY_PARTS = (0.4, 0.2, 0.15, 0.15, 0.1)
#: Signal-to-noise ratios that are drawn from, evenly in their logarithm.
FAINT_TO_BRIGHT = 4.0, 80.0


@dataclass(frozen=True)
class TrueShower:
    """A simulated shower.

    Parameters
    ----------
    onset : float
        When it began, in s after the first group; negative while the detector was idle.
    footprint : `numpy.ndarray`
        ``(ny, nx)`` bool: where it has a quarter of its peak.
    amplitude : float
        DN/s at its peak when it began.
    snr : float
        Signal-to-noise ratio of the best filter.
    has_primary : bool
        Whether it has a bright hit.
    light : `numpy.ndarray`
        ``(ngroups,)``: DN of its peak that each group has.
    shape : `numpy.ndarray`
        ``(ny, nx)``: brightness, 1 at the peak.
    form, decay : str
        What it looks like, and how it fades.
    traits : tuple of str
        ``overlap``, ``on source``, ``edge``.
    integration : int
        The integration, zero-based, whose groups ``light`` has.
    """

    onset: float
    footprint: NDArray[np.bool_]
    amplitude: float
    snr: float
    has_primary: bool
    light: NDArray[np.float64]
    shape: NDArray[np.float32]
    form: str = "ellipse"
    decay: str = "exponential"
    traits: tuple[str, ...] = field(default=())
    integration: int = 0

    def charge_pixels(self, part: float = 0.9) -> NDArray[np.bool_]:
        """Return the fewest pixels that have so large a part of the charge."""
        ordered = np.sort(self.shape, axis=None)[::-1]
        total = np.cumsum(ordered, dtype=np.float64)
        limit = ordered[np.searchsorted(total, part * total[-1])]
        pixels: NDArray[np.bool_] = self.shape >= limit
        return pixels


def best_snr(
    light: NDArray[np.float64],
    shape: NDArray[np.float64],
    rate: NDArray[np.float64],
    group_time: float,
) -> float:
    """Return what a filter could reach that knows the shower and all noise, but no constant."""
    middle = float(np.median(rate))
    photons = middle * group_time / GAIN
    n = len(light) - 3  # differences without the first and the last
    covariance = (photons + 2 * READ_NOISE**2) * np.eye(n)
    covariance -= READ_NOISE**2 * (np.eye(n, k=1) + np.eye(n, k=-1))
    inverse = np.linalg.inv(covariance)
    glow, constant = np.diff(light)[1:-1], np.ones(n)
    in_time = glow @ inverse @ glow
    in_time -= (glow @ inverse @ constant) ** 2 / (constant @ inverse @ constant)
    brighter = np.clip(rate / middle, 1, None)
    return float(np.sqrt(max(0.0, in_time) * np.sum(shape**2 / brighter)))


def make_shower(
    rng: np.random.Generator,
    sky: Sky,
    times: NDArray[np.float64],
    *,
    before: list[TrueShower] | None = None,
    snr_range: tuple[float, float] = FAINT_TO_BRIGHT,
) -> tuple[TrueShower, list[Hit]]:
    """Return a shower, and its bright hit if it has one.

    Parameters
    ----------
    rng : `numpy.random.Generator`
        Of everything.
    sky : Sky
        What it lies on.
    times : `numpy.ndarray`
        ``(ngroups,)`` in s.
    before : list of TrueShower, optional
        Some showers overlap one of these.
    snr_range : tuple of float, optional
        Least and largest signal-to-noise ratio.
    """
    frame = sky.rate.shape
    group_time = float(times[1] - times[0])
    cy, cx, traits = _place(rng, sky, before or [])
    form, shape = _shape(rng, cy, cx, frame)
    is_idle = rng.uniform() < 0.2
    onset = -rng.uniform(0, 9 * group_time) if is_idle else rng.uniform(times[0], times[-4])
    decay, light = _light(rng, times, onset)
    snr = best_snr(light, shape, sky.rate, group_time)
    wanted = 10 ** rng.uniform(*np.log10(snr_range))
    amplitude = wanted / snr if snr > 0 else 0.0
    primary = []
    if bool(rng.uniform() < 0.5) and not is_idle:
        group = int(np.searchsorted(times, onset))
        size = np.sqrt(shape.sum())
        charge, length = 10 ** rng.uniform(3, 4.3), rng.uniform(3, 15)
        y, x = cy + rng.normal(0, size / 4), cx + rng.normal(0, size / 4)
        primary = [track(rng, group, y, x, frame, length=length, charge=charge)]
    true = TrueShower(
        onset=onset,
        footprint=shape > 0.25,
        amplitude=amplitude,
        snr=wanted if snr > 0 else 0.0,
        has_primary=bool(primary),
        light=amplitude * light,
        shape=shape.astype(np.float32),
        form=form,
        decay=decay,
        traits=traits,
    )
    return true, primary


def _place(
    rng: np.random.Generator, sky: Sky, before: list[TrueShower]
) -> tuple[float, float, tuple[str, ...]]:
    ny, nx = sky.rate.shape
    draw = rng.uniform()
    if draw < 0.1 and before:
        rows, columns = np.nonzero(before[rng.integers(len(before))].footprint)
        if len(rows):
            i = rng.integers(len(rows))
            return float(rows[i]), float(columns[i]), ("overlap",)
    if 0.1 < draw < 0.2 and sky.stars:
        y, x, _ = sky.stars[rng.integers(len(sky.stars))]
        return y + rng.normal(0, 4), x + rng.normal(0, 4), ("on source",)
    if 0.2 < draw < 0.28:
        along = rng.uniform(0, 1)
        far = rng.integers(2) * (ny - 1.0), rng.integers(2) * (nx - 1.0)
        y, x = (far[0], along * nx) if rng.uniform() < 0.5 else (along * ny, far[1])
        return y + rng.normal(0, 6), x + rng.normal(0, 6), ("edge",)
    return rng.uniform(0, ny), rng.uniform(0, nx), ()


def _shape(
    rng: np.random.Generator, cy: float, cx: float, frame: tuple[int, int]
) -> tuple[str, NDArray[np.float64]]:
    """Return the form and its brightness, 1 at the peak."""
    form = str(rng.choice(FORMS, p=_FORM_PARTS))
    size = 10 ** rng.uniform(np.log10(5), np.log10(40))  # pixels, the longer semi-axis
    box = box_around(cy, cx, 4 * size + 12, frame)
    v, u = np.mgrid[box].astype(float)
    u, v = u - cx, v - cy
    angle = rng.uniform(0, np.pi)
    u, v = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    part = _FORM_MAKERS[form](rng, u, v, size)
    if form in ("lumpy", "filament", "ring", "comet", "fan"):
        part = part * _lumps(rng, part.shape, max(1.0, 0.2 * size))
    whole = np.zeros(frame)
    whole[box] = part
    top = whole.max()
    return form, whole / top if top > 0 else whole


def _lumps(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> NDArray[np.float64]:
    lumps = gaussian_filter(rng.normal(0, 1, shape), scale)
    return np.clip(1 + 0.35 * lumps / (lumps.std() or 1.0), 0.1, None)


def _ellipse(rng, u, v, size):  # noqa: ANN001, ANN202
    """Return an ellipse, from pointed to flat-topped."""
    radius = np.hypot(u, v / rng.uniform(0.3, 1.0)) / size
    return np.exp(-((radius / 0.8) ** rng.uniform(1.0, 4.0)))


def _filament(rng, u, v, size):  # noqa: ANN001, ANN202
    """Return a line ten to twenty times as long as wide, bent a little."""
    half = max(size, 15)
    width = max(0.9, half / rng.uniform(10, 20))
    bent = v - rng.normal(0, 0.3) * u**2 / half
    return np.exp(-((bent / width) ** 2) / 2) * np.exp(-((u / half) ** 4))


def _ring(rng, u, v, size):  # noqa: ANN001, ANN202
    radius = np.hypot(u, v / rng.uniform(0.6, 1.0))
    half = max(size * 0.7, 6)
    return np.exp(-(((radius - half) / (0.3 * half)) ** 2))


def _clump(rng, u, v, size):  # noqa: ANN001, ANN202
    total = np.zeros(u.shape)
    for _ in range(rng.integers(3, 7)):
        du, dv = rng.normal(0, 0.6 * size, 2)
        sigma = rng.uniform(0.12, 0.3) * size + 1
        total += rng.uniform(0.4, 1) * np.exp(-((u - du) ** 2 + (v - dv) ** 2) / (2 * sigma**2))
    return total


def _comet(rng, u, v, size):  # noqa: ANN001, ANN202
    """Return a head, and a tail that widens."""
    width = size * (0.12 + 0.2 * np.clip(u / size, 0, 3))
    tail = np.where(u > 0, np.exp(-u / size) * np.exp(-((v / width) ** 2) / 2), 0)
    head = np.exp(-(u**2 + v**2) / (2 * (0.15 * size + 1) ** 2))
    return head + rng.uniform(0.2, 0.5) * tail


def _fan(rng, u, v, size):  # noqa: ANN001, ANN202
    """Return a wedge that fades from its apex on."""
    radius = np.hypot(u, v)
    angle = np.arctan2(v, u) / rng.uniform(0.25, 0.7)
    within = np.exp(-(angle**4)) * (1 - np.exp(-((radius / (0.15 * size + 1)) ** 2)))
    return within * np.exp(-((radius / size) ** rng.uniform(1.0, 2.0)))


_FORM_MAKERS: dict[str, Callable[..., NDArray[np.float64]]] = {
    "ellipse": _ellipse,
    "lumpy": _ellipse,
    "filament": _filament,
    "ring": _ring,
    "clump": _clump,
    "comet": _comet,
    "fan": _fan,
}


def _light(
    rng: np.random.Generator, times: NDArray[np.float64], onset: float
) -> tuple[str, NDArray[np.float64]]:
    """Return the kind of decay, and DN in each group for 1 DN/s at the beginning."""
    group_time = float(times[1] - times[0])
    unit = group_time / 2.775  # other read-outs see other time scales
    tau = 10 ** rng.uniform(1.0, 1.9) * max(1.0, unit**0.5) * min(1.0, unit)
    decay = str(rng.choice(DECAYS, p=_DECAY_PARTS))
    slow, power, stretch = rng.uniform(0.1, 0.5), rng.uniform(1.1, 2.2), rng.uniform(0.5, 0.9)
    rise = 10 ** rng.uniform(-0.2, 0.8) * group_time

    def charge(t: NDArray[np.float64]) -> NDArray[np.float64]:
        simple = tau * (1 - np.exp(-t / tau))
        if decay == "two exponentials":
            return (1 - slow) * simple + slow * 4 * tau * (1 - np.exp(-t / (4 * tau)))
        if decay == "power law":
            scale = tau / 2
            return scale / (power - 1) * (1 - (1 + t / scale) ** (1 - power))
        if decay == "stretched":
            whole = tau / stretch * gamma(1 / stretch)
            return whole * gammainc(1 / stretch, (t / tau) ** stretch)
        if decay == "rising":
            fast = rise * tau / (rise + tau)
            return simple - fast * (1 - np.exp(-t / fast))
        return simple

    since = np.clip(times - onset, 0, None)
    start = charge(np.array(max(0.0, -onset)))  # what came before the first read is no signal
    return decay, np.clip(charge(since) - start, 0, None)
