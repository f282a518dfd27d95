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
from scipy.ndimage import binary_dilation

from showermask.exceptions import ExposureError, ShowermaskError
from showermask.exposure.dq import SATURATED
from showermask.exposure.images import ImageReader
from showermask.exposure.product import Exposure
from showermask.masking.footprint import find_footprints, masked_pixels
from showermask.messages import counted
from showermask.regionfile.badpixels import BadPixels, MaskImage, ranges_of
from showermask.regionfile.entry import Status
from showermask.regionfile.lookup import WorkItem
from showermask.regionfile.maskfile import write_mask
from showermask.regionfile.reader import read_regions_for
from showermask.regionfile.writer import write_regions

__all__ = ["FLAGS", "Persistence", "PersistenceOptions", "propose_persistence", "saturated_pixels"]

#: What persistence is flagged with; PERSISTENCE where the plane knows it.
FLAGS = ("DO_NOT_USE", "PERSISTENCE")

_SOURCE = "persistence"
_SECONDS_OF_A_DAY = 86400.0
_CORNER = ("SUBSTRT2", "SUBSTRT1")  # row, column
_LAST_DAY = 1e6  # MJD
#: More ranges than this go into a mask file.
_MOST_RANGES = 100
#: Of a pixel that has no source.
_NONE = -1
#: How the comments of entries read, by which they are known again.
_OUR_COMMENT = re.compile(
    r"saturated in (?:(?P<source>\S+), \d+|\d+ earlier exposures?, \d+ to \d+) s before"
)
#: Keywords of a mask for the names of the sources, with their number in the image.
_SOURCE_KEY = "SRC"


@dataclass(frozen=True, kw_only=True)
class PersistenceOptions:
    """Options: the pixels that leave persistence, and for how long."""

    #: A pixel counts that has at least one saturated group in an integration, and at most so many
    #: that are not; and fewer than half of its groups, which is what counts in short ramps.
    unsaturated_groups: int = 3
    #: Pixels to grow the saturated ones by, on each side.
    grow: int = 0
    #: Seconds from the end of an exposure to the start of a later one within which it matters.
    time_limit: float | None = None
    #: Of the entries.
    status: Status = Status.ACCEPTED


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
    regions: Path
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
            f"{', '.join(self.sources)}, {state} {self.regions}{gone}"
        )


