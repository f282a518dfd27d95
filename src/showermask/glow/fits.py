"""Fits that a reviewer asks for: the onset, the end and the ellipse of a glow."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from showermask.exceptions import EntryError
from showermask.glow.aperture_fit import best_aperture
from showermask.glow.duration import best_last_group, noise_ratio, part_removed
from showermask.glow.evidence import Evidence
from showermask.glow.light_curve import best_onset
from showermask.regionfile.ellipse import Ellipse
from showermask.regionfile.entry import box_within, grow_box

__all__ = ["Trade", "fit_ellipse", "fit_group", "fit_last_group"]

#: Limits of fitted semi-axes: pixels, and times the largest of the drawn ellipse.
_SMALLEST, _LARGEST = 2.0, 2.5
#: A glow that stands out less can't be fitted, in sigma of its sum: the best of many ellipses has
#: 3 to 4 in noise.
_LEAST = 5.0


@dataclass(frozen=True, kw_only=True)
class Trade:
    """A mask of some groups: what it takes out of the rate, and by how much it raises the noise."""

    last_group: int | None
    #: Part of the light that the glow adds to the rate; NaN where it adds none.
    removed: float
    #: Noise of the rate in units of that without the mask; infinite where no rate is left.
    noise: float


def fit_group(evidence: Evidence) -> int:
    """Return the first group of the glow that fits the light curve best."""
    if evidence.curve is None or evidence.fit is None:
        raise EntryError("has no light curve over groups, expected an entry of a ramp")
    onset = best_onset(evidence.curve)
    return 0 if onset < 0 else onset + 1


def fit_last_group(evidence: Evidence, group: int, ngroups: int) -> tuple[Trade, Trade]:
    """Find where a mask should end.

    Parameters
    ----------
    evidence : Evidence
        Of the entry.
    group : int
        Its first group.
    ngroups : int
        Groups of the ramp.

    Returns
    -------
    best, whole : Trade
        The mask whose further groups would cost more than they remove, and that to the end of the
        integration.
    """
    curve, fit = evidence.curve, evidence.fit
    if curve is None or fit is None or not fit.glow.any():
        raise EntryError("has no glow that fades, expected one for which an end can be found")
    noise = float(np.nanmedian(curve.errors) * math.sqrt(max(curve.pixels, 1.0)))
    last = best_last_group(
        fit.glow,
        noise=noise,
        correlation=curve.correlation,
        first_group=group,
        valid=curve.known,
    )
    trades = []
    for end in (last, None):
        groups = slice(group, ngroups if end is None else end + 1)
        trades.append(
            Trade(
                last_group=end,
                removed=part_removed(fit.glow, curve.known, groups, curve.correlation),
                noise=noise_ratio(curve.known, groups, curve.correlation),
            )
        )
    return trades[0], trades[1]


def fit_ellipse(evidence: Evidence, start: Ellipse) -> tuple[Ellipse, float]:
    """Fit an ellipse to the evidence image.

    Parameters
    ----------
    evidence : Evidence
        Of the entry.
    start : Ellipse
        An ellipse drawn around the glow.

    Returns
    -------
    ellipse : Ellipse
        The ellipse near it whose sum stands out most.
    significance : float
        Its signal-to-noise ratio in the evidence image.

    Raises
    ------
    EntryError
        When nothing stands out there.
    """
    reach = math.ceil(3 * max(start.a, start.b)) + 8
    shape = evidence.image_shape
    around = grow_box(start.box(shape), reach, shape)
    image = np.nan_to_num(evidence.image(smoothing=0.0, box=around), copy=True)
    ring = np.zeros(shape, bool)
    ring[evidence.aperture.box] = evidence.aperture.ring
    signal = image.astype(float) - float(np.median(image[ring[around]]) if ring.any() else 0.0)
    power = np.ones(signal.shape)
    largest = _LARGEST * max(start.a, start.b)
    fitted = start
    for _ in range(2):
        fitted = best_aperture(signal, power, fitted, around, smallest=_SMALLEST, largest=largest)
    box = fitted.box(shape)
    part = box_within(box, around)
    inside = fitted.inside(*box)
    count = np.count_nonzero(inside)
    significance = float(signal[part][inside].sum()) / math.sqrt(count) if count else 0.0
    if significance < _LEAST:
        raise EntryError(
            f"nothing stands out there (S/N {significance:.1f}), expected a glow of {_LEAST:g} or "
            "more near the drawn ellipse"
        )
    a, b, theta = fitted.a, fitted.b, fitted.theta
    if b > a:
        a, b, theta = b, a, theta + 90
    return Ellipse(x=fitted.x, y=fitted.y, a=a, b=b, theta=theta % 180), significance
