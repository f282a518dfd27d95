"""Simulated MIRI ramps with showers and all that looks like them: stated guesses, seeded.

Gain 4 e-/DN, read noise 6 DN, group times 2.775 s (FASTR1) and 23.89 s (SLOWR1) are MIRI's (JDox).
No sizes, shapes or decay times of showers are published; those here are guesses: irregular,
elongated glows of tens to hundreds of pixels, a few DN/s at most, decaying within tens of seconds,
not quite exponentially; a fifth began before the first group, half have a bright primary hit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

GAIN = 4.0  # e-/DN
READ_NOISE = 6.0  # DN
FASTR1, SLOWR1 = 2.775, 23.89  # s

_DO_NOT_USE, _SATURATED, _JUMP_DET = 1, 2, 4
_JUMP_SIGMAS = 4.0  # what JumpStep finds of ordinary hits


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
    """

    onset: float
    footprint: NDArray[np.bool_]
    amplitude: float
    snr: float
    has_primary: bool
    light: NDArray[np.float64]
    shape: NDArray[np.float32]


@dataclass
class Scene:
    """A ramp, its twin without showers, and what is in it.

    Parameters
    ----------
    data, twin : `numpy.ndarray`
        ``(1, ngroups, ny, nx)`` float32 in DN, linearised; with the same noise.
    groupdq : `numpy.ndarray`
        ``(1, ngroups, ny, nx)`` uint8, as after ``jump``.
    group_time : float
        In s.
    showers : list of TrueShower
        The truth.
    """

    data: NDArray[np.float32]
    twin: NDArray[np.float32]
    groupdq: NDArray[np.uint8]
    group_time: float
    showers: list[TrueShower] = field(default_factory=list)

    @property
    def stack_shape(self) -> tuple[int, int]:
        """Integrations and groups."""
        return self.data.shape[0], self.data.shape[1]

    def window(self, integration: int, group: int, box: tuple[slice, slice]) -> NDArray[np.float32]:
        """Return part of a frame."""
        return self.data[integration, group, *box]

    def dq_window(
        self, integration: int, group: int, box: tuple[slice, slice]
    ) -> NDArray[np.uint8]:
        """Return its flags."""
        return self.groupdq[integration, group, *box]

    def pixel_dq_window(self, box: tuple[slice, slice]) -> NDArray[np.uint32]:
        """Return flags of all groups: none."""
        return np.zeros(self.data.shape[-2:], np.uint32)[box]


def make_scene(
    seed: int,
    *,
    showers: int = 12,
    ngroups: int = 40,
    group_time: float = FASTR1,
    frame: tuple[int, int] = (1024, 1032),
    is_crowded: bool = True,
) -> Scene:
    """Simulate an exposure.

    Parameters
    ----------
    seed : int
        Of everything.
    showers : int
        How many.
    ngroups : int
        Groups.
    group_time : float
        In s.
    frame : tuple of int
        Rows and columns.
    is_crowded : bool
        Whether there are stars and a galaxy.
    """
    rng = np.random.default_rng(seed)
    ny, nx = frame
    scale = ny * nx / (1024 * 1032)
    times = group_time * np.arange(1, ngroups + 1)
    rate = _sky(rng, frame, scale, is_crowded=is_crowded)
    electrons = rng.poisson(np.clip(rate, 0, None) * group_time * GAIN, (ngroups, ny, nx))
    ramp = np.cumsum(electrons, axis=0, dtype=np.float64).astype(np.float32) / np.float32(GAIN)
    del electrons
    # What linearity correction leaves: a percent or two of the counts at full well.
    coefficient = np.float32(rng.normal(0, 0.01) / 30000)
    ramp += coefficient * ramp**2
    _add_transients(rng, ramp, times)
    ramp += rng.normal(0, READ_NOISE, ramp.shape).astype(np.float32)
    ramp += _drifts(rng, ngroups, frame)
    groupdq = np.zeros((1, *ramp.shape), np.uint8)
    groupdq[0, [0, -1]] |= _DO_NOT_USE
    hits = _hits(rng, ngroups, frame, group_time, scale)
    _add_hits(ramp, groupdq[0], hits, rate, group_time)
    _add_bad_pixels(rng, ramp, groupdq[0])
    twin = ramp
    data = ramp.copy()
    found = []
    primaries = []
    for _ in range(showers):
        shower, primary = _shower(rng, frame, times, group_time, rate)
        data += shower.light.astype(np.float32)[:, np.newaxis, np.newaxis] * shower.shape
        found.append(shower)
        primaries += primary
    _add_hits(data, groupdq[0], primaries, rate, group_time)
    saturated = data > 55000
    groupdq[0][saturated] |= _SATURATED
    return Scene(data[np.newaxis], twin[np.newaxis], groupdq, group_time, found)


