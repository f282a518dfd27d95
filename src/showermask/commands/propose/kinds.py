"""Kinds of things that look like a shower, and how they are told: for the reviewer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from showermask.commands.propose.features import Features

__all__ = ["Kind", "likely_kind"]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Something that looks like a shower.

    Parameters
    ----------
    name : str
        What it is.
    strength : callable
        How much the numbers of a glow speak for it: 1 or more where they do.
    reason : callable
        A sentence that says why.
    """

    name: str
    strength: Callable[[Features], float]
    reason: Callable[[Features], str]


def _if(is_so: object, strength: float) -> float:
    return strength if is_so else 0.0


_KINDS = (
    Kind(
        name="saturation",
        strength=lambda f: _if(f.saturates <= 3, 14 / max(f.saturation, 1.0)),
        reason=lambda f: (
            f"pixels saturate {f.saturation:.0f} pixels away within {max(1, round(f.saturates))} "
            "groups of its onset"
        ),
    ),
    Kind(
        name="moving target",
        strength=lambda f: max(f.motion / 0.35, f.linked / 2, _if(f.of_point < 3, f.bump / 0.97)),
        reason=lambda f: (
            f"it lies on a line with {f.linked:.0f} others that light up one after the other"
            if f.linked >= 2
            else f"its early and late light lie apart ({f.motion * f.significance:.0f} sigma)"
            if f.motion > 0.3
            else "it rises and falls as a source that passes"
        ),
    ),
    Kind(
        name="latent",
        strength=lambda f: _if(bool(f.is_idle), 2.2 / max(f.of_point, 0.5)),
        reason=lambda f: (
            f"it is {f.of_point:.1f} times as wide as a point source, and there from the first "
            "group on"
        ),
    ),
    Kind(
        name="afterglow of a hit",
        strength=lambda f: _if(f.jump_height > 1 and f.beside_jumps < 0.5, f.jumps / 0.5),
        reason=lambda f: (
            f"{100 * min(f.jumps, 1.0):.0f} per cent of its light lie where a hit is flagged"
        ),
    ),
    Kind(
        name="jitter",
        strength=lambda f: _if(f.brightness > 1 and f.of_point < 4, f.negative / 0.5),
        reason=lambda f: (
            f"it lies on a source, beside a hole of the same onset ({f.negative:.1f} times as deep)"
        ),
    ),
    Kind(
        name="row drift",
        strength=lambda f: max(f.row / 0.4, f.alignment / 0.8),
        reason=lambda f: (
            f"the same rows have {100 * f.row:.0f} per cent as much beside it"
            if f.row > 0.3
            else f"it lies along rows or columns, {1 / f.ratio:.0f} times as long as wide"
        ),
    ),
    Kind(
        name="variable source",
        strength=lambda f: _if(f.brightness > 0.5 and f.of_point < 3, f.drift / 0.7),
        reason=lambda f: (
            "it lies on a source, and a slow change over all of the ramp explains "
            f"{100 * min(f.drift, 1):.0f} per cent of it"
        ),
    ),
    Kind(
        name="bad pixels",
        strength=lambda f: 0.55 / max(f.of_point, 0.2),
        reason=lambda f: f"it is {f.of_point:.1f} times as wide as a point source",
    ),
)


def likely_kind(features: Features) -> tuple[str, str] | None:
    """Return what a glow may be instead of a shower.

    Parameters
    ----------
    features : Features
        Its numbers.

    Returns
    -------
    tuple of str, or None
        What it may be, and why; None where nothing speaks for anything else.
    """
    best = max(_KINDS, key=lambda kind: kind.strength(features))
    if best.strength(features) < 1:
        return None
    return best.name, best.reason(features)
