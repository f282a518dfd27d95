"""Pixels that were saturated in an exposure, to be masked in the later ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, groupby
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from showermask.exceptions import ShowermaskError
from showermask.masking.footprint import find_footprints, masked_pixels
from showermask.messages import counted
from showermask.propose.saturation import (
    NO_SOURCE,
    DetectorHistory,
    PersistenceOptions,
    TakenExposure,
    take,
)
from showermask.regionfile.badpixels import BadPixels, MaskImage, ranges_of
from showermask.regionfile.lookup import WorkItem
from showermask.regionfile.maskfile import write_mask
from showermask.regionfile.reader import read_regions_for
from showermask.regionfile.writer import write_regions

__all__ = ["FLAGS", "Persistence", "propose_persistence"]

#: What persistence is flagged with; PERSISTENCE where the plane knows it.
FLAGS = ("DO_NOT_USE", "PERSISTENCE")

_SOURCE = "persistence"
#: More ranges than this go into a mask file.
_MOST_RANGES = 100
#: How the comments of entries read, by which they are known again.
_OUR_COMMENT = re.compile(
    r"saturated in (?:(?P<source>\S+), \d+|\d+ earlier exposures?, \d+ to \d+) s before"
)
#: Keywords of a mask for the names of the sources, with their number in the image.
_SOURCE_KEY = "SRC"


@dataclass(frozen=True, kw_only=True)
class Persistence:
    """The result for the region file of an exposure."""

    #: Product root.
    exposure: str
    #: The earlier exposures that left something in it.
    sources: tuple[str, ...]
    #: Pixels that they left it in.
    pixels: int
    #: The region file.
    region_path: Path
    #: Entries of an earlier run that do not hold any more, and were taken out.
    gone: int
    #: Whether it was written; it is not where there is nothing new.
    is_written: bool

    def describe(self) -> str:
        """Return a line for people."""
        gone = (
            f"; {counted(self.gone, 'entry', 'entries')} of before taken out" if self.gone else ""
        )
        if not self.sources:
            return f"{self.exposure}: no persistence of earlier exposures{gone}"
        state = "in" if self.is_written else "already in"
        return (
            f"{self.exposure}: {counted(self.pixels, 'pixel')} saturated in "
            f"{', '.join(self.sources)}, {state} {self.region_path}{gone}"
        )


def propose_persistence(
    work: Iterable[WorkItem], options: PersistenceOptions
) -> tuple[list[Persistence], list[str]]:
    """Write what saturated in each exposure into the region files of the later ones."""
    taken: list[TakenExposure] = []
    problems: list[str] = []
    for item in work:
        try:
            taken.append(take(item.exposure_path, item.region_path, options))
        except ShowermaskError as error:
            problems += error.problems
    done: list[Persistence] = []
    names = {one.exposure.name for one in taken}
    taken.sort(key=lambda one: (one.detector, one.start, one.path.name))
    for _, of_detector in groupby(taken, key=lambda one: one.detector):
        exposures = list(of_detector)
        detector = DetectorHistory(exposures)
        for _, at_once in groupby(exposures, key=lambda one: one.start):
            simultaneous = list(at_once)
            for one in simultaneous:
                try:
                    done.append(_propose(one, detector, names, options))
                except ShowermaskError as error:
                    problems += error.problems
            for one in simultaneous:
                detector.add(one)
    start = {one.exposure.name: one.start for one in taken}
    return sorted(done, key=lambda result: (start[result.exposure], result.exposure)), problems


def _propose(
    one: TakenExposure, detector: DetectorHistory, looked_at: set[str], options: PersistenceOptions
) -> Persistence:
    before = read_regions_for(one.region_path, one.exposure)
    seen = detector.seen_by(one, options.time_limit(one))
    kept, found = _merged(before.pixels, seen, one, detector, looked_at, options)
    mask = next((entry for entry in found if entry.image is not None), None)
    after = before.with_section("pixels", (*kept, *found)).unread()
    is_new = after != before
    if mask is not None and mask.image is not None:
        inside = mask.image.full_image()
        _write_sources(
            one.region_path.parent / str(mask.mask), np.where(inside, seen, NO_SOURCE), detector
        )
    if is_new:
        write_regions(one.region_path, after)
    left = np.unique(seen[seen != NO_SOURCE])
    kept_ids = {id(region) for region in kept}
    return Persistence(
        exposure=one.exposure.name,
        sources=tuple(detector.sources[number].exposure.name for number in left[::-1]),
        pixels=int(np.count_nonzero(seen != NO_SOURCE)),
        region_path=one.region_path,
        gone=sum(id(region) not in kept_ids for region in before.pixels),
        is_written=is_new,
    )


def _merged(
    pixels: Sequence[BadPixels],
    seen: NDArray[np.int32],
    one: TakenExposure,
    detector: DetectorHistory,
    looked_at: set[str],
    options: PersistenceOptions,
) -> tuple[list[BadPixels], list[BadPixels]]:
    """Return the entries of a region file that stay, and those that are new.

    An entry of an earlier run stays as it is where it still holds, where somebody has said anything
    of it, or where its sources were not looked at; its pixels are not proposed again.
    """
    image_shape = one.exposure.image_shape
    left = seen.copy()
    stays = {
        id(region): not _is_untouched(region, options)
        or not _sources_of(region, one.region_path.parent) <= looked_at
        for region in pixels
    }
    for region in pixels:
        if stays[id(region)] and region.source == _SOURCE:
            left[masked_pixels(find_footprints([region], image_shape), image_shape)] = NO_SOURCE
    wanted = _entries(left, one, detector, options)
    kept = []
    for region in pixels:
        same = [entry for entry in wanted if _is_same(entry, region)]
        if stays[id(region)] or same:
            kept.append(region)
        wanted = [entry for entry in wanted if entry not in same]
    taken_names = {region.mask for region in kept}
    stem = f"{one.exposure.name}_persistence"
    name = next(name for name in _numbered(stem) if name not in taken_names)
    return kept, [replace(e, mask=name) if e.mask is not None else e for e in wanted]


def _entries(
    seen: NDArray[np.int32],
    one: TakenExposure,
    detector: DetectorHistory,
    options: PersistenceOptions,
) -> list[BadPixels]:
    """Return the entries for the pixels that have a source: ranges, or one mask for many."""
    found: list[BadPixels] = []
    numbers = np.unique(seen[seen != NO_SOURCE])[::-1]  # the latest source first
    common = BadPixels(x=0, y=0, flags=FLAGS, status=options.status, source=_SOURCE)
    for number in numbers:
        source = detector.sources[number]
        comment = f"saturated in {source.exposure.name}, {one.seconds_after(source):.0f} s before"
        for x, y in ranges_of(seen == number):
            found.append(replace(common, x=x, y=y, comment=comment))
            if len(found) > _MOST_RANGES:
                return [_mask_entry(seen, numbers, one, detector, common)]
    return found


def _mask_entry(
    seen: NDArray[np.int32],
    numbers: NDArray[np.int32],
    one: TakenExposure,
    detector: DetectorHistory,
    common: BadPixels,
) -> BadPixels:
    seconds = [one.seconds_after(detector.sources[number]) for number in numbers]
    what = counted(len(numbers), "earlier exposure")
    return replace(
        common,
        x=None,
        y=None,
        mask="new",
        image=MaskImage.of_array(seen != NO_SOURCE),
        comment=f"saturated in {what}, {min(seconds):.0f} to {max(seconds):.0f} s before",
    )


def _is_same(wanted: BadPixels, present: BadPixels) -> bool:
    """Tell whether an entry of an earlier run is the one that is wanted."""
    if wanted.image is None or present.image is None:
        return wanted == present
    return replace(wanted, mask=present.mask) == present and np.array_equal(
        wanted.image.full_image(), present.image.full_image()
    )


def _is_untouched(region: BadPixels, options: PersistenceOptions) -> bool:
    """Tell whether an entry is as a run with these rules has made it."""
    plain = BadPixels(
        x=region.x,
        y=region.y,
        mask=region.mask,
        flags=FLAGS,
        status=options.status,
        comment=region.comment,
        source=_SOURCE,
    )
    return region == plain and bool(_OUR_COMMENT.fullmatch(region.comment or ""))


def _sources_of(region: BadPixels, folder: Path) -> set[str]:
    """Return the exposures that an entry of an earlier run names, in comment or mask."""
    if region.mask is not None:
        header = fits.getheader(folder / region.mask)
        return {str(header[key]) for key in header if key.startswith(_SOURCE_KEY)}
    match = _OUR_COMMENT.fullmatch(region.comment or "")
    return {match["source"]} if match is not None and match["source"] else set()


def _write_sources(path: Path, seen: NDArray[np.int32], detector: DetectorHistory) -> None:
    """Write a mask in which each pixel has the number of its source, named in the header."""
    numbers = np.unique(seen[seen != NO_SOURCE])
    image = np.zeros(seen.shape, np.uint16)
    header = fits.Header()
    for value, number in enumerate(numbers, 1):
        image[seen == number] = value
        header[f"{_SOURCE_KEY}{value}"] = detector.sources[number].exposure.name
    write_mask(path, image, header)


def _numbered(stem: str) -> Iterator[str]:
    yield f"{stem}.fits"
    yield from (f"{stem}_{number}.fits" for number in count(2))
