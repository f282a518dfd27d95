"""Bring region files and exposures on disk together."""

from __future__ import annotations

import filecmp
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from showermask.commands.batch.associations import Association
from showermask.exceptions import OutputError, RegionFileError, ShowermaskError
from showermask.exposure.names import PRODUCT_SUFFIXES, product_root, product_suffix
from showermask.exposure.product import describe_file
from showermask.masking.refusals import more_problems
from showermask.messages import printable
from showermask.regionfile.content import SECTIONS, RegionFile, combined_fingerprint
from showermask.regionfile.lookup import (
    DETECTOR_SUFFIX,
    DRAFT_SUFFIX,
    REGION_SUFFIX,
    choose_detector_file,
    draft_path_for,
    real_path,
    walk,
)
from showermask.regionfile.reader import (
    EXTENSIONS,
    MAX_SIZE,
    InvalidRegionFileError,
    read_regions,
)

__all__ = ["Match", "Matches", "add_unreviewed", "match_exposures"]

_Found = TypeVar("_Found", Path, RegionFile)

_LOOKS_LIKE_REGIONS = re.compile(
    rf"^(({'|'.join(SECTIONS)})\s*:|format\s*:\s*[\"']?showermask)".encode(), re.MULTILINE
)


@dataclass(frozen=True, kw_only=True)
class Match:
    """An exposure on disk and its region file."""

    #: Product root.
    exposure: str
    #: The product to start from.
    input: Path
    #: Which of `~showermask.exposure.names.PRODUCT_SUFFIXES` that is.
    suffix: str
    #: The region file.
    region_file: RegionFile
    #: The file with the bad pixels of the detector.
    detector_file: RegionFile | None = None

    @property
    def fingerprint(self) -> str:
        """Hash of the region file, and of the file of the detector; as `Mask.fingerprint`."""
        return combined_fingerprint(self.region_file, self.detector_file) or ""


@dataclass(kw_only=True)
class Matches:
    """Exposures with their region files, and everything that does not go together."""

    #: One for each exposure that can be processed, by name.
    found: list[Match] = field(default_factory=list)
    #: The product to start from of each exposure, with or without a region file.
    inputs: dict[str, Path] = field(default_factory=dict)
    #: The mosaics that are made of the exposures, if any are.
    associations: list[Association] = field(default_factory=list)
    #: Exposures that go into no mosaic, and why.
    in_no_mosaic: dict[str, str] = field(default_factory=dict)
    #: For each exposure that should be processed and can't, why.
    failed: dict[str, str] = field(default_factory=dict)
    #: Of these, those whose region file is not valid.
    invalid: dict[str, InvalidRegionFileError] = field(default_factory=dict)
    #: Region files of which no exposure was found.
    without_data: list[Path] = field(default_factory=list)
    #: Exposures with a region file that were found, but not at the stage asked for: what was.
    without_stage: dict[str, list[str]] = field(default_factory=dict)
    #: Exposures that have no region file.
    without_regions: list[str] = field(default_factory=list)
    #: Region files with showers that nobody has decided on, and how many.
    candidates: dict[Path, int] = field(default_factory=dict)
    #: What a review of them has not saved yet.
    drafts: list[Path] = field(default_factory=list)
    #: What was found more than once, in a sentence each.
    duplicates: list[str] = field(default_factory=list)
    #: Files with the bad pixels of detectors.
    of_detectors: list[RegionFile] = field(default_factory=list)
    #: Files among the region files that are none.
    ignored: list[Path] = field(default_factory=list)
    #: Folders that could not be looked into.
    closed: list[str] = field(default_factory=list)

    def describe(self) -> Iterator[str]:
        """Yield lines that name everything which is not as it should be."""
        yield from _listed("region files without data", map(str, self.without_data))
        yield from _listed(
            "not found at the stage asked for",
            (
                f"{root} (found {', '.join(suffixes)})"
                for root, suffixes in self.without_stage.items()
            ),
        )
        yield from _listed(
            "exposures without a region file, calibrated for their mosaics",
            (match.exposure for match in self.found if match.region_file.path is None),
        )
        yield from _listed("exposures without a region file, left out", self.without_regions)
        yield from _listed(
            "in no mosaic", (f"{root}: {reason}" for root, reason in self.in_no_mosaic.items())
        )
        yield from _listed(
            "region files with candidates, which are not applied",
            (f"{path} ({count})" for path, count in self.candidates.items()),
        )
        yield from _listed("unsaved drafts of reviews, not applied", map(str, self.drafts))
        yield from _listed("found more than once", self.duplicates)
        yield from _listed("not region files, left out", map(str, self.ignored))
        yield from _listed("folders that can't be looked into", self.closed)


