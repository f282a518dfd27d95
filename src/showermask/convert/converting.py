"""Convert a file into a region file, or a region file into another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from showermask.convert.context import Context
from showermask.convert.lists import (
    read_flag_file,
    read_pixel_list,
    read_tool_list,
    write_tool_list,
)
from showermask.exceptions import ConvertError, EntryError, PixelsError
from showermask.files import atomic_write
from showermask.flagging import footprints, masked_pixels
from showermask.maskfile import read_mask, write_mask
from showermask.messages import counted
from showermask.pixels import MaskImage, PixelRegion, ranges_of
from showermask.regionfile import SUFFIXES, RegionFile, read_regions, write_regions
from showermask.shower import Shower

__all__ = ["FORMATS", "Converted", "convert_file"]

#: Kinds of files, and the suffixes that tell of them where ``--from`` and ``--to`` do not.
FORMATS = {
    "regions": SUFFIXES,
    "ds9": (".reg",),
    "ecsv": (".ecsv",),
    "mask": (".fits",),
    "tool": (),
    "pixels": (),
    "flags": (),
}
#: Kinds that are pixels only, and name no mask.
_IMAGES = ("mask", "pixels", "tool")
#: More ranges than this go into a mask file.
_MOST_RANGES = 1000
_MAX_SIZE = 200 * 1000**2


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What was converted.

    Parameters
    ----------
    showers, pixels : int
        Number of showers and of pixel regions.
    files : tuple of `~pathlib.Path`
        What was written.
    lost : tuple of str
        What the other kind of file has no place for.
    """

    showers: int
    pixels: int
    files: tuple[Path, ...]
    lost: tuple[str, ...] = ()

    def describe(self) -> list[str]:
        """Return lines for people."""
        names = ", ".join(str(file) for file in self.files)
        showers, regions = counted(self.showers, "shower"), counted(self.pixels, "pixel region")
        lines = [f"{names}: {showers}, {regions}"]
        return lines + [f"not in {self.files[0].name}: {what}" for what in self.lost]


def convert_file(
    source: Path,
    target: Path,
    context: Context,
    *,
    kind: str | None = None,
    target_kind: str | None = None,
) -> Converted:
    """Convert a file; one of the two is a region file.

    Parameters
    ----------
    source, target : `~pathlib.Path`
        What to read, and what to make or replace.
    context : Context
        What the source does not say.
    kind, target_kind : str, optional
        Which of `FORMATS` they are; as their suffixes say without.

    Returns
    -------
    Converted
        What was converted.

    Raises
    ------
    ShowermaskError
        When anything can't be converted; nothing is written then.
    """
    kind = kind or _kind_of(source, "--from")
    target_kind = target_kind or _kind_of(target, "--to")
    _refuse_target(source, target, context)
    try:
        regions, masks = _read(source, target, kind, context)
    except EntryError as error:  # of what the user says of entries that say nothing themselves
        raise ConvertError(*(f"{source}: {problem}" for problem in error.problems)) from error
    for region in regions.pixels:
        if region.mask is not None and region.mask not in masks:
            _refuse_other_mask(region, source, target, is_named=target_kind not in _IMAGES)
    if context.exposure is not None:
        replace(regions, path=source).check_fits(context.exposure)
    if target_kind == "regions":
        return _write_regions(regions, masks, source, target, context)
    if masks:
        raise ConvertError(
            f"{source}: has too many pixels for ranges; convert it into a region file first"
        )
    return _WRITERS[target_kind](regions, target, context)


def _refuse_target(source: Path, target: Path, context: Context) -> None:
    """Refuse to write over what is needed, or over anything unless that is asked for."""
    if target.is_dir():
        raise ConvertError(f"{target}: is a directory, expected the name of a file")
    if not target.exists():
        return
    inputs = [(source, "the file to be converted"), (context.path, "the exposure")]
    for path, what in inputs:
        if path is not None and path.exists() and path.samefile(target):
            raise ConvertError(f"{target}: is {what}; give another name")
    if not context.overwrite:
        raise ConvertError(f"{target}: exists; give another name, or --overwrite")


