"""The detector: noise, drifts, ordinary hits and bad pixels of MIRI ramps.

Gain 4 e-/DN, read noise 6 DN, group times 2.775 s (FASTR1) and 23.89 s (SLOWR1), four output
amplifiers and four reference columns at each side are MIRI's (JDox). Hits: 15 to 28 a second on an
array (Rauscher & Fixsen 2025, PASP 137, 095003); their shapes are those of SCASim's library where
it is at hand, else tracks. Sizes of drifts are guesses after MIRI's published images.
"""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

GAIN = 4.0  # e-/DN
READ_NOISE = 6.0  # DN
FASTR1, SLOWR1 = 2.775, 23.89  # s
FULL_WELL = 55000.0  # DN
DO_NOT_USE, SATURATED, JUMP_DET = 1, 2, 4
REFERENCE_PIXEL = np.uint32(1 << 31)
JUMP_SIGMAS = 4.0  # what JumpStep finds of ordinary hits
HITS_PER_SECOND = 22.0  # on 1024 x 1032 pixels

_REFERENCE_COLUMNS = 4
_DARK_CURRENT = 0.12  # e-/s at 6.7 K (MiriTE, dark_currentIM)


@dataclass(frozen=True)
class Hit:
    """An ordinary cosmic ray: the group that it comes in, its pixels, and their charge in DN."""

    group: int
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    charge: NDArray[np.float64]


def real_data() -> Path | None:
    """Return the folder with flight and test data (SHOWERMASK_REALDATA), if there is one."""
    folder = os.environ.get("SHOWERMASK_REALDATA")
    return Path(folder) if folder and Path(folder).is_dir() else None


