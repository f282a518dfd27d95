"""Rebuild the rate of an exposure from its rateints.

``ramp_fit`` (OLS_C) combines the slopes of the integrations with weights of one over their
read-noise variance, leaving out, pixel by pixel, the integrations flagged DO_NOT_USE. The same is
done here, so that masking rateints and rebuilding the rate gives what masking the ramp and fitting
it again gives, without the ramp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from showermask.exceptions import ExposureError
from showermask.exposure import Product, describe_model
from showermask.provenance import Provenance

__all__ = ["CombinedRate", "combine_integrations", "rate_from_rateints"]

_DO_NOT_USE = np.uint32(1)
_MRS = "MIR_MRS"


@dataclass(frozen=True, kw_only=True)
class CombinedRate:
    """The arrays of a rate, all ``(ny, nx)``.

    Parameters
    ----------
    data : `numpy.ndarray`
        Rate in DN/s, float32; NaN where no integration is usable.
    dq : `numpy.ndarray`
        Flags of all integrations, uint32; DO_NOT_USE only where all have it.
    err, var_poisson, var_rnoise : `numpy.ndarray`
        Uncertainty in DN/s and variances in its square, float32; 0 where no integration is usable.
    """

    data: NDArray[np.float32]
    dq: NDArray[np.uint32]
    err: NDArray[np.float32]
    var_poisson: NDArray[np.float32]
    var_rnoise: NDArray[np.float32]


def combine_integrations(
    data: NDArray[np.float32],
    dq: NDArray[np.uint32],
    var_poisson: NDArray[np.float32],
    var_rnoise: NDArray[np.float32],
) -> CombinedRate:
    """Combine the slopes of integrations as ``ramp_fit`` (OLS_C) does.

    Parameters
    ----------
    data : `numpy.ndarray`
        Slopes in DN/s, ``(nints, ny, nx)``.
    dq : `numpy.ndarray`
        Flags, ``(nints, ny, nx)`` uint32.
    var_poisson, var_rnoise : `numpy.ndarray`
        Variances of the slopes, ``(nints, ny, nx)``.

    Returns
    -------
    CombinedRate
        The rate.
    """
    shape = data.shape[1:]
    weights, weighted, inverse_poisson = (np.zeros(shape) for _ in range(3))
    for slope, flags, poisson, rnoise in zip(data, dq, var_poisson, var_rnoise, strict=True):
        is_usable = (flags & _DO_NOT_USE == 0) & np.isfinite(slope) & (rnoise > 0)
        weight = np.divide(1.0, rnoise, out=np.zeros(shape), where=is_usable)
        weights += weight
        weighted += np.multiply(weight, slope, out=np.zeros(shape), where=is_usable)
        inverse_poisson += np.divide(
            1.0, poisson, out=np.zeros(shape), where=is_usable & (poisson > 0)
        )
    is_known = weights > 0
    rnoise = np.divide(1.0, weights, out=np.zeros(shape), where=is_known)
    poisson = np.divide(1.0, inverse_poisson, out=np.zeros(shape), where=inverse_poisson > 0)
    rate = np.divide(weighted, weights, out=np.full(shape, np.nan), where=is_known)
    combined = np.bitwise_or.reduce(dq, axis=0) & ~_DO_NOT_USE
    combined |= np.bitwise_and.reduce(dq, axis=0) & _DO_NOT_USE
    return CombinedRate(
        data=rate.astype(np.float32),
        dq=combined,
        err=np.sqrt(rnoise + poisson).astype(np.float32),
        var_poisson=poisson.astype(np.float32),
        var_rnoise=rnoise.astype(np.float32),
    )


def rate_from_rateints(rateints: Any) -> Any:
    """Rebuild the rate from rateints, leaving out integrations flagged DO_NOT_USE.

    The rate is that of ``ramp_fit`` (OLS_C) to a small part of its uncertainty. The Poisson
    variance is that of the slopes as they were fitted: fitting the ramp again estimates it anew
    from the integrations that are left.

    Parameters
    ----------
    rateints : `~stdatamodels.jwst.datamodels.CubeModel`
        The rateints. Not modified.

    Returns
    -------
    `~stdatamodels.jwst.datamodels.ImageModel`
        The rate, an ``IFUImageModel`` for the MRS, with the record of the shower mask that the
        rateints carry.

    Raises
    ------
    ExposureError
        When the model holds no rateints, or has no variances.
    """
    from stdatamodels.jwst import datamodels

    exposure = describe_model(rateints)
    if exposure.product is not Product.INTEGRATIONS:
        raise ExposureError(f"{exposure.name}: is a {exposure.product.value}, expected rateints")
    if rateints.var_rnoise is None or rateints.var_poisson is None:
        raise ExposureError(f"{exposure.name}: has no variances, expected rateints from ramp_fit")
    dq = np.zeros(exposure.shape, np.uint32) if rateints.dq is None else rateints.dq
    combined = combine_integrations(rateints.data, dq, rateints.var_poisson, rateints.var_rnoise)
    rate = datamodels.ImageModel(exposure.frame)
    rate.update(rateints)
    for name in ("data", "dq", "err", "var_poisson", "var_rnoise"):
        setattr(rate, name, getattr(combined, name))
    if rateints.meta.exposure.type == _MRS:
        rate = datamodels.IFUImageModel(rate)
    record = Provenance.of_model(rateints)
    if record is not None:
        record.stamp(rate)
    return rate