def match_exposures(
    region_folder: Path, data: Sequence[Path], *, output: Path, suffixes: Sequence[str]
) -> Matches:
    """Find exposures and region files, and bring them together.

    Region files are looked for in ``region_folder`` and below, exposures in ``data`` and below;
    not in the ``output`` directory, nor in the outputs of other batches. ``suffixes`` are those of
    the products to start from, the best first.
    """
    _check_exist(region_folder, data)
    for path in data:
        if real_path(output) == real_path(path if path.is_dir() else path.parent):
            raise OutputError(f"{output}: is where the data are, expected a directory of its own")
    matches = Matches()
    reviewed = _one_each(_read_all(region_folder, matches), matches, "region files", _same_regions)
    products = _find_products(data, output, matches)
    for root in sorted(set(products) | set(reviewed)):
        suffix = _best(suffixes, products.get(root, {}))
        if suffix is not None:
            matches.inputs[root] = products[root][suffix][0]
        if root not in products:
            matches.without_data += [r.path for r in (reviewed[root],) if r and r.path]
        elif root in matches.invalid:
            _tell_all_problems(root, products[root], suffixes, matches)
        elif root in matches.failed:
            continue
        elif root not in reviewed:
            matches.without_regions.append(root)
        elif suffix is None:
            matches.without_stage[root] = [f"_{s}" for s in PRODUCT_SUFFIXES if s in products[root]]
        else:
            _match(root, reviewed[root], products[root], suffix, matches)
    return matches


def _best(suffixes: Sequence[str], products: Mapping[str, list[Path]]) -> str | None:
    """Return the suffix of the best product to start from."""
    return next((suffix for suffix in suffixes if suffix in products), None)


def add_unreviewed(matches: Matches, roots: Iterable[str]) -> None:
    """Match exposures that have no region file, so that they go unmasked into their mosaics.

    Parameters
    ----------
    matches : Matches
        The matches. Modified in place.
    roots : iterable of str
        Their product roots.
    """
    for root in roots:
        path = matches.inputs[root]
        suffix = product_suffix(path)
        if suffix is not None:
            _match(root, RegionFile(exposure=root), {suffix: [path]}, suffix, matches)
        matches.without_regions.remove(root)
    matches.found.sort(key=lambda match: match.exposure)


def _match(
    root: str,
    region_file: RegionFile | None,
    products: Mapping[str, list[Path]],
    suffix: str,
    matches: Matches,
) -> None:
    plain = f"{root}_{suffix}.fits"
    paths = sorted(products[suffix], key=lambda path: path.name != plain)
    path = _one_each({root: paths}, matches, "files", _same_bytes)[root]
    if path is not None and not (path.is_file() and os.access(path, os.R_OK)):
        matches.failed[root] = f"{path}: can't be read, expected a FITS file"
    elif path is not None and region_file is not None:
        found = Match(
            exposure=root,
            input=path,
            suffix=suffix,
            region_file=region_file,
            detector_file=_of_detector(path, matches),
        )
        matches.found.append(found)
        if region_file.candidates and region_file.path:
            matches.candidates[region_file.path] = len(region_file.candidates)


def _of_detector(path: Path, matches: Matches) -> RegionFile | None:
    """Return the file with the bad pixels of an exposure's detector, if there is one."""
    if not matches.of_detectors:
        return None
    try:
        exposure = describe_file(path)
    except ShowermaskError:  # which the plan tells
        return None
    return choose_detector_file(matches.of_detectors, exposure)


