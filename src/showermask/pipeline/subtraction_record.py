"""The record of a subtraction in its product: which showers were taken out.

Keywords in the primary header (`KEYWORDS`, and `SHWS0001` … for the showers) and a HISTORY entry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from showermask import __version__
from showermask.messages import counted
from showermask.pipeline.headers import add_history, ascii_text, primary_cards, set_keywords
from showermask.pipeline.showermodels import ShowerModels

__all__ = ["KEYWORDS", "STEP_NAME", "SubtractionRecord"]

#: Name under which the step is recorded in ``meta.cal_step``.
STEP_NAME = "subtract_showers"

#: Keywords and their comments.
KEYWORDS = {
    "S_SHWSUB": "Subtraction of showers",
    "SHWSFILE": "Region file of the subtracted showers",
    "SHWSHASH": "SHA-256 of the region file, first 16 digits",
    "SHWSMODL": "SHA-256 of the shower models, first 16 digits",
    "SHWSNSHW": "Number of subtracted showers",
    "SHWSNREF": "Number of showers left to the mask",
    "SHWSDN": "[DN] Charge that was taken out of last groups",
}

_ENTRY = re.compile(r"SHWS\d{4}")
_MOST_ENTRIES = 9999


@dataclass(frozen=True, kw_only=True)
class SubtractionRecord:
    """The record of one run of the step on one exposure."""

    #: ``COMPLETE`` or ``SKIPPED``.
    status: str
    #: Name and hash of the region file.
    region_file: str = ""
    region_hash: str = ""
    #: Hash of the models; see `ShowerModels.hash`.
    models_hash: str = ""
    #: Fingerprint and key of each entry that was subtracted.
    entries: tuple[tuple[str, str], ...] = ()
    #: Entries that asked for it and were left to the mask.
    refused: int = 0
    #: Charge in DN.
    removed: float = 0.0

    @classmethod
    def of_models(cls, models: ShowerModels, *, refused: int) -> SubtractionRecord:
        """Return the record of a subtraction."""
        return cls(
            status="COMPLETE",
            region_file=models.region_file,
            region_hash=models.region_hash[:16],
            models_hash=models.hash,
            entries=tuple((one.fingerprint, one.key) for one in models.showers),
            refused=refused,
            removed=models.removed,
        )

    @classmethod
    def of_model(cls, model: Any) -> SubtractionRecord | None:
        """Return the record that a model carries; None when nothing was subtracted from it."""
        found = {card[0]: card[1] for card in primary_cards(model)}
        if found.get("S_SHWSUB") != "COMPLETE":
            return None
        entries = [str(value) for name, value in found.items() if _ENTRY.fullmatch(name)]
        return cls(
            status="COMPLETE",
            region_file=str(found.get("SHWSFILE", "")),
            region_hash=str(found.get("SHWSHASH", "")),
            models_hash=str(found.get("SHWSMODL", "")),
            entries=tuple((text[:8], text[9:]) for text in entries),
            refused=int(found.get("SHWSNREF", 0)),
            removed=float(found.get("SHWSDN", 0.0)),
        )

    @property
    def fingerprints(self) -> frozenset[str]:
        """Fingerprints of the entries that were subtracted; see `Entry.fingerprint`."""
        return frozenset(fingerprint for fingerprint, _ in self.entries)

    def stamp(self, model: Any) -> None:
        """Write the record into a model; twice the same leaves it as once."""
        if self.status != "COMPLETE" and SubtractionRecord.of_model(model) is not None:
            return
        setattr(model.meta.cal_step, STEP_NAME, self.status)
        known = _known(model, len(self.entries))
        set_keywords(model, self._keywords(), known)
        if self.status == "COMPLETE":
            add_history(model, self._history())

    @staticmethod
    def remove(model: Any, text: str) -> None:
        """Take the record out of a model whose showers were put back, and say so in HISTORY."""
        set_keywords(model, {}, _known(model, 0))
        setattr(model.meta.cal_step, STEP_NAME, None)
        add_history(model, ascii_text(text))

    def _keywords(self) -> dict[str, str | int | float]:
        if self.status != "COMPLETE":
            return {"S_SHWSUB": self.status}
        named = {
            f"SHWS{number:04d}": f"{fingerprint} {key}"
            for number, (fingerprint, key) in enumerate(self.entries[:_MOST_ENTRIES], 1)
        }
        return {
            "S_SHWSUB": self.status,
            "SHWSFILE": ascii_text(self.region_file),
            "SHWSHASH": self.region_hash,
            "SHWSMODL": self.models_hash,
            "SHWSNSHW": len(self.entries),
            "SHWSNREF": self.refused,
            "SHWSDN": round(self.removed, 3),
            **named,
        }

    def _history(self) -> str:
        refused = f"; {counted(self.refused, 'other')} left to the mask" if self.refused else ""
        return ascii_text(
            f"showermask {__version__}: subtracted {counted(len(self.entries), 'shower')}, "
            f"{self.removed:.4g} DN, of {self.region_file} (sha256 {self.region_hash}), models "
            f"{self.models_hash}{refused}"
        )


def _known(model: Any, count: int) -> dict[str, str]:
    """Return the comments of all keywords that a record has, or had in a model."""
    present = [card[0] for card in primary_cards(model) if _ENTRY.fullmatch(card[0])]
    names = dict.fromkeys([f"SHWS{number:04d}" for number in range(1, count + 1)] + present)
    return KEYWORDS | dict.fromkeys(names, "Subtracted shower: fingerprint, place in the file")
