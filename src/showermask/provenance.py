"""Write into a product which showers were masked in it, from which file.

FITS keywords in the primary header (`KEYWORDS`) and a HISTORY entry. They are written through the
datamodel, so ASDF products carry them too.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace
from typing import Any

from showermask import __version__
from showermask.flagging import Coverage, pixels_text
from showermask.messages import counted, joined, printable
from showermask.regionfile import RegionFile

__all__ = ["KEYWORDS", "STEP_NAME", "Provenance"]

#: Name under which the step is recorded in ``meta.cal_step``.
STEP_NAME = "manual_shower_mask"

_LONE_GROUPS = "SHWMNLON"

#: Keywords and their comments.
KEYWORDS = {
    "S_SHWMSK": "Manual shower masking",
    "SHWMFILE": "Region file of the shower mask",
    "SHWMHASH": "SHA-256 of the region file, first 16 digits",
    "SHWMNSHW": "Number of masked showers",
    "SHWMNREG": "Number of masked pixel regions",
    "SHWMNPIX": "Number of masked pixels, all integrations",
    "SHWMNFPX": "Number of masked pixels of the frame",
    _LONE_GROUPS: "Number of lone groups flagged with the mask",
}

_HISTORY_WIDTH = 72


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What one run of the step did to one exposure.

    Parameters
    ----------
    status : str
        ``COMPLETE`` or ``SKIPPED``.
    region_file : str, optional
        Name of the region file.
    sha256 : str, optional
        Its hash; with mask files, that of all of them (see `RegionFile.fingerprint`).
    showers, regions : int
        Number of masked showers, and of pixel regions.
    pixels, integration_pixels : int
        Number of masked pixels of the frame, and summed over integrations.
    lone_groups : int
        Number of groups that were flagged DO_NOT_USE in masked pixels because the mask, or what
        was flagged before, left them without a usable neighbour.
    """

    status: str
    region_file: str | None = None
    sha256: str | None = None
    showers: int = 0
    regions: int = 0
    pixels: int = 0
    integration_pixels: int = 0
    lone_groups: int = 0

    @classmethod
    def of_mask(
        cls, regions: RegionFile, coverage: Coverage, *, lone_groups: int = 0
    ) -> Provenance:
        """Return the record of a mask that was applied."""
        return cls(
            status="COMPLETE",
            region_file=regions.name,
            sha256=regions.fingerprint,
            showers=coverage.showers,
            regions=coverage.regions,
            pixels=coverage.pixels,
            integration_pixels=coverage.integration_pixels,
            lone_groups=lone_groups,
        )

    @classmethod
    def of_model(cls, model: Any) -> Provenance | None:
        """Return the record that a model carries, None when nothing was masked in it.

        Parameters
        ----------
        model : `~stdatamodels.jwst.datamodels.JwstDataModel`
            The product.

        Returns
        -------
        Provenance or None
            The record.
        """
        if not _is_masked(model):
            return None
        found = {card[0]: card[1] for card in _primary_cards(model)}
        return cls(
            status="COMPLETE",
            region_file=found.get("SHWMFILE"),
            sha256=found.get("SHWMHASH"),
            showers=found.get("SHWMNSHW", 0),
            regions=found.get("SHWMNREG", 0),
            pixels=found.get("SHWMNFPX", 0),
            integration_pixels=found.get("SHWMNPIX", 0),
            lone_groups=found.get(_LONE_GROUPS, 0),
        )

    def stamp(self, model: Any) -> None:
        """Write the record into a model; twice the same leaves it as once.

        That nothing was masked this time does not hide that something was masked before.

        Parameters
        ----------
        model : `~stdatamodels.jwst.datamodels.JwstDataModel`
            The product. Modified in place.
        """
        if not self.showers + self.regions and _is_masked(model):
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
            "SHWMNSHW": self.showers,
            "SHWMNREG": self.regions,
            "SHWMNPIX": self.integration_pixels,
            "SHWMNFPX": self.pixels,
            _LONE_GROUPS: self.lone_groups,
        }

    def _history(self) -> str:
        entries = joined(
            counted(self.showers, "shower"),
            counted(self.regions, "pixel region") if self.regions else "",
        )
        extent = joined(
            pixels_text(self.pixels, self.integration_pixels),
            counted(self.lone_groups, "lone group") if self.lone_groups else "",
        )
        return _ascii(
            f"showermask {__version__}: masked {entries} ({extent}) "
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
