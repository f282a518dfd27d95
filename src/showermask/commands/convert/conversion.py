"""Convert a file into a region file, or a region file into another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from showermask.commands.convert import (
    arrays,
    ds9,
    ecsv,
    flags,
    mask,
    maskreference,
    pixels,
    regions,
    tool,
)
from showermask.commands.convert.format import Content, Converted, Format
from showermask.commands.convert.options import ConvertOptions
from showermask.exceptions import ConvertError, EntryError
from showermask.regionfile.badpixels import BadPixels
from showermask.regionfile.maskfile import read_mask, write_mask

__all__ = ["FORMATS", "convert_file"]

#: The formats, by name.
FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        regions.FORMAT,
        ds9.FORMAT,
        ecsv.FORMAT,
        mask.FORMAT,
        tool.FORMAT,
        pixels.FORMAT,
        flags.FORMAT,
        maskreference.FORMAT,
        arrays.NPY,
        arrays.USER_MASK,
    )
}


def convert_file(
    source: Path,
    output: Path,
    options: ConvertOptions,
    *,
    from_format: str | None = None,
    to_format: str | None = None,
) -> Converted:
    """Convert a file; one of the two is a region file.

    The formats are those of `FORMATS`, as the extensions say if they are not given. Nothing is
    written when anything can't be converted.
    """
    reads = _format_of(source, from_format, "--from")
    writes = _format_of(output, to_format, "--to")
    options = replace(options, output=output)
    _check_output(source, output, options)
    try:
        content = reads.read(source, options)
    except EntryError as error:  # of what the user says of entries that say nothing themselves
        raise ConvertError(*(f"{source}: {problem}" for problem in error.problems)) from error
    for entry in content.region_file.pixels:
        if entry.mask is not None and entry.mask not in content.masks:
            _check_mask_name(entry, source, output, is_named=writes.names_masks)
    if options.exposure is not None:
        replace(content.region_file.cut_to(options.exposure), path=source).check_fits(
            options.exposure
        )
    if writes is not FORMATS["regions"] and content.masks:
        raise ConvertError(
            f"{source}: has too many pixels for ranges; convert it into a region file first"
        )
    return _write(content, source, output, writes, options)


def _write(
    content: Content, source: Path, output: Path, writes: Format, options: ConvertOptions
) -> Converted:
    """Write masks and file; take the masks away again if the file can't be written."""
    written: list[Path] = []
    for name in content.masks:
        _check_output(source, output.parent / name, options)
    try:
        for name, image in content.masks.items():
            write_mask(output.parent / name, image)
            written.append(output.parent / name)
        converted = writes.write(content.region_file, output, options)
    except BaseException:
        for path in written:
            path.unlink()
        raise
    return replace(converted, files=(*converted.files, *written))


def _format_of(path: Path, given: str | None, option: str) -> Format:
    for name, known in FORMATS.items():
        if name == given or (given is None and path.suffix.lower() in known.extensions):
            return known
    raise ConvertError(
        f"{path}: its suffix does not tell what it is; give {option} with one of "
        f"{', '.join(FORMATS)}"
    )


def _check_output(source: Path, output: Path, options: ConvertOptions) -> None:
    """Refuse to write over what is needed, or over anything unless that is asked for."""
    if output.is_dir():
        raise ConvertError(f"{output}: is a directory, expected the name of a file")
    if not output.exists():
        return
    inputs = [(source, "the file to be converted"), (options.path, "the exposure")]
    for path, what in inputs:
        if path is not None and path.exists() and path.samefile(output):
            raise ConvertError(f"{output}: is {what}; give another name")
    if not options.overwrite:
        raise ConvertError(f"{output}: exists; give another name, or --overwrite")


def _check_mask_name(entry: BadPixels, source: Path, output: Path, *, is_named: bool) -> None:
    """Refuse to write over a mask that is named, or to name one that is another there."""
    name = str(entry.mask)
    path = output.parent / name
    original = source.parent / name
    if output.exists() and original.exists() and original.samefile(output):
        raise ConvertError(f"{output}: is a mask of {source}; give another name")
    if not is_named or (path.exists() and original.exists() and path.samefile(original)):
        return
    known = entry.image.sha256 if entry.image is not None else None
    if not path.is_file() or read_mask(path).sha256 != known:
        raise ConvertError(
            f"{source}: names the mask {name}, which is not the same seen from {output}; copy it "
            "there first, or write beside it"
        )
