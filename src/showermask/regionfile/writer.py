"""Write region files, and keep the comments that people wrote into them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from showermask.exceptions import RegionFileError
from showermask.files import atomic_write
from showermask.messages import printable
from showermask.regionfile import strictyaml
from showermask.regionfile.asdfschema import KEY
from showermask.regionfile.comments import comments_beside_entries, comments_of, updated
from showermask.regionfile.content import SECTIONS, RegionFile
from showermask.regionfile.reader import MAX_SIZE, TOO_LARGE, known_extension, read_region_tree
from showermask.regionfile.schema import schema_problems

__all__ = ["write_regions"]

_HEADING = """\
# Cosmic-ray showers for showermask. x, y: zero-based column and row, pixel centres at integers;
# a, b: semi-axes in pixels; theta: degrees counter-clockwise from +x to a; groups: zero-based.
"""


def write_regions(path: str | os.PathLike[str], regions: RegionFile) -> None:
    """Write a region file, whole or not at all.

    Comments that people wrote into a YAML file which is replaced are kept with their entries.

    Parameters
    ----------
    path : path-like
        The file to make or replace; its extension says which format: ``.yaml``, ``.yml`` or
        ``.asdf``.
    regions : RegionFile
        What to write.

    Raises
    ------
    RegionFileError
        When the extension is unknown or the content is not valid, or names a mask that is not
        there.
    """
    file = Path(path)
    extension = known_extension(file)
    tree = regions.to_tree()
    problems = [problem.text for problem in schema_problems(tree)]
    problems += [
        f"{regions.key_of(region)}.mask is {region.mask}, which is not there, seen from "
        f"{file.parent}; write the mask first"
        for region in regions.pixels
        if region.mask is not None and not (file.parent / region.mask).is_file()
    ]
    RegionFileError.check_none([f"{file}: {problem}" for problem in problems])
    with atomic_write(file.resolve()) as staged:
        if extension == ".asdf":
            import asdf

            asdf.AsdfFile({KEY: regions}).write_to(staged)
        else:
            staged.write_bytes(_yaml_text(file, tree).encode("utf-8", "surrogatepass"))
        _check_written(staged, file, tree)


def _check_written(staged: Path, file: Path, tree: dict[str, Any]) -> None:
    """Refuse a file that would not be read again as what was to be written."""
    size = staged.stat().st_size
    if size > MAX_SIZE:
        raise RegionFileError(f"{file}: would have {size / 1e6:.0f} MB, {TOO_LARGE}")
    try:
        found, problems = read_region_tree(staged.read_bytes(), file.suffix.lower())
    except strictyaml.StrictYamlError as error:
        found, problems = None, error.problems
    if problems or found != tree:
        reason = problems[0] if problems else "its values would come back changed"
        raise RegionFileError(
            f"{file}: can't be written so that it is read again ({reason}); "
            "look for odd characters in its texts; nothing was changed"
        )


def _yaml_text(file: Path, tree: dict[str, Any]) -> str:
    """Return the text to write: plain, or the one on disk brought up to date if it has comments."""
    plain = _HEADING + _dump(tree)
    try:
        present = file.read_bytes()[: MAX_SIZE + 1].decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return plain
    if len(present) > MAX_SIZE or "#" not in present.removeprefix(_HEADING):
        return plain
    try:
        text = updated(present, tree, lists=tuple(SECTIONS))
        # What is kept of somebody's layout must not change what the file says.
        is_kept = strictyaml.load(text.encode()) == (tree, [])
        lost = comments_beside_entries(present, lists=tuple(SECTIONS)) if is_kept else None
    except Exception:  # noqa: BLE001  # whatever is wrong with the old file, the new one is right
        is_kept, lost = False, None
    text = text if is_kept else plain
    lost = comments_of(present) if lost is None else lost
    lines = [printable(line.replace("\t", " ")) for line in lost if line not in text]
    return "".join(f"{line}\n" for line in lines) + text


class _Flow(list[Any]):
    """A list written on one line."""


class _Dumper(yaml.SafeDumper):
    """Writes one key per line, lists of scalars on one line, and no anchors."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


_Dumper.add_representer(
    _Flow,
    lambda dumper, items: dumper.represent_sequence(
        "tag:yaml.org,2002:seq", items, flow_style=True
    ),
)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> Any:
    """Write characters that YAML takes for line breaks, or that don't print, as escapes."""
    style = None if text.replace("\n", "").isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _dump(tree: dict[str, Any]) -> str:
    def laid_out(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: laid_out(value) for key, value in node.items()}
        if isinstance(node, list):
            if any(isinstance(item, dict) for item in node):
                return [laid_out(item) for item in node]
            return _Flow(node)
        return node

    text: str = yaml.dump(
        laid_out(tree), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**31 - 1
    )
    return text
