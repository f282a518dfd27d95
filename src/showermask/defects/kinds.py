"""The kinds of bad pixels that darks and flats show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["DARK_KINDS", "FLAT_KINDS", "KINDS", "Kind"]


@dataclass(frozen=True)
class Kind:
    """A kind of bad pixel.

    Parameters
    ----------
    name : str
        Its name, as options and region files have it.
    flags : tuple of str
        Names of the pixel flags that stand for it by default, without DO_NOT_USE.
    unit : str
        Unit of the value that is found; empty for a ratio.
    meaning : str
        What such a pixel does, for people.
    """

    name: str
    flags: tuple[str, ...]
    unit: str
    meaning: str

    @property
    def is_unusable(self) -> bool:
        """Whether DO_NOT_USE is set by default too."""
        return self.name not in _USABLE


#: What such pixels measure can be used.
_USABLE = frozenset(("warm", "low_qe"))

#: Those that darks show.
DARK_KINDS = (
    Kind("hot", ("HOT",), "DN/s", "dark current far above that of its neighbours"),
    Kind("warm", ("WARM",), "DN/s", "dark current above that of its neighbours"),
    Kind("saturated", ("HOT",), "groups", "saturated from the first group on"),
    Kind("rc", ("RC",), "DN", "rises fast after each reset, then slower and slower"),
    Kind("inverse_rc", ("RC",), "DN", "falls, or rises faster and faster, after each reset"),
    Kind("telegraph", ("TELEGRAPH",), "DN", "jumps between two levels or two rates"),
    Kind("noisy", ("UNRELIABLE_SLOPE",), "DN/s", "rate that scatters between integrations"),
    Kind("low_pedestal", ("OTHER_BAD_PIXEL",), "DN", "first group far below the others"),
)
#: Those that flats show.
FLAT_KINDS = (
    Kind("dead", ("DEAD",), "", "no signal"),
    Kind("low_qe", ("LOW_QE",), "", "less signal than its neighbours"),
    Kind("open", ("OPEN",), "", "little signal, which its four neighbours have instead"),
    Kind("adj_open", ("ADJ_OPEN",), "", "neighbour of an open pixel"),
)
#: All, by name.
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (*DARK_KINDS, *FLAT_KINDS)}
