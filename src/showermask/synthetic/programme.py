"""A small synthetic programme: dithers of a field of stars in some filters, with showers.

Every exposure is a raw ramp that knows where it points. Some have a shower; one of the showers
fell while the detector was idle, so that its mask leaves nothing of its pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from showermask.regionfile.shower import Shower
from showermask.synthetic.ramps import RampBuilder
from showermask.synthetic.sky_references import PIXEL_SCALE, point

__all__ = ["Programme", "Star", "build_programme"]

#: Offsets of the stars in the dithers, in pixels.
_DITHERS = ((0, 0), (5, 3), (-4, 6), (3, -5))
_RA, _DEC = 10.0, 20.0
#: Rate of the sky in DN/s, and width of a star in pixels.
_SKY, _WIDTH = 20.0, 1.5
#: A shower that falls in the course of an exposure, and one that has fallen before.
_SHOWERS = (
    Shower(integration=0, group=4, x=62.0, y=30.0, a=14.0, b=11.0, theta=20.0),
    Shower(integration=0, group=0, x=30.0, y=66.0, a=12.0, b=12.0, theta=0.0),
)
#: DN of the first difference, and seconds: some DN/s in the rate, as observers tell of.
_AMPLITUDE, _DECAY = 12.0, 40.0
_EXPOSURE_TIME = 120.0 / 86400  # from the start of an exposure to that of the next, in days


@dataclass(frozen=True)
class Star:
    """A star, in pixels of the first dither."""

    x: float
    y: float
    #: DN/s of all its light.
    flux: float


@dataclass(frozen=True, kw_only=True)
class Programme:
    """A programme on disk, and what is true of it."""

    #: Folder of the raw ramps.
    data: Path
    #: Showers of each exposure, by product root; none for most.
    showers: Mapping[str, tuple[Shower, ...]]
    #: Offset of the stars in each exposure, in pixels: columns and rows.
    offsets: Mapping[str, tuple[int, int]]
    stars: tuple[Star, ...]
    image_shape: tuple[int, int]


def build_programme(
    folder: Path,
    *,
    image_shape: tuple[int, int] = (96, 104),
    ngroups: int = 10,
    filters: Sequence[str] = ("F770W", "F1000W"),
    seed: int = 0,
) -> Programme:
    """Write the raw ramps of a programme.

    Parameters
    ----------
    folder : Path
        Where they are written.
    image_shape : tuple of int, optional
        Rows and columns, 90 or more.
    ngroups : int, optional
        Groups of the ramps.
    filters : sequence of str, optional
        The filters; there are four dithers in each.
    seed : int, optional
        Seed of the noise.

    Returns
    -------
    Programme
        The programme. The second exposure of each filter has a shower that falls in its course, the
        third one that has fallen before.
    """
    ny, nx = image_shape
    stars = (
        Star(0.3 * nx, 0.42 * ny, 400.0),
        Star(0.67 * nx, 0.62 * ny, 900.0),
        Star(0.5 * nx, 0.78 * ny, 600.0),
    )
    folder.mkdir(parents=True, exist_ok=True)
    showers: dict[str, tuple[Shower, ...]] = {}
    offsets: dict[str, tuple[int, int]] = {}
    count = 0
    for activity, name in enumerate(filters, 1):
        for number, (dx, dy) in enumerate(_DITHERS, 1):
            root = f"jw01234001001_0210{activity}_{number:05d}_mirimage"
            offsets[root] = dx, dy
            showers[root] = {2: _SHOWERS[:1], 3: _SHOWERS[1:]}.get(number, ())
            builder = RampBuilder(
                ngroups=ngroups,
                ny=ny,
                nx=nx,
                rate=_field(image_shape, stars, dx, dy),
                readnoise=3.0,
                pedestal=1000.0,
                seed=seed + count,
            )
            for shower in showers[root]:
                builder = builder.add_glow(shower, amplitude=_AMPLITUDE, decay=_DECAY)
            _write(builder, folder / f"{root}_uncal.fits", name, count, (dx, dy))
            count += 1
    return Programme(
        data=folder, showers=showers, offsets=offsets, stars=stars, image_shape=image_shape
    )


def _field(
    image_shape: tuple[int, int], stars: Sequence[Star], dx: int, dy: int
) -> NDArray[np.float64]:
    """Return the rate of the field in DN/s."""
    y, x = np.mgrid[: image_shape[0], : image_shape[1]]
    rate = np.full(image_shape, _SKY)
    for star in stars:
        squared = (x - star.x - dx) ** 2 + (y - star.y - dy) ** 2
        rate += star.flux / (2 * np.pi * _WIDTH**2) * np.exp(-squared / 2 / _WIDTH**2)
    return rate


def _write(
    builder: RampBuilder, path: Path, filter_name: str, number: int, offset: tuple[int, int]
) -> None:
    dx, dy = offset
    model = builder.raw_model(subarray="FULL", readpatt="FASTR1")
    # A star that lies further right is seen by a telescope that points further left, and so on.
    ra = _RA + dx * PIXEL_SCALE / 3600 / np.cos(np.radians(_DEC))
    point(model, ra, _DEC - dy * PIXEL_SCALE / 3600)
    meta = model.meta
    meta.instrument.filter = filter_name
    meta.observation.program_number = "01234"
    meta.observation.observation_number = meta.observation.visit_number = "001"
    start = meta.exposure.start_time + number * _EXPOSURE_TIME
    duration = meta.exposure.exposure_time / 86400
    meta.exposure.start_time = start
    meta.exposure.mid_time, meta.exposure.end_time = start + duration / 2, start + duration
    model.save(str(path))
    model.close()
