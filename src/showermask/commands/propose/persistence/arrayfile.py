"""Persistence arrays of the pipeline: until when the pixels of a detector have persistence.

``PersistenceStep`` of jwst 3.0 reads them as ``persistence_array_file`` and writes them as
``save_persistence``: an ASDF file with, for each detector, the rows, columns and window ends (Unix
time in s) of its pixels, the length of the window, and the name of the exposure that it was last
written for. Rows and columns count within the images of that exposure. The file does not name
their corner on the detector; the files that are written here do, under a key of their own which
the step ignores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asdf
import numpy as np
from numpy.typing import NDArray

from showermask.commands.propose.observation import Observation
from showermask.exceptions import ShowermaskError
from showermask.exposure.names import product_root
from showermask.files import atomic_write

__all__ = ["PersistenceArray", "read_persistence_arrays", "write_persistence_arrays"]

#: MJD of the Unix epoch, from which the files count, in s.
_EPOCH = 40587 * 86400.0
_KEYS = ("filename", "rows", "cols", "vals", "pers_time")
_CORNER = "corner"


@dataclass(frozen=True, kw_only=True)
class PersistenceArray:
    """Persistence of a detector.

    Parameters
    ----------
    path : Path
        The file.
    filename : str
        The exposure that it was written for.
    corner : tuple of int
        Row and column of the first pixel of its images on the detector, from 1.
    rows, columns : `numpy.ndarray`
        ``(n,)`` int: pixels of its images.
    ends : `numpy.ndarray`
        ``(n,)``: end of the persistence in s, counted as the times of observations.
    window : float
        Time in s from saturation to the end.
    """

    path: Path
    filename: str
    corner: tuple[int, int]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    ends: NDArray[np.float64]
    window: float

    @classmethod
    def of_image(
        cls, path: Path, last: Observation, ends: NDArray[np.float64], window: float
    ) -> PersistenceArray:
        """Return the array for the last exposure of a detector; pixels that are 0 have none."""
        rows, columns = np.nonzero(ends)
        return cls(
            path=path,
            filename=last.path.name,
            corner=last.corner,
            rows=rows,
            columns=columns,
            ends=ends[rows, columns],
            window=window,
        )


def read_persistence_arrays(
    path: Path, observations: Sequence[Observation]
) -> dict[str, PersistenceArray]:
    """Read the persistence of detectors.

    Parameters
    ----------
    path : Path
        File of this package or of ``PersistenceStep``.
    observations : sequence of Observation
        Exposures; they tell where on the detector the pixels of the latter are.

    Returns
    -------
    dict
        The array of each detector that has exposures.

    Raises
    ------
    ShowermaskError
        When the file can't be read, is no such file, or does not tell where its pixels are.
    """
    tree = _read_tree(path)
    detectors = {one.detector for one in observations}
    return {
        name: _read_array(path, name, tree[name], observations)
        for name in sorted(detectors & set(tree))
    }


def write_persistence_arrays(path: Path, arrays: Mapping[str, PersistenceArray]) -> None:
    """Write the persistence of detectors; those of a present file that are not given stay.

    Parameters
    ----------
    path : Path
        File to write.
    arrays : mapping
        The array of each detector.

    Raises
    ------
    ShowermaskError
        When it can't be written, or a file of another kind is there.
    """
    tree = _read_tree(path) if path.exists() else {}
    for name, array in arrays.items():
        tree[name] = {
            "filename": array.filename,
            "rows": array.rows,
            "cols": array.columns,
            "vals": array.ends - _EPOCH,
            "pers_time": array.window,
            _CORNER: list(array.corner),
        }
    with atomic_write(path) as draft:
        asdf.AsdfFile(tree).write_to(draft)


def _read_tree(path: Path) -> dict[str, Any]:
    expected = (
        "expected a persistence array as PersistenceStep of jwst 3.0 writes it "
        f"(a mapping of detectors, each with {', '.join(_KEYS)})"
    )
    try:
        with asdf.open(path, lazy_load=False, memmap=False) as file:
            tree = {
                key: value
                for key, value in file.tree.items()
                if key not in ("asdf_library", "history")
            }
    except (OSError, ValueError, asdf.exceptions.ValidationError) as error:
        raise ShowermaskError(f"{path}: can't be read ({error}), {expected}") from error
    for name, values in tree.items():
        if not isinstance(values, Mapping) or not set(_KEYS) <= set(values):
            raise ShowermaskError(f"{path}: {name} is something else, {expected}")
    return tree


def _read_array(
    path: Path, detector: str, values: Mapping[str, Any], observations: Sequence[Observation]
) -> PersistenceArray:
    where = f"{path}: {detector}"
    try:
        rows, columns = (np.asarray(values[key]).astype(np.intp) for key in ("rows", "cols"))
        ends = np.asarray(values["vals"], np.float64) + _EPOCH
        window = float(values["pers_time"])
        is_sound = rows.ndim == 1 and rows.shape == columns.shape == ends.shape and window > 0
        is_sound &= bool(np.isfinite(ends).all() and (rows >= 0).all() and (columns >= 0).all())
    except (TypeError, ValueError):
        is_sound = False
    if not is_sound:
        raise ShowermaskError(
            f"{where}: expected rows, cols and vals of one length, rows and cols from 0, "
            "and a pers_time in s"
        )
    filename = str(values["filename"])
    corner = values.get(_CORNER) or _find_corner(where, detector, filename, observations)
    return PersistenceArray(
        path=path,
        filename=filename,
        corner=(int(corner[0]), int(corner[1])),
        rows=rows,
        columns=columns,
        ends=ends,
        window=window,
    )


def _find_corner(
    where: str, detector: str, filename: str, observations: Sequence[Observation]
) -> tuple[int, int]:
    """Return the corner of the exposure that an array was written for.

    It is that of the exposure itself, or else the one that all exposures of the detector share.
    """
    of_detector = [one for one in observations if one.detector == detector]
    named = [one for one in of_detector if one.exposure.root == product_root(filename)]
    corners = {one.corner for one in named or of_detector}
    if len(corners) > 1:
        raise ShowermaskError(
            f"{where}: was written for {filename}, and does not say where on the detector its "
            "pixels are; name that exposure too, with --earlier"
        )
    return corners.pop()