def _tell_all_problems(
    root: str,
    products: Mapping[str, list[Path]],
    suffixes: Sequence[str],
    matches: Matches,
) -> None:
    """Add what is wrong with an invalid region file for its exposure to what is wrong by itself."""
    found = [products[suffix][0] for suffix in suffixes if suffix in products]
    if found:
        error = matches.invalid[root]
        with suppress(ShowermaskError):
            more = more_problems(error, describe_file(found[0]))
            matches.failed[root] = "; ".join([*error.problems, *more])


def _check_exist(region_folder: Path, data: Sequence[Path]) -> None:
    if not region_folder.exists():
        raise RegionFileError(
            f"{region_folder}: does not exist, expected a directory of region files"
        )
    missing = [path for path in data if not path.exists()]
    if missing:
        raise OutputError(
            *(f"{path}: does not exist, expected exposures or a directory" for path in missing)
        )


def _read_all(region_folder: Path, matches: Matches) -> dict[str, list[RegionFile]]:
    """Read the region files, by exposure; one that is not valid fails its exposure."""
    found: dict[str, list[RegionFile]] = defaultdict(list)
    paths = list(_files(region_folder, _is_region_name, matches))
    matches.drafts = _find_drafts(region_folder, paths)
    for path in paths:
        root = product_root(f"{path.stem.removesuffix(REGION_SUFFIX)}.fits")
        try:
            region_file = read_regions(path)
        except RegionFileError as error:
            if isinstance(error, InvalidRegionFileError):
                root = str(error.header.get("exposure", root))
                matches.invalid[root] = error
            if (
                path.stem.endswith((REGION_SUFFIX, DETECTOR_SUFFIX))
                or path == region_folder
                or _looks_like_regions(path)
            ):
                matches.failed[root] = "; ".join(error.problems)
            else:
                matches.ignored.append(path)
            continue
        if region_file.detector is not None:
            matches.of_detectors.append(region_file)
            if region_file.candidates:
                matches.candidates[path] = len(region_file.candidates)
            continue
        found[region_file.exposure or root].append(region_file)
    if not found and matches.of_detectors and not matches.failed:
        raise RegionFileError(
            f"{region_folder}: found files of detectors only; expected a region file of each "
            "exposure as well, <exposure>_showers.yaml (showers: [] will do)"
        )
    if not found and not matches.failed:
        raise RegionFileError(
            f"{region_folder}: found no region file, expected <exposure>_showers.yaml, .yml "
            "or .asdf"
        )
    return found


def _find_drafts(region_folder: Path, paths: Sequence[Path]) -> list[Path]:
    """Return the unsaved drafts beside region files."""
    if not region_folder.is_dir():
        draft = draft_path_for(region_folder)
        return [draft] if draft.exists() else []
    folders = {region_folder, *(path.parent for path in paths)}
    return sorted(draft for folder in folders for draft in folder.glob(f".*{DRAFT_SUFFIX}"))


def _find_products(
    data: Iterable[Path], output: Path, matches: Matches
) -> dict[str, dict[str, list[Path]]]:
    """Find products below the data, by exposure and kind; none that lie in the output."""
    found: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    seen: set[Path] = set()
    for path in data:
        for file in _files(path, product_suffix, matches):
            suffix, real = product_suffix(file), real_path(file)
            if suffix is None or real in seen or real.is_relative_to(real_path(output)):
                continue
            seen.add(real)
            found[product_root(file)][suffix].append(file)
    return found


def _files(path: Path, is_wanted: Callable[[Path], object], matches: Matches) -> Iterator[Path]:
    """Yield a file, or the wanted ones below a directory, if their names can be written down."""

    def note(error: OSError) -> None:
        matches.closed.append(f"{error.filename} ({error.strerror})")

    for file in [path] if path.is_file() else walk(path, is_wanted, on_closed=note):
        if str(file).isprintable():
            yield file
        else:
            name = printable(str(file))
            matches.failed[name] = "has a name that can't be written down; rename it"


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
    masks = [[region.image for region in region_file.pixels] for region_file in (one, other)]
    hashes = [[image and image.sha256 for image in images] for images in masks]
    return one == other and hashes[0] == hashes[1]


def _same_bytes(one: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def _is_region_name(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS


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
