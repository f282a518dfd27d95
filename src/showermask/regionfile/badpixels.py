"""Bad pixels: single ones, ranges of columns and rows, or the image in a FITS file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from showermask.exceptions import PixelsError
from showermask.regionfile.entry import Box, Entry, Status

__all__ = ["ALL", "BadPixels", "MaskImage", "Range", "ranges_of"]

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
    box: Box
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

    def full_image(self) -> NDArray[np.bool_]:
        """Return the masked pixels of the whole image, ``(ny, nx)`` bool."""
        mask = np.zeros(self.shape, bool)
        mask[self.box] = self.inside
        return mask


@dataclass(frozen=True, kw_only=True)
class BadPixels(Entry):
    """Pixels, and the integrations and groups in which they are bad.

    Either ``x`` and ``y``, or ``mask``. The attributes are the keys of the region file.

    Parameters
    ----------
    x, y : int, tuple of int or str, optional
        Columns and rows, zero-based, relative to the subarray: one, an inclusive range, or
        ``all``.
    mask : str, optional
        Name of a FITS file whose first image has the shape of the exposure's images; pixels that
        are not 0 are masked. Relative to the region file.
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
    score : float, optional
        How far the pixels stand out, in sigma.
    kind : str, optional
        What is wrong with them: hot, telegraph …
    image : MaskImage, optional
        The image of ``mask``, once it has been read. Not compared.

    Raises
    ------
    PixelsError
        When a value has the wrong type or is out of range; names all of them.
    """

    SECTION = "pixels"
    NOUN = "pixel region"
    KEYWORD = "SHWMNREG"
    IS_KEYWORD_OPTIONAL = False
    MAY_NAME_OTHER_FLAGS = True
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
    score: float | None = None
    kind: str | None = None
    image: MaskImage | None = field(default=None, compare=False, repr=False)

    def _normalise(self) -> None:
        super()._normalise()
        for name in ("x", "y"):
            value = getattr(self, name)
            if isinstance(value, tuple):
                object.__setattr__(self, name, _short((value[0], value[1])))

    @property
    def location(self) -> str:
        """The columns and rows, or the name of the mask, for people."""
        if self.mask is not None:
            return self.mask
        return ", ".join(
            f"{name} {value if not isinstance(value, tuple) else '{} to {}'.format(*value)}"
            for name, value in (("x", self.x), ("y", self.y))
        )

    def pixels(self, image_shape: tuple[int, int]) -> tuple[Box, NDArray[np.bool_]]:
        """Return the bad pixels of an image."""
        if self.mask is not None:
            if self.image is None:
                raise PixelsError(f"{self.mask}: has not been read; read the region file itself")
            return self.image.box, self.image.inside
        box = _span(self.y, image_shape[0]), _span(self.x, image_shape[1])
        return box, np.ones([part.stop - part.start for part in box], bool)

    def cut(self, corner: tuple[int, int], image_shape: tuple[int, int]) -> BadPixels | None:
        """Return what lies in a part of the image, with the places that it has there.

        Parameters
        ----------
        corner : tuple of int
            Row and column of the first pixel of the part.
        image_shape : tuple of int
            Rows and columns of the part.

        Returns
        -------
        BadPixels or None
            The pixels; None where none lie there.
        """
        rows, columns = (
            slice(first, first + size) for first, size in zip(corner, image_shape, strict=True)
        )
        if self.mask is not None:
            if self.image is None:
                raise PixelsError(f"{self.mask}: has not been read; read the region file itself")
            part = self.image.full_image()[rows, columns]
            if not part.any() or part.shape != image_shape:
                return None
            return replace(self, image=MaskImage.of_array(part, self.image.sha256))
        y, x = _within(self.y, rows), _within(self.x, columns)
        return None if y is None or x is None else replace(self, x=x, y=y)

    def advice_outside(self, image_shape: tuple[int, int]) -> str:
        """Return what may be wrong where no pixel is covered."""
        del image_shape
        return "is the mask empty?"

    @classmethod
    def relations(cls, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield what is wrong between some valid values: a key, and a sentence about it."""
        yield from super().relations(values)
        if "mask" in values and ("x" in values or "y" in values):
            yield "x, y and mask", "are given, expected either x and y, or mask"
        for name in ("x", "y"):
            value = values.get(name)
            if isinstance(value, (list, tuple)) and value[0] > value[1]:
                yield name, f"is {list(value)}, expected a range [first, last] that goes up"

    @classmethod
    def out_of_range(
        cls,
        values: Mapping[str, Any],
        *,
        nints: int | None,
        ngroups: int | None,
        image_shape: tuple[int, int],
    ) -> Iterator[tuple[str, str]]:
        """Yield which of some valid values an exposure has not: a key, and a sentence about it."""
        yield from super().out_of_range(
            values, nints=nints, ngroups=ngroups, image_shape=image_shape
        )
        image = values.get("image")
        if image is not None and image.shape != image_shape:
            yield (
                "mask",
                f"is {values['mask']} of shape {image.shape}, but the frame has {image_shape}",
            )
        for name, size, noun in (("x", image_shape[1], "columns"), ("y", image_shape[0], "rows")):
            value = values.get(name)
            last = value[-1] if isinstance(value, (list, tuple)) else value
            if isinstance(last, int) and last >= size:
                shown = list(value) if isinstance(value, tuple) else value
                yield name, f"is {shown}, but the frame has {noun} 0 to {size - 1}"


def _within(value: Range | None, part: slice) -> Range | None:
    """Return a range of rows or columns as it is in a part of them; None where none lie there."""
    if not isinstance(value, (int, tuple)):
        return value
    first, last = value if isinstance(value, tuple) else (value, value)
    first, last = max(first, part.start) - part.start, min(last, part.stop - 1) - part.start
    return None if last < first else _short((first, last))


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
