"""Count how often a pixel stands out: a statistic of many integrations, strip by strip.

A pixel has a property in a part ``f`` of the integrations when the statistic that the ``f n``
highest of them reach is above the threshold. So the detector needs only one image of that value;
the values of all integrations are kept for what might be found.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from showermask.defects.background import local_level, sigma_of_amplifiers
from showermask.defects.found import FoundPixels, Threshold
from showermask.defects.kinds import Kind

__all__ = ["Tally"]

#: Values are kept of pixels that are so many sigma of their strip above it.
_KEPT = 3.0
_SAMPLE = 20_000


class Tally:
    """A statistic over the integrations, for a detector.

    Parameters
    ----------
    image_shape : tuple of int
        Rows and columns.
    amplifiers : `numpy.ndarray`
        ``(ny, nx)``: amplifier of each pixel.
    fraction : float
        Part of the integrations in which a pixel has to stand out.
    sign : int, optional
        1 for what is high, -1 for what is low.
    """

    def __init__(
        self,
        image_shape: tuple[int, int],
        amplifiers: NDArray[np.intp],
        fraction: float,
        sign: int = 1,
    ) -> None:
        self.amplifiers, self.fraction, self.sign = amplifiers, fraction, sign
        self.image = np.full(image_shape, np.nan, np.float32)
        self.middle = np.full(image_shape, np.nan, np.float32)
        self._pixels: list[NDArray[np.intp]] = []
        self._values: list[NDArray[np.float32]] = []

    def add(self, rows: slice, values: NDArray[np.float32]) -> None:
        """Take the statistic of some rows.

        Parameters
        ----------
        rows : slice
            The rows.
        values : `numpy.ndarray`
            ``(nints, rows, columns)``; NaN where unknown.
        """
        signed = self.sign * values
        ordered = np.sort(signed, axis=0)
        count = np.count_nonzero(np.isfinite(ordered), axis=0)
        self.image[rows] = _picked(ordered, count, np.ceil(self.fraction * count).astype(int))
        self.middle[rows] = _picked(ordered, count, (count + 1) // 2)
        strip = self.image[rows]
        level, sigma = sigma_of_amplifiers(strip, self.amplifiers[rows])
        y, x = np.nonzero(np.nan_to_num(strip - level, nan=-np.inf) > _KEPT * sigma)
        self._pixels.append((y + rows.start) * strip.shape[1] + x)
        self._values.append(signed[:, y, x].T.copy())

    def excess(self) -> NDArray[np.float32]:
        """Return by how much each pixel is above its surroundings, ``(ny, nx)``."""
        return self.image - local_level(self.image)

    def found(
        self,
        kind: Kind,
        *,
        sigmas: float,
        option: str,
        least: float = 0.0,
        noisier: NDArray[np.float32] | None = None,
        but: NDArray[np.bool_] | None = None,
    ) -> FoundPixels:
        """Return the pixels that stand out.

        Parameters
        ----------
        kind : Kind
            What they are.
        sigmas : float
            Threshold in robust standard deviations of the detector.
        option : str
            The option that sets it.
        least : float, optional
            Least excess, in units of the statistic.
        noisier : `numpy.ndarray`, optional
            ``(ny, nx)``: noise of each pixel in units of the typical one; 1 or more.
        but : `numpy.ndarray`, optional
            ``(ny, nx)`` bool: pixels that are not of the kind.

        Returns
        -------
        FoundPixels
            The pixels.
        """
        around = local_level(self.image)
        of_amplifiers, sigma = sigma_of_amplifiers(self.image - around, self.amplifiers)
        level = around + of_amplifiers
        excess = self.image - level
        scale = np.maximum(sigma, 1e-12) * (1.0 if noisier is None else noisier)
        limit = np.maximum(sigmas * scale, least)
        limit = np.broadcast_to(limit, excess.shape)
        mask = np.nan_to_num(excess, nan=-np.inf) > limit
        if but is not None:
            mask &= ~but
        seen = np.zeros(mask.shape, np.intp)
        looks = self._count(mask, level + limit, seen)
        known = excess[np.isfinite(excess)]
        step = max(1, known.size // _SAMPLE)
        return FoundPixels.of_mask(
            kind,
            mask,
            score=np.nan_to_num(excess / scale),
            value=self.sign * (self.middle - level),
            seen=seen,
            looks=looks,
            threshold=Threshold(
                statistic=f"{kind.name}: excess in {self.fraction:.0%} of the integrations",
                unit=kind.unit,
                value=float(np.median(limit)),
                option=option,
                values=known[::step],
            ),
        )

    def _count(
        self, mask: NDArray[np.bool_], limit: NDArray[np.float32], seen: NDArray[np.intp]
    ) -> int:
        """Count the integrations in which the pixels of a mask are above a limit, into ``seen``."""
        if not self._pixels:
            return 0
        pixels, values = np.concatenate(self._pixels), np.concatenate(self._values)
        of_mask = mask.ravel()[pixels]
        pixels, values = pixels[of_mask], values[of_mask]
        above = np.nan_to_num(values, nan=-np.inf) > limit.ravel()[pixels, np.newaxis]
        seen.ravel()[pixels] = np.count_nonzero(above, axis=1)
        return int(values.shape[1])


def _picked(
    ordered: NDArray[np.float32], count: NDArray[np.integer], rank: NDArray[np.integer]
) -> NDArray[np.float32]:
    """Return the value of a rank from the top of ordered values, which have NaN last."""
    index = np.clip(count - np.maximum(rank, 1), 0, len(ordered) - 1)
    found: NDArray[np.float32] = np.take_along_axis(ordered, index[np.newaxis], 0)[0]
    return np.where(count > 0, found, np.float32(np.nan))


def least_count(fraction: float, looks: int) -> int:
    """Return in how many of some integrations a pixel has to be seen for a part of them."""
    return max(1, math.ceil(fraction * looks - 1e-9))
