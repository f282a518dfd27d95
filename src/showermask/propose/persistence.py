"""Pixels that were saturated in an exposure, to be masked in the later ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from showermask.entry import Status, is_whole
from showermask.exceptions import ExposureError, ShowermaskError
from showermask.exposure import Exposure, Product
from showermask.flagging import footprints, masked_pixels
from showermask.frames import FrameReader
from showermask.maskfile import write_mask
from showermask.messages import counted
from showermask.pixels import MaskImage, PixelRegion, ranges_of
from showermask.regionfile import read_regions_for, write_regions

__all__ = ["FLAGS", "Persistence", "Rules", "propose_persistence", "saturated_pixels"]

#: What persistence is flagged with; PERSISTENCE where the plane knows it.
FLAGS = ("DO_NOT_USE", "PERSISTENCE")

_SOURCE = "persistence"
_SATURATED = 2
_SECONDS_OF_A_DAY = 86400.0
_CORNER = ("SUBSTRT2", "SUBSTRT1")  # row, column
_LAST_DAY = 1e6  # MJD
#: More ranges than this go into a mask file.
_MOST_RANGES = 100


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Which pixels leave persistence, and for how long.

    Parameters
    ----------
    unsaturated_groups : int
        A pixel counts that has at least one saturated group in an integration, and at most so many
        that are not; and fewer than half of its groups, which is what counts in short ramps.
    grow : int
        Pixels to grow the saturated ones by, on each side.
    time_limit : float or None
        Seconds from the end of an exposure to the start of a later one within which it matters.
    status : Status
        Of the entries.
    """

    unsaturated_groups: int = 3
    grow: int = 0
    time_limit: float | None = None
    status: Status = Status.ACCEPTED


@dataclass(frozen=True, kw_only=True)
class Persistence:
    """What became of the region file of an exposure.

    Parameters
    ----------
    exposure : str
        Product root.
    sources : tuple of str
        The earlier exposures that left something in it.
    pixels : int
        Pixels that they left it in.
    regions : `~pathlib.Path`
        The region file.
    gone : int
        Entries of an earlier run that do not hold any more, and were taken out.
    is_written : bool
        Whether it was written; it is not where there is nothing new.
    """

    exposure: str
    sources: tuple[str, ...]
    pixels: int
    regions: Path
    gone: int
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
    """An exposure, and when and where on the detector it was taken."""

    path: Path
    regions: Path
    exposure: Exposure
    detector: str
    start: float
    end: float
    corner: tuple[int, int]
    saturated: NDArray[np.bool_]


def propose_persistence(
    work: Iterable[tuple[Path, Path]], rules: Rules
) -> tuple[list[Persistence], list[str]]:
    """Write what saturated in each exposure into the region files of the later ones.

    Parameters
    ----------
    work : iterable of tuple of `~pathlib.Path`
        Ramps of any detectors and filters, in any order, each with its region file.
    rules : Rules
        Which pixels count.

    Returns
    -------
    done : list of Persistence
        One for each exposure, in order of time.
    problems : list of str
        What is wrong with some of them; they leave nothing and get nothing.
    """
    taken: list[_Taken] = []
    problems: list[str] = []
    for path, regions in work:
        try:
            taken.append(_take(path, regions, rules))
        except ShowermaskError as error:
            problems += error.problems
    taken.sort(key=lambda one: (one.start, one.path.name))
    done: list[Persistence] = []
    for one in taken:
        earlier = [other for other in taken if _is_earlier(other, one, rules)]
        try:
            done.append(_propose(one, earlier, rules))
        except ShowermaskError as error:
            problems += error.problems
    return done, problems


def _take(path: Path, regions: Path, rules: Rules) -> _Taken:
    with FrameReader(path) as reader:
        exposure = reader.exposure
        if exposure.product is not Product.RAMP or exposure.is_raw or not reader.has_flags:
            raise ExposureError(
                f"{path}: expected a ramp with the flags of the saturation step (_jump, _ramp)"
            )
        saturated = saturated_pixels(reader, rules)
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
    problems += [f"{k} is {v!r}" for k, v in zip(_CORNER, corner, strict=True) if not is_whole(v)]
    if problems:
        raise ExposureError(
            f"{path}: {'; '.join(problems)}: expected what says when (MJD) and where on the "
            "detector it was taken"
        )
    return _Taken(
        path=path,
        regions=regions,
        exposure=exposure,
        detector=str(detector),
        start=float(start) * _SECONDS_OF_A_DAY,
        end=float(end) * _SECONDS_OF_A_DAY,
        corner=(int(corner[0]), int(corner[1])),
        saturated=saturated,
    )


