"""Changes of sources that are no showers: non-linearity, jitter, the brighter-fatter effect.

The rates of sources change over a ramp in ways that all sources of a frame share. Each difference
of groups is fitted with a few images that are made of the mean rate:

- ``linear``, ``squared``: what linearity correction leaves goes with the rate, and with its square;
- ``x``, ``y``: a shift of the pointing shows the gradient of the rate;
- ``spread``: charge repels charge, so that what is brighter than its neighbours loses to them; it
  goes with rate × (rate - neighbours).

A glow is no such image, and stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from showermask.commands.propose.background import smooth_background
from showermask.exposure.dq import DO_NOT_USE, SATURATED
from showermask.glow.differences import NEVER_GOOD, Images, medians

__all__ = ["SourceTerms", "read_source_terms"]

#: A source stands out of the noise of the rate by so much.
_SOURCE_SIGMAS = 5.0
_LEAST_PIXELS = 30
#: Spans of a ramp that the typical rate of a pixel is told from.
_SPANS = 4
#: How much of each image there may be: parts of the rate, pixels. Larger is less likely.
_PRIOR = {"linear": 0.02, "squared": 0.05, "x": 0.3, "y": 0.3, "spread": 0.1}


@dataclass(kw_only=True)
class SourceTerms:
    """The images, and the sums of their fit.

    Parameters
    ----------
    terms : `numpy.ndarray`
        ``(nterms, ny, nx)`` float32, in DN per unit of each.
    chosen : `numpy.ndarray`
        ``(ny, nx)`` bool: pixels that take part in the fit.
    """

    NAMES = ("linear", "squared", "x", "y", "spread")

    terms: NDArray[np.float32]
    chosen: NDArray[np.bool_]
    #: Matrix, vector and number of pixels of the rows from each on. Strips come from several
    #: threads, in any order; they are added in one order, for the same result each time.
    _sums: dict[int, tuple[NDArray[np.float64], NDArray[np.float64], int]] = field(
        init=False, default_factory=dict, repr=False
    )

    def add_strip(
        self, rows: slice, differences: NDArray[np.float32], noise: NDArray[np.float32]
    ) -> None:
        """Add the pixels of some rows to the fit.

        Parameters
        ----------
        rows : slice
            Rows of the frame.
        differences : `numpy.ndarray`
            ``(ndiff, rows, columns)`` in DN, less their level; NaN where unknown.
        noise : `numpy.ndarray`
            ``(rows, columns)`` in DN.
        """
        chosen = self.chosen[rows] & (noise > 0)
        terms = self.terms[:, rows][:, chosen].astype(np.float64)
        values = differences[:, chosen].astype(np.float64)
        known = np.isfinite(values)
        weights = np.where(known, 1 / noise[chosen].astype(np.float64) ** 2, 0.0)
        nterms, npixels = terms.shape
        products = (terms[:, np.newaxis] * terms).reshape(nterms**2, npixels)
        matrix = (weights @ products.T).reshape(-1, nterms, nterms)
        vector = (weights * np.where(known, values, 0.0)) @ terms.T
        self._sums[rows.start] = matrix, vector, npixels

    def take_away(self, values: NDArray[np.float32], weights: NDArray[np.float32]) -> None:
        """Take the fitted images from binned differences; in place.

        Parameters
        ----------
        values, weights : `numpy.ndarray`
            ``(ndiff, rows, columns)`` of bins.
        """
        sums = [self._sums[start] for start in sorted(self._sums)]
        if sum(count for _, _, count in sums) < _LEAST_PIXELS:
            return
        matrix, vector = sum(one[0] for one in sums), sum(one[1] for one in sums)
        bin_size = self.terms.shape[1] // values.shape[1]
        height, width = (size * bin_size for size in values.shape[1:])
        binned = (
            self.terms[:, :height, :width]
            .reshape(len(self.terms), height // bin_size, bin_size, width // bin_size, bin_size)
            .mean(axis=(2, 4))
        )
        prior = np.diag([_PRIOR[name] ** -2.0 for name in self.NAMES])
        amounts = np.linalg.solve(matrix + prior, np.asarray(vector)[..., np.newaxis])[..., 0]
        matters = np.abs(binned).max(axis=0) > 0
        terms = binned[:, matters]
        for value, weight, amount in zip(values, weights, amounts.astype(np.float32), strict=True):
            value[matters] -= (amount @ terms) * (weight[matters] > 0)

    def afresh(self) -> SourceTerms:
        """Return the same images, for another integration; nothing is fitted yet."""
        return SourceTerms(terms=self.terms, chosen=self.chosen)


def read_source_terms(
    images: Images, integrations: Sequence[int], image_shape: tuple[int, int]
) -> SourceTerms:
    """Make the images from a few usable groups.

    Parameters
    ----------
    images : Images
        The exposure.
    integrations : sequence of int
        Which integrations, zero-based; of several the median is taken, so that a glow in one of
        them is no source.
    image_shape : tuple of int
        Rows and columns.

    Returns
    -------
    SourceTerms
        The images; nothing is fitted yet.
    """
    found = [_steady_rate(images, integration, image_shape) for integration in integrations]
    rate, noise = found[0]
    if len(found) > 1:
        rates = np.stack([rate.ravel() for rate, _ in found])
        rate, noise = medians(rates).reshape(image_shape), float(np.median([n for _, n in found]))
    known = np.isfinite(rate)
    brightness = np.where(known, rate - smooth_background(rate, known, 128), np.float32(0))
    chosen = known & (brightness > _SOURCE_SIGMAS * noise)
    level = np.where(known, rate, np.float32(0))
    gradient_y, gradient_x = np.gradient(brightness)
    around = (uniform_filter(brightness, 3) * 9 - brightness) / 8
    brightest = float(brightness[chosen].max()) if chosen.any() else 1.0
    terms = np.stack(
        [
            brightness,
            brightness**2 / brightest,
            gradient_x,
            gradient_y,
            (brightness - around) * level / brightest,
        ]
    ).astype(np.float32)
    # Where there is no source, the images are noise.
    near = uniform_filter(chosen.astype(np.float32), 3) > 0
    terms *= near
    return SourceTerms(terms=terms, chosen=near & known)


def _steady_rate(
    images: Images, integration: int, image_shape: tuple[int, int]
) -> tuple[NDArray[np.float32], float]:
    """Return the steady rate of each pixel, NaN where unknown, and its typical noise.

    It is the lowest over a few spans of the ramp: a hit, and a glow that begins or fades, is no
    source. Of a pixel that saturates it is the lowest over the spans before.
    """
    box = slice(0, image_shape[0]), slice(0, image_shape[1])
    usable = _usable_groups(images, integration, box)
    if len(usable) < 2:
        usable = list(range(images.stack_shape[1]))
    # A short span at the start, for what saturates soon.
    ends = sorted({*usable[:2], *np.linspace(usable[0], usable[-1], _SPANS + 1).astype(int)})
    never_good = (images.pixel_dq_window(box) & NEVER_GOOD) > 0
    rates = np.full((len(ends) - 1, *image_shape), np.nan, np.float32)
    before = images.window(integration, ends[0], box)
    for span, rate in enumerate(rates):
        end = ends[span + 1]
        after = images.window(integration, end, box)
        flags = images.dq_window(integration, end, box) | images.dq_window(
            integration, ends[span], box
        )
        is_good = ~(never_good | ((flags & (DO_NOT_USE | SATURATED)) > 0))
        np.divide(after - before, end - ends[span], out=rate, where=is_good)
        before = after
    # The short span has a say only where there is no other.
    rate = np.fmin.reduce(rates[1:] if len(rates) > 2 else rates)
    rate = np.where(np.isfinite(rate), rate, rates[0])
    known = rate[np.isfinite(rate)]
    sample = known[:: max(1, len(known) // 20000)]
    noise = 1.4826 * float(np.median(np.abs(sample - np.median(sample)))) if len(sample) else 1.0
    return rate, noise or 1.0


def _usable_groups(images: Images, integration: int, box: tuple[slice, slice]) -> list[int]:
    """Return the groups that are not left out as a whole, told from a few rows."""
    rows = box[0]
    middle = slice(rows.stop // 2, min(rows.stop, rows.stop // 2 + 4))
    return [
        group
        for group in range(images.stack_shape[1])
        if np.mean((images.dq_window(integration, group, (middle, box[1])) & DO_NOT_USE) > 0) < 0.5
    ]