def drifts(rng: np.random.Generator, ngroups: int, frame: tuple[int, int]) -> NDArray[np.float32]:
    """Return drifts of frames, rows and the four column channels in DN."""
    ny, nx = frame
    frames = np.cumsum(rng.normal(0, 0.7, (ngroups, 1, 1)), axis=0) + rng.normal(
        0, 1.0, (ngroups, 1, 1)
    )
    rows = gaussian_filter(rng.normal(0, 1.2, (ngroups, ny, 1)), (0, 1.5, 0))
    channels = np.tile(rng.normal(0, 0.5, (ngroups, 1, 4)), (1, 1, nx // 4 + 1))[:, :, :nx]
    total: NDArray[np.float32] = (frames + rows + channels).astype(np.float32)
    return total


def hits(
    rng: np.random.Generator, ngroups: int, frame: tuple[int, int], group_time: float
) -> list[Hit]:
    """Return ordinary cosmic rays."""
    ny, nx = frame
    count = rng.poisson(HITS_PER_SECOND * group_time * ny * nx / (1024 * 1032) * ngroups)
    library = _hit_library()
    found = []
    for _ in range(count):
        group, y, x = int(rng.integers(1, ngroups)), rng.uniform(0, ny), rng.uniform(0, nx)
        if library is None:
            length, charge = rng.exponential(2.0), 10 ** rng.uniform(1.2, 4.0)
            found.append(track(rng, group, y, x, frame, length=length, charge=charge))
        else:
            found.append(_from_library(library[rng.integers(len(library))], group, y, x, frame))
    return found


def track(
    rng: np.random.Generator,
    group: int,
    y: float,
    x: float,
    frame: tuple[int, int],
    *,
    length: float,
    charge: float,
) -> Hit:
    """Return a straight track."""
    angle = rng.uniform(0, np.pi)
    along = np.linspace(0, length, int(length) + 2)
    rows = np.rint(y + along * np.sin(angle)).astype(np.intp)
    columns = np.rint(x + along * np.cos(angle)).astype(np.intp)
    inside = (rows >= 0) & (rows < frame[0]) & (columns >= 0) & (columns < frame[1])
    of_pixels = charge * rng.uniform(0.3, 1, inside.sum())
    return Hit(group, rows[inside], columns[inside], of_pixels)


@cache
def _hit_library() -> NDArray[np.float32] | None:
    """Return simulated hits of ions on MIRI's 35 um Si:As in electrons (SCASim), if at hand."""
    folder = real_data()
    if folder is None or not (folder / "miri/CRs_SiAs_35.zip").exists():
        return None
    with zipfile.ZipFile(folder / "miri/CRs_SiAs_35.zip") as packed:
        names = [n for n in packed.namelist() if "SUNMIN" in n and n.endswith(".fits")][:4]
        images = []
        for name in names:
            with fits.open(io.BytesIO(packed.read(name))) as hdus:
                images.append(next(np.array(h.data, np.float32) for h in hdus if _is_cube(h)))
    return np.concatenate(images) if images else None


def _is_cube(hdu: fits.hdu.base._BaseHDU) -> bool:
    return hdu.data is not None and getattr(hdu.data, "ndim", 0) == 3


def _from_library(
    image: NDArray[np.float32], group: int, y: float, x: float, frame: tuple[int, int]
) -> Hit:
    rows, columns = np.nonzero(image > READ_NOISE * GAIN / 2)
    charge = image[rows, columns].astype(float) / GAIN
    rows, columns = rows + int(y) - image.shape[0] // 2, columns + int(x) - image.shape[1] // 2
    inside = (rows >= 0) & (rows < frame[0]) & (columns >= 0) & (columns < frame[1])
    return Hit(group, rows[inside], columns[inside], charge[inside])


def add_hits(
    ramp: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    several: list[Hit],
    rate: NDArray[np.float64],
    group_time: float,
) -> None:
    """Add hits, and flag the pixels that the jump step would find."""
    for hit in several:
        ramp[hit.group :, hit.rows, hit.columns] += hit.charge.astype(np.float32)
        photons = np.clip(rate[hit.rows, hit.columns], 0, None) * group_time / GAIN
        is_found = hit.charge > JUMP_SIGMAS * np.sqrt(2 * READ_NOISE**2 + photons)
        groupdq[hit.group, hit.rows[is_found], hit.columns[is_found]] |= JUMP_DET


def flag_jumps(
    ramp: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    box: tuple[slice, slice],
) -> None:
    """Flag what the jump step would in a box where there is a shower: it knows no showers."""
    steps = np.diff(ramp[:, *box], axis=0)
    usual = np.median(steps, axis=0)
    noise = np.sqrt(2 * READ_NOISE**2 + np.clip(usual, 0, None) / GAIN)
    groupdq[1:, *box][steps - usual > JUMP_SIGMAS * noise] |= JUMP_DET


def add_bad_pixels(
    rng: np.random.Generator, ramp: NDArray[np.float32], pixeldq: NDArray[np.uint32]
) -> None:
    """Add dead pixels, which are flagged, and noisy and unstable ones that nobody knows of."""
    ngroups, ny, nx = ramp.shape
    known = _known_bad_pixels()
    if known is not None:
        pixeldq[known[:ny, :nx]] |= DO_NOT_USE
    count = ny * nx // 500
    rows, columns = rng.integers(0, ny, count), rng.integers(0, nx, count)
    third = count // 3
    pixeldq[rows[:third], columns[:third]] |= DO_NOT_USE
    noisy = slice(third, 2 * third)
    ramp[:, rows[noisy], columns[noisy]] += rng.normal(0, 40, (ngroups, third)).astype(np.float32)
    unstable = slice(2 * third, 3 * third)
    steps = rng.exponential(30, third) * rng.integers(0, 2, (ngroups, third))
    ramp[:, rows[unstable], columns[unstable]] += np.cumsum(steps, axis=0).astype(np.float32)
    if nx >= 1032:
        pixeldq[:, :_REFERENCE_COLUMNS] |= REFERENCE_PIXEL
        pixeldq[:, -_REFERENCE_COLUMNS:] |= REFERENCE_PIXEL
        for edge in (slice(0, _REFERENCE_COLUMNS), slice(nx - _REFERENCE_COLUMNS, nx)):
            noise = rng.normal(0, READ_NOISE, ramp[..., edge].shape)
            ramp[..., edge] = noise.astype(np.float32)


@cache
def _known_bad_pixels() -> NDArray[np.bool_] | None:
    """Return the bad pixels of the imager: CDP-7's mask and MiriTE's map, if at hand."""
    folder = real_data()
    mask = folder / "miri/MIRI_FM_MIRIMAGE_MASK_07.02.01.fits.gz" if folder else None
    if mask is None or not mask.exists():
        return None
    with fits.open(mask) as hdus:
        bad: NDArray[np.bool_] = (_image(hdus).astype(np.uint32) & DO_NOT_USE) > 0
    others = _packed_image("bad_pixelsIM")
    return bad if others is None else bad | (others > 0)


@cache
def dark_rate() -> NDArray[np.float32] | None:
    """Return the dark current of the imager in DN/s, with its hot pixels (MiriTE), if at hand."""
    factor = _packed_image("dark_mapIM")
    return None if factor is None else (_DARK_CURRENT / GAIN * factor).astype(np.float32)


def _packed_image(name: str) -> NDArray[np.generic] | None:
    folder = real_data()
    if folder is None or not (folder / f"miri/{name}.zip").exists():
        return None
    with zipfile.ZipFile(folder / f"miri/{name}.zip") as packed:
        content = packed.read(f"{name}.fits")
    with fits.open(io.BytesIO(content)) as hdus:
        return _image(hdus)


def _image(hdus: fits.HDUList) -> NDArray[np.generic]:
    return next(np.array(h.data) for h in hdus if getattr(h.data, "ndim", 0) == 2)
