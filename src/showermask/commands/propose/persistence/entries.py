"""Entries of a region file for persistence: new ones, and those of earlier runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from showermask.commands.propose.persistence.history import Seen
from showermask.commands.propose.persistence.sources import ExposureSource, Source, source_named_in
from showermask.commands.propose.persistence.traces import Trace
from showermask.masking.footprint import find_footprints, masked_pixels
from showermask.messages import counted
from showermask.regionfile.badpixels import BadPixels, MaskImage, ranges_of
from showermask.regionfile.entry import Status
from showermask.regionfile.maskfile import write_mask

__all__ = ["FLAGS", "Merger", "write_sources"]

#: What persistence is flagged with; PERSISTENCE where the plane knows it.
FLAGS = ("DO_NOT_USE", "PERSISTENCE")

_SOURCE = "persistence"
#: More ranges than this go into a mask file.
_MOST_RANGES = 100
#: Comments of entries for many sources.
_OF_MANY = re.compile(
    r"(saturated in \d+ earlier exposures?|persistence of \d+ sources?)(, \d+ to \d+ s before)?"
)
#: Keywords of a mask for the names of the sources, with their number in the image.
_SOURCE_KEY = "SRC"


@dataclass(frozen=True, kw_only=True)
class Merger:
    """Merges persistence with what is in a region file.

    An entry of an earlier run stays as it is where it still holds, where somebody has said anything
    of it, or where its sources were not looked at; its pixels are not proposed again.
    """

    #: Product root of the exposure, rows and columns of its images, and folder of its region file.
    name: str
    image_shape: tuple[int, int]
    folder: Path
    #: Names of all sources that were looked at.
    looked_at: frozenset[str]
    #: Of new entries.
    status: Status

    def merge(
        self,
        pixels: Sequence[BadPixels],
        seen: Seen,
        traces: Mapping[Source, Trace | None],
    ) -> tuple[list[BadPixels], list[BadPixels]]:
        """Return the entries that stay, and those that are new."""
        left = seen
        stays = {
            id(region): not self._is_untouched(region) or not self._is_looked_at(region)
            for region in pixels
        }
        for region in pixels:
            if stays[id(region)] and region.source == _SOURCE:
                footprints = find_footprints([region], self.image_shape)
                left = left.without(masked_pixels(footprints, self.image_shape))
        wanted = self._new_entries(left, traces)
        kept = []
        for region in pixels:
            same = [entry for entry in wanted if _is_same(entry, region)]
            if stays[id(region)] or same:
                kept.append(region)
            wanted = [entry for entry in wanted if entry not in same]
        taken_names = {region.mask for region in kept}
        name = next(n for n in _numbered(f"{self.name}_persistence") if n not in taken_names)
        return kept, [replace(e, mask=name) if e.mask is not None else e for e in wanted]

    def _new_entries(self, seen: Seen, traces: Mapping[Source, Trace | None]) -> list[BadPixels]:
        """Return the entries for the pixels that have a source: ranges, or one mask for many."""
        found: list[BadPixels] = []
        common = BadPixels(x=0, y=0, flags=FLAGS, status=self.status, source=_SOURCE)
        for source, pixels, seconds in seen:
            comment = source.describe(seconds)
            trace = traces.get(source)
            if trace is not None:
                comment = f"{comment}; {trace.describe()}"
            for x, y in ranges_of(pixels):
                found.append(replace(common, x=x, y=y, comment=comment))
                if len(found) > _MOST_RANGES:
                    return [_mask_entry(seen, common)]
        return found

    def _is_untouched(self, region: BadPixels) -> bool:
        """Tell whether an entry is as a run with these options has made it."""
        plain = BadPixels(
            x=region.x,
            y=region.y,
            mask=region.mask,
            flags=FLAGS,
            status=self.status,
            comment=region.comment,
            source=_SOURCE,
        )
        comment = region.comment or ""
        is_ours = bool(_OF_MANY.fullmatch(comment)) or source_named_in(comment) is not None
        return region == plain and is_ours

    def _is_looked_at(self, region: BadPixels) -> bool:
        """Tell whether all sources of an entry of an earlier run were looked at."""
        if region.mask is not None:
            header = fits.getheader(self.folder / region.mask)
            names = {str(header[key]) for key in header if key.startswith(_SOURCE_KEY)}
        else:
            names = {source_named_in(region.comment or "") or ""} - {""}
        return names <= self.looked_at


def write_sources(path: Path, seen: Seen, inside: NDArray[np.bool_]) -> None:
    """Write a mask in which each pixel has the number of its source, named in the header.

    Parameters
    ----------
    path : Path
        The mask file.
    seen : Seen
        The sources.
    inside : `numpy.ndarray`
        ``(ny, nx)`` bool: the pixels that are masked.
    """
    image = np.zeros(inside.shape, np.uint16)
    header = fits.Header()
    left = [(source, pixels) for source, pixels, _ in seen.without(~inside)]
    for value, (source, pixels) in enumerate(reversed(left), 1):
        image[pixels] = value
        header[f"{_SOURCE_KEY}{value}"] = source.name
    write_mask(path, image, header)


def _mask_entry(seen: Seen, common: BadPixels) -> BadPixels:
    sources, _, spans = zip(*seen, strict=True)
    if all(isinstance(source, ExposureSource) for source in sources):
        what = f"saturated in {counted(len(sources), 'earlier exposure')}"
    else:
        what = f"persistence of {counted(len(sources), 'source')}"
    first, last = np.nanmin(spans), np.nanmax(spans)
    times = "" if np.isnan(first) else f", {first:.0f} to {last:.0f} s before"
    return replace(
        common,
        x=None,
        y=None,
        mask="new",
        image=MaskImage.of_array(seen.is_any),
        comment=f"{what}{times}",
    )


def _is_same(wanted: BadPixels, present: BadPixels) -> bool:
    """Tell whether an entry of an earlier run is the one that is wanted."""
    if wanted.image is None or present.image is None:
        return wanted == present
    return replace(wanted, mask=present.mask) == present and np.array_equal(
        wanted.image.full_image(), present.image.full_image()
    )


def _numbered(stem: str) -> Iterator[str]:
    yield f"{stem}.fits"
    yield from (f"{stem}_{number}.fits" for number in count(2))
