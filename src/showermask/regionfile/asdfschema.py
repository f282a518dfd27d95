"""The schema of region files for asdf, which reads drafts of JSON schema before 2020-12."""

from __future__ import annotations

from textwrap import indent
from typing import Any

from showermask.regionfile.schema import FORMATS, load_schema

__all__ = ["KEY", "SCHEMA_URI", "TAG", "asdf_schema"]

_VERSION = FORMATS[-1].rpartition("-")[2]
#: Tag of a region file in a tree, and the schema that judges it.
TAG = f"asdf://showermask/tags/region_file-{_VERSION}.0"
SCHEMA_URI = f"asdf://showermask/schemas/region_file-{_VERSION}.0"
#: Key of the tree of a file that holds a region file alone.
KEY = "region_file"

_EXAMPLES = (
    (
        "One shower",
        (
            "showers:\n"
            "  - {integration: 0, group: 12, x: 512.5, y: 400.0, a: 35.0, b: 22.0, theta: 30.0}\n"
        ),
    ),
    (
        "A polygon, and two bad columns",
        (
            "exposure: jw01517179001_02201_00001_mirimage\n"
            "polygons:\n"
            "  - {integration: 0, group: 3, vertices: [[10, 20], [30, 22.5], [25, 40]]}\n"
            "pixels:\n"
            "  - {x: [384, 385], y: all, comment: bad columns}\n"
        ),
    ),
)


def asdf_schema() -> dict[str, Any]:
    """Return the schema of the latest format, in the words of asdf.

    Returns
    -------
    dict
        ``$defs`` are ``definitions``, exclusive limits a limit and a boolean, constants lists of
        one value. A test holds the file of the package against it.
    """
    schema = _translated(load_schema())
    for key in ("$schema", "$id", "examples"):
        del schema[key]
    examples = [[title, f"!<{TAG}>\n{indent(text, '  ')}"] for title, text in _EXAMPLES]
    return {
        "$schema": "http://stsci.edu/schemas/yaml-schema/draft-01",
        "id": SCHEMA_URI,
        **schema,
        "examples": examples,
    }


def _translated(node: Any) -> Any:
    if isinstance(node, list):
        return [_translated(item) for item in node]
    if not isinstance(node, dict):
        return node
    found: dict[str, Any] = {}
    for key, value in node.items():
        if key == "exclusiveMinimum":
            found |= {"minimum": value, "exclusiveMinimum": True}
        elif key == "const":
            found["enum"] = [value]
        elif key == "$ref":
            found[key] = value.replace("/$defs/", "/definitions/")
        elif key != "default":  # asdf fills defaults in, which is for the readers to do
            found["definitions" if key == "$defs" else key] = _translated(value)
    return found
