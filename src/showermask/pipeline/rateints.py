"""Rebuild the rate of an exposure from its rateints.

``ramp_fit`` combines the slopes of the integrations pixel by pixel, leaving out those flagged
DO_NOT_USE: OLS_C with weights of one over their read-noise variance, LIKELY with one over the sum
of both variances. The same is done here, so that masking rateints and rebuilding the rate gives
what masking the ramp and fitting it again gives, without the ramp.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from showermask.exceptions import ExposureError
from showermask.exposure import dq as flags
from showermask.exposure.names import product_root
from showermask.exposure.product import describe_model
from showermask.files import is_file
from showermask.messages import log
from showermask.pipeline.provenance import Provenance

__all__ = ["Algorithm", "CombinedRate", "combine_integrations", "rate_beside", "rate_from_rateints"]

_DO_NOT_USE = np.uint32(flags.DO_NOT_USE)
_MRS = "MIR_MRS"
_LOGGED_ALGORITHM = re.compile(r"Using algorithm = (\w+)\s*$")
#: Part of its uncertainty by which a rebuilt rate may differ from the one of ramp_fit.
_TOLERANCE = 1e-3


class Algorithm(StrEnum):
    """The algorithms of ``ramp_fit``, which combine integrations in different ways."""

    OLS_C = "OLS_C"
    LIKELY = "LIKELY"


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
        Uncertainty in DN/s and variances in its square, float32; where no integration is usable 0
        for OLS_C and NaN for LIKELY, as from ``ramp_fit``.
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
    *,
    algorithm: Algorithm = Algorithm.OLS_C,
) -> CombinedRate:
    """Combine the slopes of integrations as ``ramp_fit`` does.

    Parameters
    ----------
    data : `numpy.ndarray`
        Slopes in DN/s, ``(nints, ny, nx)``.
    dq : `numpy.ndarray`
        Flags, ``(nints, ny, nx)`` uint32.
    var_poisson, var_rnoise : `numpy.ndarray`
        Variances of the slopes, ``(nints, ny, nx)``.
    algorithm : Algorithm, optional
        The algorithm that fitted the slopes.

    Returns
    -------
    CombinedRate
        The rate.

    Notes
    -----
    The weights are those of stcal 1.20: ``ols_fit`` for OLS_C, ``likely_fit.compute_image_info``
    for LIKELY.
    """
    combine = _combine_ols if algorithm is Algorithm.OLS_C else _combine_likely
    rate, poisson, rnoise = combine(data, (dq & _DO_NOT_USE) == 0, var_poisson, var_rnoise)
    combined = np.bitwise_or.reduce(dq, axis=0) & ~_DO_NOT_USE
    combined |= np.bitwise_and.reduce(dq, axis=0) & _DO_NOT_USE
    return CombinedRate(
        data=rate.astype(np.float32),
        dq=combined,
        err=np.sqrt(rnoise + poisson).astype(np.float32),
        var_poisson=poisson.astype(np.float32),
        var_rnoise=rnoise.astype(np.float32),
    )


_Arrays = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def _combine_ols(
    data: NDArray[np.float32],
    is_good: NDArray[np.bool_],
    var_poisson: NDArray[np.float32],
    var_rnoise: NDArray[np.float32],
) -> _Arrays:
    """Return rate and variances with weights of one over the read-noise variance."""
    shape = data.shape[1:]
    weights, weighted, inverse_poisson = (np.zeros(shape) for _ in range(3))
    for slope, good, poisson, rnoise in zip(data, is_good, var_poisson, var_rnoise, strict=True):
        is_usable = good & np.isfinite(slope) & (rnoise > 0)
        weight = np.divide(1.0, rnoise, out=np.zeros(shape), where=is_usable)
        weights += weight
        weighted += np.multiply(weight, slope, out=np.zeros(shape), where=is_usable)
        inverse_poisson += np.divide(
            1.0, poisson, out=np.zeros(shape), where=is_usable & (poisson > 0)
        )
    is_known = weights > 0
    return (
        np.divide(weighted, weights, out=np.full(shape, np.nan), where=is_known),
        np.divide(1.0, inverse_poisson, out=np.zeros(shape), where=inverse_poisson > 0),
        np.divide(1.0, weights, out=np.zeros(shape), where=is_known),
    )


def _combine_likely(
    data: NDArray[np.float32],
    is_good: NDArray[np.bool_],
    var_poisson: NDArray[np.float32],
    var_rnoise: NDArray[np.float32],
) -> _Arrays:
    """Return rate and variances with weights of one over the sum of both variances.

    The Poisson variance of each slope is scaled to the common rate, in two rounds that begin with
    the median. All arrays are NaN where no integration is usable.
    """
    is_usable = is_good & np.isfinite(data)
    slopes = np.where(is_usable, data.astype(np.float64), np.nan)
    rnoise = np.where(is_usable, var_rnoise.astype(np.float64), np.nan)
    if len(slopes) == 1:
        return slopes[0], np.where(is_usable, var_poisson, np.nan)[0], rnoise[0]
    is_known = is_usable.any(axis=0)
    rate = np.full(data.shape[1:], np.nan)
    rate[is_known] = np.nanmedian(slopes[:, is_known], axis=0)
    for _ in range(2):
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = rate / slopes
            scale[~np.isfinite(scale) | (scale < 0)] = 0
            poisson = np.where(is_usable, var_poisson * scale, np.nan)
            weights = 1 / (poisson + rnoise)
            weights /= np.nansum(weights, axis=0)
        rate = np.where(is_known, np.nansum(slopes * weights, axis=0), np.nan)
    variances = [
        np.where(is_known, np.nansum(variance * weights**2, axis=0), np.nan)
        for variance in (poisson, rnoise)
    ]
    return rate, variances[0], variances[1]


def rate_from_rateints(
    rateints: Any, *, algorithm: str | None = None, rate: Any | None = None
) -> Any:
    """Rebuild the rate from rateints, leaving out integrations flagged DO_NOT_USE.

    The rate is that of ``ramp_fit`` to a small part of its uncertainty. The Poisson variance is
    that of the slopes as they were fitted: fitting the ramp again estimates it anew from the
    integrations that are left.

    Parameters
    ----------
    rateints : `~stdatamodels.jwst.datamodels.CubeModel` or path-like
        The rateints. Not modified.
    algorithm : str, optional
        The algorithm that fitted them, ``OLS_C`` or ``LIKELY``. Without it the log that the
        pipeline keeps in the product (``cal_logs``) tells; else the one that rebuilds ``rate``;
        else OLS_C is assumed, with a warning.
    rate : `~stdatamodels.jwst.datamodels.ImageModel` or path-like, optional
        The rate that ``ramp_fit`` made with the rateints; the file beside the rateints, if
        ``rateints`` is a file.

    Returns
    -------
    `~stdatamodels.jwst.datamodels.ImageModel`
        The rate, an ``IFUImageModel`` for the MRS, with the record of the shower mask that the
        rateints carry.

    Raises
    ------
    ExposureError
        When the model holds no rateints, or has no variances.
    ValueError
        When there is no such algorithm.
    """
    from stdatamodels.jwst import datamodels

    if isinstance(rateints, (str, os.PathLike)):
        path = Path(rateints)
        with datamodels.open(path) as model:
            return rate_from_rateints(model, algorithm=algorithm, rate=rate or rate_beside(path))
    exposure = describe_model(rateints)
    if not exposure.product.is_rateints:
        raise ExposureError(f"{exposure.name}: is a {exposure.product.value}, expected rateints")
    if rateints.var_rnoise is None or rateints.var_poisson is None:
        raise ExposureError(f"{exposure.name}: has no variances, expected rateints from ramp_fit")
    if algorithm is None:
        fitted_by = _algorithm_of(rateints, rate, exposure.name)
    else:
        fitted_by = Algorithm(algorithm.upper())
    combined = _combine(rateints, fitted_by)
    model = datamodels.ImageModel(exposure.image_shape)
    model.update(rateints)
    for name in ("data", "dq", "err", "var_poisson", "var_rnoise"):
        setattr(model, name, getattr(combined, name))
    if rateints.meta.exposure.type == _MRS:
        model = datamodels.IFUImageModel(model)
    record = Provenance.of_model(rateints)
    if record is not None:
        record.stamp(model)
    return model


def rate_beside(rateints: Path) -> Path | None:
    """Return the rate of the same exposure in the folder of rateints, None where there is none."""
    path = rateints.with_name(f"{product_root(rateints)}_rate.fits")
    return path if is_file(path) else None


def _combine(rateints: Any, algorithm: Algorithm) -> CombinedRate:
    dq = np.zeros(rateints.data.shape, np.uint32) if rateints.dq is None else rateints.dq
    return combine_integrations(
        rateints.data, dq, rateints.var_poisson, rateints.var_rnoise, algorithm=algorithm
    )


def _algorithm_of(rateints: Any, rate: Any | None, name: str) -> Algorithm:
    """Return the algorithm that fitted rateints: as logged, as a rate tells, or OLS_C."""
    found = _logged_algorithm(rateints)
    if found is None and rate is not None:
        found = _algorithm_that_made(rate, rateints)
    if found is not None:
        return found
    if len(rateints.data) > 1:
        log.warning(
            "%s: neither its cal_logs nor a rate beside it tell the algorithm of ramp_fit; "
            "the rate is combined as OLS_C does",
            name,
        )
    return Algorithm.OLS_C


def _logged_algorithm(rateints: Any) -> Algorithm | None:
    """Return the algorithm of the last ramp fit in the logs that a product keeps."""
    logs = getattr(rateints, "cal_logs", None)
    found = [
        match[1]
        for lines in (logs.instance if logs is not None else {}).values()
        for line in lines
        if (match := _LOGGED_ALGORITHM.search(str(line)))
    ]
    return Algorithm(found[-1]) if found and found[-1] in set(Algorithm) else None


def _algorithm_that_made(rate: Any, rateints: Any) -> Algorithm | None:
    """Return the algorithm whose way to combine integrations gives a rate; None for both."""
    from stdatamodels.jwst import datamodels

    with datamodels.open(rate) as model:
        if model.data.shape != rateints.data.shape[1:] or model.err is None:
            return None
        agreement = {
            algorithm: _part_alike(_combine(rateints, algorithm), model) for algorithm in Algorithm
        }
    best, worst = sorted(agreement, key=lambda algorithm: -agreement[algorithm])
    return best if agreement[best] > agreement[worst] else None


def _part_alike(combined: CombinedRate, rate: Any) -> float:
    """Return the part of the pixels whose rate and error are those of another rate."""
    with np.errstate(invalid="ignore"):
        alike = np.abs(combined.data - rate.data) <= _TOLERANCE * rate.err
        alike &= np.abs(combined.err - rate.err) <= _TOLERANCE * rate.err
    return float(alike.mean())
