"""A batch from beginning to end: match, leave out what is up to date, run, keep the manifest."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from showermask.batch.job import Job, installed_versions
from showermask.batch.manifest import Row, file_time, read_manifest, write_manifest
from showermask.batch.matching import PREFERENCE, Match, Matches, match_exposures
from showermask.batch.settings import Settings
from showermask.batch.workspace import (
    LOG_FOLDER,
    Workspace,
    open_workspace,
    refuse_strangers,
)
from showermask.exceptions import EngineError, OutputError, ShowermaskError
from showermask.exposure import describe_file
from showermask.flagging import footprints
from showermask.loss import Loss

__all__ = ["Listener", "Request", "Summary", "preview", "run_batch"]

#: The manifest is written at most this often, in s, and takes at most a twentieth of the time.
_WRITE_INTERVAL = 1.0
_WRITE_SHARE = 20


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a batch is asked to do.

    Parameters
    ----------
    regions : `~pathlib.Path`
        Directory of region files.
    data : tuple of `~pathlib.Path`
        Exposures, and directories of them.
    output : `~pathlib.Path`
        Directory for the products.
    target : str
        ``masked``: the same products, masked; ``rate``: rates and rateints.
    kind : str, optional
        Which product to start from, the best one there is without it.
    settings : Settings
        Parameters of the steps.
    workers : int, optional
        Worker processes on this machine, as many as it can feed without it.
    scheduler : str, optional
        Address or file of a dask scheduler to use instead.
    is_forced : bool
        Whether to redo what is up to date.
    """

    regions: Path
    data: tuple[Path, ...]
    output: Path
    target: str = "masked"
    kind: str | None = None
    settings: Settings = field(default_factory=Settings)
    workers: int | None = None
    scheduler: str | None = None
    is_forced: bool = False

    def __post_init__(self) -> None:
        if self.kind is not None and self.kind not in PREFERENCE[self.target]:
            raise OutputError(
                f"from {self.kind} to {self.target}: a raw ramp is not masked itself; "
                "make the rate (--to rate), or start from another product"
            )


class Listener(Protocol):
    """Whoever wants to know how a batch goes on."""

    def say(self, line: str) -> None:
        """Take a line about the batch."""

    def start(self, total: int) -> None:
        """Be told how many exposures there are to be done."""

    def advance(self, row: Row) -> None:
        """Be told of an exposure that is done or failed."""

    def stop(self) -> None:
        """Be told that no more will come."""


@dataclass(kw_only=True)
class Summary:
    """What became of a batch.

    Parameters
    ----------
    done, current : int
        Exposures that were processed, and that were up to date.
    failed : dict of str to str
        Exposures that failed, and why.
    pending : list of str
        Exposures that were not reached.
    problems : list of str
        What else went wrong.
    """

    done: int = 0
    current: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    pending: list[str] = field(default_factory=list)
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


def preview(request: Request, listener: Listener) -> Summary:
    """Say what a batch would do, and what its masks cost; do nothing.

    Parameters
    ----------
    request : Request
        The batch.
    listener : Listener
        Is told.

    Returns
    -------
    Summary
        What would be up to date, and what would fail.

    Raises
    ------
    ShowermaskError
        When nothing could be done at all.
    """
    _check_settings(request)
    matches = _match(request)
    refuse_strangers(request.output)
    present = _read_present(request.output, request.target)
    summary, to_do = Summary(failed=dict(matches.failed)), 0
    width = max((len(match.exposure) for match in matches.found), default=8)
    heading = (
        "from      showers  regions  pixels  in all integrations  of a frame  time lost of each"
    )
    listener.say(f"{'exposure':{width}s}  {heading}")
    for match in matches.found:
        wanted = _pending_row(match, request)
        try:
            loss = _loss(match)
        except ShowermaskError as error:
            summary.failed[match.exposure] = "; ".join(error.problems)
            continue
        seconds = "not known" if loss.seconds is None else f"{loss.seconds:.1f} s"
        is_done = _is_done(present, wanted, request)
        summary.current += is_done
        to_do += not is_done
        listener.say(
            f"{match.exposure:{width}s}  {match.kind:8s}  {loss.showers:7d}  {loss.regions:7d}  "
            f"{loss.pixels:6d}  {loss.integration_pixels:19d}  {loss.fraction:10.3%}  "
            f"{seconds:>17s}"
            f"{'  up to date' if is_done else ''}"
        )
    for line in matches.describe():
        listener.say(line)
    for root, reason in sorted(summary.failed.items()):
        listener.say(f"{root}: would fail: {reason}")
    listener.say(f"{to_do} to do, {summary.current} up to date, {len(summary.failed)} would fail")
    return summary


