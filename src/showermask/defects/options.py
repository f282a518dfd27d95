"""The parameters of the searches for bad pixels."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from showermask.exceptions import ShowermaskError

__all__ = ["DarkOptions", "DeadSearch", "FlatOptions", "Normalisation", "Smoothing"]


class DeadSearch(StrEnum):
    """The way in which dead pixels are told from others."""

    ABSOLUTE_RATE = "absolute_rate"
    SIGMA_RATE = "sigma_rate"


class Normalisation(StrEnum):
    """The divisor of a flat."""

    SMOOTHED = "smoothed"
    MEAN = "mean"
    NONE = "none"


class Smoothing(StrEnum):
    """The ways to smooth a flat."""

    BOX = "box"
    MEDIAN = "median"


class _Checked:
    """Raises for numbers that make no sense."""

    def __post_init__(self) -> None:
        wrong = []
        for one in fields(self):  # type: ignore[arg-type]  # subclasses are dataclasses
            value = getattr(self, one.name)
            low, high = one.metadata.get("range", (None, None))
            if low is not None and not low <= value <= high:
                option = f"--{one.name.replace('_', '-')}"
                wrong.append(f"{option}: is {value:g}, expected {low:g} to {high:g}")
        ShowermaskError.check_none(wrong)


def _number(default: Any, low: float, high: float) -> Any:
    return field(default=default, metadata={"range": (low, high)})


@dataclass(frozen=True, kw_only=True)
class DarkOptions(_Checked):
    """The thresholds of the search in darks.

    Sigma are robust standard deviations over the detector, of each amplifier by itself. The
    defaults are the ones of jwst_reffiles where that has one, else what the synthetic darks of
    ``benchmarks/badpixels`` need.

    Parameters
    ----------
    hot_sigma, hot_rate : float
        A hot pixel has a rate above that of its surroundings by both: sigma, and DN/s.
    warm_sigma : float
        A warm pixel is above by so many sigma, and not hot.
    hot_fraction : float
        Part of the integrations in which a hot or warm pixel is one.
    saturated_fraction : float
        Part of the integrations in which a saturated pixel is saturated in all groups.
    rc_sigma, rc_fraction : float
        Sigma by which the first part of a ramp rises faster (or, inverse, slower) than the rest;
        and the part of the integrations.
    early_fraction : float
        The first part of a ramp, for that: a part of its groups.
    telegraph_likelihood, telegraph_fraction : float
        Natural logarithm of the likelihood ratio of two levels and one; and the part of the
        integrations.
    noisy_sigma : float
        Sigma by which the rates of a noisy pixel scatter more than those of others.
    pedestal_sigma, low_pedestal_fraction : float
        Sigma by which the first group of a pixel is below that of others; and the part of the
        integrations.
    """

    hot_sigma: float = _number(10.0, 1, 1e6)
    hot_rate: float = _number(5.0, 0, 1e9)
    warm_sigma: float = _number(6.0, 1, 1e6)
    hot_fraction: float = _number(0.75, 0, 1)
    saturated_fraction: float = _number(0.5, 0, 1)
    rc_sigma: float = _number(7.0, 1, 1e6)
    rc_fraction: float = _number(0.8, 0, 1)
    early_fraction: float = _number(0.25, 0, 0.5)
    telegraph_likelihood: float = _number(3.0, 1, 1e6)
    telegraph_fraction: float = _number(0.3, 0, 1)
    noisy_sigma: float = _number(5.0, 1, 1e6)
    pedestal_sigma: float = _number(5.0, 1, 1e6)
    low_pedestal_fraction: float = _number(0.8, 0, 1)


@dataclass(frozen=True, kw_only=True)
class FlatOptions(_Checked):
    """The thresholds of the search in flats.

    Parameters
    ----------
    normalisation : Normalisation
        What the mean flat is divided by.
    smoothing : Smoothing
        How it is smoothed for that.
    box_width : int
        Pixels along each axis over which it is smoothed.
    mean_sigma : float
        Exposures this many sigma off the others are left out of the mean of a pixel.
    dead_search : DeadSearch
        Whether a dead pixel is below `dead_rate`, or `dead_sigma` below the mean.
    dead_rate, dead_sigma : float
        Those.
    dead_flux : float
        Signal of a raw ramp in DN from which on a pixel without a rate is saturated, not dead.
    low_qe_rate : float
        A pixel of low quantum efficiency is below that, and not dead.
    adjacent_rate : float
        An open pixel is below `low_qe_rate`, and its four neighbours are above this.
    """

    normalisation: Normalisation = Normalisation.SMOOTHED
    smoothing: Smoothing = Smoothing.BOX
    box_width: int = _number(15, 3, 255)
    mean_sigma: float = _number(3.0, 1, 1e6)
    dead_search: DeadSearch = DeadSearch.ABSOLUTE_RATE
    dead_rate: float = _number(0.05, 0, 1)
    dead_sigma: float = _number(5.0, 1, 1e6)
    dead_flux: float = _number(45000.0, 0, 1e9)
    low_qe_rate: float = _number(0.5, 0, 1)
    adjacent_rate: float = _number(1.05, 1, 10)
