"""The shower: an ellipse, and the groups of one integration that it spoils."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from showermask.exceptions import ShowerError
from showermask.regionfile.ellipse import Ellipse
from showermask.regionfile.entry import Action, Box, Entry, Status

__all__ = ["CORRECTED", "PROPOSED", "Shower"]

#: The ``source`` of what ``propose`` has found, and of what a person has corrected since.
PROPOSED, CORRECTED = "propose", "propose, corrected"


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
    action : Action or str, optional
        Whether its pixels are flagged (``mask``, the default), or its light is taken out of a ramp
        where that can be done well (``subtract``, ``auto``).
    probability : float, optional
        Probability of being a shower, 0 to 1, from ``propose``.
    kind : str, optional
        What it may be instead of a shower, from ``propose``: ``moving target``, ``latent`` …

    Raises
    ------
    ShowerError
        When a value is not valid; names all that is wrong.
    """

    SECTION = "showers"
    NOUN = "shower"
    KEYWORD = "SHWMNSHW"
    IS_KEYWORD_OPTIONAL = False
    COLUMNS = "     x       y       a       b   theta"
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
    action: Action = Action.MASK
    probability: float | None = None
    kind: str | None = None

    def _normalise(self) -> None:
        super()._normalise()
        object.__setattr__(self, "action", Action(self.action or Action.MASK))
        for name in ("x", "y", "a", "b", "theta", "score", "probability"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else float(value))

    @property
    def location(self) -> str:
        """The ellipse, for people."""
        return ", ".join(
            f"{name} {getattr(self, name):g}" for name in ("x", "y", "a", "b", "theta")
        )

    @property
    def cells(self) -> str:
        """The ellipse as columns of a table."""
        return f"{self.x:7.1f} {self.y:7.1f} {self.a:7.1f} {self.b:7.1f} {self.theta:7.1f}"

    @property
    def ellipse(self) -> Ellipse:
        """The ellipse without its groups."""
        return Ellipse(x=self.x, y=self.y, a=self.a, b=self.b, theta=self.theta)

    def pixels(self, image_shape: tuple[int, int]) -> tuple[Box, NDArray[np.bool_]]:
        """Return the pixels of an image whose centre is inside or on the ellipse.

        Parameters
        ----------
        image_shape : tuple of int
            Rows and columns.

        Returns
        -------
        box : tuple of slice
            Rows and columns that the ellipse reaches, clipped.
        inside : `numpy.ndarray`
            ``(rows, columns)`` bool: the pixels of the box.
        """
        box = self.ellipse.box(image_shape)
        return box, self.ellipse.inside(*box)

    def radius(self, rows: slice, columns: slice) -> NDArray[np.float64]:
        """Return how far pixels are from the centre, in units of the ellipse."""
        y = np.arange(rows.start, rows.stop, dtype=np.float64)[:, np.newaxis]
        return self.ellipse.radius(np.arange(columns.start, columns.stop, dtype=np.float64), y)

    @property
    def centre(self) -> tuple[float, float]:
        """Column and row of the centre, in pixels."""
        return self.x, self.y

    @property
    def area(self) -> float:
        """Area in pixels."""
        return math.pi * self.a * self.b

    def contains(self, x: float, y: float) -> bool:
        """Tell whether a place is inside or on the ellipse."""
        return bool(self.ellipse.radius(x, y) <= 1)

    def outline(self) -> NDArray[np.float64]:
        """Return points on the ellipse."""
        return self.ellipse.points()

    def moved(self, dx: float, dy: float) -> Shower:
        """Return the shower as it is elsewhere, so many pixels away."""
        return replace(self, x=self.x + dx, y=self.y + dy)

    def advice_outside(self, image_shape: tuple[int, int]) -> str:
        """Return what may be wrong where the ellipse covers no pixel; empty if not known."""
        ny, nx = image_shape
        if 0 <= self.x < nx and 0 <= self.y < ny:
            return "a and b are semi-axes in pixels, and no pixel's centre is inside"
        if 0 <= self.y < nx and 0 <= self.x < ny:
            return "are x and y swapped?"
        return ""