def run_batch(request: Request, listener: Listener) -> Summary:
    """Mask exposures as their region files say.

    Parameters
    ----------
    request : Request
        The batch.
    listener : Listener
        Is told how it goes on.

    Returns
    -------
    Summary
        What became of it.

    Raises
    ------
    ShowermaskError
        When nothing can be done at all.
    """
    _check_settings(request)
    matches = _match(request)
    for line in matches.describe():
        listener.say(line)
    if not matches.found and not matches.failed:
        raise OutputError(
            "nothing to do: no region file goes with any exposure that was found; expected files "
            f"named <exposure>_{', _'.join(_kinds(request))}.fits"
        )
    summary = Summary(failed=dict(matches.failed))
    with open_workspace(request.output) as workspace:
        ledger = _Ledger(workspace.output, request.target)
        wanted = {match.exposure: _pending_row(match, request) for match in matches.found}
        to_do = [
            match
            for match in matches.found
            if not _is_done(ledger.rows, wanted[match.exposure], request)
        ]
        summary.current = len(matches.found) - len(to_do)
        redone = {match.exposure for match in to_do}
        for line in _left_over(ledger.rows, set(wanted) | set(matches.failed), matches.failed):
            listener.say(line)
        for line in _remarks(ledger.rows, wanted, redone):
            listener.say(line)
        jobs = [_job(match, wanted[match.exposure], request, workspace) for match in to_do]
        ledger.begin(
            [job.row for job in jobs],
            [_failed_row(root, error, request) for root, error in matches.failed.items()],
        )
        summary.pending = [job.row.exposure for job in jobs]
        try:
            for row in _run(jobs, request, listener):
                kept, replaced = ledger.record(row)
                if replaced:
                    listener.say(f"{row.exposure}: {', '.join(replaced)} removed: made no more")
                summary.pending.remove(row.exposure)
                if row.status == "done":
                    summary.done += 1
                else:
                    left = " (older products are left)" if kept.products else ""
                    summary.failed[row.exposure] = row.error + left
                listener.advance(row)
        except EngineError as error:
            summary.problems += error.problems
        except KeyboardInterrupt:
            listener.say(f"stopped: {summary.done} done, {len(summary.pending)} left for next time")
            raise
        finally:
            listener.stop()
            summary.problems += ledger.end()
    return summary


def _run(jobs: list[Job], request: Request, listener: Listener) -> Iterator[Row]:
    if not jobs:
        return
    from showermask.batch.engine import count_workers, open_client
    from showermask.batch.flight import RENEW_AFTER, run_jobs

    workers = count_workers(jobs, request.workers)
    place = request.scheduler or f"{workers} worker{'s' if workers > 1 else ''}"
    listener.say(f"{len(jobs)} to do, on {place}; logs in {request.output / LOG_FOLDER}")
    with open_client(workers=workers, scheduler=request.scheduler) as client:
        listener.start(len(jobs))
        renew_after = RENEW_AFTER if request.scheduler is None else None
        yield from run_jobs(client, jobs, say=listener.say, renew_after=renew_after)


class _Ledger:
    """The manifest while a batch goes on."""

    def __init__(self, folder: Path, target: str) -> None:
        self.folder = folder
        self.rows = _read_present(folder, target)
        self._written = 0.0
        self._cost = 0.0
        self._problem: OutputError | None = None

    def begin(self, pending: Iterable[Row], failed: Iterable[Row]) -> None:
        """Enter what is to be done, and what can't be."""
        for row in (*pending, *failed):
            self._enter(row)
        self._write()

    def record(self, row: Row) -> tuple[Row, list[str]]:
        """Enter what became of an exposure, and remove products that it has no more.

        Returns the row as it is kept, and the names of what was removed.
        """
        before, removed = self.rows.get(row.exposure), []
        kept = self._enter(row)
        if row.status == "done" and before is not None:
            names = {product.name for product in row.products}
            for product in before.products:
                if product.name not in names:
                    removed.append(product.name)
                    (self.folder / product.name).unlink(missing_ok=True)
        now = time.monotonic()
        if now - self._written > max(_WRITE_INTERVAL, _WRITE_SHARE * self._cost):
            self._try_to_write()
        return kept, removed

    def end(self) -> list[str]:
        """Write what is left to be written; return what went wrong with that."""
        self._try_to_write()
        return list(self._problem.problems) if self._problem else []

    def _enter(self, row: Row) -> Row:
        """Enter a row; products of an earlier run stay listed until there are new ones."""
        before = self.rows.get(row.exposure)
        if row.status != "done" and before is not None:
            row = row.with_products(before.products)
        self.rows[row.exposure] = row
        return row

    def _try_to_write(self) -> None:
        """Write; a full disk must not stop the exposures that still fit, or are elsewhere."""
        self._problem = None
        try:
            self._write()
        except OutputError as error:
            self._problem = error

    def _write(self) -> None:
        started = time.monotonic()
        write_manifest(self.folder, self.rows)
        self._written = time.monotonic()
        self._cost = self._written - started


