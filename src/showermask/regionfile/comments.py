"""Bring a YAML text up to date without losing what people wrote around it.

Entries of the lists keep their text with all comments in and above it, and move as a whole. An
entry is taken for the same one if it is equal, else if it has the same geometry, else if most of it
is the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

import yaml

__all__ = ["comments_beside_entries", "comments_of", "updated"]

#: What may be a comment: the end of a line from a # on.
_COMMENT = re.compile(r"(?:^|(?<=[\s}\]]))(#[^\n\r]*)", re.MULTILINE)

#: More entries than this many pairs are not compared one by one.
_MOST_PAIRS = 100_000
_GEOMETRY = ("integration", "group", "x", "y", "a", "b", "theta", "mask")


@dataclass(frozen=True)
class _List:
    """A list of entries in a text."""

    #: Its key.
    key: str
    #: The line of the key.
    line: int
    #: Where its dashes are.
    column: int
    #: Text of each entry, with the comments above it.
    chunks: list[str]
    #: What each says.
    values: list[Any]

    @property
    def end(self) -> int:
        """The line after its last entry."""
        return self.line + 1 + sum(chunk.count("\n") for chunk in self.chunks)


def updated(text: str, tree: Mapping[str, Any], *, lists: Sequence[str]) -> str:
    """Return a YAML text with new values."""
    if not text.endswith("\n"):
        text += "\n"
    present = _find_lists(text, lists)
    lines = _lines(text)
    for found in reversed(present):
        if found.key not in tree:  # what is left of the file stays, its comments too
            del lines[found.line : found.end]
            continue
        key_line = lines[found.line]
        after = key_line.index(":") + 1
        lines[found.line : found.end] = [f"{key_line[:after]} []{key_line[after:]}"]
    rest = {key: [] if key in lists else value for key, value in tree.items()}
    text = _dump(_update_mapping(_load("".join(lines)), rest))
    known = {found.key: found for found in present}
    out = []
    for line in _lines(text):
        key = line.partition(":")[0]
        if key in lists and tree[key]:
            out.append(line.replace(" []", "", 1))
            out += _chunks(known.get(key), tree[key])
        else:
            out.append(line)
    return "".join(out)


def comments_of(text: str) -> list[str]:
    """Return what may be comments in a YAML text, each once."""
    return list(dict.fromkeys(match[1].strip() for match in _COMMENT.finditer(text)))


def comments_beside_entries(text: str, *, lists: Sequence[str]) -> list[str]:
    """Return the comments of a YAML text that belong to no entry, which may be gone by now."""
    chunks = (chunk for found in _find_lists(text, lists) for chunk in found.chunks)
    of_entries = {comment for chunk in chunks for comment in comments_of(chunk)}
    return [comment for comment in comments_of(text) if comment not in of_entries]


def _lines(text: str) -> list[str]:
    """Return the lines of a text with their ends; only a line feed ends one."""
    return list(StringIO(text, newline="\n"))


def _find_lists(text: str, lists: Sequence[str]) -> list[_List]:
    """Find the entries of lists in a text, in the order of the text."""
    lines = _lines(text)
    found = []
    root = yaml.compose(text, yaml.SafeLoader)
    values = yaml.safe_load(text)
    for key, node in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value not in lists or not isinstance(node, yaml.SequenceNode) or node.flow_style:
            continue
        chunks, begin = [], key.end_mark.line + 1
        for item in node.value:
            end = _last_line(item) + 1
            chunks.append("".join(lines[begin:end]))
            begin = end
        column = node.start_mark.column
        found.append(_List(key.value, key.end_mark.line, column, chunks, values[key.value]))
    return found


def _last_line(node: yaml.Node) -> int:
    """Return the last line that says anything: a block ends only where the next thing begins."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    if isinstance(node, yaml.ScalarNode) and node.style == "|":
        return int(node.start_mark.line) + len(node.value.rstrip("\n").split("\n"))
    if isinstance(node, yaml.ScalarNode) and node.style == ">":
        return int(node.end_mark.line) - 1
    return int(node.end_mark.line)