@dataclass(frozen=True, kw_only=True)
class _Taken:
    """An exposure, and when and where on the detector it was taken.

    ``saturated`` are the rows and columns of its saturated pixels.
    """

    path: Path
    regions: Path
    exposure: Exposure
    detector: str
    start: float
    end: float
    corner: tuple[int, int]
    saturated: tuple[NDArray[np.intp], NDArray[np.intp]]

    @property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns of the detector that the exposure covers."""
        rows, columns = (
            slice(first, first + size)
            for first, size in zip(self.corner, self.exposure.image_shape, strict=True)
        )
        return rows, columns

    def seconds_after(self, source: _Taken) -> float:
        """Return the time from the end of an earlier exposure to the start of this one, in s."""
        return max(0.0, self.start - source.end)


class _Detector:
    """The pixels of a detector, and the last exposure in which each has saturated."""

    def __init__(self, exposures: Sequence[_Taken]) -> None:
        self._rows = min(one.place[0].start for one in exposures)
        self._columns = min(one.place[1].start for one in exposures)
        shape = (
            max(one.place[0].stop for one in exposures) - self._rows,
            max(one.place[1].stop for one in exposures) - self._columns,
        )
        self._last = np.full(shape, _NONE, np.int32)
        self.sources: list[_Taken] = []

    def add(self, source: _Taken) -> None:
        """Note the saturated pixels of an exposure that is later than those before it."""
        rows, columns = source.saturated
        part = self._last[self._part(source)]
        part[rows, columns] = len(self.sources)
        self.sources.append(source)

    def seen_by(self, one: _Taken, time_limit: float | None) -> NDArray[np.int32]:
        """Return for each pixel of an exposure the number of its source, `_NONE` without one."""
        seen = self._last[self._part(one)].copy()
        for number in np.unique(seen[seen != _NONE]):
            if time_limit is not None and one.seconds_after(self.sources[number]) > time_limit:
                seen[seen == number] = _NONE
        return seen

    def _part(self, one: _Taken) -> tuple[slice, slice]:
        rows, columns = one.place
        return (
            slice(rows.start - self._rows, rows.stop - self._rows),
            slice(columns.start - self._columns, columns.stop - self._columns),
        )


def propose_persistence(
    work: Iterable[WorkItem], options: PersistenceOptions
) -> tuple[list[Persistence], list[str]]:
    """Write what saturated in each exposure into the region files of the later ones."""
    taken: list[_Taken] = []
    problems: list[str] = []
    for item in work:
        try:
            taken.append(_take(item.exposure_path, item.region_path, options))
        except ShowermaskError as error:
            problems += error.problems
    done: list[Persistence] = []
    names = {one.exposure.name for one in taken}
    taken.sort(key=lambda one: (one.detector, one.start, one.path.name))
    for _, of_detector in groupby(taken, key=lambda one: one.detector):
        exposures = list(of_detector)
        detector = _Detector(exposures)
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


def _take(path: Path, regions: Path, options: PersistenceOptions) -> _Taken:
    with ImageReader(path) as reader:
        exposure = reader.exposure
        if not exposure.is_ramp or exposure.is_raw or not reader.has_flags:
            raise ExposureError(
                f"{path}: expected a ramp with the flags of the saturation step (_jump, _ramp)"
            )
        saturated = saturated_pixels(reader, options)
    header = fits.getheader(path)
    detector = header.get("DETECTOR")
    start, end = header.get("EXPSTART"), header.get("EXPEND")
    corner = [header.get(key, 1) for key in _CORNER]
    problems = [] if isinstance(detector, str) else [f"DETECTOR is {detector!r}"]
    for key, day in (("EXPSTART", start), ("EXPEND", end)):
        if not isinstance(day, float | int) or isinstance(day, bool) or not 0 < day < _LAST_DAY:
            problems.append(f"{key} is {day!r}")
    if not problems and end < start:
        problems.append(f"EXPEND is {end}, before EXPSTART")
    problems += [
        f"{k} is {v!r}" for k, v in zip(_CORNER, corner, strict=True) if type(v) is not int
    ]
    if problems:
        raise ExposureError(
            f"{path}: {'; '.join(problems)}: expected what says when (MJD) and where on the "
            "detector it was taken"
        )
    rows, columns = np.nonzero(saturated)
    return _Taken(
        path=path,
        regions=regions,
        exposure=exposure,
        detector=str(detector),
        start=float(start) * _SECONDS_OF_A_DAY,
        end=float(end) * _SECONDS_OF_A_DAY,
        corner=(int(corner[0]), int(corner[1])),
        saturated=(rows, columns),
    )


def saturated_pixels(reader: ImageReader, options: PersistenceOptions) -> NDArray[np.bool_]:
    """Find the pixels of a ramp that saturate for most of an integration.

    Parameters
    ----------
    reader : ImageReader
        The ramp.
    options : Rules
        Which pixels count.

    Returns
    -------
    `numpy.ndarray`
        ``(ny, nx)`` bool: those of any integration, grown.
    """
    nints, ngroups = reader.stack_shape
    most = min(options.unsaturated_groups, (ngroups - 1) // 2)
    found = np.zeros(reader.exposure.image_shape, bool)
    for integration in range(nints):
        count = np.zeros(found.shape, np.int32)
        for group in range(ngroups):
            count += (reader.dq(integration, group) & SATURATED) > 0
        found |= (count >= 1) & (ngroups - count <= most)
    if options.grow:
        found = binary_dilation(found, np.ones((3, 3), bool), iterations=options.grow)
    return found


def _propose(
    one: _Taken, detector: _Detector, looked_at: set[str], options: PersistenceOptions
) -> Persistence:
    before = read_regions_for(one.regions, one.exposure)
    seen = detector.seen_by(one, options.time_limit)
    kept, found = _merged(before.pixels, seen, one, detector, looked_at, options)
    mask = next((entry for entry in found if entry.image is not None), None)
    after = before.with_section("pixels", (*kept, *found)).unread()
    is_new = after != before
    if mask is not None and mask.image is not None:
        inside = mask.image.full_image()
        _write_sources(one.regions.parent / str(mask.mask), np.where(inside, seen, _NONE), detector)
    if is_new:
        write_regions(one.regions, after)
    left = np.unique(seen[seen != _NONE])
    kept_ids = {id(region) for region in kept}
    return Persistence(
        exposure=one.exposure.name,
        sources=tuple(detector.sources[number].exposure.name for number in left[::-1]),
        pixels=int(np.count_nonzero(seen != _NONE)),
        regions=one.regions,
        gone=sum(id(region) not in kept_ids for region in before.pixels),
        is_written=is_new,
    )


def _merged(
    pixels: Sequence[BadPixels],
    seen: NDArray[np.int32],
    one: _Taken,
    detector: _Detector,
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
        or not _sources_of(region, one.regions.parent) <= looked_at
        for region in pixels
    }
    for region in pixels:
        if stays[id(region)] and region.source == _SOURCE:
            left[masked_pixels(find_footprints([region], image_shape), image_shape)] = _NONE
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
    seen: NDArray[np.int32], one: _Taken, detector: _Detector, options: PersistenceOptions
) -> list[BadPixels]:
    """Return the entries for the pixels that have a source: ranges, or one mask for many."""
    found: list[BadPixels] = []
    numbers = np.unique(seen[seen != _NONE])[::-1]  # the latest source first
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
    one: _Taken,
    detector: _Detector,
    common: BadPixels,
) -> BadPixels:
    seconds = [one.seconds_after(detector.sources[number]) for number in numbers]
    what = counted(len(numbers), "earlier exposure")
    return replace(
        common,
        x=None,
        y=None,
        mask="new",
        image=MaskImage.of_array(seen != _NONE),
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


def _write_sources(path: Path, seen: NDArray[np.int32], detector: _Detector) -> None:
    """Write a mask in which each pixel has the number of its source, named in the header."""
    numbers = np.unique(seen[seen != _NONE])
    image = np.zeros(seen.shape, np.uint16)
    header = fits.Header()
    for value, number in enumerate(numbers, 1):
        image[seen == number] = value
        header[f"{_SOURCE_KEY}{value}"] = detector.sources[number].exposure.name
    write_mask(path, image, header)


def _numbered(stem: str) -> Iterator[str]:
    yield f"{stem}.fits"
    yield from (f"{stem}_{number}.fits" for number in count(2))
