"""Region files to check, and the exposure of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from showermask.exceptions import RegionFileError
from showermask.exposure.names import PRODUCT_SUFFIXES, product_root, product_suffix
from showermask.regionfile.lookup import DETECTOR_SUFFIX, REGION_SUFFIX, find_exposures, walk
from showermask.regionfile.reader import EXTENSIONS

__all__ = ["find_pairs"]


def find_pairs(paths: Sequence[Path]) -> tuple[list[tuple[Path, Path | None]], bool]:
    """Bring region files together with exposures.

    Parameters
    ----------
    paths : sequence of Path
        Region files, exposures, and directories of either.

    Returns
    -------
    list of tuple
        Each region file, and its exposure: that of its name, or the only one for the only file.
    bool
        Whether it is one region file, perhaps with one exposure.

    Raises
    ------
    RegionFileError
        When there is no region file among them.
    """
    region_files: list[Path] = []
    exposures: list[Path] = []
    for path in paths:
        if path.is_dir():
            region_files += walk(path, _is_region_file)
            if any(walk(path, product_suffix)):
                exposures += find_exposures(path, suffixes=PRODUCT_SUFFIXES)
        elif path.suffix in (".fits", ".gz"):
            exposures.append(path)
        else:
            region_files.append(path)
    if not region_files:
        raise RegionFileError(
            f"{', '.join(map(str, paths))}: found no region file, expected <exposure>"
            f"{REGION_SUFFIX}.yaml, .yml or .asdf"
        )
    if len(paths) == len(region_files) == 1 and not exposures:
        return [(region_files[0], None)], True
    if len(paths) == 2 and len(region_files) == len(exposures) == 1:
        return [(region_files[0], exposures[0])], not any(path.is_dir() for path in paths)
    by_root = {product_root(path): path for path in exposures}
    return [(path, by_root.get(_root_of(path))) for path in region_files], False


def _is_region_file(path: Path) -> bool:
    is_ours = path.stem.endswith((REGION_SUFFIX, DETECTOR_SUFFIX))
    return path.suffix.lower() in EXTENSIONS and is_ours


def _root_of(path: Path) -> str:
    return product_root(f"{path.stem.removesuffix(REGION_SUFFIX)}.fits")
