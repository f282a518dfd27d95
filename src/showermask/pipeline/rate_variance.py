"""The variance that the subtraction of showers adds to rates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from showermask.exposure.product import describe_model
from showermask.pipeline.showermodels import ShowerModels

__all__ = ["add_rate_variance"]


def add_rate_variance(
    model: Any, models: ShowerModels, use: Mapping[int, NDArray[np.bool_]], group_time: float
) -> None:
    """Add the noise of subtracted showers to the variances of a rate or rateints.

    Parameters
    ----------
    model : datamodel
        The rate or rateints that ``ramp_fit`` made of the ramp. Modified in place.
    models : ShowerModels
        The showers that were taken out.
    use : mapping
        For each integration with a shower the groups that the ramp fit used, ``(ngroups,)`` bool.
    group_time : float
        Time between groups in s.

    Notes
    -----
    The noise of the photons, and that of map and course, both go to ``var_poisson``: the weights
    with which integrations and, later, dithers are combined are made of ``var_rnoise``, and stay.
    A rate of several integrations gets each one's share, as if all had the same weight.
    """
    exposure = describe_model(model)
    if exposure.is_ramp or not models.of_ramp:
        return
    is_rateints = exposure.product.is_rateints
    share = 1.0 if is_rateints else 1.0 / max(1, models.stack_shape[0]) ** 2
    variance, error = np.array(model.var_poisson), np.array(model.err)
    for one in models.of_ramp:
        photons, of_model = one.rate_variance(use[one.integration], models.gain)
        added = (share * (photons + of_model) / group_time**2).astype(variance.dtype)
        where = (one.integration, *one.box) if is_rateints else one.box
        has_rate = error[where] > 0
        variance[where] += np.where(has_rate, added, 0)
        error[where] = np.sqrt(error[where] ** 2 + np.where(has_rate, added, 0))
    model.var_poisson, model.err = variance, error
