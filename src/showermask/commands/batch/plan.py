"""The plan of a batch: which exposures are to be masked, which are up to date, which can't be."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from showermask.commands.batch.associations import Association
from showermask.commands.batch.grids import find_grids, grid_fingerprint
from showermask.commands.batch.matching import Match, Matches, match_exposures
from showermask.commands.batch.mosaics import find_associations, plan_mosaic
from showermask.commands.batch.parameters import MaskParameters, StepParameters
from showermask.commands.batch.targets import PREFERENCE
from showermask.exceptions import OutputError, ShowermaskError
from showermask.exposure.product import describe_file
from showermask.masking.cost import Cost, Coverage
from showermask.masking.mask import Mask
from showermask.messages import counted
from showermask.pipeline.manifest import Record, file_time, read_manifest
from showermask.regionfile.content import RegionFile

__all__ = [
    "Plan",
    "PlannedExposure",
    "Reporter",
    "Request",
    "find_matches",
    "leftovers",
    "make_plan",
    "other_versions",
    "report_plan",
]


#: What is foreseen for a mosaic.
_TO_DO, _CURRENT = "to do", "up to date"


@dataclass(frozen=True, kw_only=True)
class Request:
    """The request for a batch."""

    #: Directory of region files.
    regions: Path
    #: Exposures, and directories of them.
    data: tuple[Path, ...]
    #: Directory for the products.
    output: Path
    #: One of `~showermask.commands.batch.targets.TARGETS`.
    target: str = "masked"
    #: Which product to start from, the best one there is without it.
    suffix: str | None = None
    step_parameters: StepParameters = field(default_factory=StepParameters)
    #: Associations of the mosaics, told by the headers without them.
    associations: tuple[Path, ...] = ()
    #: Whether the mosaics are made without masks too.
    is_compared: bool = False
    #: Mosaics that were made without masks, on whose pixels the mosaics are made.
    compared_with: tuple[Path, ...] = ()
    #: Worker processes on this machine, as many as it can feed without it.
    workers: int | None = None
    #: Address or file of a dask scheduler to use instead.
    scheduler: str | None = None
    #: Whether to redo what is up to date.
    is_forced: bool = False

    def __post_init__(self) -> None:
        if self.suffix is not None and self.suffix not in PREFERENCE[self.target]:
            raise OutputError(
                f"from {self.suffix} to {self.target}: a raw ramp is not masked itself; "
                "make the rate (--to rate), or start from another product"
            )

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Suffixes of the products to start from, the best first."""
        return PREFERENCE[self.target] if self.suffix is None else (self.suffix,)

    def parameters(
        self, suffix: str | None, detector_file: RegionFile | None = None
    ) -> dict[str, Any]:
        """Return what the record of an exposure says was asked for."""
        wanted = {"from": suffix, "to": self.target, **self._of_stages("exposure")}
        if detector_file is not None and detector_file.path is not None:
            wanted["detector_file"] = str(detector_file.path.absolute())
        return wanted

    def mosaic_parameters(self, members: Mapping[str, str], grid: Path | None) -> dict[str, Any]:
        """Return what the record of a mosaic says was asked for."""
        wanted: dict[str, Any] = {"to": self.target, "members": _members_fingerprint(members)}
        wanted |= self._of_stages("mosaic")
        if grid is not None:
            wanted["grid"] = grid_fingerprint(grid)
        if grid is not None and self.compared_with:  # the report shows it
            wanted["grid_of"] = str(grid)
        return wanted

    def _of_stages(self, what: str) -> dict[str, Any]:
        """Return what tells the parameters of the stages of an exposure, or of a mosaic."""
        return self._fingerprints[what]

    @cached_property
    def _fingerprints(self) -> dict[str, dict[str, Any]]:
        if not self.step_parameters.fingerprint():
            return {"exposure": {}, "mosaic": {}}
        # Imports jwst, which a request without parameters does not need.
        from showermask.commands.batch.stages.parameters import fingerprint, split_by_stage

        by_stage = split_by_stage(self.step_parameters, self.target)
        of_mosaic = [by_stage.pop("image3")] if "image3" in by_stage else []
        return {"exposure": fingerprint(by_stage.values()), "mosaic": fingerprint(of_mosaic)}


