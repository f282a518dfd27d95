"""Fit showers in rateints: the smooth excess of an integration over the others.

Rates have no course in time. What other integrations tell is the light of sources; an integration
less their median has the shower, and its noise. One integration alone has nothing to compare with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from showermask.glow.differences import medians
from showermask.glow.light_model import LightModel
from showermask.glow.removal import box_around, nearest_integrations
from showermask.glow.shape_map import map_snr, unbiased_map
from showermask.glow.shower_fit import fading_window, planes_for
from showermask.regionfile.entry import Entry

__all__ = ["RateExcess", "fit_rate_excesses"]

#: Other integrations that are compared with.
_MOST_OTHERS = 25
#: They differ by such a part of the rate from one to the next.
_DIFFER = 0.003
#: Pixels so far from an entry, in its units, tell level and noise of the rest; and so many.
_RING, _LEAST_RING = 1.9, 50
_LEAST_SNR = 6.0
_DRAWS = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class RateExcess(LightModel):
    """A shower in one integration of rateints: its map is in DN/s, and it has no course."""

    @property
    def light(self) -> NDArray[np.float64]:
        """``(1,)``: all of it."""
        return np.ones(1)

    def doubt(self) -> str | None:
        """Return why the excess is not to be trusted; None if it is."""
        if not self.snr >= _LEAST_SNR:
            return (
                f"S/N {self.snr:.1f} above the other integrations, expected {_LEAST_SNR:g} or more"
            )
        return None

    def describe(self) -> str:
        """Return how sure it is, and its rate, for people."""
        return f"S/N {self.snr:.1f} above the other integrations, {self.removed:.4g} DN/s"

    def variance_of_rate(self) -> NDArray[np.float64]:
        """Return what taking it out adds to the variance of the rate, in (DN/s)²."""
        whole = self.variance + (self.map / max(self.snr, 1.0)) ** 2
        return np.asarray(whole, np.float64)


def fit_rate_excesses(
    rates: NDArray[np.float32],
    errors: NDArray[np.float32],
    entries: Sequence[Entry],
) -> list[RateExcess | None]:
    """Fit the excess of each entry over the other integrations.

    Parameters
    ----------
    rates, errors : `numpy.ndarray`
        ``(nints, ny, nx)`` in DN/s; NaN where unknown.
    entries : sequence of Entry
        Showers and polygons.

    Returns
    -------
    list of RateExcess or None
        Likewise ordered; None where no light is found.
    """
    nints, *frame = rates.shape
    spoiled = np.zeros(rates.shape, bool)
    for entry in entries:
        box = box_around(entry, (frame[0], frame[1]))
        spoiled[(entry.integration or 0, *box)] |= entry.radius(*box) < _RING
    models: list[RateExcess | None] = []
    left = rates
    for entry in entries:
        model = _fit(left, errors, spoiled, entry) if nints > 1 else None
        models.append(model)
        if model is not None and model.doubt() is None:
            # What overlaps it is fitted without its light.
            left = left.copy() if left is rates else left
            model.take_out(left[model.integration][np.newaxis])
    return models


def _fit(
    rates: NDArray[np.float32],
    errors: NDArray[np.float32],
    spoiled: NDArray[np.bool_],
    entry: Entry,
) -> RateExcess | None:
    own = entry.integration or 0
    box = box_around(entry, (rates.shape[1], rates.shape[2]))
    radius = entry.radius(*box)
    nearest = nearest_integrations(own, len(rates), _MOST_OTHERS)
    others = np.stack([rates[i][box] for i in nearest])
    others[np.stack([spoiled[i][box] for i in nearest])] = np.nan
    count = np.isfinite(others).sum(axis=0)
    middle = medians(others.reshape(len(others), -1)).reshape(radius.shape)
    error = errors[own][box].astype(np.float64)
    excess = rates[own][box].astype(np.float64) - middle
    variance = error**2 * (1 + 1.57 / np.maximum(count, 1))  # of a median
    variance += (_DIFFER * np.nan_to_num(middle)) ** 2
    known = np.isfinite(excess) & np.isfinite(variance) & (variance > 0)
    ring = known & (radius > _RING) & ~spoiled[own][box]
    if np.count_nonzero(ring) >= _LEAST_RING:
        excess -= float(np.median(excess[ring]))
        scaled = excess[ring] / np.sqrt(variance[ring])
        variance *= max(1.0, 1.4826 * float(np.median(np.abs(scaled)))) ** 2
    if not (known & (radius < 1)).any():
        return None
    variance = np.where(known, variance, np.inf)
    excess = np.where(known, excess, 0.0)
    found = unbiased_map(
        excess,
        variance,
        fading_window(radius),
        planes=planes_for(radius),
        rng=np.random.default_rng(1),
        draws=_DRAWS,
    )
    if not found.image.any():
        return None
    return RateExcess(
        integration=own,
        box=box,
        map=found.image,
        variance=found.variance,
        snr=map_snr(found.image, excess, variance),
    )