def saturated_pixels(reader: FrameReader, rules: Rules) -> NDArray[np.bool_]:
    """Find the pixels of a ramp that saturate for most of an integration.

    Parameters
    ----------
    reader : FrameReader
        The ramp.
    rules : Rules
        Which pixels count.

    Returns
    -------
    `numpy.ndarray`
        ``(ny, nx)`` bool: those of any integration, grown.
    """
    nints, ngroups = reader.nframes
    most = min(rules.unsaturated_groups, (ngroups - 1) // 2)
    found = np.zeros(reader.exposure.frame, bool)
    for integration in range(nints):
        count = np.zeros(found.shape, np.int32)
        for group in range(ngroups):
            count += (reader.dq(integration, group) & _SATURATED) > 0
        found |= (count >= 1) & (ngroups - count <= most)
    if rules.grow:
        found = binary_dilation(found, np.ones((3, 3), bool), iterations=rules.grow)
    return found


def _is_earlier(one: _Taken, other: _Taken, rules: Rules) -> bool:
    if one.detector != other.detector or not one.start < other.start:
        return False
    return rules.time_limit is None or max(0.0, other.start - one.end) <= rules.time_limit


def _propose(one: _Taken, earlier: Sequence[_Taken], rules: Rules) -> Persistence:
    before = read_regions_for(one.regions, one.exposure)
    left = np.zeros(one.exposure.frame, bool)
    sources: list[str] = []
    pixels = list(before.pixels)
    masks: dict[str, NDArray[np.bool_]] = {}
    # The latest first: it is the one that matters most where several saturated the same pixels.
    for source in sorted(earlier, key=lambda other: -other.start):
        mask = _seen_by(source, one) & ~left
        left |= mask
        if mask.any():
            sources.append(source.exposure.name)
        pixels = _merged(pixels, mask, source, one, rules, masks)
    after = replace(before, pixels=tuple(pixels), path=None, sha256=None)
    is_new = after != before
    for name, mask in masks.items():
        write_mask(one.regions.parent / name, mask)
    if is_new:
        write_regions(one.regions, after)
    kept = {id(region) for region in pixels}
    return Persistence(
        exposure=one.exposure.name,
        sources=tuple(sources),
        pixels=int(left.sum()),
        regions=one.regions,
        gone=sum(id(region) not in kept for region in before.pixels),
        is_written=is_new,
    )


def _merged(
    pixels: Sequence[PixelRegion],
    mask: NDArray[np.bool_],
    source: _Taken,
    one: _Taken,
    rules: Rules,
    masks: dict[str, NDArray[np.bool_]],
) -> list[PixelRegion]:
    """Bring what an exposure has left into the entries, without touching what people decided.

    An entry of an earlier run stays as it is where it still holds, or where somebody has said
    anything of it; its pixels are not proposed again.
    """
    frame = one.exposure.frame
    common = _common(source, one, rules)
    wanted = set(ranges_of(mask))
    kept: list[PixelRegion] = []
    covered = np.zeros(frame, bool)
    for region in pixels:
        if not _is_of(region, source):
            kept.append(region)
            continue
        known = masked_pixels(footprints([region], frame), frame)
        is_wanted = (region.x, region.y) in wanted or np.array_equal(known, mask)
        is_untouched = replace(region, x=0, y=0, mask=None) == common
        if is_wanted or not is_untouched:
            kept.append(region)
            covered |= known
    ranges = list(ranges_of(mask & ~covered))
    if len(ranges) <= _MOST_RANGES:
        return kept + [replace(common, x=x, y=y) for x, y in ranges]
    stem = f"{one.exposure.name}_persistence_{source.exposure.name}"
    named = {region.mask for region in kept}
    name = next(n for n in _numbered(stem) if n not in named)
    masks[name] = mask & ~covered
    image = MaskImage.of_array(masks[name])
    return [*kept, replace(common, x=None, y=None, mask=name, image=image)]


def _numbered(stem: str) -> Iterator[str]:
    yield f"{stem}.fits"
    yield from (f"{stem}_{number}.fits" for number in count(2))


def _seen_by(source: _Taken, one: _Taken) -> NDArray[np.bool_]:
    """Return what saturated in an exposure, in the pixels of another of the same detector."""
    seen = np.zeros(one.exposure.frame, bool)
    rows, columns = np.nonzero(source.saturated)
    rows, columns = (
        places + source.corner[axis] - one.corner[axis]
        for axis, places in enumerate((rows, columns))
    )
    inside = (rows >= 0) & (rows < seen.shape[0]) & (columns >= 0) & (columns < seen.shape[1])
    seen[rows[inside], columns[inside]] = True
    return seen


def _common(source: _Taken, one: _Taken, rules: Rules) -> PixelRegion:
    """Return what all entries say that an exposure has left in another."""
    after = max(0, round(one.start - source.end))
    return PixelRegion(
        x=0,
        y=0,
        flags=FLAGS,
        status=rules.status,
        comment=f"{_begin(source)}{after} s before",
        source=_SOURCE,
    )


def _begin(source: _Taken) -> str:
    """Return how the comment of an entry begins, by which it is known again."""
    return f"saturated in {source.exposure.name}, "


def _is_of(region: PixelRegion, source: _Taken) -> bool:
    """Tell whether an entry is of an earlier run, and for this exposure."""
    is_named = region.comment is not None and region.comment.startswith(_begin(source))
    return region.source == _SOURCE and is_named
