"""Pixels to be masked that are no ellipse: single ones, ranges, or the image in a FITS file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from showermask.entry import Entry, Status, is_whole
from showermask.exceptions import PixelsError

__all__ = ["ALL", "MaskImage", "PixelRegion", "Range", "ranges_of"]

#: What ``x`` or ``y`` says where it means every column or row.
ALL = "all"

#: One column or row, the first and last of several, or all.
Range: TypeAlias = int | tuple[int, int] | str


@dataclass(frozen=True)
class MaskImage:
    """The image of a mask file: its shape, and the pixels of it that are masked.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    box : tuple of slice
        The rows and columns that have masked pixels.
    inside : `numpy.ndarray`
        ``(rows, columns)`` bool: the masked pixels of the box.
    sha256 : str
        Hash of the file.
    """

    shape: tuple[int, int]
    box: tuple[slice, slice]
    inside: NDArray[np.bool_]
    sha256: str

    @classmethod
    def of_array(cls, image: NDArray[np.generic], sha256: str = "") -> MaskImage:
        """Return the image of an array.

        Parameters
        ----------
        image : `numpy.ndarray`
            ``(ny, nx)``; what is not zero is masked.
        sha256 : str, optional
            Hash of the file that it was read from.

        Returns
        -------
        MaskImage
            The image.
        """
        masked = image != 0
        rows, columns = np.flatnonzero(masked.any(axis=1)), np.flatnonzero(masked.any(axis=0))
        box = tuple(
            slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0, 0)
            for found in (rows, columns)
        )
        ny, nx = image.shape
        return cls((ny, nx), (box[0], box[1]), masked[box].copy(), sha256)

    def of_frame(self) -> NDArray[np.bool_]:
        """Return the masked pixels of the whole frame, ``(ny, nx)`` bool."""
        mask = np.zeros(self.shape, bool)
        mask[self.box] = self.inside
        return mask


@dataclass(frozen=True, kw_only=True)
class PixelRegion(Entry):
    """Pixels, and the integrations and groups in which they are bad.

    Either ``x`` and ``y``, or ``mask``. The attributes are the keys of the region file.

    Parameters
    ----------
    x, y : int, tuple of int or str, optional
        Columns and rows, zero-based, relative to the subarray: one, an inclusive range, or
        ``all``.
    mask : str, optional
        Name of a FITS file whose first image has the shape of the frame; pixels that are not 0 are
        masked. Relative to the region file.
    integration : int, optional
        Integration, zero-based; all without it.
    group : int, optional
        First affected group, zero-based; the first without it.
    last_group : int, optional
        Last affected group, inclusive; to the end of the integration without it.
    status : Status or str, optional
        Only accepted entries are applied.
    flags : tuple of str, optional
        Names of the data-quality flags to set; the step's default without it.
    comment : str, optional
        What the reviewer wants to be remembered.
    source : str, optional
        Where the entry comes from.
    image : MaskImage, optional
        The image of ``mask``, once it has been read. Not compared.

    Raises
    ------
    PixelsError
        When a value has the wrong type or is out of range; names all of them.
    """

    _ERROR = PixelsError

    x: Range | None = None
    y: Range | None = None
    mask: str | None = None
    integration: int | None = None
    group: int | None = None
    last_group: int | None = None
    status: Status = Status.ACCEPTED
    flags: tuple[str, ...] | None = None
    comment: str | None = None
    source: str | None = None
    image: MaskImage | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("x", "y"):
            value = getattr(self, name)
            if is_whole(value):
                object.__setattr__(self, name, int(value))
            elif value is not None and value != ALL:
                object.__setattr__(self, name, _short((int(value[0]), int(value[1]))))

    @property
    def place(self) -> str:
        """Where the pixels are, for people."""
        if self.mask is not None:
            return self.mask
        return ", ".join(
            f"{name} {value if not isinstance(value, tuple) else '{} to {}'.format(*value)}"
            for name, value in (("x", self.x), ("y", self.y))
        )

    def pixels(self, frame: tuple[int, int]) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
        """Return the masked pixels of a frame.

        Parameters
        ----------
        frame : tuple of int
            Rows and columns.

        Returns
        -------
        box : tuple of slice
            Rows and columns that the pixels reach.
        inside : `numpy.ndarray`
            ``(rows, columns)`` bool: the pixels of the box.

        Raises
        ------
        PixelsError
            When the mask file has not been read.
        """
        if self.mask is not None:
            if self.image is None:
                raise PixelsError(f"{self.mask}: has not been read; read the region file itself")
            return self.image.box, self.image.inside
        box = _span(self.y, frame[0]), _span(self.x, frame[1])
        return box, np.ones([part.stop - part.start for part in box], bool)

    def misfits(
        self,
        *,
        nints: int | None,
        ngroups: int | None,
        frame: tuple[int, int] | None = None,
    ) -> Iterator[tuple[str, str]]:
        """Tell where the entry lies outside an exposure.

        Parameters
        ----------
        nints, ngroups : int or None
            Integrations and groups of the exposure; None where unknown.
        frame : tuple of int, optional
            Its rows and columns.

        Yields
        ------
        tuple of str
            The attribute, and a sentence about it.
        """
        yield from super().misfits(nints=nints, ngroups=ngroups, frame=frame)
        if frame is None:
            return
        if self.image is not None and self.image.shape != frame:
            yield "mask", f"is {self.mask} of shape {self.image.shape}, but the frame has {frame}"
        for name, size, what in (("x", frame[1], "columns"), ("y", frame[0], "rows")):
            value = getattr(self, name)
            last = value[1] if isinstance(value, tuple) else value
            if is_whole(last) and last >= size:
                yield name, f"is {_shown(value)}, but the frame has {what} 0 to {size - 1}"

    def _problems(self) -> Iterator[str]:
        yield from super()._problems()
        if self.mask is not None:
            if not isinstance(self.mask, str) or not self.mask:
                yield f"mask is {self.mask!r}, expected the name of a FITS file"
            if self.x is not None or self.y is not None:
                yield "x, y and mask are given, expected either x and y, or mask"
            return
        for name in ("x", "y"):
            value = getattr(self, name)
            if value is None:
                yield f"{name} is missing, expected x and y, or mask"
            elif not _is_range(value):
                yield (
                    f"{name} is {_shown(value)}, expected a whole number (zero-based), a range "
                    f"[first, last], or {ALL}"
                )


def ranges_of(mask: NDArray[np.bool_]) -> Iterator[tuple[Range, Range]]:
    """Return the pixels of a mask as ranges: of columns in rows, joined where rows are alike.

    Parameters
    ----------
    mask : `numpy.ndarray`
        ``(ny, nx)`` bool.

    Yields
    ------
    tuple
        ``x`` and ``y``, as a region has them; by rows. No pixel is in two.
    """
    open_runs: dict[tuple[int, int], int] = {}
    ny = len(mask)
    for row in range(ny + 1):
        runs = set(_runs(mask[row])) if row < ny else set()
        for run in sorted(open_runs.keys() - runs):
            yield _short(run), _short((open_runs.pop(run), row - 1))
        for run in runs - open_runs.keys():
            open_runs[run] = row


def _runs(row: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Return first and last column of each run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]]).astype(np.int8)))
    yield from ((int(a), int(b) - 1) for a, b in edges.reshape(-1, 2))


def _short(ends: tuple[int, int]) -> Range:
    return ends[0] if ends[0] == ends[1] else ends


def _span(value: Range | None, size: int) -> slice:
    if isinstance(value, tuple):
        return slice(value[0], value[1] + 1)
    return slice(value, value + 1) if isinstance(value, int) else slice(0, size)


def _is_range(value: object) -> bool:
    if value == ALL:
        return True
    ends = value if isinstance(value, (list, tuple)) else (value, value)
    if len(ends) != 2:
        return False
    first, last = ends
    return is_whole(first) and is_whole(last) and 0 <= first <= last


def _shown(value: object) -> str:
    return str(list(value)) if isinstance(value, tuple) else repr(value)
