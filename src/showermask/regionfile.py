"""Read and write region files.

A region file holds the reviewed showers of one exposure, and other bad pixels, as YAML (``.yaml``,
``.yml``) or ASDF (``.asdf``). Both are the same tree, described by one schema in ``schemas/``. All
problems of a file are reported at once, each with its place in the file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import Any

import yaml

from showermask import strictyaml
from showermask.commentedyaml import comments_beside_entries, comments_of, updated
from showermask.exceptions import EntryError, RegionFileError
from showermask.exposure import Exposure
from showermask.files import atomic_write, is_file
from showermask.maskfile import find_mask, read_mask
from showermask.messages import printable
from showermask.pixels import PixelRegion
from showermask.regionschema import FORMATS, format_of, schema_problems
from showermask.shower import Shower, Status

__all__ = [
    "MAX_SIZE",
    "SUFFIXES",
    "RegionFile",
    "find_regions",
    "read_regions",
    "read_regions_for",
    "regions_of_tree",
    "write_regions",
]

#: File types, in the order in which they are looked for.
SUFFIXES = (".yaml", ".yml", ".asdf")

#: Bytes; some ten thousand showers. A larger file is not a region file.
MAX_SIZE = 4 * 1024**2

_TOO_LARGE = (
    f"expected a region file of at most {MAX_SIZE / 1e6:.0f} MB; many pixels go into a FITS file "
    "that it names (pixels: - mask: file.fits)"
)

_TOO_MANY = (
    f"has more than {strictyaml.MAX_ITEMS} entries, or {strictyaml.MAX_VALUES} values, expected a "
    "region file of fewer; many pixels go into a FITS file that it names "
    "(pixels: - mask: file.fits)"
)

_ASDF_OWN_KEYS = frozenset({"asdf_library", "history"})

_HEADING = """\
# Cosmic-ray showers for showermask. x, y: zero-based column and row, pixel centres at integers;
# a, b: semi-axes in pixels; theta: degrees counter-clockwise from +x to a; groups: zero-based.
"""


@dataclass(frozen=True, kw_only=True)
class RegionFile:
    """The content of a region file.

    Parameters
    ----------
    showers : tuple of Shower
        The showers, whatever their status, in the order of the file.
    pixels : tuple of PixelRegion, optional
        What is no ellipse, likewise.
    exposure : str, optional
        Product root of the exposure, without suffix.
    shape : tuple of int, optional
        ``(nints, ngroups, ny, nx)`` that the reviewer looked at.
    subarray : str, optional
        Subarray name.
    reviewer : str, optional
        Who reviewed the showers.
    reviewed : str, optional
        When, ISO 8601.
    path : `~pathlib.Path`, optional
        Where the content was read from. Not compared.
    sha256 : str, optional
        Hash of the file that was read; see `fingerprint` too. Not compared.
    """

    showers: tuple[Shower, ...]
    pixels: tuple[PixelRegion, ...] = ()
    exposure: str | None = None
    shape: tuple[int, int, int, int] | None = None
    subarray: str | None = None
    reviewer: str | None = None
    reviewed: str | None = None
    path: Path | None = field(default=None, compare=False)
    sha256: str | None = field(default=None, compare=False)

    @classmethod
    def for_exposure(cls, exposure: Exposure) -> RegionFile:
        """Return a file without entries for an exposure.

        Parameters
        ----------
        exposure : Exposure
            What it is for; only ramps tell the shape.

        Returns
        -------
        RegionFile
            The file.
        """
        shape = exposure.shape
        return cls(
            showers=(),
            exposure=exposure.root,
            shape=(shape[0], shape[1], shape[2], shape[3]) if len(shape) == 4 else None,
            subarray=exposure.subarray,
        )

    @property
    def entries(self) -> tuple[Shower | PixelRegion, ...]:
        """The showers, then the pixel regions."""
        return (*self.showers, *self.pixels)

    @property
    def accepted(self) -> tuple[Shower | PixelRegion, ...]:
        """What is to be masked."""
        return tuple(entry for entry in self.entries if entry.is_accepted)

    @property
    def candidates(self) -> tuple[Shower | PixelRegion, ...]:
        """What nobody has decided on."""
        return tuple(entry for entry in self.entries if entry.status is Status.CANDIDATE)

    @property
    def fingerprint(self) -> str | None:
        """Hash of all that is masked: of the file, and of the mask files that it names, if any."""
        masks = [entry.image.sha256 for entry in self.pixels if entry.image is not None]
        if self.sha256 is None or not masks:
            return self.sha256
        return hashlib.sha256(" ".join([self.sha256, *masks]).encode()).hexdigest()

    def place(self, entry: Shower | PixelRegion) -> str:
        """Return where in the file an entry is, such as ``showers[3]``.

        Parameters
        ----------
        entry : Shower or PixelRegion
            One of the entries, itself.

        Returns
        -------
        str
            The list and the position.
        """
        try:
            return self._places[id(entry)]
        except KeyError:
            raise ValueError(f"{entry} is not in {self.name}") from None

    @cached_property
    def _places(self) -> dict[int, str]:
        return {
            id(entry): f"{name}[{position}]"
            for name in ("showers", "pixels")
            for position, entry in enumerate(getattr(self, name))
        }

    def repeated(self) -> Iterator[tuple[str, str]]:
        """Yield the places of entries that say the same: same pixels, groups, status and flags.

        Yields
        ------
        tuple of str
            The first of them, and one that repeats it.
        """
        known: dict[Shower | PixelRegion, str] = {}
        for entry in self.entries:
            place = self.place(entry)
            first = known.setdefault(replace(entry, comment=None, source=None), place)
            if first != place:
                yield first, place

    @property
    def name(self) -> str:
        """The file's name, for messages and keywords."""
        return self.path.name if self.path else "regions"

    def to_tree(self) -> dict[str, Any]:
        """Return the tree that the schema describes, keys in the file's order."""
        tree: dict[str, Any] = {"format": FORMATS[0]}
        for key in ("exposure", "shape", "subarray", "reviewer", "reviewed"):
            value = getattr(self, key)
            if value is not None:
                tree[key] = [int(size) for size in value] if key == "shape" else value
        tree["showers"] = [shower.to_mapping() for shower in self.showers]
        if self.pixels:
            tree["pixels"] = [region.to_mapping() for region in self.pixels]
        tree["format"] = format_of(tree)
        return tree

    def check_fits(self, exposure: Exposure) -> None:
        """Refuse to go with an exposure that the file was not made for.

        Parameters
        ----------
        exposure : Exposure
            The exposure.

        Raises
        ------
        RegionFileError
            With every mismatch.
        """
        root, subarray = exposure.root, exposure.subarray
        nints, ngroups = exposure.nints, exposure.ngroups
        problems = []
        if self.exposure is not None and self.exposure != root:
            known = root or "without a file name"
            problems.append(
                f"exposure is {self.exposure}, but the data are {known}; "
                "take the region file of this exposure"
            )
        if self.subarray is not None and subarray is not None and self.subarray != subarray:
            problems.append(f"subarray is {self.subarray}, but the data have {subarray}")
        data_shape = (nints, ngroups, *exposure.frame)
        if self.shape is not None and any(
            size is not None and size != expected
            for expected, size in zip(self.shape, data_shape, strict=True)
        ):
            shown = ", ".join("?" if size is None else str(size) for size in data_shape)
            problems.append(
                f"shape is {list(self.shape)}, but the data have [{shown}] "
                "(nints, ngroups, ny, nx); take the region file of these data"
            )
        problems += _misfits(self.showers, self.pixels, (nints, ngroups, *exposure.frame))
        RegionFileError.raise_if([f"{self.name}: {problem}" for problem in problems])


