"""Read YAML in which every value means the same to every reader.

PyYAML follows YAML 1.1, where ``010`` is eight, ``1:30`` is ninety, ``1e2`` is a text and ``no``
is false; other readers disagree. Here a plain scalar is a number only if YAML 1.1 and 1.2 read it
alike, and ``true``, ``false`` and ``null`` are the only words with a meaning. Duplicate keys,
anchors, aliases, tags and deep nesting, none of which a region file needs, are reported rather than
interpreted.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

__all__ = ["MAX_DEPTH", "MAX_ITEMS", "MAX_PROBLEMS", "MAX_VALUES", "StrictYamlError", "load"]

#: A region file is four levels deep.
MAX_DEPTH = 20
_TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep, expected 4"
#: Items of one list or mapping, and values in all: an entry of a region file has at most fifteen.
MAX_ITEMS, MAX_VALUES = 10_000, 300_000
#: How many problems of a file are worth reporting.
MAX_PROBLEMS = 50


class StrictYamlError(ValueError):
    """Text that is not the plain YAML expected."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(*problems)
        self.problems = problems


def load(
    data: bytes,
    *,
    leave_out: frozenset[str] | None = None,
    tags: frozenset[str] = frozenset(),
    too_many: str = "too many values",
) -> tuple[Any, list[str]]:
    """Read one YAML document made of mappings, lists, texts, numbers, booleans and nulls.

    Notes
    -----
    The text is read once, and no further than to the first problems that are worth telling: a
    region file may come from anybody. ``yaml.safe_load`` takes duplicate keys and ``010`` for
    eight, StrictYAML has no flow style, and both need minutes for an alias bomb.
    """
    builder = _Builder(leave_out, tags, too_many)
    try:
        for event in yaml.parse(data, Loader=_Parser):
            builder.take(event)
    except yaml.YAMLError as error:
        raise StrictYamlError([_sentence(error, data)]) from error
    except UnicodeDecodeError as error:
        raise StrictYamlError([f"is not text in UTF-8 (byte {error.start})"]) from error
    if builder.problems:
        raise StrictYamlError(builder.problems)
    return builder.tree, builder.duplicates


# The C parser, where PyYAML was built with it.
_Parser: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_WORDS = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("~", "null", "Null", "NULL", ""), None),
}
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(
    r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]*(?:[eE][-+][0-9]+)?|[-+]?\.[0-9]+(?:[eE][-+][0-9]+)?"
)
_SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_NO_KEY: Any = object()
#: Lines with slips that YAML has no words for.
_NO_SPACE = re.compile(r"\s*(?:- +)?(\w+):([^\s:].*?)\s*")
_COLON_IN_TEXT = re.compile(r"\s*(?:- +)?(\w+): +([^'\"\[{].*:(?: .*)?)")


class _Collection:
    """A list or mapping in the making."""

    __slots__ = ("is_mapping", "items", "key", "value")

    def __init__(self, *, is_mapping: bool) -> None:
        self.is_mapping = is_mapping
        self.value: Any = {} if is_mapping else []
        self.key: Any = _NO_KEY
        self.items = 0


