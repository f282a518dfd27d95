"""Read YAML in which every value means the same to every reader.

PyYAML follows YAML 1.1, where ``010`` is eight, ``1:30`` is ninety, ``1e2`` is a text and ``no``
is false; other readers disagree. Here a plain scalar is a number only if YAML 1.1 and 1.2 read it
alike, and ``true``, ``false`` and ``null`` are the only words with a meaning. Duplicate keys,
anchors, aliases, tags and deep nesting, none of which a region file needs, are reported rather than
interpreted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import yaml

__all__ = ["MAX_DEPTH", "StrictYamlError", "load"]

#: A region file is four levels deep.
MAX_DEPTH = 20

_MAX_PROBLEMS = 20


class StrictYamlError(ValueError):
    """Text that is not the plain YAML expected.

    Parameters
    ----------
    problems : list of str
        One sentence each, with the line.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__(*problems)
        self.problems = problems


def load(data: bytes, *, leave_out: frozenset[str] | None = None) -> tuple[Any, list[str]]:
    """Read one YAML document made of mappings, lists, texts, numbers, booleans and nulls.

    Parameters
    ----------
    data : bytes
        The document, UTF-8 or UTF-16.
    leave_out : frozenset of str, optional
        Top-level keys to leave out unread. With it, the document itself may have a tag.

    Returns
    -------
    tree : object
        Plain Python objects; None for an empty document.
    duplicates : list of str
        A sentence for each key that appears twice; the tree has its last value.

    Raises
    ------
    StrictYamlError
        When there is no tree to be had.
    """
    try:
        problems = _indirections(data, leave_out)
        if problems:
            raise StrictYamlError(problems)
        loader = _Loader(data)
        try:
            node = loader.get_single_node()
            if node is None:
                return None, []
            if leave_out is not None and isinstance(node, yaml.MappingNode):
                node.tag = "tag:yaml.org,2002:map"
                node.value = [pair for pair in node.value if pair[0].value not in leave_out]
            return loader.construct_document(node), loader.duplicates
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise StrictYamlError([_sentence(error)]) from error
    except UnicodeDecodeError as error:
        raise StrictYamlError([f"is not text in UTF-8 (byte {error.start})"]) from error


# The C parser, where PyYAML was built with it.
_Parser: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Parser):
    """A safe loader with few implicit types, which notes duplicate keys."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[Any]]] = {}

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.duplicates: list[str] = []

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  # PyYAML's signature
        """Build a mapping, noting the keys that appear twice."""
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key.value, str):
                continue  # the loader itself refuses keys that are lists or mappings
            if key.value in seen:
                line = key.start_mark.line + 1
                self.duplicates.append(
                    f"line {line}: the key {key.value!r} appears twice in one entry, "
                    "expected once; remove one of them"
                )
            seen.add(key.value)
        return dict(super().construct_mapping(node, deep=deep))


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]{0,17})$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^(?:[-+]?(?:0|[1-9][0-9]*)\.[0-9]*(?:[eE][-+][0-9]+)?|[-+]?\.[0-9]+(?:[eE][-+][0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+0123456789."),
)


def _indirections(data: bytes, leave_out: frozenset[str] | None) -> list[str]:
    """List anchors, aliases, tags and deep nesting, before anything is built from the text."""
    problems: list[str] = []
    for event, depth, is_left_out in _walk(data, leave_out or frozenset()):
        line = f"line {event.start_mark.line + 1}" if event.start_mark else "somewhere"
        tag = getattr(event, "tag", None)
        may_have_tag = is_left_out or (depth == 1 and leave_out is not None)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            problems.append(f"{line}: found an anchor or alias, expected the value written out")
        elif tag not in (None, "!") and not may_have_tag:
            problems.append(f"{line}: found the tag {tag}, expected a plain value")
        if depth > MAX_DEPTH:
            problems.append(f"{line}: nested more than {MAX_DEPTH} levels deep, expected 4")
        if depth > MAX_DEPTH or len(problems) >= _MAX_PROBLEMS:
            break
    return problems


def _walk(data: bytes, leave_out: frozenset[str]) -> Iterator[tuple[yaml.Event, int, bool]]:
    """Yield the events of a document, their depth, and whether they belong to what is left out.

    The document's own mapping is at depth 1, as are its keys and its plain values.
    """
    depth = 0
    position = 0  # of the next key or value in the document's own mapping
    is_left_out = False
    for event in yaml.parse(data, Loader=_Parser):
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
        if depth == 1 and isinstance(event, yaml.ScalarEvent) and position % 2 == 0:
            is_left_out = event.value in leave_out
        yield event, depth, is_left_out
        if isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1
            position += depth == 1
        elif isinstance(event, (yaml.ScalarEvent, yaml.AliasEvent)):
            position += depth == 1


def _sentence(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not readable"
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    return f"{where}is not valid YAML ({problem})"
