"""The subtraction of an entry, as the page shows it: verdict, numbers, light curve, images."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from showermask.exceptions import EntryError
from showermask.exposure.images import ImageReader
from showermask.glow.evidence import Evidence
from showermask.glow.quicklook import estimate_rate
from showermask.glow.ramp_noise import RampNoise, measure_ramp_noise
from showermask.glow.removal import MIN_GROUPS, fit_showers
from showermask.glow.shower_model import ShowerModel, slope_of_course, slope_weights
from showermask.regionfile.entry import Entry

__all__ = ["Subtraction", "Subtractions"]

#: Fits that are kept.
_KEPT = 64
#: Threads of a fit, which a reviewer waits for.
_THREADS = 4


class Subtractions:
    """The fits of entries, kept for as long as nobody changes their shape."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, str], Subtraction] = OrderedDict()
        self._noises: dict[tuple[int, int], RampNoise] = {}
        self._keeping = threading.Lock()

    def of(
        self, number: int, reader: ImageReader, entry: Entry, others: list[Entry]
    ) -> Subtraction:
        """Return the fit of an entry of an exposure, with other entries that overlap it.

        Parameters
        ----------
        number : int
            Number of the exposure.
        reader : ImageReader
            The exposure.
        entry : Entry
            The entry.
        others : list of Entry
            The other entries that are to be subtracted.

        Returns
        -------
        Subtraction
            The fit.

        Raises
        ------
        EntryError
            When the entry has no time course, or the exposure none.
        """
        exposure = reader.exposure
        if not exposure.is_ramp or exposure.is_raw or entry.group is None:
            raise EntryError(
                "can't be subtracted, expected a shower or polygon of a _jump or _ramp"
            )
        if exposure.ngroups is None or exposure.ngroups < MIN_GROUPS or not exposure.group_time:
            raise EntryError(
                f"can't be subtracted, expected a ramp of at least {MIN_GROUPS} groups"
            )
        same = [other for other in others if other.integration == entry.integration]
        key = number, " ".join(one.fingerprint for one in (entry, *same))
        with self._keeping:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        noise = self._noise(number, reader, entry.integration or 0)
        models = fit_showers(
            reader,
            [entry, *same],
            exposure.image_shape,
            exposure.group_time,
            noise=noise,
            threads=_THREADS,
        )
        found = Subtraction(reader, entry, models[0], noise)
        with self._keeping:
            self._kept[key] = found
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found

    def _noise(self, number: int, reader: ImageReader, integration: int) -> RampNoise:
        key = number, integration
        if key not in self._noises:
            self._noises[key] = measure_ramp_noise(reader, integration, reader.exposure.image_shape)
        return self._noises[key]


class Subtraction:
    """The fit of one entry.

    Parameters
    ----------
    reader : ImageReader
        The ramp.
    entry : Entry
        The entry.
    model : ShowerModel or None
        Its model.
    noise : RampNoise
        The noise of the ramp.
    """

    def __init__(
        self, reader: ImageReader, entry: Entry, model: ShowerModel | None, noise: RampNoise
    ) -> None:
        self._reader, self._entry, self.model, self._noise = reader, entry, model, noise

    def verdict(self) -> dict[str, Any]:
        """Return what the page says of it."""
        model = self.model
        if model is None:
            return {"isSubtracted": False, "doubt": "no light is found that fades"}
        doubt = model.doubt()
        return {
            "isSubtracted": doubt is None,
            "doubt": doubt,
            "snr": round(model.snr, 1),
            "chiSquare": round(model.chi_square, 2),
            "isIdle": model.is_idle,
            "courseError": round(model.course_error, 2),
            "removed": self._removed(model),
            "left": self._left(model),
            "noise": self._noise_ratio(model),
        }

    def light_curve(self, evidence: Evidence) -> NDArray[np.float64]:
        """Return the light of each difference, on average over the pixels of the entry, in DN."""
        if self.model is None:
            return np.zeros(self._reader.stack_shape[1] - 1)
        inside = evidence.aperture.inside
        image = self.model.map_in(evidence.aperture.box)
        light: NDArray[np.float64] = float(image[inside].mean()) * self.model.course
        return light

    def rate(self, image_shape: tuple[int, int]) -> NDArray[np.float32]:
        """Return what it adds to the rate of each pixel of a frame, in DN/s."""
        if self.model is None:
            return np.zeros(image_shape, np.float32)
        frame = slice(0, image_shape[0]), slice(0, image_shape[1])
        return self.model.mean_rate(self._reader.exposure.group_time or 1.0, frame)

    @property
    def _use(self) -> NDArray[np.bool_]:
        """The groups of the rate: all but the first and the last of MIRI ramps."""
        use = np.ones(self._reader.stack_shape[1], bool)
        use[[0, -1]] = False
        return use

    def _inside(self, model: ShowerModel) -> NDArray[np.bool_]:
        return self._entry.radius(*model.box) <= 1

    def _removed(self, model: ShowerModel) -> float | None:
        """Return by how much the rate of the entry falls, on average, in DN/s."""
        inside = self._inside(model)
        if not inside.any():
            return None
        group_time = self._reader.exposure.group_time or 1.0
        fall = slope_of_course(model.course, self._use) / group_time
        return float(f"{float(model.map[inside].mean()) * fall:.4g}")

    def _left(self, model: ShowerModel) -> float:
        """Return the part of the light that may be left, as the fit knows it."""
        return round(math.hypot(model.course_error, 1 / max(model.snr, 1.0)), 3)

    def _noise_ratio(self, model: ShowerModel) -> float | None:
        """Return the noise of the rate afterwards, in units of that before, inside of the entry."""
        inside = self._inside(model)
        if not inside.any():
            return None
        photons, of_model = model.rate_variance(self._use, self._noise.gain)
        weights = slope_weights(self._use)
        which = np.arange(len(weights))
        before = float(weights @ self._noise.covariance(which, self._rate_below(model)) @ weights)
        added = float((photons + of_model)[inside].mean())
        return round(math.sqrt(1 + added / before), 3)

    def _rate_below(self, model: ShowerModel) -> float:
        """Return the typical rate of the entry without the shower's light, in DN a group."""
        group_time = self._reader.exposure.group_time or 1.0
        rate = estimate_rate(self._reader, model.integration, model.box)
        if rate is None:
            return 0.0
        left = (rate - model.mean_rate(group_time, model.box))[self._inside(model)]
        known = left[np.isfinite(left)]
        return group_time * float(np.median(known)) if known.size else 0.0
