"""Run tasks on dask workers: a few at a time, again where a worker died.

A scheduler counts the death of a worker against every task that waited for it, and gives a task up
after a few. Here only two tasks wait for each thread, and what was given up is submitted again
under another key; how often an exposure has cost a worker its life is for the task to count. All
keys share one prefix, by which schedulers keep their statistics.
"""

from __future__ import annotations

import pickle
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from distributed import Client, Future
from distributed.scheduler import KilledWorker

from showermask.exceptions import ClusterError
from showermask.workers.task import Task

__all__ = ["RENEW_AFTER", "run_tasks"]

#: Exposures a worker process, which grows by some 0.2 MB with each.
RENEW_AFTER = 500

_AHEAD = 2  # tasks for each thread: one that runs, one that waits for it
_MOST_SUBMISSIONS = 10  # of one exposure
_LOOK_INTERVAL = 0.5  # s, between looks at what no event tells of
_COUNT_INTERVAL = 1.0  # s, between counts of the workers
_ANSWER_TIME = 60.0  # s that a scheduler may take to answer
_FETCH_TIME = 10.0  # s for a result to come; its worker may be dying
_PATIENCE = 5.0  # s without workers before that is said
_LONGEST_WAIT = 600.0  # s without workers before the run ends


def run_tasks(
    client: Client,
    tasks: Sequence[Task],
    *,
    say: Callable[[str], None] = lambda _: None,
    renew_after: int | None = None,
    longest_wait: float = _LONGEST_WAIT,
) -> Iterator[Any]:
    """Run tasks, and yield what became of each as it is finished."""
    waiting, flight, crew = deque(tasks), _Flight(client), _Crew(client, say, longest_wait)
    landed = 0
    try:
        while waiting or flight:
            threads = crew.threads()
            is_renewal_due = renew_after is not None and landed >= renew_after * max(1, threads)
            if is_renewal_due and not flight:
                crew.renew()
                landed = 0
            elif not is_renewal_due:
                room = _AHEAD * max(1, threads) - len(flight)
                for _ in range(min(room, len(waiting))):
                    flight.submit(waiting.popleft())
            for task, outcome in flight.landed():
                if outcome is not None:
                    landed += 1
                    yield outcome
                elif flight.submissions[task.name] < _MOST_SUBMISSIONS:
                    waiting.appendleft(task)
                else:
                    yield task.given_up(
                        f"was given up after {_MOST_SUBMISSIONS} tries: its workers died, which is "
                        "what running out of memory looks like"
                    )
    finally:
        flight.end()


class _Call:
    """A task as it travels: what it is unpacked to is made by the worker, not by the scheduler."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __reduce__(self) -> tuple[Callable[[Task], Any], tuple[Task]]:
        return _run, (self._task,)


def _run(task: Task) -> Any:
    return task.run()


class _Crew:
    """The workers there are."""

    def __init__(self, client: Client, say: Callable[[str], None], longest_wait: float) -> None:
        self._client, self._say, self._longest_wait = client, say, longest_wait
        self._threads: dict[str, int] = {}
        self._counted = float("-inf")
        self._missing_since: float | None = None
        self._is_said = False

    def threads(self) -> int:
        """Return how many threads they have, as of the last second."""
        if self._client.status != "running":
            raise _scheduler_lost()
        now = time.monotonic()
        if now - self._counted >= _COUNT_INTERVAL:
            self._threads, self._counted = self._ask(), now
            self._watch(now)
        return sum(self._threads.values())

    def renew(self) -> None:
        """Start all workers anew; for when nothing runs on them."""
        with suppress(OSError, TimeoutError, KeyError, ValueError):  # those without a nanny stay
            self._client.restart_workers(
                list(self._ask()), timeout=_ANSWER_TIME, raise_for_error=False
            )
        self._counted = float("-inf")

    def _ask(self) -> dict[str, int]:
        try:
            ask = self._client.scheduler.ncores_running
            return dict(self._client.sync(ask, callback_timeout=_ANSWER_TIME))
        except (OSError, TimeoutError, AttributeError, CancelledError) as error:
            raise _scheduler_lost() from error

    def _watch(self, now: float) -> None:
        """Say that there are no workers, and end the run where none come."""
        if self._threads:
            self._missing_since, self._is_said = None, False
            return
        self._missing_since = now if self._missing_since is None else self._missing_since
        waited = now - self._missing_since
        if waited > self._longest_wait:
            raise ClusterError(
                f"the scheduler had no workers for {waited:.0f} s; start some, and run again for "
                "the rest"
            )
        if waited > _PATIENCE and not self._is_said:
            limit = self._longest_wait
            self._say(f"the scheduler has no workers; waiting up to {limit:.0f} s for them")
            self._is_said = True


class _Flight:
    """The tasks that are submitted and not finished."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tasks: dict[Future, Task] = {}
        self._bell = threading.Event()
        self.submissions: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._tasks)

    def submit(self, task: Task) -> None:
        """Hand a task to the scheduler."""
        self.submissions[task.name] += 1
        key = ("run-exposure", task.run_id, task.name, self.submissions[task.name])
        future = self._client.submit(pickle.loads, pickle.dumps(_Call(task)), key=key, pure=False)
        self._tasks[future] = task
        future.add_done_callback(lambda _: self._bell.set())

    def landed(self) -> Iterator[tuple[Task, Any]]:
        """Wait a while, and take out what is finished; None for what is to be submitted again."""
        self._bell.wait(_LOOK_INTERVAL)
        self._bell.clear()
        for future in [f for f in self._tasks if f.status not in ("pending", "lost")]:
            try:
                outcome = self._outcome(future)
            except TimeoutError:
                continue  # the worker that has the result died: dask makes it anew
            yield self._tasks.pop(future), outcome

    def end(self) -> None:
        """Take back what is not finished."""
        if self._tasks and self._client.status == "running":
            with suppress(OSError, CancelledError, TimeoutError):
                self._client.cancel(list(self._tasks), force=True)
        self._tasks.clear()

    def _outcome(self, future: Future) -> Any:
        try:
            outcome = future.result(timeout=_FETCH_TIME)
        except KilledWorker:
            return None
        except CancelledError as error:
            if getattr(error, "reason", "") == "scheduler-connection-lost":
                raise _scheduler_lost() from error
            return None
        except ImportError as error:
            raise ClusterError(self._lack(error)) from error
        except TimeoutError:
            raise
        except OSError as error:
            raise _scheduler_lost() from error
        except Exception as error:  # a task itself raises nothing
            raise ClusterError(
                f"a worker can't run showermask ({type(error).__name__}: {error}); install this "
                "version on all workers"
            ) from error
        return outcome

    def _lack(self, error: ImportError) -> str:
        """Return which workers have no showermask, or another one."""
        without: list[str] = []
        with suppress(Exception):
            found = self._client.run(find_spec, "showermask", on_error="ignore")
            without = sorted(address for address, spec in found.items() if spec is None)
        return (
            f"{', '.join(without[:3]) or 'a worker'}: has no showermask, or another version of it "
            f"({error}); install this one on all workers"
        )


def _scheduler_lost() -> ClusterError:
    return ClusterError("the scheduler is gone; what is finished is kept, run again for the rest")
