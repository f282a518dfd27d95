"""Synthetic MIRI ramps with showers, built step by step.

>>> builder = RampBuilder(ngroups=10, ny=32, nx=32).add_glow(shower, amplitude=40.0, decay=20.0)
>>> ramp = builder.array()

A glow adds ``amplitude`` DN to the difference of its first group, less by ``exp(-t / decay)``
later, and nothing outside its ellipse. A shower that hits while the detector is idle is one whose
first group is 0. Shape and decay are guesses; no measured ones are published.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from showermask.regionfile.shower import Shower

__all__ = ["Glow", "RampBuilder"]

_DO_NOT_USE = 1


@dataclass(frozen=True, kw_only=True)
class Glow:
    """The light of one shower."""

    #: Where it is, and when it begins.
    shower: Shower
    #: DN in the difference of the first group, at the centre.
    amplitude: float
    #: Decay time in s.
    decay: float
    #: Whether the glow is as bright at the edge of its ellipse as at the centre, rather than
    #: fading to nothing there.
    is_flat: bool = False

    def profile(self, rows: slice, columns: slice) -> NDArray[np.float64]:
        """Return the brightness in a box of the frame, 1 at the centre, 0 outside the ellipse."""
        ellipse = self.shower.ellipse
        inside = ellipse.inside(rows, columns).astype(np.float64)
        if self.is_flat:
            return inside
        y = np.arange(rows.start, rows.stop, dtype=float)[:, np.newaxis]
        x = np.arange(columns.start, columns.stop, dtype=float)
        radius = ellipse.radius(x, y)
        faded: NDArray[np.float64] = inside * np.sqrt(np.clip(1 - radius**2, 0, 1))
        return faded

    def counts(self, ngroups: int, group_time: float) -> NDArray[np.float64]:
        """Return the accumulated counts at the centre in DN, from the first group on."""
        times = group_time * np.arange(ngroups - self.shower.group)
        return np.cumsum(self.amplitude * np.exp(-times / self.decay))


@dataclass(frozen=True, kw_only=True)
class RampBuilder:
    """A ramp in the making; each ``add_`` returns a new builder."""

    #: Shape of the ramp.
    nints: int = 1
    ngroups: int
    ny: int
    nx: int
    #: Time between groups in s; MIRI's FASTR1 full frame by default (JDox).
    group_time: float = 2.775
    #: True rate in DN/s: of every pixel, or an image.
    rate: float | NDArray[np.float64] = 10.0
    #: Level of the first group in DN, above what the rate gives.
    pedestal: float = 0.0
    #: Electrons per DN, for the photon noise.
    gain: float = 4.0
    #: Read noise of one group in DN; 0 for ramps without any noise.
    readnoise: float = 0.0
    #: Seed of the noise.
    seed: int = 0
    #: The showers.
    glows: tuple[Glow, ...] = ()

    def add_glow(
        self, shower: Shower, *, amplitude: float, decay: float, is_flat: bool = False
    ) -> RampBuilder:
        """Add the glow of a shower; see `Glow`."""
        glow = Glow(shower=shower, amplitude=amplitude, decay=decay, is_flat=is_flat)
        return replace(self, glows=(*self.glows, glow))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the ramp, ``(nints, ngroups, ny, nx)``."""
        return self.nints, self.ngroups, self.ny, self.nx

    def array(self) -> NDArray[np.float32]:
        """Return the ramp in DN, ``(nints, ngroups, ny, nx)`` float32."""
        rng = np.random.default_rng(self.seed)
        ramp = np.broadcast_to(np.asarray(self.rate) * self.group_time, self.shape).astype(float)
        if self.readnoise:
            ramp = rng.poisson(ramp * self.gain) / self.gain
        ramp = np.cumsum(ramp, axis=1) + self.pedestal
        for glow in self.glows:
            rows, columns = glow.shower.ellipse.box((self.ny, self.nx))
            counts = glow.counts(self.ngroups, self.group_time)
            light = counts[:, np.newaxis, np.newaxis] * glow.profile(rows, columns)
            ramp[glow.shower.integration, glow.shower.group :, rows, columns] += light
        if self.readnoise:
            ramp += rng.normal(0.0, self.readnoise, self.shape)
        return ramp.astype(np.float32)

    def group_dq(self) -> NDArray[np.uint8]:
        """Return a group DQ as MIRI ramps have it after ``lastframe`` and ``rscd``, uint8."""
        flags = np.zeros(self.shape, np.uint8)
        flags[:, [0, -1]] = _DO_NOT_USE
        return flags

    def model(self, *, subarray: str = "SUB128", readpatt: str = "FASTR1") -> Any:
        """Return the ramp as ``jump`` leaves it."""
        from stdatamodels.jwst import datamodels

        model = datamodels.RampModel(data=self.array(), groupdq=self.group_dq())
        self.describe(model, subarray=subarray, readpatt=readpatt)
        for step in ("dq_init", "saturation", "linearity", "jump"):
            setattr(model.meta.cal_step, step, "COMPLETE")
        return model

    def raw_model(self, *, subarray: str = "SUB128", readpatt: str = "FASTR1") -> Any:
        """Return the ramp as it comes from the telescope."""
        from stdatamodels.jwst import datamodels

        model = datamodels.Level1bModel(data=np.rint(self.array()).astype(np.uint16))
        self.describe(model, subarray=subarray, readpatt=readpatt)
        return model

    def describe(self, model: Any, *, subarray: str, readpatt: str) -> None:
        """Fill in the keywords of a model that has the shape of the ramp."""
        meta = model.meta
        meta.telescope = "JWST"
        meta.instrument.name = "MIRI"
        meta.instrument.detector = "MIRIMAGE"
        meta.instrument.filter = "F1000W"
        meta.instrument.band = "N/A"
        meta.observation.date = "2026-01-01"
        meta.observation.time = "00:00:00"
        exposure = meta.exposure
        exposure.type = "MIR_IMAGE"
        exposure.readpatt = readpatt
        exposure.start_time, exposure.mid_time, exposure.end_time = 61041.0, 61041.001, 61041.002
        exposure.nints, exposure.ngroups = self.nints, self.ngroups
        exposure.integration_start, exposure.integration_end = 1, self.nints
        exposure.nframes, exposure.groupgap, exposure.drop_frames1 = 1, 0, 0
        exposure.nsamples = 1
        exposure.frame_time = exposure.group_time = self.group_time
        exposure.integration_time = self.group_time * self.ngroups
        exposure.exposure_time = exposure.integration_time * self.nints
        meta.subarray.name = subarray
        meta.subarray.xstart = meta.subarray.ystart = 1
        meta.subarray.xsize, meta.subarray.ysize = self.nx, self.ny
        meta.subarray.fastaxis, meta.subarray.slowaxis = 1, 2
