"""Run the plan of a batch, and keep its manifest."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from showermask.commands.batch.comparison import plan_without_masks
from showermask.commands.batch.exposure_job import ExposureJob
from showermask.commands.batch.job import Job, installed_versions
from showermask.commands.batch.mosaic_job import MosaicJob
from showermask.commands.batch.mosaics import PlannedMosaic, plan_mosaic
from showermask.commands.batch.plan import (
    Plan,
    PlannedExposure,
    Reporter,
    Request,
    find_matches,
    leftovers,
    make_plan,
    other_versions,
    report_plan,
)
from showermask.commands.batch.workspace import (
    LOG_FOLDER,
    Workspace,
    check_foreign_files,
    open_workspace,
)
from showermask.exceptions import ClusterError, OutputError
from showermask.pipeline.manifest import Record, write_manifest

__all__ = ["Summary", "preview", "run_batch"]

#: The manifest is written at most this often, in s, and takes at most a twentieth of the time.
_WRITE_INTERVAL = 1.0
_WRITE_SHARE = 20


@dataclass(kw_only=True)
class Summary:
    """The result of a batch."""

    #: Number of exposures that were processed, and that were up to date.
    done: int = 0
    current: int = 0
    #: Exposures that a run would process; of a dry run.
    to_do: list[str] = field(default_factory=list)
    #: Exposures that failed, and why.
    failed: dict[str, str] = field(default_factory=dict)
    #: Exposures that were not reached.
    pending: list[str] = field(default_factory=list)
    #: What else went wrong.
    problems: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether everything is done."""
        return not (self.failed or self.pending or self.problems)

    def with_comparison(self, other: Summary) -> Summary:
        """Return the summary with that of the comparison, whose names tell that it is one."""
        mark = "{} (without masks)".format
        return Summary(
            done=self.done + other.done,
            current=self.current + other.current,
            failed=self.failed | {mark(root): error for root, error in other.failed.items()},
            pending=self.pending + [mark(root) for root in other.pending],
            problems=self.problems + other.problems,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "done": self.done,
            "up_to_date": self.current,
            "to_do": self.to_do,
            "failed": self.failed,
            "not_reached": self.pending,
            "problems": self.problems,
        }

    def describe(self) -> Iterator[str]:
        """Yield the last lines: what is done, what failed and why."""
        counts = f"{self.done} done, {self.current} up to date, {len(self.failed)} failed"
        yield counts + (f", {len(self.pending)} not reached" if self.pending else "")
        yield from (f"{root}: {error}" for root, error in sorted(self.failed.items()))
        yield from self.problems


def preview(request: Request, reporter: Reporter) -> Summary:
    """Say what a batch would do, and what its masks cost; do nothing."""
    parameters = request.step_parameters.checked(request.target)
    matches = find_matches(request)
    check_foreign_files(request.output)
    plan = make_plan(request, matches, parameters)
    report_plan(plan, reporter)
    to_do = [one.record.exposure for one in plan.to_do]
    return Summary(current=plan.current, failed=plan.failed, to_do=to_do)


def run_batch(request: Request, reporter: Reporter) -> Summary:
    """Mask exposures as their region files say; raise when nothing can be done at all."""
    parameters = request.step_parameters.checked(request.target)
    matches = find_matches(request)
    for line in matches.describe():
        reporter.say(line)
    with open_workspace(request.output) as workspace:
        plan = make_plan(request, matches, parameters)
        summary, records = _run_plan(plan, workspace, reporter)
    if request.is_compared:
        without_masks = plan_without_masks(plan, records)
        if without_masks is not None:
            reporter.say(f"without masks, in {without_masks.request.output}:")
            with open_workspace(without_masks.request.output) as workspace:
                more, _ = _run_plan(without_masks, workspace, reporter)
            summary = summary.with_comparison(more)
    return summary


def _run_plan(
    plan: Plan, workspace: Workspace, reporter: Reporter
) -> tuple[Summary, Mapping[str, Record]]:
    """Run a plan: its exposures, then its mosaics; return the records of all."""
    for line in (*leftovers(plan), *other_versions(plan, installed_versions())):
        reporter.say(line)
    run = _Run(plan, workspace, reporter)
    try:
        run.do([_exposure_job(one, plan.request, workspace) for one in plan.to_do])
        run.do(run.plan_mosaics())
    except ClusterError as error:
        run.summary.problems += error.problems
    except KeyboardInterrupt:
        left = len(run.summary.pending)
        reporter.say(f"stopped: {run.summary.done} done, {left} left for next time")
        raise
    finally:
        reporter.stop()
        run.summary.problems += run.writer.end()
    return run.summary, run.writer.records


