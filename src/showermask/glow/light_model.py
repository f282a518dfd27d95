"""Light that can be taken out of an exposure: what models of ramps and of rates share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from showermask.regionfile.entry import Box

__all__ = ["LightModel"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LightModel(ABC):
    """The light of a shower in an integration: a map, times the light of each image.

    Parameters
    ----------
    integration : int
        Its integration, zero-based.
    box : tuple of slice
        Rows and columns of the frame that its map has.
    map : `numpy.ndarray`
        ``(rows, columns)`` float32: light of each pixel.
    variance : `numpy.ndarray`
        Likewise: variance of the map.
    snr : float
        Signal-to-noise ratio of its map.
    """

    integration: int
    box: Box
    map: NDArray[np.float32]
    variance: NDArray[np.float32]
    snr: float

    @property
    @abstractmethod
    def light(self) -> NDArray[np.float64]:
        """``(n,)``: light that each image of the integration has, in units of the map."""

    @property
    def removed(self) -> float:
        """Light of all pixels in the last image, in units of the data."""
        return float(self.map.sum(dtype=np.float64) * self.light[-1])

    @abstractmethod
    def doubt(self) -> str | None:
        """Return why the model is not to be trusted; None if it is."""

    @abstractmethod
    def describe(self) -> str:
        """Return how sure it is, and how much light it has, for people."""

    def take_out(self, ramp: NDArray[np.float32]) -> None:
        """Take the shower out of an integration.

        Parameters
        ----------
        ramp : `numpy.ndarray`
            ``(ngroups, ny, nx)`` in DN. Modified in place.
        """
        self._add(ramp, -1.0)

    def put_back(self, ramp: NDArray[np.float32]) -> None:
        """Put the shower into an integration again; see `take_out`."""
        self._add(ramp, 1.0)

    def _add(self, ramp: NDArray[np.float32], sign: float) -> None:
        for group, light in enumerate(self.light):
            if light:
                ramp[group, *self.box] += (sign * light * self.map).astype(ramp.dtype)

    def map_in(self, box: Box) -> NDArray[np.float32]:
        """Return the map in another box.

        Parameters
        ----------
        box : tuple of slice
            Rows and columns of the frame, with both ends.

        Returns
        -------
        `numpy.ndarray`
            ``(rows, columns)`` in DN; 0 where the map has no place.
        """
        image = np.zeros([part.stop - part.start for part in box], np.float32)
        both = tuple(
            slice(max(a.start, b.start), min(a.stop, b.stop))
            for a, b in zip(box, self.box, strict=True)
        )
        if all(part.start < part.stop for part in both):
            here, there = (
                tuple(
                    slice(part.start - whole.start, part.stop - whole.start)
                    for part, whole in zip(both, outer, strict=True)
                )
                for outer in (box, self.box)
            )
            image[here] = self.map[there]
        return image