def _misfits(
    showers: Sequence[Shower],
    pixels: Sequence[PixelRegion],
    shape: tuple[int | None, int | None, int, int],
) -> Iterator[str]:
    """Tell which entries lie outside an exposure of a shape."""
    nints, ngroups, ny, nx = shape
    entries: tuple[tuple[str, Sequence[Shower | PixelRegion]], ...]
    entries = (("showers", showers), ("pixels", pixels))
    for key, listed in entries:
        for position, entry in enumerate(listed):
            for name, text in entry.misfits(nints=nints, ngroups=ngroups, frame=(ny, nx)):
                yield f"{key}[{position}].{name} {text}"


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
    problems: list[str] = []
    try:
        tree, problems = _tree_of(data, file.suffix.lower())
        contents = _contents(tree, file.parent, masks_anywhere=masks_anywhere)
    except strictyaml.StrictYamlError as error:
        problems = error.problems
    except RegionFileError as error:
        problems = [*problems, *error.problems]
    if problems:
        if len(problems) > strictyaml.MAX_PROBLEMS:
            problems[strictyaml.MAX_PROBLEMS :] = ["… and more problems"]
        raise RegionFileError(*(f"{file}: {problem}" for problem in problems))
    return RegionFile(**contents, path=file, sha256=hashlib.sha256(data).hexdigest())


