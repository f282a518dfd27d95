"""The dask workers, on this machine or on a cluster."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from pathlib import Path

import dask
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster
from distributed.system import MEMORY_LIMIT

from showermask.exceptions import ClusterError
from showermask.messages import loggers_at
from showermask.workers.task import Task

__all__ = ["count_workers", "open_client"]

#: Memory of a worker before it opens anything, in bytes; measured: 0.27e9, and a tenth more later.
_IDLE_MEMORY = 0.4e9

_CONNECT_TIMEOUT = 10  # s


def count_workers(tasks: Sequence[Task], wanted: int | None = None) -> int:
    """Return how many workers this machine can feed."""
    if wanted is None:
        largest = _IDLE_MEMORY + max((task.peak_memory for task in tasks), default=0.0)
        wanted = min(CPU_COUNT, int(MEMORY_LIMIT // largest))
    return max(1, min(wanted, len(tasks)))


@contextmanager
def open_client(*, workers: int, scheduler: str | None = None) -> Iterator[Client]:
    """Start a cluster of one-thread processes on this machine, or connect to one that runs."""
    settings = {
        # A worker that takes longer to start anew than this is closed for good, with its nanny.
        "distributed.deploy.lost-worker-timeout": "1000 days",
        # Memory is the jobs' own, dask has nothing to spill: a worker that pauses would wait for
        # ever, one that takes too much is restarted.
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
        # A step may start processes of its own (maximum_cores).
        "distributed.worker.daemon": False,
    }
    with dask.config.set(settings), _quiet():
        if scheduler is not None:
            with _connected(scheduler) as client:
                yield client
            return
        # A worker that is killed can't clean up; that is no news at the end of the batch.
        sys.warnoptions.append("ignore::UserWarning:multiprocessing.resource_tracker")
        with ExitStack() as stack:
            with _uninterrupted():
                try:
                    cluster = stack.enter_context(_local_cluster(workers))
                except RuntimeError as error:
                    raise ClusterError(
                        f"no worker could be started ({error}); in a script of your own, run "
                        'batches below if __name__ == "__main__"'
                    ) from error
                client = stack.enter_context(Client(cluster))
            yield client


@contextmanager
def _connected(scheduler: str) -> Iterator[Client]:
    is_file = Path(scheduler).is_file()
    try:
        client = Client(
            scheduler_file=scheduler if is_file else None,
            address=None if is_file else scheduler,
            timeout=_CONNECT_TIMEOUT,
        )
    except Exception as error:
        raise ClusterError(
            f"{scheduler}: no dask scheduler answers there ({error}), "
            "expected tcp://host:port or a scheduler file"
        ) from error
    with client:
        yield client


def _local_cluster(workers: int) -> LocalCluster:
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        memory_limit=MEMORY_LIMIT // workers,
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
    )


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put off Ctrl-C and SIGTERM until workers are started, and keep Ctrl-C from the workers.

    A terminal sends Ctrl-C to all its processes, and it is for the first of them to act on.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    terminate = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    # Workers are started by threads that begin here, and have the mask from them; the tracker,
    # which is started with the first of them, would lift it.
    resource_tracker.ensure_running()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, terminate)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)  # a Ctrl-C that waited comes now
        if received:
            signal.raise_signal(signal.SIGTERM)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep dask from telling of lost connections by itself: a batch does, once, and shorter."""
    families = ("distributed", "tornado", "asyncio")
    names = {name for name in logging.root.manager.loggerDict if name.split(".")[0] in families}
    with loggers_at(logging.CRITICAL + 1, names.union(families)):
        yield