def make_time_series(
    seed: int,
    *,
    integrations: int = 200,
    ngroups: int = 20,
    group_time: float = 0.159,
    frame: tuple[int, int] = (416, 72),
) -> Scene:
    """Simulate a time series of a star through the slitless prism, a shower in every tenth.

    Each integration begins with the same transients, as after each reset.

    Parameters
    ----------
    seed : int
        Of everything.
    integrations, ngroups : int
        How many.
    group_time : float
        In s.
    frame : tuple of int
        Rows and columns.
    """
    rng = np.random.default_rng(seed)
    ny, nx = frame
    y, x = np.mgrid[0:ny, 0:nx]
    trace = 3000 * np.exp(-((x - nx / 2) ** 2) / 4 - ((y - 0.7 * ny) / (0.4 * ny)) ** 2)
    rate = 5 + trace
    times = group_time * np.arange(1, ngroups + 1)
    transient = np.zeros((ngroups, *frame), np.float32)
    for _ in range(3):
        _add_transients(rng, transient, times)
    transient += rng.normal(0, 5, frame) * (1 - np.exp(-times / 1.0))[:, np.newaxis, np.newaxis]
    data = np.empty((integrations, ngroups, ny, nx), np.float32)
    groupdq = np.zeros(data.shape, np.uint8)
    groupdq[:, [0, -1]] |= _DO_NOT_USE
    found = []
    for integration in range(integrations):
        electrons = rng.poisson(rate * group_time * GAIN, transient.shape)
        ramp = np.cumsum(electrons, axis=0) / GAIN + transient
        ramp += rng.normal(0, READ_NOISE, ramp.shape) + _drifts(rng, ngroups, frame)
        if integration % 10 == 0:
            # As bright, over their short time, as others over minutes.
            shower, _ = _shower(rng, frame, times * 15, group_time, rate)
            ramp += shower.light.astype(np.float32)[:, np.newaxis, np.newaxis] * shower.shape
            found.append(shower)
        data[integration] = ramp
    return Scene(data, data, groupdq, group_time, found)


def _sky(
    rng: np.random.Generator, frame: tuple[int, int], scale: float, *, is_crowded: bool
) -> NDArray[np.float64]:
    """Return the true rate in DN/s: background with a gradient, a knee of hot pixels, sources."""
    ny, nx = frame
    y, x = np.mgrid[0:ny, 0:nx]
    rate = rng.uniform(4, 20) * (1 + 0.1 * (x / nx - 0.5) + 0.1 * (y / ny - 0.5))
    rate = rate * rng.normal(1, 0.01, frame)
    if not is_crowded:
        return rate
    stars = np.zeros(frame)
    for _ in range(round(120 * scale)):
        flux = 10 ** rng.uniform(1.0, 4.6)  # DN/s in all
        sy, sx = rng.uniform(0, ny), rng.uniform(0, nx)
        half = 60
        rows = slice(max(0, int(sy) - half), min(ny, int(sy) + half))
        columns = slice(max(0, int(sx) - half), min(nx, int(sx) + half))
        r2 = (y[rows, columns] - sy) ** 2 + (x[rows, columns] - sx) ** 2
        core = np.exp(-r2 / (2 * 1.3**2)) / (2 * np.pi * 1.3**2)
        wings = 0.15 * (1 + r2 / 16) ** -1.7 / (np.pi * 16)
        stars[rows, columns] += flux * (core + wings)
    sy, sx, size = rng.uniform(0, ny), rng.uniform(0, nx), rng.uniform(15, 60)
    ratio, angle = rng.uniform(0.3, 0.9), rng.uniform(0, np.pi)
    u = (x - sx) * np.cos(angle) + (y - sy) * np.sin(angle)
    v = ((y - sy) * np.cos(angle) - (x - sx) * np.sin(angle)) / ratio
    galaxy = 10 ** rng.uniform(0.5, 2.3) * np.exp(-np.hypot(u, v) / size)
    return rate + stars + galaxy


