"""The exposures that there are, and where their region files are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from showermask.exceptions import ExposureError, RegionFileError
from showermask.exposure import PRODUCT_KINDS, product_kind, product_root
from showermask.regionfile import SUFFIXES, find_regions, read_regions

__all__ = ["WorkItem", "find_work"]


@dataclass(frozen=True)
class WorkItem:
    """An exposure and its region file.

    Parameters
    ----------
    exposure : `~pathlib.Path`
        The product to look at.
    regions : `~pathlib.Path`
        The region file, which need not exist.
    """

    exposure: Path
    regions: Path

    @property
    def root(self) -> str:
        """Product root of the exposure."""
        return product_root(self.exposure)

    def progress(self) -> dict[str, object]:
        """Tell how far the review is.

        Returns
        -------
        dict
            ``state``: ``none``, ``candidates``, ``done`` or ``broken``; ``candidates`` and
            ``accepted``: how many there are.
        """
        try:
            status = self.regions.stat()
        except OSError:
            return {"state": "none", "candidates": 0, "accepted": 0}
        identity = status.st_ino, status.st_size, status.st_mtime_ns
        state, candidates, accepted = _progress(self.regions, identity)
        return {"state": state, "candidates": candidates, "accepted": accepted}


@lru_cache(maxsize=4096)
def _progress(regions: Path, _identity: tuple[int, int, int]) -> tuple[str, int, int]:
    """Return state and counts of a region file, as long as it is the same."""
    try:
        content = read_regions(regions)
    except (RegionFileError, OSError):
        return "broken", 0, 0
    candidates = len(content.candidates)
    return "candidates" if candidates else "done", candidates, len(content.accepted)


def find_work(
    path: Path, regions: Path | None = None, *, kinds: Sequence[str] = PRODUCT_KINDS
) -> list[WorkItem]:
    """List the exposures in a directory, or one, with their region files.

    Parameters
    ----------
    path : `~pathlib.Path`
        An exposure, or a directory of exposures.
    regions : `~pathlib.Path`, optional
        The region file, or the directory where region files are and go; beside each exposure
        without it, or in the working directory where that can't be written to.
    kinds : sequence of str, optional
        Suffixes of the products of a directory to take, the preferred one first.

    Returns
    -------
    list of WorkItem
        One for each exposure, by name.

    Raises
    ------
    ExposureError
        When there is no exposure, or one region file is given for several exposures.
    """
    if regions is not None and not regions.is_dir():
        _refuse_no_region_file(regions)
    if not path.is_dir():
        return [WorkItem(path, _regions_of(path, regions))]
    chosen = _best_products(path.iterdir(), kinds)
    if not chosen:
        expected = ", ".join(f"_{kind}.fits" for kind in kinds)
        raise ExposureError(f"{path}: found no exposure, expected files that end in {expected}")
    if regions is not None and not regions.is_dir():
        raise ExposureError(
            f"{regions}: is one region file for {len(chosen)} exposures, expected a directory"
        )
    return [WorkItem(file, _regions_of(file, regions)) for file in chosen]


def _refuse_no_region_file(regions: Path) -> None:
    if regions.suffix not in SUFFIXES or not regions.parent.is_dir():
        raise RegionFileError(
            f"{regions}: expected a region file with one of {', '.join(SUFFIXES)} in a folder that "
            "exists, or a directory"
        )


def _best_products(files: Iterable[Path], kinds: Sequence[str]) -> list[Path]:
    """Return the preferred product of each exposure."""
    best: dict[str, tuple[int, Path]] = {}
    for file in sorted(files):
        kind = product_kind(file)
        if kind in kinds:
            candidate = kinds.index(kind), file
            best[product_root(file)] = min(candidate, best.get(product_root(file), candidate))
    return [best[root][1] for root in sorted(best)]


def _regions_of(exposure: Path, regions: Path | None) -> Path:
    if regions is not None and not regions.is_dir():
        return regions
    folder = regions or exposure.parent
    root = product_root(exposure)
    found = find_regions(root, folder)
    if found:
        return found[0]
    if regions is None and not os.access(folder, os.W_OK):
        folder = Path()
    return folder / f"{root}_showers.yaml"