def _chunks(present: _List | None, entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the text of each entry: that of the old one that it continues, brought up to date."""
    column = present.column if present else 0
    old = present.values if present else []
    kept = _match(old, entries)
    chunks = []
    for position, entry in enumerate(entries):
        if position not in kept or present is None:
            chunks.append(_indented(_dump([dict(entry)]), column))
        elif old[kept[position]] == dict(entry):
            chunks.append(present.chunks[kept[position]])
        else:
            before = _indented(present.chunks[kept[position]], -column)
            document = _load(before)
            _update_mapping(document[0], entry)
            after = _dump(document)
            lost = [line for line in comments_of(before) if line not in after]
            chunks.append(_indented("".join(f"{line}\n" for line in lost) + after, column))
    return chunks


def _indented(text: str, columns: int) -> str:
    """Return lines moved to the right, or to the left as far as they are empty there."""
    lines = _lines(text)
    if columns >= 0:
        return "".join(" " * columns + line if line.strip() else line for line in lines)
    return "".join(line[min(-columns, len(line) - len(line.lstrip(" "))) :] for line in lines)


def _yaml() -> Any:
    from ruamel.yaml import YAML

    processor = YAML()
    processor.preserve_quotes = True
    processor.width = 2**31 - 1
    processor.allow_unicode = True
    return processor


def _load(text: str) -> Any:
    return _yaml().load(text)


def _dump(document: Any) -> str:
    out = StringIO()
    _yaml().dump(document, out)
    return out.getvalue()


def _update_mapping(node: Any, values: Mapping[str, Any]) -> Any:
    """Give a mapping new values, touching only what differs."""
    for key in [k for k in node if k not in values]:
        del node[key]
    for key, value in values.items():
        if key not in node or node[key] != value:
            node[key] = _updated_value(node.get(key), value)
    return node


def _updated_value(present: Any, value: Any) -> Any:
    """Return a value, in place of the present one as far as lists have the same length."""
    if not isinstance(value, list):
        return value
    if isinstance(present, list) and len(present) == len(value):
        for position, item in enumerate(value):
            if present[position] != item:
                present[position] = _updated_value(present[position], item)
        return present
    from ruamel.yaml.comments import CommentedSeq

    items = CommentedSeq([_updated_value(None, item) for item in value])
    items.fa.set_flow_style()
    return items


def _match(old: Sequence[Any], new: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Return which old entry each new one continues."""
    kept: dict[int, int] = {}
    for keys in (None, _GEOMETRY):
        known: dict[str, list[int]] = {}
        for i in sorted(set(range(len(old))) - set(kept.values()), reverse=True):
            known.setdefault(_shown(old[i], keys), []).append(i)
        for position, entry in enumerate(new):
            same = known.get(_shown(entry, keys))
            if position not in kept and same:
                kept[position] = same.pop()
    missing = [position for position in range(len(new)) if position not in kept]
    free = set(range(len(old))) - set(kept.values())
    if len(missing) * len(free) > _MOST_PAIRS:
        return kept
    alike = sorted(
        (-_likeness(old[i], new[position]), abs(i - position), position, i)
        for position in missing
        for i in free
        if _likeness(old[i], new[position]) > 0.5
    )
    for _, _, position, i in alike:
        if position not in kept and i in free:
            kept[position] = i
            free.remove(i)
    return kept


def _shown(entry: Mapping[str, Any], keys: Sequence[str] | None) -> str:
    """Return an entry, or some keys of it, as a text to compare."""
    chosen = sorted(entry) if keys is None else keys
    return repr([(key, entry.get(key)) for key in chosen])


def _likeness(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Return the part of the keys of either that have the same value in both."""
    keys = one.keys() | other.keys()
    same = [key for key in keys if key in one and key in other and one[key] == other[key]]
    return len(same) / len(keys)