def _check_settings(request: Request) -> None:
    if request.settings.fingerprint():
        from showermask.batch.routes import check_settings  # the pipeline takes seconds to import

        check_settings(request.settings, request.target)


def _read_present(folder: Path, target: str) -> dict[str, Row]:
    """Read the manifest of an output directory; refuse one where something else is made."""
    rows = read_manifest(folder)
    others = {row.target for row in rows.values()} - {target}
    if others:
        raise OutputError(
            f"{folder}: holds what was made --to {min(others)}; take another output directory "
            f"for --to {target}"
        )
    return rows


def _kinds(request: Request) -> tuple[str, ...]:
    return PREFERENCE[request.target] if request.kind is None else (request.kind,)


def _left_over(
    present: Mapping[str, Row], wanted: set[str], failed: Mapping[str, str]
) -> Iterator[str]:
    """Name products of earlier runs that this batch does not make, and why it does not."""
    old = sorted(set(present) - wanted)
    if old:
        yield f"in the output from before, but not in this batch ({len(old)}):"
        yield from (f"  {root}" for root in old)
    for root in sorted(set(failed) & set(present)):
        names = ", ".join(product.name for product in present[root].products)
        if names:
            yield f"{root}: can't be made now; of an earlier run there is {names}"


def _remarks(
    present: Mapping[str, Row], wanted: Mapping[str, Row], redone: set[str]
) -> Iterator[str]:
    """Say what of the output was made with other versions than those that are installed."""
    now = installed_versions()
    others = {
        f"{name} {version}"
        for root in set(wanted) - redone
        for name, version in json.loads(present[root].versions or "{}").items()
        if name in now and version != now[name]
    }
    if others:
        yield f"up to date, but made with {', '.join(sorted(others))}; --force makes them anew"


def _match(request: Request) -> Matches:
    return match_exposures(
        request.regions,
        request.data,
        output=request.output,
        target=request.target,
        kind=request.kind,
    )


def _is_done(present: Mapping[str, Row], wanted: Row, request: Request) -> bool:
    row = present.get(wanted.exposure)
    return not request.is_forced and row is not None and row.is_current(wanted, request.output)


def _pending_row(match: Match, request: Request) -> Row:
    path = Path(os.path.normpath(match.input.absolute()))
    return Row(
        exposure=match.exposure,
        input=str(path),
        input_size=path.stat().st_size,
        input_time=file_time(path),
        region_file=str(match.regions.path.absolute()) if match.regions.path else "",
        sha256=match.regions.fingerprint or "",
        parameters=_parameters(request, match.kind),
    )


def _failed_row(root: str, error: str, request: Request) -> Row:
    """Return the row of an exposure that could not even be begun."""
    return Row(
        exposure=root,
        status="failed",
        input="",
        input_size=0,
        input_time="",
        region_file="",
        sha256="",
        parameters=_parameters(request, request.kind),
        error=error,
    )


def _parameters(request: Request, kind: str | None) -> str:
    given = request.settings.fingerprint()
    return json.dumps({"from": kind, "to": request.target, **given}, sort_keys=True)


def _job(match: Match, row: Row, request: Request, workspace: Workspace) -> Job:
    return Job(
        row=row,
        kind=match.kind,
        target=request.target,
        settings=request.settings,
        workspace=workspace,
    )


def _loss(match: Match) -> Loss:
    exposure = describe_file(match.input)
    match.regions.check_fits(exposure)
    return Loss.of_marks(footprints(match.regions.accepted, exposure.shape), exposure)
