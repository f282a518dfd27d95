"""Pixels that were saturated in an exposure, to be masked in the later ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from showermask.entry import Status
from showermask.exceptions import ExposureError, ShowermaskError
from showermask.exposure import Exposure, Product
from showermask.frames import FrameReader
from showermask.maskfile import write_mask
from showermask.pixels import MaskImage, PixelRegion, ranges_of
from showermask.regionfile import RegionFile, read_regions, write_regions

__all__ = ["FLAGS", "Persistence", "Rules", "propose_persistence", "saturated_pixels"]

#: What persistence is flagged with; PERSISTENCE where the plane knows it.
FLAGS = ("DO_NOT_USE", "PERSISTENCE")

_SOURCE = "persistence"
_SATURATED = 2
_SECONDS_OF_A_DAY = 86400.0
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
    is_written : bool
        Whether it was written; it is not where there is nothing new.
    """

    exposure: str
    sources: tuple[str, ...]
    pixels: int
    regions: Path
    is_written: bool

    def describe(self) -> str:
        """Return a line for people."""
        if not self.sources:
            return f"{self.exposure}: no persistence of earlier exposures"
        state = "in" if self.is_written else "already in"
        return (
            f"{self.exposure}: {self.pixels} pixels saturated in {', '.join(self.sources)}, "
            f"{state} {self.regions}"
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
    missing = [key for key in ("DETECTOR", "EXPSTART", "EXPEND") if key not in header]
    if missing:
        raise ExposureError(
            f"{path}: has no {', '.join(missing)}, expected them to put exposures in order"
        )
    return _Taken(
        path=path,
        regions=regions,
        exposure=exposure,
        detector=str(header["DETECTOR"]),
        start=float(header["EXPSTART"]) * _SECONDS_OF_A_DAY,
        end=float(header["EXPEND"]) * _SECONDS_OF_A_DAY,
        corner=(int(header.get("SUBSTRT2", 1)), int(header.get("SUBSTRT1", 1))),
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
        found = binary_dilation(found, np.ones((2 * rules.grow + 1,) * 2, bool))
    return found


def _is_earlier(one: _Taken, other: _Taken, rules: Rules) -> bool:
    if one.detector != other.detector or not one.start < other.start:
        return False
    return rules.time_limit is None or other.start - one.end <= rules.time_limit


def _propose(one: _Taken, earlier: Sequence[_Taken], rules: Rules) -> Persistence:
    present = read_regions(one.regions) if one.regions.exists() else None
    if present is not None:
        present.check_fits(one.exposure)
    kept = [region for region in present.pixels if not _is_ours(region)] if present else []
    left = np.zeros(one.exposure.frame, bool)
    entries: list[PixelRegion] = []
    sources: list[str] = []
    masks: dict[str, NDArray[np.bool_]] = {}
    # The latest first: it is the one that matters most where several saturated the same pixels.
    for source in sorted(earlier, key=lambda other: -other.start):
        mask = _seen_by(source, one) & ~left & ~_decided(kept, source, one.exposure.frame)
        if not mask.any():
            continue
        sources.append(source.exposure.name)
        left |= mask
        entries += _entries(mask, source, one, rules, masks)
    before = present or RegionFile(
        showers=(),
        exposure=one.exposure.root,
        shape=(*_four(one.exposure.shape),),
        subarray=one.exposure.subarray,
    )
    after = replace(before, pixels=(*kept, *entries), path=None, sha256=None)
    is_new = after != before if present else bool(after.pixels)
    for name, mask in masks.items():
        write_mask(one.regions.parent / name, mask)
    if is_new:
        write_regions(one.regions, after)
    return Persistence(
        exposure=one.exposure.name,
        sources=tuple(sorted(sources)),
        pixels=int(left.sum()),
        regions=one.regions,
        is_written=is_new or bool(masks),
    )


def _four(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    nints, ngroups, ny, nx = shape
    return nints, ngroups, ny, nx


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


def _entries(
    mask: NDArray[np.bool_],
    source: _Taken,
    one: _Taken,
    rules: Rules,
    masks: dict[str, NDArray[np.bool_]],
) -> Iterator[PixelRegion]:
    """Yield the entries of a mask; of one with many ranges, that of the file that it goes into."""
    after = round(one.start - source.end)
    common = PixelRegion(
        x=0,
        y=0,
        flags=FLAGS,
        status=rules.status,
        comment=f"{_begin(source)}{after} s before",
        source=_SOURCE,
    )
    ranges = list(ranges_of(mask))
    if len(ranges) <= _MOST_RANGES:
        yield from (replace(common, x=x, y=y) for x, y in ranges)
        return
    name = f"{one.exposure.name}_persistence_{source.exposure.name}.fits"
    masks[name] = mask
    yield replace(common, x=None, y=None, mask=name, image=MaskImage.of_array(mask))


def _begin(source: _Taken) -> str:
    """Return how the comment of an entry begins, by which it is known again."""
    return f"saturated in {source.exposure.name}, "


def _is_ours(region: PixelRegion) -> bool:
    """Tell whether an entry is of an earlier run, and nobody has rejected it."""
    is_named = region.comment is not None and region.comment.startswith("saturated in ")
    return region.source == _SOURCE and is_named and region.status is not Status.REJECTED


def _decided(
    kept: Sequence[PixelRegion], source: _Taken, frame: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return the pixels of which a person has said that this exposure left nothing in them."""
    decided = np.zeros(frame, bool)
    for region in kept:
        is_of_it = region.comment is not None and region.comment.startswith(_begin(source))
        if is_of_it and region.source == _SOURCE:
            box, inside = region.pixels(frame)
            decided[box] |= inside
    return decided
