"""Read region files.

YAML (``.yaml``, ``.yml``) and ASDF (``.asdf``) hold the same tree, described by the schemas in
``schemas/``. All problems of a file are reported at once, each with its place in the file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import Any

from showermask.exceptions import EntryError, RegionFileError
from showermask.exposure.detectors import DETECTORS, frame_shape_of
from showermask.exposure.product import Exposure
from showermask.regionfile import strictyaml
from showermask.regionfile.asdfschema import KEY, TAG
from showermask.regionfile.badpixels import BadPixels
from showermask.regionfile.content import (
    HEADER_KEYS,
    SECTIONS,
    RegionFile,
    detector_problems,
)
from showermask.regionfile.entry import Entry
from showermask.regionfile.maskfile import find_mask, read_mask
from showermask.regionfile.schema import schema_problems

__all__ = [
    "EXTENSIONS",
    "MAX_SIZE",
    "TOO_LARGE",
    "InvalidRegionFileError",
    "Values",
    "known_extension",
    "read_region_tree",
    "read_regions",
    "read_regions_for",
    "regions_of_tree",
]

#: File types, in the order in which they are looked for.
EXTENSIONS = (".yaml", ".yml", ".asdf")

#: Bytes; some ten thousand showers. A larger file is not a region file.
MAX_SIZE = 4 * 1024**2

_FEWER = "many pixels go into a FITS file that the region file names (pixels: - mask: file.fits)"
TOO_LARGE = f"expected a region file of at most {MAX_SIZE / 1e6:.0f} MB; {_FEWER}"
_TOO_MANY = (
    f"has more than {strictyaml.MAX_ITEMS} entries, or {strictyaml.MAX_VALUES} values, expected a "
    f"region file of fewer; {_FEWER}"
)
_ASDF_OWN_KEYS = frozenset({"asdf_library", "history"})


@dataclass(frozen=True)
class Values:
    """The values of an entry that are valid by themselves, and the place of the entry."""

    key: str
    kind: type[Entry]
    values: Mapping[str, Any]
    #: Whether these are all values, and nothing is wrong between them.
    is_complete: bool = True

    @classmethod
    def of(cls, entry: Entry, key: str = "") -> Values:
        """Return the values of a valid entry."""
        return cls(key, type(entry), vars(entry))


class InvalidRegionFileError(RegionFileError):
    """A region file with invalid entries, and those of its values that are valid.

    With them all that is wrong with a file can be told at once, also for an exposure.
    """

    def __init__(
        self,
        *problems: str,
        name: str = "",
        header: Mapping[str, Any] | None = None,
        values: tuple[Values, ...] = (),
    ) -> None:
        super().__init__(*problems)
        self.name = name
        self.header = header or {}
        self.values = values


def read_regions(path: str | os.PathLike[str], *, masks_anywhere: bool | None = None) -> RegionFile:
    """Read and validate a region file.

    Parameters
    ----------
    path : path-like
        A ``.yaml``, ``.yml`` or ``.asdf`` file.
    masks_anywhere : bool, optional
        Whether masks that it names may be outside its folder; as the environment variable
        ``SHOWERMASK_MASKS_ANYWHERE`` says without it (1 for yes), else not.

    Returns
    -------
    RegionFile
        Its content.

    Raises
    ------
    RegionFileError
        With all problems of the file.
    """
    file = Path(path)
    data = _read_bytes(file)
    try:
        tree, duplicates = read_region_tree(data, file.suffix.lower())
        regions = _regions_of(tree, duplicates, file.parent, masks_anywhere=masks_anywhere)
    except strictyaml.StrictYamlError as error:
        raise RegionFileError(*(f"{file}: {problem}" for problem in error.problems)) from error
    except InvalidRegionFileError as error:
        problems = (f"{file}: {problem}" for problem in error.problems)
        raise InvalidRegionFileError(
            *problems, name=str(file), header=error.header, values=error.values
        ) from error
    except RegionFileError as error:
        raise RegionFileError(*(f"{file}: {problem}" for problem in error.problems)) from error
    return replace(regions, path=file, sha256=hashlib.sha256(data).hexdigest())


def read_regions_for(path: Path, exposure: Exposure) -> RegionFile:
    """Read the region file of an exposure, or begin one where there is no file."""
    if not path.exists():
        return RegionFile.for_exposure(exposure)
    regions = read_regions(path)
    regions.check_fits(exposure)
    return regions


def regions_of_tree(tree: Any, path: Path) -> RegionFile:
    """Make the content of a region file from a tree that another file, at ``path``, holds."""
    try:
        return _regions_of(tree, [], path.parent, masks_anywhere=None)
    except RegionFileError as error:
        raise RegionFileError(*(f"{path}: {problem}" for problem in error.problems)) from error


def read_region_tree(data: bytes, extension: str) -> tuple[Any, list[str]]:
    """Read the tree of a region file; return it, and a sentence for each key that stands twice.

    The YAML of an ASDF file is read by the same strict reader, up to the first block: ``asdf.open``
    takes duplicate keys, reads ``010`` as eight, and needs more than 25 s for an alias bomb.
    """
    if extension != ".asdf":
        return strictyaml.load(data, too_many=_TOO_MANY)
    if not data.startswith(b"#ASDF "):
        raise RegionFileError("is not a valid ASDF file (it does not begin with #ASDF)")
    tree, duplicates = strictyaml.load(
        data.partition(b"\n...")[0],
        leave_out=_ASDF_OWN_KEYS,
        tags=frozenset((TAG,)),
        too_many=_TOO_MANY,
    )
    # Files of before have the keys of the region file at the top.
    is_tagged = isinstance(tree, dict) and set(tree) == {KEY}
    return (tree[KEY] if is_tagged else tree), duplicates


def known_extension(file: Path) -> str:
    """Return the extension of a region file; raise `RegionFileError` for another file."""
    extension = file.suffix.lower()
    if extension not in EXTENSIONS:
        if file.is_dir():
            raise RegionFileError(f"{file}: is a directory, expected a region file")
        raise RegionFileError(
            f"{file}: ends in {file.suffix or 'no suffix'!r}, "
            f"expected a region file with one of {', '.join(EXTENSIONS)}"
        )
    return extension


def _read_bytes(file: Path) -> bytes:
    """Read a file that can be a region file; refuse anything else before it costs memory."""
    extension = known_extension(file)
    try:
        status = file.stat()
        if not S_ISREG(status.st_mode):
            found = "a directory" if file.is_dir() else "not a regular file"
            raise RegionFileError(f"{file}: is {found}, expected a region file ({extension})")
        if status.st_size > MAX_SIZE:
            raise RegionFileError(f"{file}: has {status.st_size / 1e6:.0f} MB, {TOO_LARGE}")
        return file.read_bytes()
    except OSError as error:
        raise RegionFileError(f"{file}: can't be read ({error.strerror})") from error


@dataclass
class _Findings:
    """The findings in a tree: problems in the order of the tree, and valid values."""

    problems: list[str] = field(default_factory=list)
    wrong: set[tuple[str | int, ...]] = field(default_factory=set)
    entries: list[Entry] = field(default_factory=list)
    values: list[Values] = field(default_factory=list)

    def note(self, *texts: str) -> None:
        self.problems += texts


def _regions_of(
    tree: Any, duplicates: list[str], folder: Path, *, masks_anywhere: bool | None
) -> RegionFile:
    """Return the content that a tree holds, or raise with all that is wrong with it."""
    findings = _Findings([*duplicates])
    is_judged = True
    for path, text, is_last in islice(schema_problems(tree), strictyaml.MAX_PROBLEMS + 1):
        findings.note(text)
        findings.wrong.add(path)
        is_judged = not is_last and len(findings.wrong) <= strictyaml.MAX_PROBLEMS
    listed = tree if is_judged else {}
    invalid = _heads(findings.wrong, 1)
    header = {key: listed[key] for key in HEADER_KEYS if key in listed and (key,) not in invalid}
    findings.note(*detector_problems(listed))
    shape, said_by = header.get("shape"), "shape"
    detector = str(header.get("detector", ""))
    if detector.upper() in DETECTORS:
        shape, said_by = (None, None, *frame_shape_of(detector)), "the whole detector"
    for valid in _valid_values(listed, findings.wrong):
        before = len(findings.problems)
        values = _with_mask(valid, folder, findings, anywhere=masks_anywhere)
        _check_relations(values, shape, said_by, findings)
        is_complete = valid.is_complete and len(findings.problems) == before
        findings.values.append(replace(values, is_complete=is_complete))
        if not findings.problems:
            findings.entries.append(values.kind.from_mapping(values.values, is_valid=True))
    if findings.problems:
        if len(findings.problems) > strictyaml.MAX_PROBLEMS:
            findings.problems[strictyaml.MAX_PROBLEMS :] = ["… and more problems"]
        raise InvalidRegionFileError(
            *findings.problems, header=header, values=tuple(findings.values)
        )
    return RegionFile(entries=findings.entries, **header)


def _heads(paths: set[tuple[str | int, ...]], length: int) -> set[tuple[str | int, ...]]:
    return {path[:length] for path in paths}


def _valid_values(tree: Mapping[str, Any], wrong: set[tuple[str | int, ...]]) -> Iterator[Values]:
    """Yield the entries of a tree, each without the values that the schema does not allow."""
    invalid, entries = _heads(wrong, 3), _heads(wrong, 2)
    for section, kind in SECTIONS.items():
        listed = tree.get(section)
        for position, mapping in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(mapping, dict):
                valid = {k: v for k, v in mapping.items() if (section, position, k) not in invalid}
                is_complete = (section, position) not in entries
                yield Values(f"{section}[{position}]", kind, valid, is_complete)


def _with_mask(
    values: Values, folder: Path, findings: _Findings, *, anywhere: bool | None
) -> Values:
    """Return the values with the image of the mask that they name, if they do."""
    if values.kind is not BadPixels or "mask" not in values.values:
        return values
    try:
        image = read_mask(find_mask(values.values["mask"], folder, anywhere=anywhere))
    except EntryError as error:
        findings.note(*(f"{values.key}.mask {problem}" for problem in error.problems))
        return values
    return replace(values, values={**values.values, "image": image})


def _check_relations(values: Values, shape: Any, said_by: str, findings: _Findings) -> None:
    """Note what is wrong between the values of an entry, and with the shape that the file gives."""
    relations = values.kind.relations(values.values)
    findings.note(*(f"{values.key}.{name} {text}" for name, text in relations))
    if shape is not None:
        nints, ngroups, ny, nx = shape
        outside = values.kind.out_of_range(
            values.values, nints=nints, ngroups=ngroups, image_shape=(ny, nx)
        )
        findings.note(*(f"{values.key}.{name} {text} (from {said_by})" for name, text in outside))
