"""The model of a shower in a ramp: its light in each pixel is a map times a course.

A difference of two groups is ``d[g, y, x] = r[y, x] + S[y, x] p[g] + noise``: the rate of the
pixel, and the shower, the map ``S`` of which has the course ``p``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from showermask.glow.light_model import LightModel
from showermask.regionfile.entry import Box

__all__ = ["ShowerModel", "slope_of_course", "slope_weights"]

#: Signal-to-noise ratio from which on a shower is taken out: one whose onset the ramp shows, and
#: one that began before.
_LEAST_SNR, _LEAST_IDLE_SNR = 6.0, 6.5
#: Chi-square per degree of freedom of the light curve: so much is taken for chance and for
#: imperfect templates, and more of a bright shower, in which small misfits stand out: a
#: part of its signal-to-noise ratio squared.
_MISFIT, _MISFIT_OF_BRIGHT = 2.5, 0.0015
#: Early and late light of a shower lie no further apart, in units of its size.
_MOST_MOTION = 0.35


@dataclass(frozen=True, kw_only=True, eq=False)
class ShowerModel(LightModel):
    """A shower, fitted to a ramp.

    Its map is in DN: the light of each pixel in the strongest difference.

    Parameters
    ----------
    integration, box, map, variance, snr
        As for `LightModel`.
    course : `numpy.ndarray`
        ``(ngroups - 1,)``: light of each difference, 1 in the strongest.
    onset : int
        First difference with light.
    is_idle : bool
        Whether it began before the ramp, or so early that nothing shows what was there before.
    chi_square : float
        Of its light curve, per degree of freedom.
    course_error : float
        Relative error of what it adds to the rate, as the models of an idle course differ.
    motion : float
        Distance between the centres of its early and its late light, in units of its size; 0 where
        it may be chance.
    has_surroundings : bool, optional
        Whether enough of the frame is around it to tell drifts and noise.
    """

    course: NDArray[np.float64]
    onset: int
    is_idle: bool
    chi_square: float
    course_error: float
    motion: float = 0.0
    has_surroundings: bool = True

    @property
    def light(self) -> NDArray[np.float64]:
        """``(ngroups,)``: light of the brightest difference's units that each group has."""
        return np.concatenate([[0.0], np.cumsum(self.course)])

    def doubt(self) -> str | None:
        """Return why the model is not to be trusted; None if it is.

        Returns
        -------
        str or None
            A sentence.
        """
        if not self.has_surroundings:
            return "showers fill so much of the frame that nothing tells drifts from them"
        least = _LEAST_IDLE_SNR if self.is_idle else _LEAST_SNR
        if not self.snr >= least:
            early = ", as it began before the ramp" if self.is_idle else ""
            return f"S/N {self.snr:.1f}, expected at least {least:g}{early}"
        if self.motion > _MOST_MOTION:
            return (
                f"its early and its late light lie {self.motion:.1f} of its size apart: "
                "it moves as a target does"
            )
        most = _MISFIT + _MISFIT_OF_BRIGHT * self.snr**2
        if not self.chi_square <= most:
            return (
                f"chi-square {self.chi_square:.1f} of its light curve, expected at most "
                f"{most:.1f}: it does not fade as a shower does"
            )
        return None

    def describe(self) -> str:
        """Return how sure it is, and how much charge it has in the last group, for people."""
        unsure = (
            f", its effect on the rate known to {100 * self.course_error:.0f} %"
            if self.is_idle and self.course_error > 0
            else ""
        )
        return (
            f"S/N {self.snr:.1f}, chi-square {self.chi_square:.2f}, {self.removed:.4g} DN{unsure}"
        )

    def mean_rate(self, group_time: float, box: Box) -> NDArray[np.float32]:
        """Return what it adds to the mean of the differences without the outer ones.

        That is the rate of `estimate_rate`.

        Parameters
        ----------
        group_time : float
            Time between groups in s.
        box : tuple of slice
            Rows and columns of the frame, with both ends.

        Returns
        -------
        `numpy.ndarray`
            ``(rows, columns)`` in DN/s.
        """
        return np.float32(self.course[1:-1].mean() / group_time) * self.map_in(box)

    def photon_rate(self, use: NDArray[np.bool_], group_time: float) -> NDArray[np.float64]:
        """Return the constant rate whose photons make as much noise in the slope as the shower's.

        Parameters
        ----------
        use : `numpy.ndarray`
            ``(ngroups,)``: groups that the ramp fit uses.
        group_time : float
            Time between groups in s.

        Returns
        -------
        `numpy.ndarray`
            ``(rows, columns)`` in DN/s.
        """
        differences = max(1, int(np.count_nonzero(use)) - 1)
        power = float(np.sum(slope_weights(use) ** 2 * self.course))
        return self.map.astype(np.float64) * (power * differences / group_time)

    def rate_variance(
        self, use: NDArray[np.bool_], gain: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what taking the shower out adds to the variance of the rate of each pixel.

        Parameters
        ----------
        use : `numpy.ndarray`
            ``(ngroups,)``: groups that the ramp fit uses.
        gain : float
            Electrons per DN.

        Returns
        -------
        photons : `numpy.ndarray`
            ``(rows, columns)`` in (DN / group)²: noise of its photons, which stays in the ramp.
        model : `numpy.ndarray`
            Likewise: of map and course.

        Notes
        -----
        For a slope of equal weights, with ``k`` the slope of the light and ``h`` the weights of
        the differences in the slope: ``S sum(h² p) / gain``, and ``k² var S + (k S)² (e² + 1 /
        snr²)`` with the relative error ``e`` of the course.
        """
        slope = slope_of_course(self.course, use)
        weights = slope_weights(use)
        photons = self.map * float(np.sum(weights**2 * self.course)) / gain
        relative = self.course_error**2 + 1 / max(self.snr, 1.0) ** 2
        of_model = slope**2 * self.variance + (slope * self.map) ** 2 * relative
        return photons.astype(np.float64), of_model.astype(np.float64)


def slope_of_course(course: NDArray[np.float64], use: NDArray[np.bool_]) -> float:
    """Return the slope of the light of a course over the groups that are used.

    Parameters
    ----------
    course : `numpy.ndarray`
        ``(ngroups - 1,)``: light of each difference.
    use : `numpy.ndarray`
        ``(ngroups,)`` bool: the groups that are used.

    Returns
    -------
    float
        Per group, in units of the course.
    """
    return float(np.sum(slope_weights(use) * course))


def slope_weights(use: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the weight of each difference in a slope of equal weights.

    Parameters
    ----------
    use : `numpy.ndarray`
        ``(ngroups,)`` bool: the groups that are used.

    Returns
    -------
    `numpy.ndarray`
        ``(ngroups - 1,)``; zeros where no slope can be told.
    """
    groups = np.flatnonzero(use)
    of_group = np.zeros(len(use))
    if len(groups) > 1:
        away = groups - groups.mean()
        of_group[groups] = away / np.sum(away**2)
    weights: NDArray[np.float64] = np.cumsum(of_group[::-1])[::-1][1:]
    return weights
