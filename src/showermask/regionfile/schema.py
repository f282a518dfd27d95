"""The schema of region files, and what is wrong with a tree that does not follow it."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from functools import cache
from importlib import resources
from itertools import islice
from typing import Any, NamedTuple

import yaml

from showermask.messages import counted
from showermask.regionfile.strictyaml import MAX_PROBLEMS

__all__ = ["FORMATS", "Problem", "entry_problems", "format_of", "load_schema", "schema_problems"]

#: The formats that are read; each takes all that those before it do.
FORMATS = ("showermask-1.0", "showermask-1.1", "showermask-1.2")


@cache
def load_schema(name: str = FORMATS[-1]) -> dict[str, Any]:
    """Return the schema of a format, a JSON schema (draft 2020-12)."""
    text = resources.files("showermask.regionfile").joinpath(f"schemas/{name}.yaml").read_bytes()
    schema: dict[str, Any] = yaml.safe_load(text)
    return schema


def format_of(tree: Mapping[str, Any]) -> str:
    """Return the format to write a tree in: the earliest that has its keys, for all to read."""
    used = _keys_used(tree)
    return next(name for name in FORMATS if used & _keys_of(FORMATS[-1]) <= _keys_of(name))


@cache
def _keys_of(name: str) -> frozenset[str]:
    """Return the keys of a format: of the file, and with the name of their list of its entries."""
    schema = load_schema(name)
    keys = set(schema["properties"])
    for section, value in schema["properties"].items():
        reference = value.get("items", {}).get("$ref", "")
        if reference:
            entry = schema["$defs"][reference.rpartition("/")[2]]
            keys |= {f"{section}.{key}" for key in entry["properties"]}
    return frozenset(keys)


def _keys_used(tree: Mapping[str, Any]) -> set[str]:
    """Return the keys of a tree, as `_keys_of` names them; it may be no valid tree."""
    used = {key for key in tree if isinstance(key, str)}
    for section in [key for key in used if isinstance(tree[key], list)]:
        entries = [entry for entry in tree[section] if isinstance(entry, dict)]
        keys = set().union(*entries)
        used |= {f"{section}.{key}" for key in keys if isinstance(key, str)}
    return used


class Problem(NamedTuple):
    """A departure from the schema: where in the tree, and a sentence with that place."""

    path: tuple[str | int, ...]
    text: str
    #: Whether the rest of the tree was not judged.
    is_last: bool = False


def schema_problems(tree: Any) -> Iterator[Problem]:
    """Yield the ways in which a tree departs from the schema, in the order of the tree."""
    if not isinstance(tree, dict):
        found = "is empty" if tree is None else f"holds {_shown(tree)}"
        yield Problem((), f"{found}, expected a mapping with the key showers", is_last=True)
        return
    version = tree.get("format", FORMATS[-1])
    if version not in FORMATS:
        yield Problem(
            ("format",),
            f"format is {_shown(version)}, expected {', '.join(FORMATS[:-1])} or {FORMATS[-1]}; "
            "a later version of showermask may be needed to read it",
            is_last=True,
        )
        return
    later = (_keys_used(tree) & _keys_of(FORMATS[-1])) - _keys_of(version)
    if later:
        # A list that is new has only new keys.
        needed = ", ".join(sorted(k for k in later if "." not in k or k.split(".")[0] not in later))
        yield Problem(
            ("format",),
            f"format is {_shown(version)}, expected {format_of(tree)} in a file with {needed}",
        )
    errors = islice(_validator().iter_errors(tree), MAX_PROBLEMS + 1)
    for error in sorted(errors, key=lambda e: [(isinstance(p, str), p) for p in e.absolute_path]):
        path = tuple(error.absolute_path)
        yield from (Problem(path, text) for text in _sentences(error))


def entry_problems(section: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the values of one entry that the schema does not allow: a key, and a sentence."""
    for error in _entry_validator(section).iter_errors(dict(values)):
        key = str(error.absolute_path[0]) if error.absolute_path else ""
        yield from ((key, text) for text in _sentences(error))


@cache
def _entry_validator(section: str) -> Any:
    """Return the validator of the entries of a section."""
    definitions = load_schema()["$defs"]
    name = load_schema()["properties"][section]["items"]["$ref"].rpartition("/")[2]
    return _validator().evolve(schema={**definitions[name], "$defs": definitions})


