"""Search many exposures: one after the other, or on workers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from showermask.commands.propose.latents import earlier_exposures
from showermask.commands.propose.showers import Proposal, propose_showers
from showermask.exceptions import ClusterError, ShowermaskError
from showermask.messages import counted
from showermask.regionfile.lookup import WorkItem
from showermask.workers.progress import Progress

__all__ = ["Outcome", "SearchTask", "run_searches"]

#: Memory at the peak, in units of the file; measured with benchmarks/propose/against_jump.py.
_PEAK_MEMORY = 2.0
#: Fewer exposures are not worth the start of workers.
_LEAST_FOR_WORKERS = 3


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of the search of an exposure."""

    #: The exposure's file.
    path: Path
    #: What was found; None where it failed.
    proposal: Proposal | None = None
    #: Why it failed.
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SearchTask:
    """The order to search an exposure; see `showermask.workers.task.Task`."""

    path: Path
    region_path: Path
    threshold: float
    earlier: tuple[Path, ...]
    threads: int
    run_id: str

    @property
    def name(self) -> str:
        """Path of the exposure."""
        return str(self.path)

    @property
    def peak_memory(self) -> float:
        """Bytes that it takes at its peak."""
        try:
            return _PEAK_MEMORY * self.path.stat().st_size
        except OSError:
            return 0.0

    def run(self) -> Outcome:
        """Search the exposure."""
        try:
            proposal = propose_showers(
                self.path,
                self.region_path,
                threshold=self.threshold,
                earlier=self.earlier,
                threads=self.threads,
            )
        except ShowermaskError as error:  # the others may be better
            return Outcome(path=self.path, problems=tuple(error.problems))
        except Exception as error:  # noqa: BLE001  # a worker raises nothing
            text = f"{self.path}: can't be searched ({type(error).__name__}: {error})"
            return Outcome(path=self.path, problems=(text,))
        return Outcome(path=self.path, proposal=proposal)

    def given_up(self, error: str) -> Outcome:
        """Return the outcome of a search whose workers died."""
        return Outcome(path=self.path, problems=(f"{self.path}: {error}",))


def run_searches(
    work: Sequence[WorkItem],
    *,
    threshold: float,
    workers: int | None = None,
    scheduler: str | None = None,
) -> tuple[list[Proposal], list[str]]:
    """Search exposures, and say what was found.

    Parameters
    ----------
    work : sequence of WorkItem
        The exposures and their region files.
    threshold : float
        Signal-to-noise ratio from which on a glow is proposed.
    workers : int, optional
        Worker processes; as many as cores and memory allow by default.
    scheduler : str, optional
        Address or file of a running dask scheduler.

    Returns
    -------
    list of Proposal
        What was found in each.
    list of str
        A line for each problem.
    """
    tasks = _tasks(work, threshold)
    progress = Progress()
    problems: list[str] = []
    proposals: list[Proposal] = []
    done = 0
    try:
        for outcome in _outcomes(tasks, progress, workers, scheduler):
            done += 1
            problems += outcome.problems
            if outcome.proposal is None:
                progress.count(f"{outcome.path.name}: FAILED", is_news=True)
            else:
                proposals.append(outcome.proposal)
                progress.count(outcome.proposal.describe(), is_news=True)
    except ClusterError as error:
        problems += error.problems
    except KeyboardInterrupt:
        progress.stop()
        progress.say(
            f"stopped after {done} of {len(tasks)}; what is finished is kept, run again for more"
        )
        raise
    finally:
        progress.stop()
    return proposals, problems


def _tasks(work: Sequence[WorkItem], threshold: float) -> list[SearchTask]:
    earlier = earlier_exposures(item.exposure_path for item in work)
    run_id = uuid4().hex
    return [
        SearchTask(
            path=item.exposure_path.absolute(),
            region_path=item.region_path.absolute(),
            threshold=threshold,
            earlier=tuple(path.absolute() for path in earlier.get(item.exposure_path, ())),
            threads=1,
            run_id=run_id,
        )
        for item in work
    ]


def _outcomes(
    tasks: list[SearchTask], progress: Progress, workers: int | None, scheduler: str | None
) -> Iterator[Outcome]:
    is_alone = workers == 1 or (workers is None and len(tasks) < _LEAST_FOR_WORKERS)
    if scheduler is None and (is_alone or len(tasks) < 2):
        progress.start(len(tasks))
        threads = os.cpu_count() or 1
        for task in tasks:
            yield replace(task, threads=threads).run()
        return
    from showermask.workers.cluster import count_workers, open_client
    from showermask.workers.flight import RENEW_AFTER, run_tasks

    count = count_workers(tasks, workers)
    progress.say(f"{len(tasks)} exposures, on {scheduler or counted(count, 'worker')}")
    with open_client(workers=count, scheduler=scheduler) as client:
        progress.start(len(tasks))
        renew_after = RENEW_AFTER if scheduler is None else None
        yield from run_tasks(client, tasks, say=progress.say, renew_after=renew_after)
