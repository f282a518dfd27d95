"""The record of a mask in its product: which entries were masked, from which file.

FITS keywords in the primary header (`KEYWORDS`) and a HISTORY entry. They are written through the
datamodel, so ASDF products carry them too.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from showermask import __version__
from showermask.masking.cost import pixels_text
from showermask.masking.mask import Mask
from showermask.messages import counted, joined, printable
from showermask.regionfile.content import SECTIONS, counts_text

__all__ = ["KEYWORDS", "STEP_NAME", "Provenance"]

#: Name under which the step is recorded in ``meta.cal_step``.
STEP_NAME = "manual_shower_mask"

_LONE_GROUPS = "SHWMNLON"

#: Keywords and their comments.
KEYWORDS = {
    "S_SHWMSK": "Manual shower masking",
    "SHWMFILE": "Region file of the shower mask",
    "SHWMHASH": "SHA-256 of the region file, first 16 digits",
    **{kind.KEYWORD: f"Number of masked {kind.NOUN}s" for kind in SECTIONS.values()},
    "SHWMNPIX": "Number of masked pixels, all integrations",
    "SHWMNFPX": "Number of masked pixels of the frame",
    _LONE_GROUPS: "Number of lone groups flagged with the mask",
}

_HISTORY_WIDTH = 72


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The record of one run of the step on one exposure."""

    #: ``COMPLETE`` or ``SKIPPED``.
    status: str
    #: Name of the region file.
    region_file: str | None = None
    #: Its hash; with mask files, that of all of them (see `RegionFile.fingerprint`).
    sha256: str | None = None
    #: Number of masked entries, by section of the region file.
    counts: Mapping[str, int] = field(default_factory=dict)
    #: Number of masked pixels of the frame, and summed over integrations.
    pixels: int = 0
    integration_pixels: int = 0
    #: Number of groups that were flagged DO_NOT_USE in masked pixels because the mask, or what
    #: was flagged before, left them without a usable neighbour.
    lone_groups: int = 0

    @classmethod
    def of_mask(cls, mask: Mask, *, lone_groups: int = 0) -> Provenance:
        """Return the record of a mask that was applied."""
        return cls(
            status="COMPLETE",
            region_file=mask.region_file.name,
            sha256=mask.region_file.fingerprint,
            counts=mask.coverage.counts,
            pixels=mask.coverage.pixels,
            integration_pixels=mask.coverage.integration_pixels,
            lone_groups=lone_groups,
        )

    @classmethod
    def of_model(cls, model: Any) -> Provenance | None:
        """Return the record that a model carries, None when nothing was masked in it."""
        if not _is_masked(model):
            return None
        found = {card[0]: card[1] for card in _primary_cards(model)}
        return cls(
            status="COMPLETE",
            region_file=found.get("SHWMFILE"),
            sha256=found.get("SHWMHASH"),
            counts={name: found.get(kind.KEYWORD, 0) for name, kind in SECTIONS.items()},
            pixels=found.get("SHWMNFPX", 0),
            integration_pixels=found.get("SHWMNPIX", 0),
            lone_groups=found.get(_LONE_GROUPS, 0),
        )

    def stamp(self, model: Any) -> None:
        """Write the record into a model; twice the same leaves it as once.

        That nothing was masked this time does not hide that something was masked before.
        """
        if not any(self.counts.values()) and _is_masked(model):
            return
        setattr(model.meta.cal_step, STEP_NAME, self.status)
        _set_keywords(model, self._keywords())
        if self.status == "COMPLETE":
            _add_history(model, self._history())

    def is_of_same_mask(self, model: Any) -> bool:
        """Tell whether a model carries the record of the same mask, whatever lone groups it had.

        Lone groups are flagged once; a second run of the same mask finds none.
        """
        present = {card[0]: card[1] for card in _primary_cards(model)}
        wanted = self._keywords()
        return all(present.get(name) == wanted[name] for name in wanted if name != _LONE_GROUPS)

    def added_to(self, model: Any) -> Provenance:
        """Return the record of this run and of earlier runs of the same mask on a model."""
        before = Provenance.of_model(model)
        if before is None or not self.is_of_same_mask(model):
            return self
        return replace(self, lone_groups=self.lone_groups + before.lone_groups)

    def _keywords(self) -> dict[str, str | int]:
        if self.status != "COMPLETE":
            return {"S_SHWMSK": self.status}
        return {
            "S_SHWMSK": self.status,
            "SHWMFILE": _ascii(self.region_file or ""),
            "SHWMHASH": (self.sha256 or "")[:16],
            **{
                kind.KEYWORD: self.counts.get(name, 0)
                for name, kind in SECTIONS.items()
                if self.counts.get(name, 0) or not kind.IS_KEYWORD_OPTIONAL
            },
            "SHWMNPIX": self.integration_pixels,
            "SHWMNFPX": self.pixels,
            _LONE_GROUPS: self.lone_groups,
        }

    def _history(self) -> str:
        extent = joined(
            pixels_text(self.pixels, self.integration_pixels),
            counted(self.lone_groups, "lone group") if self.lone_groups else "",
        )
        return _ascii(
            f"showermask {__version__}: masked {counts_text(self.counts)} ({extent}) "
            f"from {self.region_file} (sha256 {(self.sha256 or '')[:16]})"
        )


def _primary_cards(model: Any) -> list[list[Any]]:
    header = model.instance.get("extra_fits", {}).get("PRIMARY", {}).get("header", [])
    return [list(card) for card in header]


def _is_masked(model: Any) -> bool:
    return ["S_SHWMSK", "COMPLETE"] in [card[:2] for card in _primary_cards(model)]


def _set_keywords(model: Any, keywords: dict[str, str | int]) -> None:
    others = [card for card in _primary_cards(model) if card[0] not in KEYWORDS]
    ours = [[name, value, KEYWORDS[name]] for name, value in keywords.items()]
    primary = model.instance.setdefault("extra_fits", {}).setdefault("PRIMARY", {})
    primary["header"] = [*others, *ours]


def _add_history(model: Any, text: str) -> None:
    """Append to HISTORY unless it is there; FITS cuts entries at 72 characters, so do we."""
    # Into the tree itself: add_history_entry misses it in a model made from one of another class,
    # as the ramp of a pipeline is.
    history = model.instance.setdefault("history", {})
    entries = history if isinstance(history, list) else history.setdefault("entries", [])
    lines = textwrap.wrap(text, _HISTORY_WIDTH, break_long_words=True)
    if not {entry["description"] for entry in entries}.issuperset(lines):
        entries.extend({"description": line} for line in lines)


def _ascii(text: str) -> str:
    """Return ``text`` as a FITS header can hold it."""
    return printable(text).encode("ascii", "backslashreplace").decode("ascii")
