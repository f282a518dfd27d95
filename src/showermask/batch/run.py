"""Run the plan of a batch, and keep its manifest."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from showermask.batch.job import Job, installed_versions
from showermask.batch.plan import (
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
from showermask.batch.workspace import (
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
    return Summary(current=plan.current, failed=plan.failed)


def run_batch(request: Request, reporter: Reporter) -> Summary:
    """Mask exposures as their region files say; raise when nothing can be done at all."""
    parameters = request.step_parameters.checked(request.target)
    matches = find_matches(request)
    for line in matches.describe():
        reporter.say(line)
    with open_workspace(request.output) as workspace:
        return _run_plan(make_plan(request, matches, parameters), workspace, reporter)


def _run_plan(plan: Plan, workspace: Workspace, reporter: Reporter) -> Summary:
    for line in (*leftovers(plan), *other_versions(plan, installed_versions())):
        reporter.say(line)
    jobs = [_job(one, plan.request, workspace) for one in plan.to_do]
    summary = Summary(
        current=plan.current,
        failed=dict(plan.failed),
        pending=[job.record.exposure for job in jobs],
    )
    writer = _ManifestWriter(workspace.output, plan.present)
    failed = [_failed_record(root, error, plan.request) for root, error in plan.failed.items()]
    writer.begin([*(job.record for job in jobs), *failed])
    try:
        for record in _run_jobs(jobs, plan.request, reporter):
            kept, removed = writer.record(record)
            if removed:
                reporter.say(f"{record.exposure}: {', '.join(removed)} removed: made no more")
            summary.pending.remove(record.exposure)
            if record.status == "done":
                summary.done += 1
            else:
                left = " (older products are left)" if kept.outputs else ""
                summary.failed[record.exposure] = record.error + left
            reporter.advance(record)
    except ClusterError as error:
        summary.problems += error.problems
    except KeyboardInterrupt:
        reporter.say(f"stopped: {summary.done} done, {len(summary.pending)} left for next time")
        raise
    finally:
        reporter.stop()
        summary.problems += writer.end()
    return summary


def _job(planned: PlannedExposure, request: Request, workspace: Workspace) -> Job:
    return Job(
        record=planned.record,
        suffix=planned.match.suffix,
        target=request.target,
        step_parameters=request.step_parameters,
        workspace=workspace,
    )


def _run_jobs(jobs: list[Job], request: Request, reporter: Reporter) -> Iterator[Record]:
    if not jobs:
        return
    from showermask.workers.cluster import count_workers, open_client
    from showermask.workers.flight import RENEW_AFTER, run_tasks

    workers = count_workers(jobs, request.workers)
    where = request.scheduler or f"{workers} worker{'s' if workers > 1 else ''}"
    reporter.say(f"{len(jobs)} to do, on {where}; logs in {request.output / LOG_FOLDER}")
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
        self._records = dict(present)
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
        before, removed = self._records.get(record.exposure), []
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
        before = self._records.get(record.exposure)
        if record.status != "done" and before is not None:
            record = replace(record, outputs=before.outputs)
        self._records[record.exposure] = record
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
        write_manifest(self._folder, self._records)
        self._written = time.monotonic()
        self._cost = self._written - started
