"""Which region file goes with which exposure on disk."""

from __future__ import annotations

import filecmp
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from showermask.batch.manifest import MANIFEST_NAME
from showermask.exceptions import OutputError, RegionFileError
from showermask.exposure import PRODUCT_KINDS, product_kind, product_root
from showermask.messages import printable
from showermask.regionfile import MAX_SIZE, SUFFIXES, RegionFile, read_regions

__all__ = ["PREFERENCE", "Match", "Matches", "match_exposures"]

#: What a mask or a rate is best made from, the best first.
PREFERENCE: Mapping[str, tuple[str, ...]] = {
    "masked": ("jump", "ramp", "rateints", "rate"),
    "rate": PRODUCT_KINDS,
}

_Found = TypeVar("_Found", Path, RegionFile)

_REGION_SUFFIX = "_showers"
_LOOKS_LIKE_REGIONS = re.compile(rb"^(showers\s*:|format\s*:\s*[\"']?showermask)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Match:
    """An exposure on disk and its region file.

    Parameters
    ----------
    exposure : str
        Product root.
    input : `~pathlib.Path`
        The product to start from.
    kind : str
        Which of `~showermask.exposure.PRODUCT_KINDS` that is.
    regions : RegionFile
        The region file.
    """

    exposure: str
    input: Path
    kind: str
    regions: RegionFile


@dataclass(kw_only=True)
class Matches:
    """What was found, and what of it can't be used.

    Parameters
    ----------
    found : list of Match
        One for each exposure that can be processed, by name.
    failed : dict of str to str
        For each exposure that should be processed and can't, why.
    without_data : list of `~pathlib.Path`
        Region files of which no exposure was found.
    without_stage : dict of str to list of str
        Exposures with a region file that were found, but not at the stage asked for: what was.
    without_regions : list of str
        Exposures that have no region file.
    candidates : dict of `~pathlib.Path` to int
        Region files with showers that nobody has decided on, and how many.
    duplicates : list of str
        What was found more than once, in a sentence each.
    ignored : list of `~pathlib.Path`
        Files among the region files that are none.
    closed : list of str
        Folders that could not be looked into.
    """

    found: list[Match] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    without_data: list[Path] = field(default_factory=list)
    without_stage: dict[str, list[str]] = field(default_factory=dict)
    without_regions: list[str] = field(default_factory=list)
    candidates: dict[Path, int] = field(default_factory=dict)
    duplicates: list[str] = field(default_factory=list)
    ignored: list[Path] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def describe(self) -> Iterator[str]:
        """Yield lines that name everything which is not as it should be."""
        yield from _listed("region files without data", map(str, self.without_data))
        yield from _listed(
            "not found at the stage asked for",
            (f"{root} (found {', '.join(kinds)})" for root, kinds in self.without_stage.items()),
        )
        yield from _listed("exposures without a region file, left out", self.without_regions)
        yield from _listed(
            "region files with candidates, which are not applied",
            (f"{path} ({count})" for path, count in self.candidates.items()),
        )
        yield from _listed("found more than once", self.duplicates)
        yield from _listed("not region files, left out", map(str, self.ignored))
        yield from _listed("folders that can't be looked into", self.closed)


def match_exposures(
    regions: Path, data: Sequence[Path], *, output: Path, target: str, kind: str | None = None
) -> Matches:
    """Find exposures and region files, and bring them together.

    Parameters
    ----------
    regions : `~pathlib.Path`
        Directory of region files, looked into with all that is below; or one region file.
    data : sequence of `~pathlib.Path`
        Exposures, or directories to look into for them.
    output : `~pathlib.Path`
        Directory for the products, which is not looked into; nor are the outputs of other batches.
    target : str
        What is to be made, ``masked`` or ``rate``.
    kind : str, optional
        Which product to start from; the best one there is for this target without it.

    Returns
    -------
    Matches
        What was found.

    Raises
    ------
    OutputError
        When the output would go among the data.
    RegionFileError
        When there are no region files.
    """
    _refuse_missing(regions, data)
    for path in data:
        if _real(output) == _real(path if path.is_dir() else path.parent):
            raise OutputError(f"{output}: is where the data are, expected a directory of its own")
    matches = Matches()
    reviewed = _one_each(_read_all(regions, matches), matches, "region files", _same_regions)
    kinds = PREFERENCE[target] if kind is None else (kind,)
    products = _find_products(data, output, matches)
    for root in sorted(set(products) | set(reviewed)):
        if root not in products:
            matches.without_data += [r.path for r in (reviewed[root],) if r and r.path]
        elif root not in reviewed:
            if root not in matches.failed:
                matches.without_regions.append(root)
        elif root not in matches.failed:
            _match(root, reviewed[root], products[root], kinds, matches)
    return matches


def _match(
    root: str,
    regions: RegionFile | None,
    products: Mapping[str, list[Path]],
    kinds: Sequence[str],
    matches: Matches,
) -> None:
    kind = next((kind for kind in kinds if kind in products), None)
    if kind is None:
        matches.without_stage[root] = [f"_{name}" for name in PRODUCT_KINDS if name in products]
        return
    plain = f"{root}_{kind}.fits"
    paths = sorted(products[kind], key=lambda path: path.name != plain)
    path = _one_each({root: paths}, matches, "files", _same_bytes)[root]
    if path is not None and not (path.is_file() and os.access(path, os.R_OK)):
        matches.failed[root] = f"{path}: can't be read, expected a FITS file"
    elif path is not None and regions is not None:
        matches.found.append(Match(exposure=root, input=path, kind=kind, regions=regions))
        if regions.candidates and regions.path:
            matches.candidates[regions.path] = len(regions.candidates)


def _refuse_missing(regions: Path, data: Sequence[Path]) -> None:
    if not regions.exists():
        raise RegionFileError(f"{regions}: does not exist, expected a directory of region files")
    missing = [path for path in data if not path.exists()]
    if missing:
        raise OutputError(
            *(f"{path}: does not exist, expected exposures or a directory" for path in missing)
        )


def _read_all(regions: Path, matches: Matches) -> dict[str, list[RegionFile]]:
    """Read the region files, by exposure; one that is not valid fails its exposure."""
    found: dict[str, list[RegionFile]] = defaultdict(list)
    for path in _files(regions, _is_region_name, matches):
        root = product_root(f"{path.stem.removesuffix(_REGION_SUFFIX)}.fits")
        try:
            region_file = read_regions(path)
        except RegionFileError as error:
            if path.stem.endswith(_REGION_SUFFIX) or path == regions or _looks_like_regions(path):
                matches.failed[root] = "; ".join(error.problems)
            else:
                matches.ignored.append(path)
            continue
        found[region_file.exposure or root].append(region_file)
    if not found and not matches.failed:
        raise RegionFileError(
            f"{regions}: found no region file, expected <exposure>_showers.yaml, .yml or .asdf"
        )
    return found


def _find_products(
    data: Iterable[Path], output: Path, matches: Matches
) -> dict[str, dict[str, list[Path]]]:
    """Find products below the data, by exposure and kind; none that lie in the output."""
    found: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    seen: set[Path] = set()
    for path in data:
        for file in _files(path, product_kind, matches):
            kind, real = product_kind(file), _real(file)
            if kind is None or real in seen or real.is_relative_to(_real(output)):
                continue
            seen.add(real)
            found[product_root(file)][kind].append(file)
    return found


def _files(path: Path, is_wanted: Callable[[Path], object], matches: Matches) -> Iterator[Path]:
    """Yield a file, or the wanted ones below a directory, if their names can be written down."""
    for file in [path] if path.is_file() else _walk(path, is_wanted, matches):
        if str(file).isprintable():
            yield file
        else:
            name = printable(str(file))
            matches.failed[name] = "has a name that can't be written down; rename it"


def _walk(top: Path, is_wanted: Callable[[Path], object], matches: Matches) -> Iterator[Path]:
    """Yield the wanted files below a directory, by name; hidden ones and outputs are left out."""

    def note(error: OSError) -> None:
        matches.closed.append(f"{error.filename} ({error.strerror})")

    seen: set[Path] = set()
    for folder, folders, files in os.walk(top, onerror=note, followlinks=True):
        here = Path(folder)
        is_output = MANIFEST_NAME in files and here != top
        if is_output or _real(here) in seen:
            folders.clear()
            continue
        seen.add(_real(here))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        wanted = (here / name for name in sorted(files) if not name.startswith("."))
        yield from filter(is_wanted, wanted)


def _real(path: Path) -> Path:
    """Return a path without links; of one that leads in circles, as far as it leads."""
    return Path(os.path.realpath(path))


def _one_each(
    found: Mapping[str, list[_Found]],
    matches: Matches,
    what: str,
    are_same: Callable[[_Found, _Found], bool],
) -> dict[str, _Found | None]:
    """Settle on one of what was found for each exposure; None, and a failure, where they differ."""
    settled: dict[str, _Found | None] = {}
    for root, items in found.items():
        settled[root] = items[0]
        if len(items) == 1:
            continue
        names = ", ".join(str(getattr(item, "path", item)) for item in items)
        if all(are_same(items[0], item) for item in items[1:]):
            matches.duplicates.append(f"{root}: {names} are alike; the first is taken")
        else:
            settled[root] = None
            matches.duplicates.append(f"{root}: {names}")
            matches.failed[root] = f"has several {what} that differ: {names}; leave one"
    return settled


def _same_regions(one: RegionFile, other: RegionFile) -> bool:
    masks = [[region.image for region in regions.pixels] for regions in (one, other)]
    hashes = [[image and image.sha256 for image in images] for images in masks]
    return one == other and hashes[0] == hashes[1]


def _same_bytes(one: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def _is_region_name(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _looks_like_regions(path: Path) -> bool:
    """Tell whether somebody meant a file to be a region file, though it is not a valid one."""
    try:
        with path.open("rb") as stream:
            return bool(_LOOKS_LIKE_REGIONS.search(stream.read(MAX_SIZE)))
    except OSError:
        return True


def _listed(title: str, items: Iterable[str]) -> Iterator[str]:
    lines = list(items)
    if lines:
        yield f"{title} ({len(lines)}):"
        yield from (f"  {line}" for line in lines)