class _Builder:
    """Makes plain objects of the events of a document, and notes what is wrong with it."""

    def __init__(
        self, leave_out: frozenset[str] | None, tags: frozenset[str], too_many: str
    ) -> None:
        self.tree: Any = None
        self.problems: list[str] = []
        self.duplicates: list[str] = []
        self._leave_out = leave_out
        self._tags = tags
        self._too_many = too_many
        self._open: list[_Collection] = []
        self._documents = 0
        self._values = 0

    def take(self, event: yaml.Event) -> None:
        """Take the next event."""
        if isinstance(event, yaml.ScalarEvent):
            self._check(event)
            value = event.value
            self._add(_resolved(value) if event.implicit[0] else value, event)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._begin(event)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._add(self._open.pop().value, event)
        elif isinstance(event, yaml.AliasEvent):
            self._check(event)
            self._add(None, event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _invalid(event, "found a second document, expected one")

    def _begin(self, event: Any) -> None:
        self._check(event)
        if len(self._open) >= MAX_DEPTH:
            self._note(event, _TOO_DEEP)
            raise StrictYamlError(self.problems)
        self._open.append(_Collection(is_mapping=isinstance(event, yaml.MappingStartEvent)))

    def _check(self, event: Any) -> None:
        """Note anchors, aliases and tags, but for those of what is left out."""
        if event.anchor is not None:
            self._note(event, "found an anchor or alias, expected the value written out")
            return
        tag = getattr(event, "tag", None)
        if tag not in (None, "!", *self._tags) and not self._may_have_tag():
            self._note(event, f"found the tag {tag}, expected a plain value")

    def _may_have_tag(self) -> bool:
        if self._leave_out is None:
            return False
        return not self._open or self._open[0].key in self._leave_out

    def _add(self, value: Any, event: Any) -> None:
        if not self._open:
            self.tree = value
            return
        parent = self._open[-1]
        if not parent.is_mapping:
            parent.value.append(value)
        elif parent.key is _NO_KEY:
            parent.key = self._key(parent, value, event)
            return
        else:
            if len(self._open) > 1 or parent.key not in (self._leave_out or ()):
                parent.value[parent.key] = value
            parent.key = _NO_KEY
        parent.items += 1
        self._values += 1
        if parent.items > MAX_ITEMS or self._values > MAX_VALUES:
            raise StrictYamlError([f"line {event.start_mark.line + 1}: {self._too_many}"])

    def _key(self, parent: _Collection, key: Any, event: Any) -> Any:
        if isinstance(key, (list, dict)):
            raise _invalid(event, "found a key that is a list or mapping, expected a text")
        if key in parent.value and len(self.duplicates) < MAX_PROBLEMS:
            line = event.start_mark.line + 1
            shown = str(event.value)[:60]
            self.duplicates.append(
                f"line {line}: the key {shown!r} appears twice in one entry, "
                "expected once; remove one of them"
            )
            if len(self.duplicates) == MAX_PROBLEMS:
                raise StrictYamlError([*self.problems, *self.duplicates])
        return key

    def _note(self, event: Any, problem: str) -> None:
        self.problems.append(f"line {event.start_mark.line + 1}: {problem}")
        if len(self.problems) >= MAX_PROBLEMS:
            raise StrictYamlError(self.problems)


def _resolved(text: str) -> Any:
    """Return the value of a plain scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    special = _SPECIAL.fullmatch(text)
    if special:
        return float(f"{special[1] or ''}inf" if special[2] else "nan")
    return text


def _invalid(event: Any, problem: str) -> StrictYamlError:
    footprint = event.start_mark
    where = f"line {footprint.line + 1}, column {footprint.column + 1}"
    return StrictYamlError([f"{where}: is not valid YAML ({problem})"])


def _sentence(error: yaml.YAMLError, data: bytes) -> str:
    footprint = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not readable"
    where = (
        f"line {footprint.line + 1}, column {footprint.column + 1}: "
        if footprint is not None
        else ""
    )
    if "maximum nesting depth" in problem:  # libyaml's own limit, from PyYAML 6.0.4 on
        line = f"line {footprint.line + 1}: " if footprint is not None else ""
        return f"{line}{_TOO_DEEP}"
    if isinstance(error, yaml.reader.ReaderError):
        return _not_utf8(data) or f"{where}is not valid YAML ({problem})"
    noticed = footprint.line if footprint is not None else 0
    return _slip(data, noticed, problem) or f"{where}is not valid YAML ({problem})"


def _not_utf8(data: bytes) -> str | None:
    """Say where a text is not UTF-8, which is what editors call it."""
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        character = data[error.start : error.start + 1].decode("latin-1")
        return (
            f"line {line}: has the byte {data[error.start]:#x} ({character!r} in Latin-1), "
            "expected text in UTF-8; save the file as UTF-8"
        )
    return None


def _slip(data: bytes, noticed: int, problem: str) -> str | None:
    """Name a slip that people often make, near the line where YAML noticed it."""
    lines = data.decode("utf-8", "replace").splitlines()
    if "found a tab" in problem or "'\\t'" in problem:
        return f"line {noticed + 1}: is indented with a tab, expected spaces"
    if "mapping values are not allowed" in problem and noticed < len(lines):
        match = _COLON_IN_TEXT.fullmatch(lines[noticed])
        if match:
            key, value = match.groups()
            return (
                f"line {noticed + 1}: has a colon in the text of {key}, expected quotes around it; "
                f"write {key}: '{value[:60]}'"
            )
    if "expected" in problem or "mapping values" in problem:
        for number in (noticed, noticed - 1):
            match = _NO_SPACE.fullmatch(lines[number]) if 0 <= number < len(lines) else None
            if match:
                key, value = match.groups()
                return (
                    f"line {number + 1}: has no space after the colon of {key}; "
                    f"write {key}: {value[:60]}"
                )
    return None
