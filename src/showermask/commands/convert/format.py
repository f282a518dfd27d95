"""A format of files that region files are converted from and to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from showermask.commands.convert.options import ConvertOptions
from showermask.exceptions import ConvertError
from showermask.files import atomic_write
from showermask.messages import counted
from showermask.regionfile.badpixels import BadPixels, MaskImage, ranges_of
from showermask.regionfile.content import SECTIONS, RegionFile, count_by_section

__all__ = [
    "Content",
    "Converted",
    "Format",
    "lost_in_image",
    "masked_content",
    "read_text",
    "write_text",
]

#: More ranges of pixels than this go into a mask file.
_MOST_RANGES = 1000
_MAX_SIZE = 200 * 1000**2


@dataclass(frozen=True)
class Content:
    """The content of a file: a region file, and masks to be written beside it, by name."""

    region_file: RegionFile
    masks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Converted:
    """The result of a conversion."""

    files: tuple[Path, ...]
    #: Number of entries by section.
    counts: Mapping[str, int]
    #: What the other format has no place for.
    lost: tuple[str, ...] = ()

    @classmethod
    def of(cls, region_file: RegionFile, *files: Path, lost: tuple[str, ...] = ()) -> Converted:
        """Return what was written of a region file."""
        return cls(files=files, counts=count_by_section(region_file.entries), lost=lost)

    def describe(self) -> list[str]:
        """Return lines for people."""
        names = ", ".join(str(file) for file in self.files)
        counts = ", ".join(
            counted(self.counts[name], kind.NOUN)
            for name, kind in SECTIONS.items()
            if self.counts[name] or not kind.IS_KEYWORD_OPTIONAL
        )
        lines = [f"{names}: {counts}"]
        return lines + [f"not in {self.files[0].name}: {what}" for what in self.lost]


@dataclass(frozen=True)
class Format:
    """A format: its name, the extensions that tell of it, how it is read and written."""

    name: str
    extensions: tuple[str, ...]
    read: Callable[[Path, ConvertOptions], Content]
    write: Callable[[RegionFile, Path, ConvertOptions], Converted]
    #: Whether its files name mask files.
    names_masks: bool = True


def read_text(source: Path) -> str:
    """Return the text of a file."""
    try:
        if source.stat().st_size > _MAX_SIZE:
            raise ConvertError(f"{source}: has more than {_MAX_SIZE // 1000**2} MB")
        return source.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConvertError(f"{source}: can't be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConvertError(f"{source}: is no text, expected UTF-8") from error


def write_text(output: Path, text: str) -> None:
    """Write a text, whole or not at all."""
    with atomic_write(output) as staged:
        staged.write_text(text, encoding="utf-8")


def masked_content(
    mask: NDArray[np.bool_], source: Path, output: Path, options: ConvertOptions
) -> Content:
    """Return bad pixels as ranges, or many as a mask file beside the region file.

    Parameters
    ----------
    mask : `numpy.ndarray`
        ``(ny, nx)`` bool: the bad pixels.
    source, output : `~pathlib.Path`
        The file that they were read from, and the region file to be made.
    options : ConvertOptions
        Gives integration and groups.

    Returns
    -------
    Content
        The region file, and the mask if there is one.
    """
    common: dict[str, Any] = {**options.times, "source": source.name}
    ranges = []
    for x, y in ranges_of(mask):
        ranges.append(BadPixels(x=x, y=y, **common))
        if len(ranges) > _MOST_RANGES:
            name = f"{output.stem}_mask.fits"
            entry = BadPixels(mask=name, image=MaskImage.of_array(mask), **common)
            return Content(options.empty(entry), {name: mask})
    return Content(options.empty(*ranges))


def lost_in_image(region_file: RegionFile) -> tuple[str, ...]:
    """Return what an image or list of pixels has no place for."""
    others = len(region_file.entries) - len(region_file.accepted)
    lost = ("integrations, groups, flags and texts",)
    return (*lost, f"{counted(others, 'entry', 'entries')}, not accepted") if others else lost
