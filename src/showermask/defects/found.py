"""The result of a search: pixels of a kind, each with its evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from showermask.defects.kinds import Kind

__all__ = ["FoundPixels", "Threshold"]


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """The limit from which on a pixel is of a kind.

    Parameters
    ----------
    statistic : str
        What is compared, for people.
    unit : str
        Its unit.
    value : float
        The limit, the mean over the amplifiers.
    option : str
        The option that sets it.
    values : `numpy.ndarray`
        ``(n,)``: a sample of the statistic over the detector, for a histogram.
    is_strict_when_low : bool, optional
        Whether fewer pixels are found with a lower limit.
    """

    statistic: str
    unit: str
    value: float
    option: str
    values: NDArray[np.float32]
    is_strict_when_low: bool = False

    @property
    def advice(self) -> str:
        """The way to find fewer pixels."""
        verb = "lower" if self.is_strict_when_low else "raise"
        options = (f"--{name.replace('_', '-')}" for name in self.option.split(", "))
        return f"{verb} {' or '.join(options)}"


@dataclass(frozen=True, kw_only=True, eq=False)
class FoundPixels:
    """The pixels of a kind, by falling score.

    Parameters
    ----------
    kind : Kind
        The kind.
    y, x : `numpy.ndarray`
        ``(n,)``: rows and columns in the images of the exposures.
    score : `numpy.ndarray`
        ``(n,)``: sigma above the surroundings; for telegraph noise the logarithm of the likelihood
        ratio, for saturation the percentage of the integrations.
    value : `numpy.ndarray`
        ``(n,)``: what was measured, in the unit of the kind.
    seen : `numpy.ndarray`
        ``(n,)``: number of integrations (or exposures, of flats) that show it.
    looks : int
        Number of integrations or exposures that were looked at.
    noun : str
        What these are: ``integration`` or ``exposure``.
    threshold : Threshold or None
        The limit, where it is one number.
    """

    kind: Kind
    y: NDArray[np.intp]
    x: NDArray[np.intp]
    score: NDArray[np.float32]
    value: NDArray[np.float32]
    seen: NDArray[np.intp]
    looks: int
    noun: str
    threshold: Threshold | None = None

    def __len__(self) -> int:
        return len(self.y)

    @classmethod
    def of_mask(
        cls,
        kind: Kind,
        mask: NDArray[np.bool_],
        *,
        score: NDArray[np.floating],
        value: NDArray[np.floating],
        seen: NDArray[np.integer],
        looks: int,
        noun: str = "integration",
        threshold: Threshold | None = None,
    ) -> FoundPixels:
        """Return the pixels of a mask; the other arrays are images as well."""
        y, x = np.nonzero(mask)
        order = np.argsort(-score[y, x], kind="stable")
        y, x = y[order], x[order]
        return cls(
            kind=kind,
            y=y,
            x=x,
            score=score[y, x].astype(np.float32),
            value=value[y, x].astype(np.float32),
            seen=seen[y, x].astype(np.intp),
            looks=looks,
            noun=noun,
            threshold=threshold,
        )

    def mask(self, image_shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the pixels as an image, ``(ny, nx)`` bool."""
        image = np.zeros(image_shape, bool)
        image[self.y, self.x] = True
        return image

    def evidence(self, number: int) -> str:
        """Return the evidence for one of the pixels, for people."""
        value = f"{self.value[number]:.3g}"
        unit = f" {self.kind.unit}" if self.kind.unit else " of its surroundings"
        looks = f"{self.seen[number]} of {self.looks} {self.noun}s"
        return f"{self.kind.name} in {looks}, {value}{unit}"
