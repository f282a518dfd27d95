"""Bring a YAML text up to date without losing what people wrote around it.

Comments, quoting and layout of entries that stay are kept. An entry of the list is taken for the
same one if it is equal, else if it has the same geometry, else if it stands in the same place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

__all__ = ["updated"]

_GEOMETRY = ("integration", "group", "x", "y", "a", "b", "theta")


def updated(text: str, tree: Mapping[str, Any], *, entries: str) -> str:
    """Return a YAML text with new values.

    Parameters
    ----------
    text : str
        A mapping in YAML, one of whose values is a list of mappings.
    tree : mapping
        What the text shall say.
    entries : str
        Key of the list.

    Returns
    -------
    str
        The new text.
    """
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 2**31 - 1
    yaml.allow_unicode = True
    document = yaml.load(text)
    _update_mapping(document, {key: value for key, value in tree.items() if key != entries})
    old, new = list(document[entries]), tree[entries]
    kept = _match(old, new)
    document[entries][:] = [
        _update_mapping(old[kept[position]], entry) if position in kept else dict(entry)
        for position, entry in enumerate(new)
    ]
    out = StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def _update_mapping(node: Any, values: Mapping[str, Any]) -> Any:
    """Give a mapping new values, touching only what differs; lists of mappings are left alone."""
    for key in [k for k in node if k not in values and not _is_entries(node[k])]:
        del node[key]
    for key, value in values.items():
        if key not in node or node[key] != value:
            node[key] = value
    return node


def _is_entries(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)


def _match(old: Sequence[Any], new: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Return which old entry each new one continues."""
    kept: dict[int, int] = {}
    free = set(range(len(old)))
    for is_same in (_is_equal, _has_same_geometry):
        for position, entry in enumerate(new):
            if position not in kept:
                found = next((i for i in sorted(free) if is_same(old[i], entry)), None)
                if found is not None:
                    kept[position] = found
                    free.remove(found)
    for position in range(len(new)):
        if position not in kept and position in free:
            kept[position] = position
            free.remove(position)
    return kept


def _is_equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return {**one} == {**other}


def _has_same_geometry(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one.get(key) == other.get(key) for key in _GEOMETRY)