@cache
def _validator() -> Any:
    """Return the validator, in which numbers are finite and nothing else passes for a number."""
    import jsonschema

    base = jsonschema.Draft202012Validator

    def is_integer(_: Any, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63

    def is_number(checker: Any, value: Any) -> bool:
        is_real = is_integer(checker, value) or isinstance(value, float)
        return is_real and -sys.float_info.max <= value <= sys.float_info.max

    types = base.TYPE_CHECKER.redefine_many({"integer": is_integer, "number": is_number})
    formats = jsonschema.FormatChecker(formats=())

    @formats.checks("date-time", raises=ValueError)
    def is_date_time(value: Any) -> bool:
        return not isinstance(value, str) or datetime.fromisoformat(value) is not None

    @formats.checks("unicode", raises=ValueError)
    def is_unicode(value: Any) -> bool:  # no half of a surrogate pair
        return not isinstance(value, str) or value.encode() is not None

    def items(validator: Any, wanted: Any, found: Any, schema: Any) -> Iterator[Any]:
        """Judge corners all at once: one by one, a thousand of them take 0.1 s."""
        if wanted is not corner or not _are_corners(found, wanted):
            yield from base.VALIDATORS["items"](validator, wanted, found, schema)

    corner = load_schema()["$defs"]["polygon"]["properties"]["vertices"]["items"]
    validator = jsonschema.validators.extend(base, {"items": items}, type_checker=types)
    return validator(load_schema(), format_checker=formats)


def _are_corners(found: Any, wanted: Mapping[str, Any]) -> bool:
    """Tell whether all items of a list are surely corners of a polygon."""
    low, high = wanted["items"]["minimum"], wanted["items"]["maximum"]
    return isinstance(found, list) and all(
        type(corner) is list
        and len(corner) == 2
        and all(type(value) in (float, int) and low <= value <= high for value in corner)
        for corner in found
    )


def _sentences(error: Any) -> Iterator[str]:  # noqa: C901  # one case for each rule
    """Turn an error of the schema into *where: found, expected, what to do*."""
    where = _place(error.absolute_path)
    prefix = f"{where}." if where else ""
    found = error.instance
    title = error.schema.get("title", "")
    hint = f" ({title})" if title else ""
    rule, limit = error.validator, error.validator_value
    if rule == "additionalProperties":
        known = error.schema["properties"]
        for key in islice((key for key in found if key not in known), MAX_PROBLEMS + 1):
            yield f"{prefix}{_shown_key(key)} is not a known key, {_meant(key, known)}"
    elif rule == "required":
        missing = [key for key in limit if key not in found]
        # The schema reports each missing key by itself; find the one that this error is about.
        name = next((key for key in missing if repr(key) in error.message), missing[0])
        yield f"{prefix}{name} is missing{_title_of(error.schema, name)}"
    elif rule == "type":
        expected = f"{_TYPE_NAMES[limit]}{hint}{_advice(found, limit)}"
        yield f"{where} is {_shown(found)}, expected {expected}"
    elif rule == "enum":
        yield f"{where} is {_shown(found)}, expected one of {', '.join(map(str, limit))}"
    elif rule in _BOUNDS:
        bound = _BOUNDS[rule].format(f"{limit:.10g}")
        yield f"{where} is {_shown(found)}, expected {bound}{hint}"
    elif rule == "anyOf" and isinstance(found, dict) and "required" in limit[0]:
        yield f"{prefix}{limit[0]['required'][0]} is missing, expected {limit[0]['title']}"
    elif rule == "anyOf":
        yield f"{where} is {_shown(found)}, expected {title}"
    elif rule in _LENGTHS:
        is_exact = error.schema.get("minItems") == error.schema.get("maxItems") is not None
        bound = limit if is_exact else _LENGTHS[rule].format(limit)
        yield f"{where} has {counted(len(found), 'item')}, expected {bound}{hint}"
    elif rule == "format":
        yield f"{where} is {_shown(found)}, expected {_FORMATS[limit]}"
    else:  # pragma: no cover - the schema uses no other rule
        yield f"{where}: {error.message}"


def _meant(key: object, known: Mapping[str, Any]) -> str:
    """Return what an unknown key may stand for."""
    name, colon, value = str(key).partition(":")
    if colon and name in known:
        return f"expected a space after its colon; write {name}: {value[:40]}"
    near = get_close_matches(str(key)[:60], known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{hint}expected one of {', '.join(known)}"


_FORMATS = {
    "date-time": "a date and time such as 2026-11-20T15:00:00Z",
    "unicode": "a text that can be written as UTF-8",
}

_BOUNDS = {"minimum": "{} or more", "maximum": "{} or less", "exclusiveMinimum": "more than {}"}

_LENGTHS = {"minItems": "{} or more", "maxItems": "{} or fewer", "minLength": "{} or more"}

_TYPE_NAMES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a finite number",
}


def _title_of(schema: Mapping[str, Any], key: str) -> str:
    title = schema["properties"].get(key, {}).get("title")
    return f", expected {title[0].lower()}{title[1:]}" if title else ""


def _advice(found: Any, wanted: str) -> str:
    """Tell how to write a number that YAML readers take for a text."""
    if not isinstance(found, str) or wanted not in ("number", "integer"):
        return ""
    try:
        number = float(found.replace("_", ""))
    except ValueError:
        return ""
    if not math.isfinite(number):
        return ""
    if abs(number) >= 1e16:
        return ""
    plain = repr(int(number)) if wanted == "integer" and number.is_integer() else repr(number)
    return f"; write {plain}, without quotes, leading zeros or a bare exponent"


def _place(path: Sequence[str | int]) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")


def _shown_key(key: Any) -> str:
    text = str(key)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _shown(value: Any) -> str:
    """Show a value in a message, briefly."""
    if isinstance(value, str):
        text = f"the text {value!r}"
    elif isinstance(value, dict):
        text = f"a mapping with {', '.join(map(str, list(value)[:5])) or 'nothing'}"
    elif isinstance(value, list):
        text = f"a list of {len(value)}"
    elif value is None:
        text = "null"
    elif isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, (int, float)):
        text = repr(value)
    else:
        text = "an array" if hasattr(value, "shape") else f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}…"
