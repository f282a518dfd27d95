"""Keywords and HISTORY of a datamodel, as our records are written into them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from showermask.messages import printable

__all__ = ["add_history", "ascii_text", "primary_cards", "set_keywords"]

_HISTORY_WIDTH = 72


def primary_cards(model: Any) -> list[list[Any]]:
    """Return the cards that a model has for the primary header besides those of its schema."""
    header = model.instance.get("extra_fits", {}).get("PRIMARY", {}).get("header", [])
    return [list(card) for card in header]


def set_keywords(model: Any, keywords: Mapping[str, Any], known: Mapping[str, str]) -> None:
    """Set keywords in the primary header of a model.

    Parameters
    ----------
    model : datamodel
        Modified in place.
    keywords : dict
        Their values.
    known : dict
        Comments of all keywords of the record; those that have no value are taken out.
    """
    others = [card for card in primary_cards(model) if card[0] not in known]
    ours = [[name, value, known[name]] for name, value in keywords.items()]
    primary = model.instance.setdefault("extra_fits", {}).setdefault("PRIMARY", {})
    primary["header"] = [*others, *ours]


def add_history(model: Any, text: str) -> None:
    """Append to HISTORY unless it is there; FITS cuts entries at 72 characters, so do we."""
    # Into the tree itself: add_history_entry misses it in a model made from one of another class,
    # as the ramp of a pipeline is.
    history = model.instance.setdefault("history", {})
    entries = history if isinstance(history, list) else history.setdefault("entries", [])
    lines = textwrap.wrap(text, _HISTORY_WIDTH, break_long_words=True)
    if not {entry["description"] for entry in entries}.issuperset(lines):
        entries.extend({"description": line} for line in lines)


def ascii_text(text: str) -> str:
    """Return a text as a FITS header can hold it."""
    return printable(text).encode("ascii", "backslashreplace").decode("ascii")
