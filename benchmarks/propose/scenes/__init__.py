"""Simulated MIRI ramps with showers and all that looks like them: stated guesses, seeded.

`detector` has the noise, `sky` the sources, `showers` the truth, `zoo` the rest. With the folder of
real data in SHOWERMASK_REALDATA, hits, bad pixels and (`make_real_scene`) the noise are real.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from scenes import zoo as beasts
from scenes.detector import (
    DO_NOT_USE,
    FASTR1,
    FULL_WELL,
    GAIN,
    READ_NOISE,
    SATURATED,
    SLOWR1,
    add_bad_pixels,
    add_hits,
    dark_rate,
    drifts,
    flag_jumps,
    hits,
    real_data,
)
from scenes.showers import (
    DECAYS,
    FAINT_TO_BRIGHT,
    FORMS,
    TrueShower,
    best_snr,
    make_shower,
)
from scenes.sky import Sky, make_sky
from scenes.zoo import Confuser

__all__ = [
    "DECAYS",
    "FASTR1",
    "FORMS",
    "GAIN",
    "READ_NOISE",
    "SLOWR1",
    "Confuser",
    "Scene",
    "TrueShower",
    "best_snr",
    "make_real_scene",
    "make_scene",
    "make_time_series",
]


@dataclass
class Scene:
    """A ramp, its twin without showers, and what is in it.

    Parameters
    ----------
    data, twin : `numpy.ndarray`
        ``(nints, ngroups, ny, nx)`` float32 in DN, linearised; with the same noise.
    groupdq : `numpy.ndarray`
        ``(nints, ngroups, ny, nx)`` uint8, as after ``jump``.
    pixeldq : `numpy.ndarray`
        ``(ny, nx)`` uint32.
    group_time : float
        In s.
    showers : list of TrueShower
        The truth.
    confusers : list of Confuser
        What is no shower.
    """

    data: NDArray[np.float32]
    twin: NDArray[np.float32]
    groupdq: NDArray[np.uint8]
    pixeldq: NDArray[np.uint32]
    group_time: float
    showers: list[TrueShower] = field(default_factory=list)
    confusers: list[Confuser] = field(default_factory=list)

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
        """Return flags of all groups."""
        return self.pixeldq[box]


def make_scene(
    seed: int,
    *,
    showers: int = 12,
    ngroups: int = 40,
    group_time: float = FASTR1,
    frame: tuple[int, int] = (1024, 1032),
    is_crowded: bool = True,
    zoo: float = 0.0,
    snr_range: tuple[float, float] = FAINT_TO_BRIGHT,
) -> Scene:
    """Simulate an exposure of one integration.

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
        Whether there are stars and galaxies.
    zoo : float
        How much there is of what looks like a shower and is none: 1 for a rich frame.
    snr_range : tuple of float
        Least and largest signal-to-noise ratio of the showers.
    """
    rng = np.random.default_rng(seed)
    times = group_time * np.arange(1, ngroups + 1)
    sky = make_sky(rng, frame, is_crowded=is_crowded, zoo=zoo > 0)
    light, confusers = beasts.expected_charge(rng, sky, times, zoo=zoo)
    dark = dark_rate()
    if dark is not None:
        light += dark[: frame[0], : frame[1]] * np.float32(group_time)
    charge = (rng.poisson(np.clip(light, 0, None) * GAIN) / GAIN).astype(np.float32)
    del light
    if zoo:
        beasts.move_charge(charge)
    ramp = np.cumsum(charge, axis=0, dtype=np.float32)
    del charge
    groupdq = np.zeros(ramp.shape, np.uint8)
    groupdq[[0, -1]] |= DO_NOT_USE
    pixeldq = np.zeros(frame, np.uint32)
    if zoo:
        confusers += beasts.saturate(rng, ramp, groupdq, sky)
    # What linearity correction leaves: a percent or two of the counts at full well.
    coefficient = np.float32(rng.normal(0, 0.01) / 30000)
    ramp += coefficient * ramp**2
    confusers += beasts.add_reset(rng, ramp, times, zoo=zoo)
    confusers += beasts.add_latents(rng, ramp, times, sky.sigma, mean=max(2.0, 18.0 * zoo))
    if zoo:
        confusers += beasts.add_row_drifts(rng, ramp, zoo)
        confusers += beasts.add_telegraph(rng, ramp, zoo)
        if rng.uniform() < 0.2:
            beasts.add_emi(rng, ramp)
    confusers += [Confuser(kind, x, y, radius) for kind, y, x, radius in sky.extended]
    confusers += [Confuser("star", x, y, 6) for y, x, flux in sky.stars if flux > 100]
    ramp += rng.normal(0, READ_NOISE, ramp.shape).astype(np.float32)
    ramp += drifts(rng, ngroups, frame)
    several = hits(rng, ngroups, frame, group_time)
    if zoo:
        several += beasts.long_tracks(rng, ngroups, frame, zoo)
    add_hits(ramp, groupdq, several, sky.rate, group_time)
    if zoo:
        confusers += beasts.add_afterglow(rng, ramp, several, group_time)
    add_bad_pixels(rng, ramp, pixeldq)
    return _with_showers(
        rng,
        Scene(
            ramp[np.newaxis],
            ramp[np.newaxis],
            groupdq[np.newaxis],
            pixeldq,
            group_time,
            [],
            confusers,
        ),
        sky,
        showers,
        snr_range,
    )


def _with_showers(
    rng: np.random.Generator,
    scene: Scene,
    sky: Sky,
    count: int,
    snr_range: tuple[float, float] = FAINT_TO_BRIGHT,
) -> Scene:
    """Add showers to an exposure of one integration, with their own noise."""
    data = scene.twin.copy()
    ngroups = data.shape[1]
    times = scene.group_time * np.arange(1, ngroups + 1)
    found: list[TrueShower] = []
    for _ in range(count):
        shower, primary = make_shower(rng, sky, times, before=found, snr_range=snr_range)
        add_shower(rng, data[0], scene.groupdq[0], shower)
        add_hits(data[0], scene.groupdq[0], primary, sky.rate, scene.group_time)
        found.append(shower)
    # Pixels that do not see light.
    blind = (scene.pixeldq & (1 << 31)) > 0
    data[..., blind] = scene.twin[..., blind]
    scene.groupdq[data > FULL_WELL * 1.02] |= SATURATED
    scene.data, scene.showers = data, found
    return scene


def add_shower(
    rng: np.random.Generator,
    ramp: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    shower: TrueShower,
) -> None:
    """Add the light of a shower to a ramp, with the noise of its photons, and its jumps."""
    rows, columns = np.nonzero(shower.shape > 1e-3)
    if not len(rows):
        return
    box = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    steps = np.diff(shower.light, prepend=0.0).astype(np.float32)
    light = steps[:, np.newaxis, np.newaxis] * shower.shape[box]
    noise = rng.normal(0, 1, light.shape) * np.sqrt(np.clip(light, 0, None) / GAIN)
    ramp[:, *box] += np.cumsum(light + noise, axis=0, dtype=np.float32)
    flag_jumps(ramp, groupdq, box)


def make_real_scene(seed: int, *, showers: int = 2) -> Scene | None:
    """Return the real ramp of 50 groups of 64 x 72 pixels, with showers added.

    One of its five integrations, as `calwebb_detector1` leaves it but for linearity and dark, which
    it has no references for: the median over the others is taken away instead, and the mean
    rate of a background put back. None where the data are not at hand.
    """
    folder = real_data()
    if folder is None:
        return None
    from astropy.io import fits

    (path,) = folder.glob("*_uncal.fits")
    with fits.open(path) as hdus:
        raw = hdus["SCI"].data.astype(np.float32)
    rng = np.random.default_rng(seed)
    chosen = int(rng.integers(len(raw)))
    ramp = raw[chosen] - np.median(np.delete(raw, chosen, axis=0), axis=0)
    ngroups, *frame = ramp.shape
    group_time = 0.1
    sky = Sky(rate=np.full(frame, 5.0), sigma=1.2)
    ramp += (5.0 * group_time * np.arange(ngroups, dtype=np.float32))[:, np.newaxis, np.newaxis]
    groupdq = np.zeros(ramp.shape, np.uint8)
    groupdq[[0, -1]] |= DO_NOT_USE
    pixeldq = np.zeros(frame, np.uint32)
    pixeldq[:, :4] |= np.uint32(1 << 31)
    pixeldq[:, -4:] |= np.uint32(1 << 31)
    steps = np.diff(ramp, axis=0)
    noise = 1.4826 * np.median(np.abs(steps - np.median(steps, axis=0)), axis=0)
    groupdq[1:][np.abs(steps - np.median(steps, axis=0)) > 5 * noise] |= 4
    return _with_showers(
        rng,
        Scene(ramp[np.newaxis], ramp[np.newaxis], groupdq[np.newaxis], pixeldq, group_time),
        sky,
        showers,
    )


def make_time_series(
    seed: int,
    *,
    integrations: int = 60,
    ngroups: int = 20,
    group_time: float = 0.159,
    frame: tuple[int, int] = (416, 72),
    every: int = 10,
) -> Scene:
    """Simulate a time series of a star through the slitless prism, with showers.

    Each integration begins with the same transients, as after each reset. Some showers are over
    within an integration; others last for many.

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
    every : int
        Integrations to a shower.
    """
    rng = np.random.default_rng(seed)
    ny, nx = frame
    y, x = np.mgrid[0:ny, 0:nx]
    trace = 3000 * np.exp(-((x - nx / 2) ** 2) / 4 - ((y - 0.7 * ny) / (0.4 * ny)) ** 2)
    sky = Sky(rate=5 + trace, sigma=1.4)
    times = group_time * np.arange(1, ngroups + 1)
    transient = np.zeros((ngroups, *frame), np.float32)
    beasts.add_reset(rng, transient, times, zoo=0.0)
    beasts.add_latents(rng, transient, times, sky.sigma, mean=30.0)
    transient += rng.normal(0, 5, frame) * (1 - np.exp(-times / 1.0))[:, np.newaxis, np.newaxis]
    data = np.empty((integrations, ngroups, ny, nx), np.float32)
    for number in range(integrations):
        electrons = rng.poisson(sky.rate * group_time * GAIN, transient.shape)
        ramp = np.cumsum(electrons, axis=0) / GAIN + transient
        ramp += rng.normal(0, READ_NOISE, ramp.shape) + drifts(rng, ngroups, frame)
        data[number] = ramp
    groupdq = np.zeros(data.shape, np.uint8)
    groupdq[:, [0, -1]] |= DO_NOT_USE
    scene = Scene(data, data.copy(), groupdq, np.zeros(frame, np.uint32), group_time)
    for integration in range(0, integrations, every):
        if rng.uniform() < 0.5:
            shower, primary = make_shower(rng, sky, times * 15)
            one = _in_integration(shower, integration)
            add_shower(rng, data[integration], groupdq[integration], one)
            add_hits(data[integration], groupdq[integration], primary, sky.rate, group_time)
            scene.showers.append(one)
        else:
            scene.showers += _long_shower(rng, sky, data, groupdq, integration, times)
    return scene


def _in_integration(shower: TrueShower, integration: int) -> TrueShower:
    """Return a shower that was made for times 15 times as long, as it is in an integration."""
    return replace(shower, integration=integration, onset=shower.onset / 15)


def _long_shower(
    rng: np.random.Generator,
    sky: Sky,
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    first: int,
    times: NDArray[np.float64],
) -> list[TrueShower]:
    """Add a shower that lasts for several integrations; return it as it is in each of them.

    Its signal-to-noise ratio is that of the whole: of its mean rates in all integrations.
    """
    nints, ngroups = data.shape[:2]
    group_time = float(times[1] - times[0])
    shower, _ = make_shower(rng, sky, times)
    decay = rng.uniform(2, 8) * (ngroups + 1) * group_time
    start = rng.uniform(0, times[-1])
    unit, courses = [], []
    for integration in range(first, min(nints, first + 25)):
        when = (integration - first) * (ngroups + 1) * group_time + times - start
        since = np.clip(when, 0, None)
        light = decay * (1 - np.exp(-since / decay))
        light = light - (light[0] if integration > first else 0.0)
        courses.append((integration, light))
        unit.append((light[-1] - light[1]) / (times[-1] - times[1]))
    rates = np.array(unit + [0.0] * (nints - len(unit)))
    variance = 12 * READ_NOISE**2 / ((ngroups - 2) ** 3 * group_time**2)
    variance += float(np.median(sky.rate)) / GAIN / times[-1]
    brighter = np.clip(sky.rate / np.median(sky.rate), 1, None)
    snr = float(
        np.sqrt(np.sum((rates - rates.mean()) ** 2) / variance * np.sum(shower.shape**2 / brighter))
    )
    amplitude = 10 ** rng.uniform(0.9, 1.8) / max(snr, 1e-9)
    found = []
    for integration, light in courses:
        if light[-1] < 0.1 * courses[0][1].max() and integration > first:
            break
        one = replace(
            shower,
            integration=integration,
            onset=start if integration == first else -1.0,
            light=amplitude * light,
            amplitude=amplitude,
            snr=amplitude * snr,
            has_primary=False,
            decay="several integrations",
        )
        add_shower(rng, data[integration], groupdq[integration], one)
        found.append(one)
    return found
