"""The sky: background, stars, galaxies, nebulae and what glows steadily.

The point-spread function is a Gaussian core with the wings of a Moffat function, 2 to 6 pixels wide
(FWHM of F560W to F2550W: 1.9 to 7.3 pixels, JDox). Numbers of sources are guesses.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

_WINGS = 0.15
_REACH = 60  # pixels


@dataclass
class Sky:
    """A sky and its sources.

    Parameters
    ----------
    rate : `numpy.ndarray`
        ``(ny, nx)`` in DN/s.
    flat : float or `numpy.ndarray`
        Response of the pixels.
    sigma : float
        Of the core of the point-spread function, in pixels.
    stars : list of tuple
        Row, column and flux (DN/s) of each star.
    extended : list of tuple
        Kind, row, column and radius of what is no star.
    """

    rate: NDArray[np.float64]
    sigma: float
    flat: float | NDArray[np.float64] = 1.0
    stars: list[tuple[float, float, float]] = field(default_factory=list)
    extended: list[tuple[str, float, float, float]] = field(default_factory=list)


def box_around(y: float, x: float, reach: float, frame: tuple[int, int]) -> tuple[slice, slice]:
    """Return the rows and columns within reach of a place."""
    rows, columns = (
        slice(max(0, int(c - reach)), max(0, min(size, int(c + reach) + 1)))
        for c, size in zip((y, x), frame, strict=True)
    )
    return rows, columns


def add_star(image: NDArray[np.floating], y: float, x: float, flux: float, sigma: float) -> None:
    """Add a point source; its flux is the sum of all its pixels."""
    rows, columns = box_around(y, x, _REACH, image.shape)  # type: ignore[arg-type]
    r2 = (np.arange(rows.start, rows.stop)[:, np.newaxis] - y) ** 2 + (
        np.arange(columns.start, columns.stop) - x
    ) ** 2
    core = np.exp(-r2 / (2 * sigma**2)) / (2 * np.pi * sigma**2)
    wing = 10 * sigma**2
    wings = (1 + r2 / wing) ** -1.7 * 0.7 / (np.pi * wing)
    image[rows, columns] += flux * ((1 - _WINGS) * core + _WINGS * wings)


def make_sky(
    rng: np.random.Generator, frame: tuple[int, int], *, is_crowded: bool, zoo: bool
) -> Sky:
    """Return the true rate: background with a gradient, sources, and a nebula now and then."""
    ny, nx = frame
    area = ny * nx / (1024 * 1032)
    y, x = np.mgrid[0:ny, 0:nx]
    level = 10 ** rng.uniform(np.log10(4), np.log10(30))
    rate = level * (1 + 0.1 * (x / nx - 0.5) + 0.1 * (y / ny - 0.5))
    sky = Sky(rate=rate, sigma=float(rng.uniform(0.9, 2.4)))
    if is_crowded:
        for _ in range(rng.poisson(120 * area)):
            star = rng.uniform(0, ny), rng.uniform(0, nx), 10 ** rng.uniform(1.0, 4.6)
            sky.stars.append(star)
            add_star(rate, *star, sky.sigma)
        for _ in range(rng.poisson(10 * area)):
            _add_galaxy(rng, sky)
    if zoo and rng.uniform() < 0.3:
        _add_nebula(rng, sky)
    if zoo and rng.uniform() < 0.4:
        _add_glow_stick(rng, sky)
    sky.flat = rng.normal(1, 0.01, frame)
    return sky


def _add_galaxy(rng: np.random.Generator, sky: Sky) -> None:
    ny, nx = sky.rate.shape
    sy, sx, size = rng.uniform(0, ny), rng.uniform(0, nx), 10 ** rng.uniform(0.4, 1.6)
    ratio, angle = rng.uniform(0.3, 0.9), rng.uniform(0, np.pi)
    box = box_around(sy, sx, 7 * size, (ny, nx))
    v, u = np.mgrid[box]
    u, v = u - sx, v - sy
    u, v = u * np.cos(angle) + v * np.sin(angle), (v * np.cos(angle) - u * np.sin(angle)) / ratio
    sky.rate[box] += 10 ** rng.uniform(0.5, 2.3) * np.exp(-np.hypot(u, v) / size)
    sky.extended.append(("galaxy", sy, sx, 3 * size))


def _add_nebula(rng: np.random.Generator, sky: Sky) -> None:
    """Add structure of all scales, and an edge."""
    shape = sky.rate.shape
    noise = sum(
        s * gaussian_filter(rng.normal(0, 1, shape), s, mode="wrap") * s for s in (4, 12, 36)
    )
    noise = np.asarray(noise)
    structure = np.exp(noise / noise.std())
    sky.rate += structure * rng.uniform(0.1, 0.6) * np.median(sky.rate)
    sky.extended.append(("nebula", shape[0] / 2, shape[1] / 2, max(shape) / 2))


def _add_glow_stick(rng: np.random.Generator, sky: Sky) -> None:
    """Add a bar of stray light, as the coronagraphs' edges have (Boccaletti et al. 2022)."""
    ny, nx = sky.rate.shape
    cy, cx, length = rng.uniform(0, ny), rng.uniform(0, nx), rng.uniform(40, 150)
    y, x = np.mgrid[0:ny, 0:nx]
    angle = rng.normal(0, 0.1)
    u = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
    v = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
    bar = np.exp(-((v / rng.uniform(2, 6)) ** 2)) / (1 + np.exp((np.abs(u) - length) / 6))
    sky.rate += rng.uniform(0.5, 4) * np.median(sky.rate) * bar
    sky.extended.append(("glow stick", cy, cx, length))
