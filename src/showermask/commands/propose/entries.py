"""From a candidate to the entry of a region file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from showermask.commands.propose.candidates import Candidate
from showermask.commands.propose.kinds import likely_kind
from showermask.commands.propose.merging import DOUBT
from showermask.commands.propose.outline import find_outline
from showermask.glow.duration import best_last_group
from showermask.regionfile.ellipse import Ellipse
from showermask.regionfile.entry import Status
from showermask.regionfile.polygon import Polygon
from showermask.regionfile.shower import PROPOSED, Shower

__all__ = ["entry_of", "outlined"]

#: Below this probability a candidate has a reason to doubt it.
_DOUBTFUL = 0.7
#: A fainter glow has no shape of its own.
_HAS_SHAPE = 12.0


def entry_of(
    one: Candidate, integration: int, correlation: float, valid: NDArray[np.bool_]
) -> Shower | Polygon:
    """Return the entry of a candidate.

    Parameters
    ----------
    one : Candidate
        The candidate.
    integration : int
        Its integration.
    correlation : float
        Correlation of the noise of one difference with the next.
    valid : `numpy.ndarray`
        ``(ndiff,)`` bool: differences that the ramp fit uses.

    Returns
    -------
    Shower or Polygon
        With the group from which, and up to which, it is worth masking.
    """
    glow = one.glow
    group = 0 if glow.onset < 0 else glow.onset + 1
    last_group = best_last_group(
        glow.typical_light * glow.course,
        noise=glow.noise,
        correlation=correlation,
        first_group=group,
        valid=valid,
    )
    return outlined(one, integration=integration, group=group, last_group=last_group)


def outlined(one: Candidate, **when: int | None) -> Shower | Polygon:
    """Return the entry of a candidate for some integration and groups.

    It is an ellipse; or a polygon, where that holds clearly more of the light.
    """
    glow, cells = one.glow, one.glow.cells
    common: dict[str, Any] = {
        **when,
        "status": Status.CANDIDATE,
        "source": PROPOSED,
        "score": round(glow.significance, 1),
        "probability": round(one.probability, 2),
    }
    if one.probability < _DOUBTFUL:
        kind = likely_kind(one.features)
        common |= {"kind": kind[0], "comment": f"{DOUBT}{kind[1]}"} if kind else {}
    ellipse = glow.ellipse()
    is_clear = glow.significance >= _HAS_SHAPE
    outline = find_outline(one.image, ellipse) if is_clear else ellipse
    if isinstance(outline, Ellipse):
        return Shower(
            x=round(cells.to_pixels(outline.x, 1), 1),
            y=round(cells.to_pixels(outline.y, 0), 1),
            a=round(outline.a * cells.pixels, 1),
            b=round(outline.b * cells.pixels, 1),
            theta=round(outline.theta % 180, 1),
            **common,
        )
    corners = tuple(
        (round(cells.to_pixels(x, 1), 1), round(cells.to_pixels(y, 0), 1)) for x, y in outline
    )
    return Polygon(vertices=corners, **common)
