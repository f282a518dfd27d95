"""Persistence of exposures, in order of time, into the region files of the later ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from showermask.commands.propose.persistence.arrayfile import (
    PersistenceArray,
    read_persistence_arrays,
    write_persistence_arrays,
)
from showermask.commands.propose.persistence.entries import Merger, write_sources
from showermask.commands.propose.persistence.history import DetectorHistory, Seen
from showermask.commands.propose.persistence.saturation import (
    PersistenceOptions,
    TakenExposure,
    take,
)
from showermask.commands.propose.persistence.slews import read_slews
from showermask.commands.propose.persistence.sources import Source
from showermask.commands.propose.persistence.traces import Trace, measure_traces
from showermask.exceptions import ShowermaskError
from showermask.exposure.images import ImageReader
from showermask.messages import counted
from showermask.regionfile.lookup import WorkItem
from showermask.regionfile.reader import read_regions_for
from showermask.regionfile.writer import write_regions

__all__ = ["OtherSources", "Persistence", "propose_persistence"]


@dataclass(frozen=True, kw_only=True)
class OtherSources:
    """Sources beside the exposures that get region files, and the array that is written."""

    #: Ramps of other programmes.
    earlier: Sequence[Path] = ()
    #: List of slews.
    slews: Path | None = None
    #: Persistence array to read.
    array_file: Path | None = None
    #: Persistence array to write.
    save_persistence: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Persistence:
    """The result for the region file of an exposure."""

    #: Product root.
    exposure: str
    #: A line for each source that left something in it, the latest first.
    sources: tuple[str, ...]
    #: Pixels that they left it in.
    pixels: int
    #: The region file.
    region_path: Path
    #: Entries of an earlier run that do not hold any more, and were taken out.
    gone: int
    #: Whether it was written; it is not where there is nothing new.
    is_written: bool

    def describe(self) -> list[str]:
        """Return lines for people."""
        gone = (
            f"; {counted(self.gone, 'entry', 'entries')} of before taken out" if self.gone else ""
        )
        if not self.sources:
            return [f"{self.exposure}: no persistence{gone}"]
        state = "in" if self.is_written else "already in"
        head = f"{self.exposure}: {counted(self.pixels, 'pixel')}, {state} {self.region_path}{gone}"
        return [head, *(f"    {line}" for line in self.sources)]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "exposure": self.exposure,
            "region_file": str(self.region_path),
            "pixels": self.pixels,
            "sources": list(self.sources),
            "gone": self.gone,
            "written": self.is_written,
        }


def propose_persistence(
    work: Iterable[WorkItem], options: PersistenceOptions, others: OtherSources | None = None
) -> tuple[list[Persistence], list[str]]:
    """Write what saturated before each exposure into its region file.

    Parameters
    ----------
    work : iterable of WorkItem
        Exposures, in any order, and their region files.
    options : PersistenceOptions
        The pixels that count, and for how long.
    others : OtherSources, optional
        Sources that get no region files.

    Returns
    -------
    list of Persistence
        The results in order of time.
    list of str
        What went wrong.

    Raises
    ------
    ShowermaskError
        When a list of slews or a persistence array can't be read or written.
    """
    others = others or OtherSources()
    taken, problems = _take_all(work, others.earlier, options)
    slews = read_slews(others.slews, taken) if others.slews is not None else []
    arrays = (
        read_persistence_arrays(others.array_file, taken) if others.array_file is not None else {}
    )
    names = {one.exposure.name for one in taken}
    names |= {path.name for path in (others.slews, others.array_file) if path is not None}
    looked_at = frozenset(names)
    done: list[Persistence] = []
    saved: dict[str, PersistenceArray] = {}
    for name, of_detector in groupby(taken, key=lambda one: one.detector):
        exposures = list(of_detector)
        history = DetectorHistory(
            exposures, arrays.get(name), [s for s in slews if s.detector in (None, name)]
        )
        for _, at_once in groupby(exposures, key=lambda one: one.start):
            simultaneous = list(at_once)
            for one in simultaneous:
                if one.region_path is None:
                    continue
                try:
                    done.append(_propose(one, one.region_path, history, looked_at, options))
                except ShowermaskError as error:
                    problems += error.problems
            for one in simultaneous:
                history.add(one)
        if others.save_persistence is not None:
            saved[name] = _state(exposures, history, options, others.save_persistence)
    if others.save_persistence is not None and saved:
        write_persistence_arrays(others.save_persistence, saved)
    start = {one.exposure.name: one.start for one in taken}
    return sorted(done, key=lambda result: (start[result.exposure], result.exposure)), problems


def _take_all(
    work: Iterable[WorkItem], earlier: Iterable[Path], options: PersistenceOptions
) -> tuple[list[TakenExposure], list[str]]:
    """Read all exposures, by detector and time."""
    region_paths: dict[Path, Path | None] = {item.exposure_path: item.region_path for item in work}
    resolved = {path.resolve() for path in region_paths}
    region_paths |= {path: None for path in earlier if path.resolve() not in resolved}
    taken: list[TakenExposure] = []
    problems: list[str] = []
    for path, region_path in region_paths.items():
        try:
            taken.append(take(path, region_path, options))
        except ShowermaskError as error:
            problems += error.problems
    taken.sort(key=lambda one: (one.detector, one.start, one.path.name))
    return taken, problems


def _propose(
    one: TakenExposure,
    region_path: Path,
    history: DetectorHistory,
    looked_at: frozenset[str],
    options: PersistenceOptions,
) -> Persistence:
    before = read_regions_for(region_path, one.exposure)
    seen = history.seen_by(one, options.time_limit(one))
    traces = _measure(one.path, seen)
    merger = Merger(
        name=one.exposure.name,
        image_shape=one.exposure.image_shape,
        folder=region_path.parent,
        looked_at=looked_at,
        status=options.status,
    )
    kept, found = merger.merge(before.pixels, seen, traces)
    mask = next((entry for entry in found if entry.image is not None), None)
    after = before.with_section("pixels", (*kept, *found)).unread()
    is_new = after != before
    if mask is not None and mask.image is not None:
        write_sources(region_path.parent / str(mask.mask), seen, mask.image.full_image())
    if is_new:
        write_regions(region_path, after)
    kept_ids = {id(region) for region in kept}
    return Persistence(
        exposure=one.exposure.name,
        sources=tuple(_lines(seen, traces)),
        pixels=int(np.count_nonzero(seen.is_any)),
        region_path=region_path,
        gone=sum(id(region) not in kept_ids for region in before.pixels),
        is_written=is_new,
    )


def _measure(path: Path, seen: Seen) -> dict[Source, Trace | None]:
    sources: list[Source] = []
    masks: list[NDArray[np.bool_]] = []
    for source, pixels, _ in seen:
        sources.append(source)
        masks.append(pixels)
    if not sources:
        return {}
    with ImageReader(path) as reader:
        return dict(zip(sources, measure_traces(reader, masks), strict=True))


def _lines(seen: Seen, traces: dict[Source, Trace | None]) -> Iterable[str]:
    for source, pixels, seconds in seen:
        trace = traces.get(source)
        found = "" if trace is None else f": {trace.describe()}"
        yield f"{np.count_nonzero(pixels)} {source.describe(seconds)}{found}"


def _state(
    exposures: Sequence[TakenExposure],
    history: DetectorHistory,
    options: PersistenceOptions,
    path: Path,
) -> PersistenceArray:
    """Return the persistence after the last exposure of a detector."""
    last = exposures[-1]
    window = options.window(last)
    if window is None:
        raise ShowermaskError(
            f"{path}: a persistence array needs the time for which persistence matters; give it "
            f"with --time-limit SECONDS (no time is known for {last.instrument})"
        )
    return PersistenceArray.of_image(path, last, history.window_ends(last, window), window)
