"""Pixels as few ranges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from showermask.pixels import PixelRegion

__all__ = ["as_regions"]


def as_regions(mask: NDArray[np.bool_], **attributes: Any) -> Iterator[PixelRegion]:
    """Return the pixels of a mask as ranges: of columns in rows, joined where rows are alike.

    Parameters
    ----------
    mask : `numpy.ndarray`
        ``(ny, nx)`` bool.
    **attributes
        What else each region says.

    Yields
    ------
    PixelRegion
        By rows; no pixel is in two.
    """
    open_runs: dict[tuple[int, int], int] = {}
    ny = len(mask)
    for y in range(ny + 1):
        runs = set(_runs(mask[y])) if y < ny else set()
        for run in sorted(open_runs.keys() - runs):
            yield _region(run, (open_runs.pop(run), y - 1), attributes)
        for run in runs - open_runs.keys():
            open_runs[run] = y


def _runs(row: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Return first and last column of each run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]]).astype(np.int8)))
    yield from ((int(a), int(b) - 1) for a, b in edges.reshape(-1, 2))


def _region(
    columns: tuple[int, int], rows: tuple[int, int], attributes: dict[str, Any]
) -> PixelRegion:
    x, y = (pair[0] if pair[0] == pair[1] else pair for pair in (columns, rows))
    return PixelRegion(x=x, y=y, **attributes)
