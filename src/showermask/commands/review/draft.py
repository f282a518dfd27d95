"""Drafts: region files of unsaved entries, quickly made at each change."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from showermask.regionfile.content import SECTIONS
from showermask.regionfile.entry import Entry
from showermask.regionfile.schema import format_of

__all__ = ["ReviewEntry", "base_hash", "draft_text"]

#: Last line of a draft: hash of the region file that it was made to.
_BASE_COMMENT = "# base "


@dataclass(frozen=True)
class ReviewEntry:
    """An entry under review, and the number that it keeps for the length of the session."""

    id: int
    entry: Entry

    @cached_property
    def mapping(self) -> dict[str, Any]:
        """The entry as a mapping, as in a region file."""
        return self.entry.to_mapping()

    @cached_property
    def row(self) -> dict[str, Any]:
        """The entry as the page gets it: as in a region file, with number, status and location."""
        entry = self.entry
        return {
            "id": self.id,
            **self.mapping,
            "status": str(entry.status),
            "location": entry.location,
        }

    @cached_property
    def line(self) -> str:
        """The entry as one line of a YAML list, quickly made."""
        return f"- {_flow(self.mapping)}\n"


def draft_text(header: Mapping[str, Any], entries: Sequence[ReviewEntry], base: str | None) -> str:
    """Return the draft of a state, an entry a line, with the hash of the file it was made to."""
    sections = {
        section: [one for one in entries if section == one.entry.SECTION] for section in SECTIONS
    }
    tree = {
        **header,
        **{key: [one.mapping for one in some] for key, some in sections.items() if some},
    }
    tree["format"] = format_of(tree)
    lines = []
    for key, value in tree.items():
        if sections.get(key):
            lines += [f"{key}:\n", *(one.line for one in sections[key])]
        else:
            lines.append(f"{key}: {_flow(value)}\n")
    return "".join(lines) + f"{_BASE_COMMENT}{base}\n"


def base_hash(draft: Path) -> str | None:
    """Return the hash of the region file that a draft was made to, None for a new file."""
    last = draft.read_text(encoding="utf-8").rstrip("\n").rpartition("\n")[2]
    base = last.removeprefix(_BASE_COMMENT) if last.startswith(_BASE_COMMENT) else "None"
    return None if base == "None" else base


def _flow(value: Any) -> str:
    """Return a value as YAML's flow style has it, which is nearly JSON."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flow(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, str):
        return f'"{"".join(map(_quoted, value))}"'
    text = json.dumps(value)
    if isinstance(value, float) and "e" in text and "." not in text:
        return text.replace("e", ".0e")  # 1e-07 is a text to YAML
    return text


def _quoted(character: str) -> str:
    """Return a character as it stands between YAML's double quotes."""
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    return f"\\U{ord(character):08x}"
