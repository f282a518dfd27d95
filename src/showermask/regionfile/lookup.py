"""The rule by which a region file goes with an exposure, for step, review, propose and batch.

The region file, or a directory of them, is the one that was given; else the one that the
environment variable ``SHOWERMASK_REGIONS`` names; else the directory of the exposure. Directories
are searched with all directories below.

The bad pixels of the detector come from a second file, ``<detector>_badpixels.yaml``, in the same
directory itself. There may be several, for read-out patterns, numbers of groups and days: the one
that is for the exposure and says most is taken, of these the latest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from showermask.exceptions import ExposureError, RegionFileError
from showermask.exposure.names import PRODUCT_SUFFIXES, product_root, product_suffix
from showermask.exposure.product import Exposure
from showermask.files import is_file
from showermask.regionfile.content import RegionFile
from showermask.regionfile.reader import EXTENSIONS, read_regions

__all__ = [
    "DETECTOR_SUFFIX",
    "DRAFT_SUFFIX",
    "MANIFEST_NAME",
    "REGIONS_VARIABLE",
    "REGION_SUFFIX",
    "RegionLookup",
    "WorkItem",
    "choose_detector_file",
    "draft_path_for",
    "find_exposures",
    "find_work",
    "real_path",
    "walk",
]

#: Environment variable that names the region file, or the directory of region files.
REGIONS_VARIABLE = "SHOWERMASK_REGIONS"

#: Suffix of the names of region files, after the product root.
REGION_SUFFIX = "_showers"

#: Suffix of the names of files with the bad pixels of a detector, after its name.
DETECTOR_SUFFIX = "_badpixels"

#: Name of the record of a batch, by which its output directory is known.
MANIFEST_NAME = "manifest.ecsv"


#: Ends the names of hidden files beside region files, in which a review keeps what is unsaved.
DRAFT_SUFFIX = ".draft.yaml"


def draft_path_for(region_path: Path) -> Path:
    """Return where a review keeps the unsaved entries of a region file."""
    return region_path.with_name(f".{region_path.stem}{DRAFT_SUFFIX}")


def walk(
    top: Path,
    is_wanted: Callable[[Path], object],
    *,
    on_closed: Callable[[OSError], None] | None = None,
) -> Iterator[Path]:
    """Yield the wanted files in a directory and all directories below, the nearest first, by name.

    Hidden files and the outputs of batches below are left out; a directory that several links lead
    to is searched once, under its own name if it has one there.
    """
    seen: set[Path] = set()
    level = [top]
    while level:
        below: list[Path] = []
        for folder in sorted(level, key=lambda path: (path.is_symlink(), path)):
            if real_path(folder) in seen:
                continue
            seen.add(real_path(folder))
            try:
                entries = sorted(path for path in folder.iterdir() if path.name[0] != ".")
            except OSError as error:
                if on_closed is not None:
                    on_closed(error)
                continue
            if folder != top and any(path.name == MANIFEST_NAME for path in entries):
                continue
            below += [path for path in entries if path.is_dir()]
            yield from (path for path in entries if not path.is_dir() and is_wanted(path))
        level = below


def real_path(path: Path) -> Path:
    """Return a path without links; of links in circles, as far as they lead."""
    return Path(os.path.realpath(path))


class RegionLookup:
    """The region files of exposures."""

    def __init__(self, given: str | Path | None = None, *, may_be_new: bool = False) -> None:
        """Take what was given, or what the environment names; new files may be made there."""
        named = given or os.environ.get(REGIONS_VARIABLE) or None
        self.is_given = bool(given)
        self.path: Path | None = None
        self._index: dict[str, list[Path]] | None = None
        if named is not None:
            self.path = Path(os.path.expanduser(named))  # noqa: PTH111  # leaves an unknown ~user alone
            self._check_path(may_be_new=may_be_new)

    @property
    def is_folder(self) -> bool:
        """Whether region files are looked for by the name of their exposure."""
        return self.path is None or self.path.is_dir()

    def find(self, root: str | None, beside: Path) -> list[Path]:
        """Return the region files of an exposure, the one to use first."""
        if self.path is not None and not self.is_folder:
            return [self.path]
        if root is None:
            return []
        found = self._below(self.path).get(root, []) if self.path is not None else []
        return found or ([] if self.is_given else _named(root, beside))

    def searched(self, beside: Path) -> list[Path]:
        """Return the directories that `find` looks into."""
        folders = [] if self.path is None else [self.path]
        return folders if self.is_given else [*folders, beside]

    def find_detector_file(self, exposure: Exposure, beside: Path) -> RegionFile | None:
        """Return the file with the bad pixels of an exposure's detector, None where there is none.

        Parameters
        ----------
        exposure : Exposure
            The exposure.
        beside : `~pathlib.Path`
            Its directory.

        Returns
        -------
        RegionFile or None
            The file.

        Raises
        ------
        RegionFileError
            When a file of this detector is not valid.
        """
        folders = [beside]
        if self.path is not None:
            own = self.path if self.path.is_dir() else self.path.parent
            folders = [own] if self.is_given else [own, beside]
        for folder in folders:
            files = [read_regions(path) for path in _of_detector(exposure, folder)]
            chosen = choose_detector_file(files, exposure)
            if chosen is not None:
                return chosen
        return None

    def path_for(self, exposure_path: Path) -> Path:
        """Return the region file of an exposure on disk, or the path at which to make it.

        Beside an exposure in a directory that can't be written to, that is the working directory.
        """
        root = product_root(exposure_path)
        found = self.find(root, exposure_path.parent)
        if found:
            return found[0]
        folder = self.path or exposure_path.parent
        if self.path is None and not os.access(folder, os.W_OK):
            folder = Path()
        return folder / f"{root}{REGION_SUFFIX}.yaml"

    def _check_path(self, *, may_be_new: bool) -> None:
        path = self.path
        if path is None or _exists(path):
            return
        if not may_be_new:
            raise RegionFileError(
                f"{path}: does not exist, expected a region file or a directory of them"
            )
        if path.suffix not in EXTENSIONS or not path.parent.is_dir():
            raise RegionFileError(
                f"{path}: expected a region file with one of {', '.join(EXTENSIONS)} in a folder "
                "that exists, or a directory"
            )

    def _below(self, folder: Path) -> dict[str, list[Path]]:
        """Return the region files below a directory by product root, the nearest first."""
        if self._index is None:
            self._index = {}
            for path in walk(folder, lambda file: file.suffix.lower() in EXTENSIONS):
                if path.stem.endswith(REGION_SUFFIX) and is_file(path):
                    self._index.setdefault(path.stem.removesuffix(REGION_SUFFIX), []).append(path)
            for paths in self._index.values():
                paths.sort(
                    key=lambda path: (len(path.parts), EXTENSIONS.index(path.suffix.lower()))
                )
        return self._index


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # such as a name that is too long
        return False


def _named(root: str, folder: Path) -> list[Path]:
    paths = (folder / f"{root}{REGION_SUFFIX}{extension}" for extension in EXTENSIONS)
    return [path for path in paths if is_file(path)]


def choose_detector_file(files: Iterable[RegionFile], exposure: Exposure) -> RegionFile | None:
    """Return which of some files of detectors is for an exposure: the one that says most.

    Parameters
    ----------
    files : iterable of RegionFile
        Files of any detectors.
    exposure : Exposure
        The exposure.

    Returns
    -------
    RegionFile or None
        The file; of several that say as much the one that is for the latest day.
    """
    fitting = [
        file
        for file in files
        if file.detector is not None
        and exposure.detector is not None
        and not any(file.mismatches(exposure))
    ]
    return max(
        fitting,
        key=lambda file: (
            (file.readpatt is not None) + (file.ngroups is not None),
            file.useafter or "",
            str(file.path),
        ),
        default=None,
    )


def _of_detector(exposure: Exposure, folder: Path) -> list[Path]:
    """Return the files of an exposure's detector in a directory."""
    if exposure.detector is None:
        return []
    try:
        names = sorted(folder.iterdir())
    except OSError:
        return []
    return [
        path
        for path in names
        if path.suffix.lower() in EXTENSIONS
        and path.stem.lower().startswith(exposure.detector.lower())
        and path.stem.lower().endswith(DETECTOR_SUFFIX)
        and is_file(path)
    ]


