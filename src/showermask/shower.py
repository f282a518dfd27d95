"""The shower: what a person draws, what the machine proposes, what the step masks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from showermask.ellipse import Ellipse
from showermask.entry import Entry, Status, is_finite
from showermask.exceptions import ShowerError

__all__ = ["CORRECTED", "PROPOSED", "Shower", "Status"]

#: What ``source`` says of what ``propose`` has found, and of what a person has corrected since.
PROPOSED, CORRECTED = "propose", "propose, corrected"

#: Degrees; of larger angles rounding leaves no more than noise.
_LARGEST_THETA = 1e6


@dataclass(frozen=True, kw_only=True)
class Shower(Entry):
    """One cosmic-ray shower: an ellipse, and the groups of one integration that it spoils.

    The attributes are the keys of the region file.

    Parameters
    ----------
    integration : int
        Integration, zero-based within the file.
    group : int
        First affected group, zero-based.
    last_group : int, optional
        Last affected group, inclusive; to the end of the integration without it.
    x, y : float
        Centre of the ellipse: column and row in pixels, zero-based, relative to the subarray;
        pixel centres at integers.
    a, b : float
        Semi-axes in pixels, both > 0; ``a`` lies along ``theta``.
    theta : float
        Degrees counter-clockwise from +x to the ``a`` axis.
    status : Status or str, optional
        Only accepted showers are applied.
    flags : tuple of str, optional
        Names of the data-quality flags to set; the step's default without it.
    comment : str, optional
        What the reviewer wants to be remembered.
    source : str, optional
        Where the shower comes from: ``manual``, ``propose``, ``ds9`` …
    score : float, optional
        Signal-to-noise ratio, from ``propose``.

    Raises
    ------
    ShowerError
        When a value has the wrong type or is out of range; names all of them.
    """

    _NEEDED = frozenset({"integration", "group"})
    _ERROR = ShowerError

    integration: int
    group: int
    last_group: int | None = None
    x: float
    y: float
    a: float
    b: float
    theta: float
    status: Status = Status.ACCEPTED
    flags: tuple[str, ...] | None = None
    comment: str | None = None
    source: str | None = None
    score: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("x", "y", "a", "b", "theta"):
            object.__setattr__(self, name, float(getattr(self, name)))
        if self.score is not None:
            object.__setattr__(self, "score", float(self.score))

    @property
    def place(self) -> str:
        """Where the shower is, for people."""
        return ", ".join(
            f"{name} {getattr(self, name):g}" for name in ("x", "y", "a", "b", "theta")
        )

    @property
    def ellipse(self) -> Ellipse:
        """The ellipse without its groups."""
        return Ellipse(x=self.x, y=self.y, a=self.a, b=self.b, theta=self.theta)

    def pixels(self, frame: tuple[int, int]) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
        """Return the pixels of a frame that are inside.

        Parameters
        ----------
        frame : tuple of int
            Rows and columns.

        Returns
        -------
        box : tuple of slice
            Rows and columns that the ellipse reaches, clipped.
        inside : `numpy.ndarray`
            ``(rows, columns)`` bool: the pixels of the box.
        """
        box = self.ellipse.box(frame)
        return box, self.ellipse.inside(*box)

    def _problems(self) -> Iterator[str]:
        yield from super()._problems()
        for name in ("x", "y", "a", "b", "theta", "score"):
            value = getattr(self, name)
            if name == "score" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, Real) or not is_finite(value):
                yield f"{name} is {value!r}, expected a finite number"
            elif name in "ab" and value <= 0:
                yield f"{name} is {value!r}, expected a semi-axis in pixels, more than 0"
            elif name == "theta" and not -_LARGEST_THETA <= float(value) <= _LARGEST_THETA:
                yield f"theta is {value!r}, expected degrees from -1e6 to 1e6; take 0 to 360"