def _refuse_other_mask(region: PixelRegion, source: Path, target: Path, *, is_named: bool) -> None:
    """Refuse to write over a mask that is named, or to name one that is another there."""
    name = str(region.mask)
    path = target.parent / name
    mask = source.parent / name
    if target.exists() and mask.exists() and mask.samefile(target):
        raise ConvertError(f"{target}: is a mask of {source}; give another name")
    if not is_named or (path.exists() and mask.exists() and path.samefile(mask)):
        return
    known = region.image.sha256 if region.image is not None else None
    if not path.is_file() or read_mask(path).sha256 != known:
        raise ConvertError(
            f"{source}: names the mask {name}, which is not the same seen from {target}; copy it "
            "there first, or write beside it"
        )


def _kind_of(path: Path, option: str) -> str:
    for kind, suffixes in FORMATS.items():
        if path.suffix.lower() in suffixes:
            return kind
    raise ConvertError(
        f"{path}: its suffix does not tell what it is; give {option} with one of "
        f"{', '.join(FORMATS)}"
    )


def _read(
    source: Path, target: Path, kind: str, context: Context
) -> tuple[RegionFile, dict[str, Any]]:
    """Return the regions, and the masks that are to be written beside them, by name."""
    if kind == "regions":
        return read_regions(source), {}
    if kind == "mask":
        return _of_mask(source, target, context)
    text = _read_text(source)
    if kind == "pixels":
        return _of_pixels(text, source, target, context)
    if kind == "ds9":
        from showermask.convert.ds9 import read_ds9

        return read_ds9(text, source, context), {}
    if kind == "ecsv":
        from showermask.convert.table import read_table

        return read_table(text, source), {}
    if kind == "tool":
        entries: dict[str, Any] = {"showers": tuple(read_tool_list(text, source, context))}
    else:
        entries = {"pixels": tuple(read_flag_file(text, source, context))}
    return replace(context.empty(), **entries), {}


