"""Region files in ASDF: schema and tag, for asdf, which asks for them when it opens any file.

Nothing heavy is imported until a region file is met.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

__all__ = ["get_extensions", "get_resource_mappings"]

_EXTENSION = "asdf://showermask/extensions/showermask-1.0.0"
_TAG = "asdf://showermask/tags/region_file-1.2.0"
_SCHEMA = "asdf://showermask/schemas/region_file-1.2.0"


def get_resource_mappings() -> list[Mapping[str, bytes]]:
    """Return the schema, by its address."""
    from asdf.resource import DirectoryResourceMapping

    folder = resources.files("showermask.regionfile") / "schemas" / "asdf"
    return [DirectoryResourceMapping(folder, "asdf://showermask/schemas/")]


def get_extensions() -> list[Any]:
    """Return the extension that reads and writes the tag."""
    from asdf.extension import Converter, Extension, TagDefinition

    class RegionFileConverter(Converter):
        """Between a tree and `showermask.RegionFile`."""

        tags = (_TAG,)
        types = ("showermask.regionfile.content.RegionFile",)

        def to_yaml_tree(self, obj: Any, tag: str, ctx: Any) -> dict[str, Any]:
            """Return the tree of a region file."""
            del tag, ctx
            tree: dict[str, Any] = obj.to_tree()
            return tree

        def from_yaml_tree(self, node: Any, tag: str, ctx: Any) -> Any:
            """Return the region file of a tree; masks that it names are not read."""
            del tag, ctx
            from showermask.regionfile.content import RegionFile

            return RegionFile.from_tree(_plain(node))

    class ShowermaskExtension(Extension):
        """The tag of region files."""

        extension_uri = _EXTENSION
        tags = (TagDefinition(_TAG, schema_uris=[_SCHEMA]),)
        converters = (RegionFileConverter(),)

    return [ShowermaskExtension()]


def _plain(node: Any) -> Any:
    """Return a node without the types of asdf."""
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)) or type(node).__name__ in ("TaggedList", "LazyList"):
        return [_plain(value) for value in node]
    return str(node) if isinstance(node, str) else node