class _Run:
    """A run of a plan: what became of it so far."""

    def __init__(self, plan: Plan, workspace: Workspace, reporter: Reporter) -> None:
        self._plan, self._workspace, self._reporter = plan, workspace, reporter
        self.summary = Summary(current=plan.current, failed=dict(plan.failed))
        self.writer = _ManifestWriter(workspace.output, plan.present)
        request = plan.request
        failed = [_failed_record(root, error, request) for root, error in plan.failed.items()]
        self.writer.begin([*(one.record for one in plan.to_do), *failed])
        self.summary.pending += [one.record.exposure for one in plan.to_do]
        self.summary.pending += [association.name for association in plan.matches.associations]

    def plan_mosaics(self) -> list[Job]:
        """Return the jobs of the mosaics that are not up to date, their exposures being done."""
        jobs: list[Job] = []
        for association in self._plan.matches.associations:
            grid = self._plan.grids.get(association.name)
            request = self._plan.request
            try:
                one = plan_mosaic(association, self.writer.records, request, grid)
            except OutputError as error:
                said = "; ".join(error.problems)
                self._enter(_failed_record(association.name, said, request))
                continue
            if one.is_current:
                self.summary.pending.remove(association.name)
                self.summary.current += 1
            else:
                jobs.append(_mosaic_job(one, request, self._workspace))
        self.writer.begin(job.record for job in jobs)
        return jobs

    def do(self, jobs: list[Job]) -> None:
        """Do jobs, and enter what becomes of each."""
        for record in _run_jobs(jobs, self._plan.request, self._reporter):
            self._enter(record)
            self._reporter.advance(record)
        self._reporter.stop()

    def _enter(self, record: Record) -> None:
        kept, removed = self.writer.record(record)
        if removed:
            self._reporter.say(f"{record.exposure}: {', '.join(removed)} removed: made no more")
        self.summary.pending.remove(record.exposure)
        if record.status == "done":
            self.summary.done += 1
        else:
            left = " (older products are left)" if kept.outputs else ""
            self.summary.failed[record.exposure] = record.error + left


def _exposure_job(planned: PlannedExposure, request: Request, workspace: Workspace) -> Job:
    return ExposureJob(
        record=planned.record,
        suffix=planned.match.suffix,
        target=request.target,
        step_parameters=request.step_parameters,
        workspace=workspace,
    )


def _mosaic_job(planned: PlannedMosaic, request: Request, workspace: Workspace) -> Job:
    return MosaicJob(
        record=planned.record,
        target=request.target,
        step_parameters=request.step_parameters,
        workspace=workspace,
        association=planned.association,
        members=planned.members,
        grid=planned.grid,
    )


def _run_jobs(jobs: list[Job], request: Request, reporter: Reporter) -> Iterator[Record]:
    if not jobs:
        return
    from showermask.workers.cluster import count_workers, open_client
    from showermask.workers.flight import RENEW_AFTER, run_tasks

    workers = count_workers(jobs, request.workers)
    where = request.scheduler or f"{workers} worker{'s' if workers > 1 else ''}"
    what = "mosaics to do" if jobs[0].record.is_mosaic else "to do"
    reporter.say(f"{len(jobs)} {what}, on {where}; logs in {request.output / LOG_FOLDER}")
    with open_client(workers=workers, scheduler=request.scheduler) as client:
        reporter.start(len(jobs))
        renew_after = RENEW_AFTER if request.scheduler is None else None
        yield from run_tasks(client, jobs, say=reporter.say, renew_after=renew_after)


def _failed_record(root: str, error: str, request: Request) -> Record:
    """Return the record of an exposure that could not even be begun."""
    return Record(
        exposure=root,
        status="failed",
        input="",
        input_size=0,
        input_time="",
        region_file="",
        sha256="",
        parameters=request.parameters(request.suffix),
        error=error,
    )


class _ManifestWriter:
    """The manifest while a batch goes on."""

    def __init__(self, folder: Path, present: dict[str, Record]) -> None:
        self._folder = folder
        self.records = dict(present)
        self._written = 0.0
        self._cost = 0.0
        self._problem: OutputError | None = None

    def begin(self, records: Iterable[Record]) -> None:
        """Enter what is to be done, and what can't be."""
        for record in records:
            self._enter(record)
        self._write()

    def record(self, record: Record) -> tuple[Record, list[str]]:
        """Enter what became of an exposure, and remove products that it has no more.

        Return the record as it is kept, and the names of the removed products.
        """
        before, removed = self.records.get(record.exposure), []
        kept = self._enter(record)
        if record.status == "done" and before is not None:
            names = {product.name for product in record.outputs}
            for product in before.outputs:
                if product.name not in names:
                    removed.append(product.name)
                    (self._folder / product.name).unlink(missing_ok=True)
        now = time.monotonic()
        if now - self._written > max(_WRITE_INTERVAL, _WRITE_SHARE * self._cost):
            self._try_to_write()
        return kept, removed

    def end(self) -> list[str]:
        """Write what is left to be written; return what went wrong with that."""
        self._try_to_write()
        return list(self._problem.problems) if self._problem else []

    def _enter(self, record: Record) -> Record:
        """Enter a record; products of an earlier run stay listed until there are new ones."""
        before = self.records.get(record.exposure)
        if record.status != "done" and before is not None:
            record = replace(record, outputs=before.outputs)
        self.records[record.exposure] = record
        return record

    def _try_to_write(self) -> None:
        """Write; a full disk must not stop the exposures that still fit, or are elsewhere."""
        self._problem = None
        try:
            self._write()
        except OutputError as error:
            self._problem = error

    def _write(self) -> None:
        started = time.monotonic()
        write_manifest(self._folder, self.records)
        self._written = time.monotonic()
        self._cost = self._written - started