def read_regions_for(path: Path, exposure: Exposure) -> RegionFile:
    """Read the region file of an exposure, or begin one.

    Parameters
    ----------
    path : `~pathlib.Path`
        The region file, which need not exist.
    exposure : Exposure
        The exposure.

    Returns
    -------
    RegionFile
        Its content; without entries where there is no file.

    Raises
    ------
    RegionFileError
        When it is not valid, or not for this exposure.
    """
    if not path.exists():
        return RegionFile.for_exposure(exposure)
    regions = read_regions(path)
    regions.check_fits(exposure)
    return regions


def regions_of_tree(tree: Any, path: Path) -> RegionFile:
    """Make the content of a region file from a tree that another file holds.

    Parameters
    ----------
    tree : object
        What a region file would say.
    path : `~pathlib.Path`
        The other file: for messages, and where mask files are seen from.

    Returns
    -------
    RegionFile
        The content.

    Raises
    ------
    RegionFileError
        With all problems of the tree.
    """
    try:
        return RegionFile(**_contents(tree, path.parent, masks_anywhere=None))
    except RegionFileError as error:
        raise RegionFileError(*(f"{path}: {problem}" for problem in error.problems)) from error


def write_regions(path: str | os.PathLike[str], regions: RegionFile) -> None:
    """Write a region file, whole or not at all.

    Comments that people wrote into a YAML file which is replaced are kept with their entries.

    Parameters
    ----------
    path : path-like
        The file to make or replace; its suffix says which format: ``.yaml``, ``.yml`` or ``.asdf``.
    regions : RegionFile
        What to write.

    Raises
    ------
    RegionFileError
        When the suffix is unknown or the content is not valid, or names a mask that is not there.
    """
    file = Path(path)
    suffix = _known_suffix(file)
    tree = regions.to_tree()
    problems = list(schema_problems(tree))
    for position, region in enumerate(regions.pixels):
        if region.mask is not None and not (file.parent / region.mask).is_file():
            problems.append(
                f"pixels[{position}].mask is {region.mask}, which is not there, seen from "
                f"{file.parent}; write the mask first"
            )
    RegionFileError.raise_if([f"{file}: {problem}" for problem in problems])
    with atomic_write(file.resolve()) as draft:
        if suffix == ".asdf":
            import asdf

            asdf.AsdfFile(tree).write_to(draft)
        else:
            draft.write_bytes(_yaml_text(file, tree).encode("utf-8", "surrogatepass"))
        _check_written(draft, file, tree)


def _check_written(draft: Path, file: Path, tree: dict[str, Any]) -> None:
    """Refuse a file that would not be read again as what was to be written."""
    if draft.stat().st_size > MAX_SIZE:
        raise RegionFileError(
            f"{file}: would have {draft.stat().st_size / 1e6:.0f} MB, {_TOO_LARGE}"
        )
    try:
        found, problems = _tree_of(draft.read_bytes(), file.suffix.lower())
    except strictyaml.StrictYamlError as error:
        found, problems = None, error.problems
    if problems or found != tree:
        reason = problems[0] if problems else "its values would come back changed"
        raise RegionFileError(
            f"{file}: can't be written so that it is read again ({reason}); "
            "look for odd characters in its texts; nothing was changed"
        )


def find_regions(root: str, directory: Path) -> list[Path]:
    """Look in a directory for the region files of an exposure.

    Parameters
    ----------
    root : str
        Product root of the exposure, without suffix.
    directory : `~pathlib.Path`
        Where to look, not below.

    Returns
    -------
    list of `~pathlib.Path`
        ``<root>_showers`` with each of `SUFFIXES`, those that exist, in that order.
    """
    named = (directory / f"{root}_showers{suffix}" for suffix in SUFFIXES)
    return [path for path in named if is_file(path)]