class Reporter(Protocol):
    """Tells people how a batch goes on."""

    def say(self, line: str) -> None:
        """Take a line about the batch."""

    def start(self, total: int) -> None:
        """Begin to count, up to the number of exposures to be done."""

    def advance(self, record: Record) -> None:
        """Count an exposure that is done or failed."""

    def stop(self) -> None:
        """End counting."""


@dataclass(frozen=True)
class PlannedExposure:
    """An exposure with its region file, the record it would have, and its mask."""

    match: Match
    record: Record
    parameters: MaskParameters
    is_current: bool

    @cached_property
    def mask(self) -> tuple[Coverage, Cost]:
        """Coverage and cost of the mask; raises every reason to refuse it."""
        exposure = describe_file(self.match.input)
        if self.match.suffix != "uncal":
            exposure.check_not_raw()
        mask = Mask.plan(
            self.match.region_file,
            exposure,
            default_flags=self.parameters.flags,
            max_masked_fraction=self.parameters.max_masked_fraction,
            detector_file=self.match.detector_file,
        )
        return mask.coverage, mask.cost


@dataclass(kw_only=True)
class Plan:
    """The plan of a batch."""

    request: Request
    matches: Matches
    #: Records of earlier runs, by exposure.
    present: dict[str, Record]
    planned: list[PlannedExposure] = field(default_factory=list)
    #: Exposures that can't be processed, and why.
    failed: dict[str, str] = field(default_factory=dict)
    #: For each mosaic, the mosaic on whose pixels it is made; none for pixels of its own.
    grids: Mapping[str, Path] = field(default_factory=dict)

    @property
    def to_do(self) -> list[PlannedExposure]:
        """The exposures to be processed."""
        return [one for one in self.planned if not one.is_current]

    @property
    def current(self) -> int:
        """Number of exposures that are up to date."""
        return len(self.planned) - len(self.to_do)


