"""What a mask costs: pixels, and exposure time of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from showermask.exposure import Exposure, Product
from showermask.flagging import Coverage, Footprint, count_samples, measure

__all__ = ["Loss", "has_rate_left", "time_lost"]


@dataclass(frozen=True, kw_only=True)
class Loss(Coverage):
    """What a mask covers, and how much of the exposure is lost with it.

    Parameters
    ----------
    showers, regions, pixels, integration_pixels, fraction : int, int, int, int, float
        As in `~showermask.flagging.Coverage`.
    samples : float
        Masked fraction of all samples (pixels of single groups) of a ramp, of all pixels of
        rateints or a rate.
    seconds : float or None
        Exposure time in s that a masked pixel loses, on average; None where the header does not
        tell, 0 where nothing is masked.
    """

    samples: float
    seconds: float | None

    @classmethod
    def of_marks(cls, marks: Sequence[Footprint], exposure: Exposure) -> Loss:
        """Return the loss of a mask.

        Parameters
        ----------
        marks : sequence of Footprint
            The mask, made for the shape of this exposure.
        exposure : Exposure
            The exposure.

        Returns
        -------
        Loss
            What is lost.
        """
        coverage = measure(marks, exposure.shape)
        samples = count_samples(marks, exposure.shape)
        sample_time = _sample_time(exposure)
        return cls(
            showers=coverage.showers,
            regions=coverage.regions,
            pixels=coverage.pixels,
            integration_pixels=coverage.integration_pixels,
            fraction=coverage.fraction,
            samples=samples / math.prod(exposure.shape),
            seconds=None
            if sample_time is None
            else sample_time * samples / (coverage.integration_pixels or 1),
        )


def time_lost(mark: Footprint, exposure: Exposure) -> float | None:
    """Return the exposure time that each pixel of a shower loses.

    Parameters
    ----------
    mark : Footprint
        The masked shower.
    exposure : Exposure
        The exposure.

    Returns
    -------
    float or None
        Time in s, None where the header does not tell.
    """
    sample_time = _sample_time(exposure)
    return None if sample_time is None else mark.ngroups * sample_time


def has_rate_left(groups: slice, ngroups: int) -> bool:
    """Tell whether the ramp fit finds a slope beside the masked groups of a MIRI ramp.

    The first and the last group of MIRI ramps are not used anyway (``rscd``, ``lastframe``), and a
    slope needs two groups in a row.

    Parameters
    ----------
    groups : slice
        The masked groups.
    ngroups : int
        Groups of the ramp.

    Returns
    -------
    bool
        Whether two usable groups are left before or after the mask.
    """
    before: int = groups.start - 1
    after: int = ngroups - 1 - groups.stop
    return max(before, after) >= 2


def _sample_time(exposure: Exposure) -> float | None:
    """Return the exposure time in s of one sample of the exposure's plane."""
    match exposure.product:
        case Product.RAMP:
            return exposure.group_time
        case Product.INTEGRATIONS:
            return exposure.integration_time
        case Product.IMAGE:
            return exposure.exposure_time