def _read_bytes(file: Path) -> bytes:
    """Read a file that can be a region file; refuse anything else before it costs memory."""
    suffix = _known_suffix(file)
    try:
        status = file.stat()
        if not S_ISREG(status.st_mode):
            kind = "a directory" if file.is_dir() else "not a regular file"
            raise RegionFileError(f"{file}: is {kind}, expected a region file ({suffix})")
        if status.st_size > MAX_SIZE:
            raise RegionFileError(f"{file}: has {status.st_size / 1e6:.0f} MB, {_TOO_LARGE}")
        return file.read_bytes()
    except OSError as error:
        raise RegionFileError(f"{file}: can't be read ({error.strerror})") from error


def _known_suffix(file: Path) -> str:
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        if file.is_dir():
            raise RegionFileError(f"{file}: is a directory, expected a region file")
        raise RegionFileError(
            f"{file}: ends in {file.suffix or 'no suffix'!r}, "
            f"expected a region file with one of {', '.join(SUFFIXES)}"
        )
    return suffix


def _tree_of(data: bytes, suffix: str) -> tuple[Any, list[str]]:
    """Read the tree of a region file, and tell which keys appear twice."""
    if suffix == ".asdf":
        return _asdf_tree(data)
    return strictyaml.load(data, too_many=_TOO_MANY)


def _asdf_tree(data: bytes) -> tuple[Any, list[str]]:
    """Read the tree of an ASDF file: strict YAML up to the first block, but for asdf's own keys."""
    if not data.startswith(b"#ASDF "):
        raise RegionFileError("is not a valid ASDF file (it does not begin with #ASDF)")
    return strictyaml.load(
        data.partition(b"\n...")[0], leave_out=_ASDF_OWN_KEYS, too_many=_TOO_MANY
    )


def _contents(tree: Any, folder: Path, *, masks_anywhere: bool | None) -> dict[str, Any]:
    """Return the arguments of `RegionFile` from a tree, or raise with all that is wrong with it."""
    RegionFileError.raise_if(list(islice(schema_problems(tree), strictyaml.MAX_PROBLEMS + 1)))
    problems: list[str] = []
    showers: list[Shower] = []
    pixels: list[PixelRegion] = []
    for position, entry in enumerate(tree.get("showers", ())):
        try:
            showers.append(Shower.from_mapping(entry))
        except EntryError as error:
            problems += [f"showers[{position}].{problem}" for problem in error.problems]
    for position, entry in enumerate(tree.get("pixels", ())):
        try:
            region = PixelRegion.from_mapping(entry)
        except EntryError as error:
            problems += [f"pixels[{position}].{problem}" for problem in error.problems]
            continue
        try:
            pixels.append(_with_image(region, folder, anywhere=masks_anywhere))
        except EntryError as error:
            problems += [f"pixels[{position}].mask {problem}" for problem in error.problems]
    shape = tuple(tree["shape"]) if "shape" in tree else None
    if shape is not None:
        problems += [f"{problem} (from shape)" for problem in _misfits(showers, pixels, shape)]
    RegionFileError.raise_if(problems)
    rest = {k: tree[k] for k in ("exposure", "subarray", "reviewer", "reviewed") if k in tree}
    return {"showers": tuple(showers), "pixels": tuple(pixels), "shape": shape, **rest}


def _with_image(region: PixelRegion, folder: Path, *, anywhere: bool | None) -> PixelRegion:
    if region.mask is None:
        return region
    path = find_mask(region.mask, folder, anywhere=anywhere)
    return replace(region, image=read_mask(path))


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
        text = updated(present, tree, lists=("showers", "pixels"))
        # What is kept of somebody's layout must not change what the file says.
        is_kept = strictyaml.load(text.encode()) == (tree, [])
        lost = comments_beside_entries(present, lists=("showers", "pixels")) if is_kept else None
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
            if any(isinstance(item, (dict, list)) for item in node):
                return [laid_out(item) for item in node]
            return _Flow(node)
        return node

    text: str = yaml.dump(
        laid_out(tree), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**31 - 1
    )
    return text
