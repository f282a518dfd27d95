"""Region files themselves, as one of the formats."""

from __future__ import annotations

from pathlib import Path

from showermask.commands.convert.format import Content, Converted, Format
from showermask.commands.convert.options import ConvertOptions
from showermask.exceptions import ConvertError
from showermask.regionfile.content import RegionFile
from showermask.regionfile.reader import EXTENSIONS, read_regions
from showermask.regionfile.writer import write_regions

__all__ = ["FORMAT"]


def _read(source: Path, _: ConvertOptions) -> Content:
    return Content(read_regions(source))


def _write(region_file: RegionFile, output: Path, _: ConvertOptions) -> Converted:
    if output.suffix.lower() not in EXTENSIONS:
        raise ConvertError(f"{output}: expected a region file with one of {', '.join(EXTENSIONS)}")
    write_regions(output, region_file.unread())
    return Converted.of(region_file, output)


FORMAT = Format("regions", EXTENSIONS, _read, _write)
