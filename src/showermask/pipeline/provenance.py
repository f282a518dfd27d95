"""The record of a mask in its product: which entries were masked, from which file.

FITS keywords in the primary header (`KEYWORDS`) and a HISTORY entry. They are written through the
datamodel, so ASDF products carry them too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from showermask import __version__
from showermask.masking.cost import pixels_text
from showermask.masking.mask import Mask
from showermask.messages import counted, joined
from showermask.pipeline.headers import add_history, ascii_text, primary_cards, set_keywords
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
    "SHWMDFIL": "File with bad pixels of the detector",
    "SHWMDHSH": "SHA-256 of that file, first 16 digits",
}


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
    #: Name and hash of the file with the bad pixels of the detector.
    detector_file: str | None = None
    detector_sha256: str | None = None

    @classmethod
    def of_mask(cls, mask: Mask, *, lone_groups: int = 0) -> Provenance:
        """Return the record of a mask that was applied."""
        own, of_detector = mask.region_file, mask.detector_file
        return cls(
            status="COMPLETE",
            region_file=own.name if own.path is not None or of_detector is None else None,
            detector_file=None if of_detector is None else of_detector.name,
            detector_sha256=None if of_detector is None else of_detector.fingerprint,
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
        found = {card[0]: card[1] for card in primary_cards(model)}
        return cls(
            status="COMPLETE",
            region_file=found.get("SHWMFILE"),
            sha256=found.get("SHWMHASH"),
            counts={name: found.get(kind.KEYWORD, 0) for name, kind in SECTIONS.items()},
            pixels=found.get("SHWMNFPX", 0),
            integration_pixels=found.get("SHWMNPIX", 0),
            lone_groups=found.get(_LONE_GROUPS, 0),
            detector_file=found.get("SHWMDFIL"),
            detector_sha256=found.get("SHWMDHSH"),
        )

    def stamp(self, model: Any) -> None:
        """Write the record into a model; twice the same leaves it as once.

        That nothing was masked this time does not hide that something was masked before.
        """
        if not any(self.counts.values()) and _is_masked(model):
            return
        setattr(model.meta.cal_step, STEP_NAME, self.status)
        set_keywords(model, self._keywords(), KEYWORDS)
        if self.status == "COMPLETE":
            add_history(model, self._history())

    def is_of_same_mask(self, model: Any) -> bool:
        """Tell whether a model carries the record of the same mask, whatever lone groups it had.

        Lone groups are flagged once; a second run of the same mask finds none.
        """
        present = {card[0]: card[1] for card in primary_cards(model)}
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
            "SHWMFILE": ascii_text(self.region_file or ""),
            "SHWMHASH": (self.sha256 or "")[:16],
            **self._of_detector(),
            **{
                kind.KEYWORD: self.counts.get(name, 0)
                for name, kind in SECTIONS.items()
                if self.counts.get(name, 0) or not kind.IS_KEYWORD_OPTIONAL
            },
            "SHWMNPIX": self.integration_pixels,
            "SHWMNFPX": self.pixels,
            _LONE_GROUPS: self.lone_groups,
        }

    def _of_detector(self) -> dict[str, str]:
        if self.detector_file is None:
            return {}
        return {
            "SHWMDFIL": ascii_text(self.detector_file),
            "SHWMDHSH": (self.detector_sha256 or "")[:16],
        }

    def _history(self) -> str:
        files = [(self.region_file, self.sha256), (self.detector_file, self.detector_sha256)]
        sources = [f"{name} (sha256 {(sha256 or '')[:16]})" for name, sha256 in files if name]
        extent = joined(
            pixels_text(self.pixels, self.integration_pixels),
            counted(self.lone_groups, "lone group") if self.lone_groups else "",
        )
        return ascii_text(
            f"showermask {__version__}: masked {counts_text(self.counts)} ({extent}) "
            f"from {' and '.join(sources)}"
        )


def _is_masked(model: Any) -> bool:
    return ["S_SHWMSK", "COMPLETE"] in [card[:2] for card in primary_cards(model)]
