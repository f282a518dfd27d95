"""The page of a search: map, counts, thresholds, examples, changes."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path

import jinja2
import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from showermask import __version__
from showermask.badpixels.pictures import draw_examples, draw_histogram, draw_map
from showermask.badpixels.search import SearchResult
from showermask.defects.found import Threshold
from showermask.exceptions import ExposureError, ShowermaskError
from showermask.exposure.images import ImageReader
from showermask.files import atomic_write
from showermask.messages import printable
from showermask.regionfile.content import RegionFile
from showermask.regionfile.entry import Status
from showermask.regionfile.reader import EXTENSIONS, read_regions

__all__ = ["Changes", "compare_with", "write_page"]

_LISTED = 20


@dataclass(frozen=True)
class Changes:
    """The difference between found pixels and earlier ones."""

    name: str
    #: Numbers of pixels that are new, gone, and in both.
    new: int
    gone: int
    both: int
    #: Some of those that are new and gone, ``(x, y)``.
    new_pixels: tuple[tuple[int, int], ...]
    gone_pixels: tuple[tuple[int, int], ...]


def compare_with(earlier: Path, region_file: RegionFile, frame_shape: tuple[int, int]) -> Changes:
    """Compare the pixels of a detector with those of an earlier file.

    Parameters
    ----------
    earlier : `~pathlib.Path`
        A region file of the detector, or a MASK reference (FITS).
    region_file : RegionFile
        What was found now.
    frame_shape : tuple of int
        Rows and columns of the whole detector.

    Returns
    -------
    Changes
        The difference.

    Raises
    ------
    ShowermaskError
        When the file can't be read, or is for another frame.
    """
    now = _pixels_of(region_file, frame_shape)
    before = _earlier_pixels(earlier, frame_shape)
    new, gone = now & ~before, before & ~now
    return Changes(
        name=earlier.name,
        new=int(new.sum()),
        gone=int(gone.sum()),
        both=int((now & before).sum()),
        new_pixels=_some(new),
        gone_pixels=_some(gone),
    )


def write_page(
    path: Path, result: SearchResult, region_file: RegionFile, earlier: Path | None
) -> Path:
    """Write the page of a search, whole or not at all.

    Parameters
    ----------
    path : `~pathlib.Path`
        The page to write.
    result : SearchResult
        What was found.
    region_file : RegionFile
        The region file that was made of it.
    earlier : `~pathlib.Path` or None
        An earlier region file or MASK reference.

    Returns
    -------
    `~pathlib.Path`
        The page.
    """
    from showermask.defects.amplifiers import frame_shape_of

    exposures = result.exposures
    darks = [ImageReader(file) for file in exposures.darks]
    flats = [ImageReader(file) for file in exposures.flats]
    changes = None
    if earlier is not None:
        frame_shape = frame_shape_of(exposures.detector)
        changes = compare_with(earlier, region_file, frame_shape)
    thresholds: dict[tuple[str, float], Threshold] = {}
    for one in result.found:
        if one.threshold is not None and one.threshold.values.size:
            thresholds.setdefault((one.threshold.statistic, one.threshold.value), one.threshold)
    with ExitStack() as opened:
        for reader in (*darks, *flats):
            opened.enter_context(reader)
        examples = [
            (one, draw_examples(one, flats if one.noun == "exposure" else darks))
            for one in result.found
            if len(one)
        ]
    text = _template().render(
        version=__version__,
        now=f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        exposures=exposures,
        region_name=region_file.name,
        found=result.found,
        map=draw_map(result.found, result.image_shape),
        histograms=[draw_histogram(threshold) for threshold in thresholds.values()],
        examples=examples,
        changes=changes,
        corner=result.corner,
    )
    with atomic_write(path) as staged:
        # Pictures are printable already; it takes a second to look at each of their characters.
        lines = (line if line.isprintable() else printable(line) for line in text.split("\n"))
        staged.write_text("\n".join(lines), encoding="utf-8")
    return path


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = files("showermask.badpixels").joinpath("page.html.j2").read_text("utf-8")
    return environment.from_string(source)


def _pixels_of(region_file: RegionFile, frame_shape: tuple[int, int]) -> NDArray[np.bool_]:
    image = np.zeros(frame_shape, bool)
    for entry in region_file.pixels:
        if entry.status is not Status.REJECTED:
            box, inside = entry.pixels(frame_shape)
            image[box] |= inside
    return image


def _earlier_pixels(path: Path, frame_shape: tuple[int, int]) -> NDArray[np.bool_]:
    if path.suffix.lower() in EXTENSIONS:
        return _pixels_of(read_regions(path), frame_shape)
    try:
        with fits.open(path) as hdus:
            flags = np.asarray(hdus["DQ"].data)
    except (OSError, KeyError) as error:
        raise ExposureError(
            f"{path}: can't be read ({error}), expected a region file or a MASK reference"
        ) from error
    if flags.shape != frame_shape:
        raise ShowermaskError(
            f"{path}: has the shape {flags.shape}, expected {frame_shape}, the whole detector"
        )
    found: NDArray[np.bool_] = flags != 0
    return found


def _some(mask: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    y, x = np.nonzero(mask)
    return tuple((int(a), int(b)) for a, b in zip(x[:_LISTED], y[:_LISTED], strict=True))
