"""What looks like a shower and is none.

Each confuser is added to a ramp or to the charge of its groups, and noted with its place. How often
and how strong: guesses, unless a source is named.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, convolve, gaussian_filter, shift, uniform_filter

from scenes.detector import FULL_WELL, SATURATED, Hit, track
from scenes.sky import Sky, add_star, box_around

#: Charge that moves to a neighbour for each DN of contrast, as a part of the rate. With it a pixel
#: 40,000 DN above its neighbours loses a tenth (Argyriou et al. 2023, A&A 680, A96: MIRI's
#: brighter-fatter effect broadens bright sources by 10 to 25 per cent).
_BRIGHTER_FATTER = 2.5e-6
_SPILLED = (0.05, 0.4)


@dataclass(frozen=True)
class Confuser:
    """Something that may be taken for a shower: what, where and when.

    Parameters
    ----------
    kind : str
        One of ``saturation``, ``mover``, ``latent``, ``jitter`` …
    x, y, radius : float
        Its place in pixels.
    group : int
        When it begins.
    """

    kind: str
    x: float
    y: float
    radius: float
    group: int = 0


def _count(rng: np.random.Generator, mean: float, frame: tuple[int, int]) -> int:
    """Return how many there are in a frame, of so many in a full one on average."""
    return int(rng.poisson(mean * frame[0] * frame[1] / (1024 * 1032)))


def expected_charge(
    rng: np.random.Generator,
    sky: Sky,
    times: NDArray[np.float64],
    *,
    zoo: float,
) -> tuple[NDArray[np.float32], list[Confuser]]:
    """Return the light of each group in DN, ``(ngroups, ny, nx)``: sky, jitter, moving targets."""
    ngroups, group_time = len(times), float(times[1] - times[0])
    frame = sky.rate.shape
    light = np.empty((ngroups, *frame), np.float32)
    light[:] = sky.rate * group_time
    found: list[Confuser] = []
    if not zoo:
        light *= np.float32(sky.flat)
        return light, found
    area = zoo * frame[0] * frame[1] / (1024 * 1032)
    if rng.uniform() < 0.33:
        found += _jitter(rng, sky, light, group_time)
    for _ in range(rng.poisson(7 * area)):
        found.append(_mover(rng, sky, light, group_time))
    for _ in range(rng.poisson(3 * area)):
        found.append(_variable(rng, sky, light, group_time))
    light *= np.float32(sky.flat)
    for _ in range(rng.poisson(10 * area)):
        found.append(_hot_pixel(rng, light))
    return light, found


def _hot_pixel(rng: np.random.Generator, light: NDArray[np.float32]) -> Confuser:
    """Add a pixel that is so hot that it saturates within the ramp."""
    ngroups, ny, nx = light.shape
    y, x = int(rng.integers(1, ny - 1)), int(rng.integers(1, nx - 1))
    light[:, y, x] += FULL_WELL / rng.uniform(0.05, 1.2) / ngroups
    return Confuser("saturation", x, y, 8)


def _jitter(
    rng: np.random.Generator, sky: Sky, light: NDArray[np.float32], group_time: float
) -> list[Confuser]:
    """Shift the sky in each group by 0.02 to 0.3 pixels: at random, or in a step."""
    ngroups = len(light)
    size = 10 ** rng.uniform(np.log10(0.02), np.log10(0.3))
    shifts = rng.normal(0, size, (ngroups, 2))
    if rng.uniform() < 0.4:
        shifts = 0.2 * shifts
        shifts[rng.integers(2, ngroups) :] += rng.normal(0, size, 2)
    smooth = np.clip(sky.rate, 0, None)
    for image, step in zip(light, shifts, strict=True):
        image[:] = group_time * shift(smooth, step, order=3, mode="nearest")
    bright = [s for s in sky.stars if s[2] > 300]
    return [Confuser("jitter", x, y, 10) for y, x, _ in bright]


def _mover(
    rng: np.random.Generator, sky: Sky, light: NDArray[np.float32], group_time: float
) -> Confuser:
    """Add a moving target of 0.02 to 15 pixels a group, a point or wider (guesses)."""
    ngroups, ny, nx = light.shape
    y, x = rng.uniform(0, ny), rng.uniform(0, nx)
    speed, angle = 10 ** rng.uniform(-1.7, 1.2), rng.uniform(0, 2 * np.pi)
    sigma = sky.sigma * (rng.uniform(1.2, 3.0) if rng.uniform() < 0.2 else 1.0)
    # As bright as showers: what a pixel has of it while it passes goes with one over the speed.
    flux = 10 ** rng.uniform(0.9, 2.8) * max(0.5, speed) ** 0.5
    middle = rng.integers(0, ngroups)
    parts = max(3, int(np.ceil(speed / sigma)))  # it moves within a group
    for k, image in enumerate(light):
        for part in (np.arange(parts) + 0.5) / parts - 0.5:
            t = k - middle + part
            at = y + speed * t * np.sin(angle), x + speed * t * np.cos(angle)
            if all(-20 < p < size + 20 for p, size in zip(at, (ny, nx), strict=True)):
                add_star(image, *at, flux * group_time / parts, sigma)
    reach = 4 * sigma + speed * ngroups
    return Confuser("mover", x, y, min(reach, 60.0))


def _variable(
    rng: np.random.Generator, sky: Sky, light: NDArray[np.float32], group_time: float
) -> Confuser:
    """Add a star that changes slowly."""
    ngroups, ny, nx = light.shape
    y, x, flux = rng.uniform(0, ny), rng.uniform(0, nx), 10 ** rng.uniform(1.5, 3)
    t = np.linspace(0, 1, ngroups)
    if rng.uniform() < 0.2:  # a flare
        since = t - rng.uniform(0, 0.9)
        course = 1 + rng.uniform(0.1, 1) * np.where(
            since > 0, np.exp(-np.clip(since, 0, None) / rng.uniform(0.05, 0.5)), 0
        )
    else:
        wave = t * rng.uniform(0.2, 2) + rng.uniform()
        course = 1 + rng.uniform(0.05, 0.5) * np.sin(2 * np.pi * wave)
    for factor, image in zip(course, light, strict=True):
        add_star(image, y, x, flux * group_time * factor, sky.sigma)
    return Confuser("variable", x, y, 5 * sky.sigma)


def move_charge(charge: NDArray[np.float32]) -> None:
    """Let bright pixels lose to their neighbours as their contrast builds up; in place.

    Only around bright pixels: elsewhere nothing moves.
    """
    total = charge.sum(axis=0)
    bright = binary_dilation(total > 3000, np.ones((3, 3), bool), iterations=2)
    if not bright.any():
        return
    built = np.zeros(charge.shape[1:], np.float32)
    cross = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32)
    rows, columns = (slice(w.min(), w.max() + 1) for w in np.nonzero(bright))
    built, inside = built[rows, columns], bright[rows, columns]
    for group in range(len(charge)):
        image = charge[group, rows, columns]
        contrast = convolve(built, cross, mode="nearest") - 4 * built  # of neighbours
        moved = _BRIGHTER_FATTER * contrast * uniform_filter(image, 3)
        image += np.where(inside, moved, 0).astype(np.float32)
        built += image


def saturate(
    rng: np.random.Generator, ramp: NDArray[np.float32], groupdq: NDArray[np.uint8], sky: Sky
) -> list[Confuser]:
    """Clip the ramp at full well, let part of what is above spill, and flag it; in place."""
    found = []
    peak = ramp[-1] > FULL_WELL
    if not peak.any():
        return []
    part = rng.uniform(*_SPILLED)
    reach = np.hypot(*np.mgrid[-6:7, -6:7])
    kernel = np.exp(-reach / rng.uniform(0.6, 1.6)).astype(np.float32)
    kernel[6, 6] = 0
    kernel /= kernel.sum()
    near = binary_dilation(peak, iterations=8)
    rows, columns = (slice(w.min(), w.max() + 1) for w in np.nonzero(near))
    for group in range(len(ramp)):
        image = ramp[group, rows, columns]
        before = groupdq[group - 1, rows, columns] & SATURATED if group else 0
        above = np.clip(image - FULL_WELL, 0, None)
        image -= above
        image += np.float32(part) * convolve(above, kernel, mode="constant")
        np.minimum(image, np.float32(FULL_WELL), out=image)
        is_full = (image >= FULL_WELL * 0.999) | (before > 0)
        groupdq[group, rows, columns][is_full] |= SATURATED
    for y, x, flux in sky.stars:
        iy, ix = int(np.clip(y, 0, ramp.shape[1] - 1)), int(np.clip(x, 0, ramp.shape[2] - 1))
        box = box_around(iy, ix, 3, ramp.shape[1:])
        flagged = (groupdq[:, *box] & SATURATED).any(axis=(1, 2))
        if flagged.any():
            found.append(Confuser("saturation", x, y, 8 + flux**0.25, int(np.argmax(flagged))))
    return found


def add_latents(
    rng: np.random.Generator,
    ramp: NDArray[np.float32],
    times: NDArray[np.float64],
    sigma: float,
    *,
    mean: float = 18.0,
) -> list[Confuser]:
    """Add what sources of earlier exposures have left: compact, from the first group on."""
    ny, nx = ramp.shape[1:]
    found = []
    for _ in range(_count(rng, mean, (ny, nx))):
        y, x = rng.uniform(0, ny), rng.uniform(0, nx)
        spot = np.zeros((ny, nx), np.float32)
        width = sigma * 10 ** rng.uniform(-0.1, 0.65)  # those of bright sources are wide
        add_star(spot, y, x, 1.0, width)
        if rng.uniform() < 0.4:  # of a saturated star: its core as flat as it is bright
            spot = spot / spot.max()
            spot = np.minimum(spot, 10 ** rng.uniform(-1.5, 0))
            spot /= spot.sum()
        tau = 10 ** rng.uniform(1, 2.5) * (times[1] - times[0]) / 2.775
        # Now and then a deficit, as MIRI's persistence has (Dicken et al. 2024, A&A 689, A5).
        sign = -1 if rng.uniform() < 0.15 else 1
        light = sign * 10 ** rng.uniform(1.8, 3.6) * (1 - np.exp(-times / tau))
        light *= max(1.0, width / (2.6 * sigma))  # by no means as faint as they are wide
        box = box_around(y, x, max(12 * sigma, 5 * width), (ny, nx))
        ramp[:, *box] += light.astype(np.float32)[:, np.newaxis, np.newaxis] * spot[box]
        found.append(Confuser("latent", x, y, max(5 * sigma, 2 * width)))
    return found


def add_reset(
    rng: np.random.Generator,
    ramp: NDArray[np.float32],
    times: NDArray[np.float64],
    *,
    zoo: float,
) -> list[Confuser]:
    """Add what follows a reset: all over, smooth; and a few regions where it is stronger."""
    ny, nx = ramp.shape[1:]
    y, x = np.mgrid[0:ny, 0:nx]
    amplitude = rng.normal(0, 15) * (1 + 0.3 * rng.normal() * (y / ny - 0.5))
    fading = 1 - np.exp(-times / rng.uniform(5, 15))
    found = []
    for _ in range(_count(rng, 2 * zoo, (ny, nx))):
        cy, cx, size = rng.uniform(0, ny), rng.uniform(0, nx), 10 ** rng.uniform(1.2, 2.3)
        amplitude = amplitude + rng.normal(0, 3) * np.exp(
            -((y - cy) ** 2 + (x - cx) ** 2) / (2 * size**2)
        )
        found.append(Confuser("reset", cx, cy, size))
    ramp += (fading[:, np.newaxis, np.newaxis] * amplitude).astype(np.float32)
    return found


def long_tracks(
    rng: np.random.Generator, ngroups: int, frame: tuple[int, int], zoo: float
) -> list[Hit]:
    """Return hits that graze the detector: rare, long and bright."""
    ny, nx = frame
    return [
        track(
            rng,
            int(rng.integers(1, ngroups - 2)),
            rng.uniform(0, ny),
            rng.uniform(0, nx),
            frame,
            length=rng.uniform(5, 40),
            charge=10 ** rng.uniform(2.7, 4.2),
        )
        for _ in range(_count(rng, 20 * zoo, frame))
    ]


def add_afterglow(
    rng: np.random.Generator, ramp: NDArray[np.float32], several: list[Hit], group_time: float
) -> list[Confuser]:
    """Let bright hits leave a tail of 0.5 to 5 per cent of their charge in their own pixels."""
    found = []
    for hit in several:
        if hit.charge.size == 0 or hit.charge.sum() < 1000 or rng.uniform() > 0.4:
            continue
        tau, part = 10 ** rng.uniform(0.7, 2), 10 ** rng.uniform(-2.0, -0.7)
        since = group_time * np.arange(len(ramp) - hit.group)
        tail = (part * (1 - np.exp(-since / tau))).astype(np.float32)
        # Charge diffuses: the tail is a little wider than the track.
        box = box_around(
            float(hit.rows.mean()), float(hit.columns.mean()), np.ptp(hit.rows) + 12, ramp.shape[1:]
        )
        if hit.rows.min() < box[0].start or hit.rows.max() >= box[0].stop:
            continue
        image = np.zeros([part.stop - part.start for part in box], np.float32)
        inside = (hit.columns >= box[1].start) & (hit.columns < box[1].stop)
        image[hit.rows[inside] - box[0].start, hit.columns[inside] - box[1].start] = hit.charge[
            inside
        ]
        image = gaussian_filter(image, rng.uniform(0.01, 1.2))
        ramp[hit.group :, *box] += tail[:, np.newaxis, np.newaxis] * image
        x, y = float(hit.columns.mean()), float(hit.rows.mean())
        reach = 3 + float(max(np.ptp(hit.rows), np.ptp(hit.columns))) / 2
        found.append(Confuser("afterglow", x, y, reach, hit.group))
    return found


def add_row_drifts(
    rng: np.random.Generator, ramp: NDArray[np.float32], zoo: float
) -> list[Confuser]:
    """Let parts of a few rows step for some groups."""
    ngroups, ny, nx = ramp.shape
    found = []
    for _ in range(_count(rng, 3 * zoo, (ny, nx))):
        row, height = int(rng.integers(4, ny - 8)), int(rng.integers(1, 5))
        first = int(rng.integers(0, nx // 2))
        last = min(nx, first + int(rng.integers(nx // 4, nx)))
        group, length = int(rng.integers(2, ngroups - 3)), int(rng.integers(3, 12))
        ramp[group : group + length, row : row + height, first:last] += np.float32(rng.normal(0, 4))
        found.append(Confuser("row drift", (first + last) / 2, row, (last - first) / 2, group))
    return found


def add_telegraph(
    rng: np.random.Generator, ramp: NDArray[np.float32], zoo: float
) -> list[Confuser]:
    """Add small clusters of pixels whose dark current switches between two levels."""
    ngroups, ny, nx = ramp.shape
    found = []
    for _ in range(_count(rng, 8 * zoo, (ny, nx))):
        y, x = int(rng.integers(3, ny - 3)), int(rng.integers(3, nx - 3))
        state = np.cumsum(rng.uniform(size=ngroups) < 0.1) % 2
        image = rng.exponential(20, (3, 3)) * (rng.uniform(size=(3, 3)) < 0.6)
        course = np.cumsum(state)[:, np.newaxis, np.newaxis]
        ramp[:, y - 1 : y + 2, x - 1 : x + 2] += (course * image).astype(np.float32)
        found.append(Confuser("telegraph", x, y, 4))
    return found


def add_emi(rng: np.random.Generator, ramp: NDArray[np.float32]) -> None:
    """Add a faint periodic pattern along the read-out (390 Hz of MIRI's subarrays, JDox)."""
    ngroups, ny, nx = ramp.shape
    period = rng.uniform(15, 80) * nx
    for group in range(ngroups):
        phase = rng.uniform(0, 2 * np.pi)
        reads = np.arange(ny * nx, dtype=np.float32).reshape(ny, nx)
        ramp[group] += np.float32(rng.uniform(0.2, 1)) * np.sin(
            2 * np.pi * reads / period + phase
        ).astype(np.float32)