def _read_text(source: Path) -> str:
    try:
        if source.stat().st_size > _MAX_SIZE:
            raise ConvertError(f"{source}: has more than {_MAX_SIZE // 1000**2} MB")
        return source.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConvertError(f"{source}: can't be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConvertError(f"{source}: is no text, expected UTF-8") from error


def _of_mask(source: Path, target: Path, context: Context) -> tuple[RegionFile, dict[str, Any]]:
    """Take a mask file for what it is: the region file names a copy, or lists its few ranges."""
    try:
        image = read_mask(source)
    except PixelsError as error:
        raise ConvertError(f"{source}: {error}") from error
    return _ranges_or_mask(image.of_frame(), source, target, context)


def _of_pixels(
    text: str, source: Path, target: Path, context: Context
) -> tuple[RegionFile, dict[str, Any]]:
    pixels = read_pixel_list(text, source, context)
    if not len(pixels):
        return context.empty(), {}
    frame = context.frame
    if frame is None:
        frame = int(pixels[:, 1].max()) + 1, int(pixels[:, 0].max()) + 1
        if len(pixels) > _MOST_RANGES or max(frame) > 100_000:
            frame = context.need_frame(source, f"has {len(pixels)} pixels, which go into a mask")
    if (pixels >= [frame[1], frame[0]]).any():
        x, y = pixels[(pixels >= [frame[1], frame[0]]).any(axis=1)][0]
        raise ConvertError(
            f"{source}: has the pixel ({x}, {y}), zero-based, but the frame has columns 0 to "
            f"{frame[1] - 1} and rows 0 to {frame[0] - 1}"
        )
    mask = np.zeros(frame, bool)
    mask[pixels[:, 1], pixels[:, 0]] = True
    return _ranges_or_mask(mask, source, target, context)


def _ranges_or_mask(
    mask: np.ndarray[Any, Any], source: Path, target: Path, context: Context
) -> tuple[RegionFile, dict[str, Any]]:
    common: dict[str, Any] = {**context.times, "source": source.name}
    ranges = []
    for x, y in ranges_of(mask):
        ranges.append(PixelRegion(x=x, y=y, **common))
        if len(ranges) > _MOST_RANGES:
            name = f"{target.stem}_mask.fits"
            image = MaskImage.of_array(mask)
            entry = PixelRegion(mask=name, image=image, **common)
            return replace(context.empty(), pixels=(entry,)), {name: mask}
    return replace(context.empty(), pixels=tuple(ranges)), {}


def _write_regions(
    regions: RegionFile, masks: dict[str, Any], source: Path, target: Path, context: Context
) -> Converted:
    if target.suffix.lower() not in SUFFIXES:
        raise ConvertError(f"{target}: expected a region file with one of {', '.join(SUFFIXES)}")
    written: list[Path] = []
    for name in masks:
        path = target.parent / name
        _refuse_target(source, path, context)
    try:
        for name, mask in masks.items():
            write_mask(target.parent / name, mask)
            written.append(target.parent / name)
        write_regions(target, replace(regions, path=None, sha256=None))
    except BaseException:
        for path in written:
            path.unlink()
        raise
    return _converted(regions, target, *written)


def _converted(regions: RegionFile, *files: Path, lost: tuple[str, ...] = ()) -> Converted:
    return Converted(
        showers=len(regions.showers), pixels=len(regions.pixels), files=files, lost=lost
    )


def _write_text(target: Path, text: str) -> None:
    with atomic_write(target) as draft:
        draft.write_text(text, encoding="utf-8")


def _write_ds9(regions: RegionFile, target: Path, _: Context) -> Converted:
    from showermask.convert.ds9 import write_ds9

    try:
        text = write_ds9(regions)
    except ConvertError as error:
        raise ConvertError(*(f"{target}: {problem}" for problem in error.problems)) from error
    _write_text(target, text)
    return _converted(regions, target)


def _write_table(regions: RegionFile, target: Path, _: Context) -> Converted:
    from showermask.convert.table import write_table

    _write_text(target, write_table(regions))
    return _converted(regions, target)


def _write_tool(regions: RegionFile, target: Path, _: Context) -> Converted:
    showers = [entry for entry in regions.accepted if isinstance(entry, Shower)]
    _write_text(target, write_tool_list(showers))
    lost = [counted(len(regions.pixels), "pixel region")] if regions.pixels else []
    others = len(regions.showers) - len(showers)
    lost += [f"{counted(others, 'shower')}, not accepted"] if others else []
    lost += (
        ["last groups; the tool masks to the end"]
        if any(shower.last_group is not None for shower in showers)
        else []
    )
    written = replace(regions, showers=tuple(showers), pixels=())
    return _converted(written, target, lost=tuple(lost))


def _write_mask(regions: RegionFile, target: Path, context: Context) -> Converted:
    """Write all pixels that are masked at any time."""
    write_mask(target, _image(regions, target, context))
    return _converted(regions, target, lost=_lost_in_image(regions))


def _write_pixels(regions: RegionFile, target: Path, context: Context) -> Converted:
    """Write all pixels that are masked at any time, as a list."""
    if context.origin is None:
        raise ConvertError(
            f"{target}: a list does not say whether the first pixel is 0 or 1; give --origin"
        )
    rows, columns = np.nonzero(_image(regions, target, context))
    lines = [f"# x y, the first pixel is {context.origin}"]
    pairs = zip(columns + context.origin, rows + context.origin, strict=True)
    lines += [f"{x} {y}" for x, y in pairs]
    _write_text(target, "\n".join(lines) + "\n")
    return _converted(regions, target, lost=_lost_in_image(regions))


def _image(regions: RegionFile, target: Path, context: Context) -> np.ndarray[Any, Any]:
    """Return all pixels of the frame that are masked at any time."""
    frame = context.frame or (regions.shape[2:] if regions.shape else None)
    if frame is None:
        frame = context.need_frame(target, "is for a whole frame")
    return masked_pixels(footprints(regions.accepted, frame), frame)


def _lost_in_image(regions: RegionFile) -> tuple[str, ...]:
    others = len(regions.entries) - len(regions.accepted)
    lost = ["integrations, groups, flags and texts"]
    return (*lost, f"{counted(others, 'entry', 'entries')}, not accepted") if others else (*lost,)


def _refuse_flags(_: RegionFile, target: Path, __: Context) -> Converted:
    raise ConvertError(f"{target}: flag files are read, not written; take ecsv, ds9 or mask")


_WRITERS: dict[str, Callable[[RegionFile, Path, Context], Converted]] = {
    "ds9": _write_ds9,
    "ecsv": _write_table,
    "tool": _write_tool,
    "mask": _write_mask,
    "pixels": _write_pixels,
    "flags": _refuse_flags,
}