def _add_transients(
    rng: np.random.Generator,
    ramp: NDArray[np.float32],
    times: NDArray[np.float64],
) -> None:
    """Add what follows a reset: all over, smooth; and latents of earlier, compact sources."""
    ny, nx = ramp.shape[1:]
    y, x = np.mgrid[0:ny, 0:nx]
    amplitude = rng.normal(0, 15) * (1 + 0.3 * rng.normal() * (y / ny - 0.5))
    fading = 1 - np.exp(-times / rng.uniform(5, 15))
    ramp += (fading[:, np.newaxis, np.newaxis] * amplitude).astype(np.float32)
    for _ in range(rng.integers(0, 4)):
        sy, sx = rng.uniform(0, ny), rng.uniform(0, nx)
        spot = np.exp(-((y - sy) ** 2 + (x - sx) ** 2) / (2 * rng.uniform(1.2, 2.0) ** 2))
        light = rng.uniform(10, 100) * (1 - np.exp(-times / rng.uniform(20, 100)))
        ramp += (light[:, np.newaxis, np.newaxis] * spot).astype(np.float32)


def _drifts(rng: np.random.Generator, ngroups: int, frame: tuple[int, int]) -> NDArray[np.float32]:
    """Return drifts of frames, rows and the four column channels in DN."""
    ny, nx = frame
    frames = np.cumsum(rng.normal(0, 0.7, (ngroups, 1, 1)), axis=0) + rng.normal(
        0, 1.0, (ngroups, 1, 1)
    )
    rows = gaussian_filter(rng.normal(0, 1.2, (ngroups, ny, 1)), (0, 1.5, 0))
    channels = np.tile(rng.normal(0, 0.5, (ngroups, 1, 4)), (1, 1, nx // 4 + 1))[:, :, :nx]
    drifts: NDArray[np.float32] = (frames + rows + channels).astype(np.float32)
    return drifts


def _hits(
    rng: np.random.Generator,
    ngroups: int,
    frame: tuple[int, int],
    group_time: float,
    scale: float,
) -> list[tuple[int, NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]]:
    """Return ordinary cosmic rays: group, rows, columns, DN; tracks of a few pixels."""
    ny, nx = frame
    count = rng.poisson(90 * group_time * scale * ngroups)
    return [
        _track(rng, int(rng.integers(1, ngroups)), rng.uniform(0, ny), rng.uniform(0, nx), frame,
               length=rng.exponential(2.0), charge=10 ** rng.uniform(1.2, 4.0))
        for _ in range(count)
    ]  # fmt: skip


def _track(
    rng: np.random.Generator,
    group: int,
    y: float,
    x: float,
    frame: tuple[int, int],
    *,
    length: float,
    charge: float,
) -> tuple[int, NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    angle = rng.uniform(0, np.pi)
    along = np.linspace(0, length, int(length) + 2)
    rows = np.rint(y + along * np.sin(angle)).astype(np.intp)
    columns = np.rint(x + along * np.cos(angle)).astype(np.intp)
    inside = (rows >= 0) & (rows < frame[0]) & (columns >= 0) & (columns < frame[1])
    return group, rows[inside], columns[inside], charge * rng.uniform(0.3, 1, inside.sum())


def _add_hits(ramp, groupdq, hits, rate, group_time):  # noqa: ANN001, ANN202
    """Add tracks, and flag what the jump step would find."""
    for group, rows, columns, charge in hits:
        ramp[group:, rows, columns] += charge.astype(np.float32)
        photons = np.clip(rate[rows, columns], 0, None) * group_time / GAIN
        is_found = charge > _JUMP_SIGMAS * np.sqrt(2 * READ_NOISE**2 + photons)
        groupdq[group, rows[is_found], columns[is_found]] |= _JUMP_DET


def _add_bad_pixels(
    rng: np.random.Generator, ramp: NDArray[np.float32], groupdq: NDArray[np.uint8]
) -> None:
    """Dead ones, flagged; and noisy or hot ones that nobody knows of."""
    ngroups, ny, nx = ramp.shape
    count = ny * nx // 500
    rows, columns = rng.integers(0, ny, count), rng.integers(0, nx, count)
    third = count // 3
    groupdq[:, rows[:third], columns[:third]] |= _DO_NOT_USE
    noisy = slice(third, 2 * third)
    ramp[:, rows[noisy], columns[noisy]] += rng.normal(0, 40, (ngroups, third)).astype(np.float32)
    hot = slice(2 * third, 3 * third)
    steps = rng.exponential(30, third) * rng.integers(0, 2, (ngroups, third))
    ramp[:, rows[hot], columns[hot]] += np.cumsum(steps, axis=0).astype(np.float32)


def _best_snr(
    light: NDArray[np.float64],
    shape: NDArray[np.float64],
    rate: NDArray[np.float64],
    group_time: float,
) -> float:
    """Return what a filter could reach that knows the shower and all noise, but no constant."""
    photons = float(np.median(rate)) * group_time / GAIN
    n = len(light) - 3  # differences without the first and the last
    covariance = (photons + 2 * READ_NOISE**2) * np.eye(n)
    covariance -= READ_NOISE**2 * (np.eye(n, k=1) + np.eye(n, k=-1))
    inverse = np.linalg.inv(covariance)
    glow, constant = np.diff(light)[1:-1], np.ones(n)
    in_time = glow @ inverse @ glow
    in_time -= (glow @ inverse @ constant) ** 2 / (constant @ inverse @ constant)
    brighter = np.clip(rate / np.median(rate), 1, None)
    return float(np.sqrt(in_time * np.sum(shape**2 / brighter)))


def _shower(
    rng: np.random.Generator,
    frame: tuple[int, int],
    times: NDArray[np.float64],
    group_time: float,
    rate: NDArray[np.float64],
) -> tuple[TrueShower, list]:  # type: ignore[type-arg]
    ny, nx = frame
    size = 10 ** rng.uniform(np.log10(5), np.log10(40))  # pixels, the longer semi-axis
    ratio, angle = rng.uniform(0.3, 0.95), rng.uniform(0, np.pi)
    cy, cx = rng.uniform(0, ny), rng.uniform(0, nx)
    y, x = np.mgrid[0:ny, 0:nx]
    u = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
    v = ((y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)) / ratio
    radius = np.hypot(u, v) / size
    power = rng.uniform(1.0, 4.0)  # from pointed to flat-topped
    shape = np.exp(-((radius / 0.8) ** power))
    lumps = gaussian_filter(rng.normal(0, 1, frame), max(1.0, 0.25 * size * ratio))
    shape *= np.clip(1 + 0.35 * lumps / lumps.std(), 0.1, None)
    shape /= shape.max()
    amplitude = 10 ** rng.uniform(np.log10(0.25), np.log10(4.0))  # DN/s when it began
    decay, is_idle = 10 ** rng.uniform(1.0, 1.9), rng.uniform() < 0.2
    onset = -rng.uniform(0, 25) if is_idle else rng.uniform(times[0], times[-4])
    slow = rng.uniform(0, 0.4)  # part that decays three times as slowly

    def charge(t: NDArray[np.float64]) -> NDArray[np.float64]:
        return (1 - slow) * decay * (1 - np.exp(-t / decay)) + slow * 3 * decay * (
            1 - np.exp(-t / (3 * decay))
        )

    since = np.clip(times - onset, 0, None)
    start = charge(np.array(max(0.0, -onset)))  # what came before the first read is no signal
    light = amplitude * np.clip(charge(since) - start, 0, None)
    snr = _best_snr(light, shape, rate, group_time)
    primary = []
    has_primary = bool(rng.uniform() < 0.5) and not is_idle
    if has_primary:
        group = int(np.searchsorted(times, onset))
        primary = [
            _track(rng, group, cy + rng.normal(0, size / 4), cx + rng.normal(0, size / 4), frame,
                   length=rng.uniform(3, 15), charge=10 ** rng.uniform(3, 4.3))
        ]  # fmt: skip
    true = TrueShower(
        onset, shape > 0.25, amplitude, float(snr), has_primary, light, shape.astype(np.float32)
    )
    return true, primary
