"""The verdict on each entry that asks for subtraction: taken out, or left to the mask, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from showermask.exposure.product import Exposure
from showermask.glow.differences import Images
from showermask.glow.light_model import LightModel
from showermask.glow.ramp_noise import RampNoise
from showermask.glow.rate_excess import fit_rate_excesses
from showermask.glow.removal import MIN_GROUPS, fit_showers
from showermask.regionfile.content import RegionFile
from showermask.regionfile.entry import Entry

__all__ = ["Verdict", "judge_showers"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdict:
    """The verdict of the fit on an entry whose light is to be taken out.

    Parameters
    ----------
    entry : Entry
        The entry.
    key : str
        Its place in the region file.
    model : LightModel or None
        The model; None where no light is found.
    doubt : str or None
        Why it is left to the mask; None where it is subtracted.
    """

    entry: Entry
    key: str
    model: LightModel | None
    doubt: str | None

    @property
    def is_subtracted(self) -> bool:
        """Whether its light is taken out."""
        return self.doubt is None

    def describe(self) -> str:
        """Return a line for people."""
        model = self.model
        if self.doubt is not None or model is None:
            return f"{self.key}: left to the mask: {self.doubt}"
        return f"{self.key}: subtracted, {model.describe()}"


def judge_rates(
    region_file: RegionFile, rates: NDArray[np.float32], errors: NDArray[np.float32]
) -> list[Verdict]:
    """Fit the entries that ask for subtraction in rateints, and judge the fits.

    Parameters
    ----------
    region_file : RegionFile
        The region file, which fits the exposure.
    rates, errors : `numpy.ndarray`
        ``(nints, ny, nx)`` in DN/s; NaN where unknown.

    Returns
    -------
    list of Verdict
        In the order of the file.
    """
    entries = [entry for entry in region_file.entries if entry.is_to_be_subtracted]
    models = fit_rate_excesses(rates, errors, entries)
    return _verdicts(region_file, entries, models, "no light is found")


def judge_showers(
    region_file: RegionFile,
    images: Images,
    exposure: Exposure,
    *,
    noise: RampNoise | None = None,
) -> list[Verdict]:
    """Fit the entries of a region file that ask for subtraction, and judge the fits.

    Parameters
    ----------
    region_file : RegionFile
        The region file, which fits the exposure.
    images : Images
        The ramp.
    exposure : Exposure
        What it is.
    noise : RampNoise, optional
        The noise of the ramp; measured by default.

    Returns
    -------
    list of Verdict
        In the order of the file.
    """
    entries = [entry for entry in region_file.entries if entry.is_to_be_subtracted]
    group_time, ngroups = exposure.group_time, images.stack_shape[1]
    doubt = None
    if ngroups < MIN_GROUPS:
        doubt = f"the ramp has {ngroups} groups, expected at least {MIN_GROUPS}"
    elif not group_time or not group_time > 0:
        doubt = "the exposure has no group time (TGROUP)"
    if doubt is not None or group_time is None:
        return [
            Verdict(entry=entry, key=region_file.key_of(entry), model=None, doubt=doubt)
            for entry in entries
        ]
    models = fit_showers(images, entries, exposure.image_shape, group_time, noise=noise)
    return _verdicts(region_file, entries, models, "no light is found that fades")


def _verdicts(
    region_file: RegionFile,
    entries: Sequence[Entry],
    models: Sequence[LightModel | None],
    missing: str,
) -> list[Verdict]:
    """Return what the models say; what is missing where there is none."""
    return [
        Verdict(
            entry=entry,
            key=region_file.key_of(entry),
            model=model,
            doubt=missing if model is None else model.doubt(),
        )
        for entry, model in zip(entries, models, strict=True)
    ]
