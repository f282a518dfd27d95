"""The filters over time that find glows best in noise, one for each onset and decay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["TimeFilters", "make_filters"]

#: Decay times in s that are tried; in between, a filter loses a few per cent.
_DECAYS = (6.0, 16.0, 40.0, 100.0)


@dataclass(frozen=True, kw_only=True)
class TimeFilters:
    """Filters over the differences of an integration, one for each onset and decay.

    Parameters
    ----------
    weights : `numpy.ndarray`
        ``(nfilters, ndiff)`` float32: what to multiply differences with.
    onset : `numpy.ndarray`
        ``(nfilters,)``: the difference in which the glow begins, -1 before the first.
    decay : `numpy.ndarray`
        ``(nfilters,)``: decay time in s.
    shape : `numpy.ndarray`
        ``(nfilters, ndiff)``: the glow itself, 1 at its strongest.
    coloured : `numpy.ndarray`
        ``(nfilters,)``: variance of the filtered noise, in units of that of white noise.
    """

    weights: NDArray[np.float32]
    onset: NDArray[np.intp]
    decay: NDArray[np.float64]
    shape: NDArray[np.float64]
    coloured: NDArray[np.float64]

    def inflation(self, which: int | slice, read_part: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the variance of filtered noise, in units of that of white noise.

        Parameters
        ----------
        which : int or slice
            Filters.
        read_part : `numpy.ndarray`
            Part of the noise that is correlated as that of a typical bin; the rest is white.

        Returns
        -------
        `numpy.ndarray`
            For a slice ``(nfilters, *read_part.shape)``, for one filter without the first axis.
        """
        return 1 + np.multiply.outer(self.coloured[which] - 1, read_part)


def make_filters(
    ndiff: int, group_time: float, correlation: float, valid: NDArray[np.bool_]
) -> TimeFilters:
    """Make the filters for an integration.

    Parameters
    ----------
    ndiff : int
        Number of differences.
    group_time : float
        Time between groups in s.
    correlation : float
        Correlation of the noise of one difference with the next: 0 for photon noise, -0.5 for read
        noise.
    valid : `numpy.ndarray`
        ``(ndiff,)``: differences that can be used at all.

    Returns
    -------
    TimeFilters
        The filters: the glow, less a constant (which the median has taken), over the noise.
    """
    covariance = np.eye(ndiff) + correlation * (np.eye(ndiff, k=1) + np.eye(ndiff, k=-1))
    inverse = np.zeros((ndiff, ndiff))
    inverse[np.ix_(valid, valid)] = np.linalg.inv(covariance[np.ix_(valid, valid)])
    constant = valid.astype(float)
    from_constant = inverse @ constant
    shapes, onsets, decays = [], [], []
    for decay in _DECAYS:
        for onset in range(-1, ndiff):
            shapes.append(_glow(ndiff, onset, group_time / decay))
            onsets.append(onset)
            decays.append(decay)
    shape = np.array(shapes) * valid
    part = (shape @ from_constant) / (constant @ from_constant)
    free = shape - part[:, np.newaxis] * constant
    weights = free @ inverse
    # A glow that fills all differences, or none, is no change at all.
    size = np.sqrt(_variance(weights, correlation))
    peak = shape.max(axis=1)
    useful = (peak > 0.2) & (size > 1e-3)
    weights, shape = weights[useful], shape[useful] / peak[useful, np.newaxis]
    coloured = _variance(weights, correlation)
    white = np.sum(weights**2, axis=1)
    return TimeFilters(
        weights=(weights / np.sqrt(coloured)[:, np.newaxis]).astype(np.float32),
        onset=np.array(onsets)[useful],
        decay=np.array(decays)[useful],
        shape=shape,
        coloured=coloured / white,
    )


def _variance(weights: NDArray[np.float64], correlation: float) -> NDArray[np.float64]:
    """Return the variance of noise of variance 1, filtered."""
    neighbours = np.sum(weights[:, 1:] * weights[:, :-1], axis=1)
    variance: NDArray[np.float64] = np.sum(weights**2, axis=1) + 2 * correlation * neighbours
    return variance


def _glow(ndiff: int, onset: int, step: float) -> NDArray[np.float64]:
    """Return the charge that each difference gets of a glow, on average over when it began."""
    times = np.arange(ndiff)
    if onset < 0:
        idle: NDArray[np.float64] = np.exp(-times * step)
        return idle
    gained = (1 - np.exp(-step)) / step
    glow = np.where(times > onset, gained**2 * step * np.exp(-(times - onset - 1) * step), 0.0)
    glow[onset] = 1 - gained
    peak = glow.max()
    return glow / peak if peak > 0 else glow