@dataclass(frozen=True)
class WorkItem:
    """An exposure on disk, and its region file, which need not exist."""

    exposure_path: Path
    region_path: Path

    @property
    def root(self) -> str:
        """Product root of the exposure."""
        return product_root(self.exposure_path)

    def progress(self) -> dict[str, object]:
        """Return ``state``: ``none``, ``candidates``, ``done`` or ``broken``; and two counts."""
        try:
            status = self.region_path.stat()
        except OSError:
            return {"state": "none", "candidates": 0, "accepted": 0}
        identity = status.st_ino, status.st_size, status.st_mtime_ns
        state, candidates, accepted = _progress(self.region_path, identity)
        return {"state": state, "candidates": candidates, "accepted": accepted}


@lru_cache(maxsize=4096)
def _progress(region_path: Path, _identity: tuple[int, int, int]) -> tuple[str, int, int]:
    """Return state and counts of a region file, as long as it is the same."""
    try:
        content = read_regions(region_path)
    except (RegionFileError, OSError):
        return "broken", 0, 0
    candidates = len(content.candidates)
    return "candidates" if candidates else "done", candidates, len(content.accepted)


def find_work(
    path: Path, lookup: RegionLookup | None = None, *, suffixes: Sequence[str] = PRODUCT_SUFFIXES
) -> list[WorkItem]:
    """List an exposure, or those below a directory, with their region files, by name.

    Of the products of an exposure the one of the first of ``suffixes`` is taken.
    """
    lookup = lookup or RegionLookup(may_be_new=True)
    chosen = find_exposures(path, suffixes=suffixes)
    if path.is_dir() and not lookup.is_folder:
        raise ExposureError(
            f"{lookup.path}: is one region file for {len(chosen)} exposures, expected a directory"
        )
    return [WorkItem(file, lookup.path_for(file)) for file in chosen]


def find_exposures(path: Path, *, suffixes: Sequence[str] = PRODUCT_SUFFIXES) -> list[Path]:
    """List an exposure, or those below a directory, by name.

    Of the products of an exposure the one of the first of ``suffixes`` is taken.
    """
    if not path.is_dir():
        return [path]
    chosen = _best_products(walk(path, product_suffix), suffixes)
    if not chosen:
        expected = ", ".join(f"_{suffix}.fits" for suffix in suffixes)
        raise ExposureError(f"{path}: found no exposure, expected files that end in {expected}")
    return chosen


def _best_products(files: Iterable[Path], suffixes: Sequence[str]) -> list[Path]:
    """Return the preferred product of each exposure, the nearest of several."""
    best: dict[str, tuple[int, int, Path]] = {}
    for file in files:
        suffix = product_suffix(file)
        if suffix in suffixes:
            candidate = suffixes.index(suffix), len(file.parts), file
            root = product_root(file)
            best[root] = min(candidate, best.get(root, candidate))
    return [best[root][2] for root in sorted(best)]