def _members_fingerprint(members: Mapping[str, str]) -> str:
    """Return one hash for the exposures of a mosaic, of which there may be hundreds."""
    text = json.dumps(dict(members), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def find_matches(request: Request) -> Matches:
    """Bring the region files and exposures of a request together."""
    matches = match_exposures(
        request.regions,
        request.data,
        output=request.output,
        suffixes=request.suffixes,
    )
    if request.target == "i2d":
        find_associations(matches, request.associations)
    if not matches.found and not matches.failed:
        raise OutputError(
            *matches.describe(),
            "nothing to do: no region file goes with any exposure that was found; expected files "
            f"named <exposure>_{', _'.join(request.suffixes)}.fits",
        )
    return matches


def make_plan(
    request: Request,
    matches: Matches,
    parameters: MaskParameters,
    grids: Mapping[str, Path] | None = None,
) -> Plan:
    """Plan a batch: the same for a run and for a dry run.

    The mask of each exposure that is not up to date is planned, so that every refusal of the step
    is known before anything is done.
    """
    plan = Plan(
        request=request,
        matches=matches,
        present=_read_present(request.output, request.target),
        failed=dict(matches.failed),
        grids=find_grids(matches, request.compared_with) if grids is None else grids,
    )
    for match in matches.found:
        record = _pending_record(match, request)
        before = plan.present.get(match.exposure)
        is_current = (
            not request.is_forced
            and before is not None
            and before.is_current(record, request.output)
        )
        planned = PlannedExposure(match, record, parameters, is_current)
        try:
            if not is_current:
                _ = planned.mask
        except ShowermaskError as error:
            plan.failed[match.exposure] = "; ".join(error.problems)
        else:
            plan.planned.append(planned)
    return plan


def report_plan(plan: Plan, reporter: Reporter) -> None:
    """Say what a batch would do, and what its masks cost."""
    width = max((len(one.match.exposure) for one in plan.planned), default=8)
    reporter.say(
        f"{'exposure':{width}s}  "
        "from      showers  regions  pixels  in all integrations  of a frame  time lost of each"
    )
    for one in plan.planned:
        reporter.say(f"{one.match.exposure:{width}s}  {_row(one)}")
    for line in plan.matches.describe():
        reporter.say(line)
    for root, reason in sorted(plan.failed.items()):
        reporter.say(f"{root}: would fail: {reason}")
    mosaics = [*_foreseen_mosaics(plan)]
    for association, state in mosaics:
        count = counted(len(association.exposures) + len(association.files), "exposure")
        reporter.say(f"{association.name}: mosaic of {count}, {state}")
    states = [state for _, state in mosaics]
    to_do, current = len(plan.to_do), plan.current
    reporter.say(
        f"{to_do + states.count(_TO_DO)} to do, {current + states.count(_CURRENT)} up to date, "
        f"{len(plan.failed) + len(states) - states.count(_TO_DO) - states.count(_CURRENT)} "
        "would fail"
    )


def _foreseen_mosaics(plan: Plan) -> Iterator[tuple[Association, str]]:
    """Yield the mosaics, and what a run would do with each."""
    to_do = {one.match.exposure for one in plan.to_do}
    for association in plan.matches.associations:
        failed = sorted(set(association.exposures) & set(plan.failed))
        if failed:
            yield association, f"would fail: {failed[0]} can't be had"
        elif to_do.intersection(association.exposures):
            yield association, _TO_DO
        else:
            grid = plan.grids.get(association.name)
            try:
                planned = plan_mosaic(association, plan.present, plan.request, grid)
            except OutputError as error:
                yield association, f"would fail: {'; '.join(error.problems)}"
            else:
                yield association, _CURRENT if planned.is_current else _TO_DO


def _row(planned: PlannedExposure) -> str:
    coverage, cost = planned.mask
    seconds = "not known" if cost.seconds is None else f"{cost.seconds:.1f} s"
    return (
        f"{planned.match.suffix:8s}  {coverage.showers:7d}  {coverage.others:7d}  "
        f"{coverage.pixels:6d}  {coverage.integration_pixels:19d}  {coverage.fraction:10.3%}  "
        f"{seconds:>17s}{'  up to date' if planned.is_current else ''}{_asked(planned)}"
    )


def _asked(planned: PlannedExposure) -> str:
    """Return how many entries ask for subtraction, which is tried before they are masked."""
    count = sum(entry.is_to_be_subtracted for entry in planned.match.region_file.entries)
    is_ramp = planned.match.suffix in ("uncal", "jump", "ramp")
    return f"  {count} to be subtracted if the fit allows" if count and is_ramp else ""


def _read_present(folder: Path, target: str) -> dict[str, Record]:
    """Read the manifest of an output directory; refuse one where something else is made."""
    records = read_manifest(folder)
    others = {record.target for record in records.values()} - {target}
    if others:
        raise OutputError(
            f"{folder}: holds what was made --to {min(others)}; take another output directory "
            f"for --to {target}"
        )
    return records


def _pending_record(match: Match, request: Request) -> Record:
    path = Path(os.path.normpath(match.input.absolute()))
    region_path = match.region_file.path
    return Record(
        exposure=match.exposure,
        input=str(path),
        input_size=path.stat().st_size,
        input_time=file_time(path),
        region_file=str(region_path.absolute()) if region_path else "",
        sha256=match.fingerprint,
        parameters=request.parameters(match.suffix, match.detector_file),
    )


def leftovers(plan: Plan) -> Iterator[str]:
    """Yield products of earlier runs that this batch does not make, and why it does not."""
    wanted = {one.match.exposure for one in plan.planned} | set(plan.failed)
    wanted |= {association.name for association in plan.matches.associations}
    old = sorted(set(plan.present) - wanted)
    if old:
        yield f"in the output from before, but not in this batch ({len(old)}):"
        yield from (f"  {root}" for root in old)
    for root in sorted(set(plan.failed) & set(plan.present)):
        names = ", ".join(product.name for product in plan.present[root].outputs)
        if names:
            yield f"{root}: can't be made now; of an earlier run there is {names}"


def other_versions(plan: Plan, installed: Mapping[str, str]) -> Iterator[str]:
    """Yield which versions made what is up to date, where they are not the installed ones."""
    others = {
        f"{name} {version}"
        for one in plan.planned
        if one.is_current
        for name, version in plan.present[one.match.exposure].versions.items()
        if name in installed and version != installed[name]
    }
    if others:
        yield f"up to date, but made with {', '.join(sorted(others))}; --force makes them anew"
