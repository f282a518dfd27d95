"""One task of a batch, as a worker process runs it: all or nothing, and never an exception."""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path

from showermask.commands.batch.parameters import StepParameters
from showermask.commands.batch.workspace import Workspace
from showermask.exceptions import OutputError, ShowermaskError
from showermask.messages import loggers_at
from showermask.pipeline.manifest import FileState, Record

__all__ = ["MAX_ATTEMPTS", "Job", "installed_versions"]

#: A worker that dies takes its exposure with it; more than one is no accident.
MAX_ATTEMPTS = 2

_PACKAGES = ("showermask", "jwst", "stcal", "stdatamodels", "stpipe", "numpy")
_LOGGERS = ("jwst", "stcal", "stdatamodels", "stpipe", "py.warnings")

# stpipe's logs and CRDS' caches are global: where a worker has several threads, they take turns.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Job(ABC):
    """The order for a worker to make the products of one exposure, or of one mosaic."""

    #: The pending record of the manifest.
    record: Record
    #: What the batch makes: one of `~showermask.commands.batch.targets.TARGETS`.
    target: str
    #: Parameters of the steps.
    step_parameters: StepParameters
    #: Where to work and to publish.
    workspace: Workspace

    @property
    def name(self) -> str:
        """Name of the exposure or the mosaic."""
        return self.record.exposure

    @property
    def run_id(self) -> str:
        """Name of the batch."""
        return self.workspace.run

    @property
    @abstractmethod
    def peak_memory(self) -> float:
        """Bytes that it takes at its peak."""

    @abstractmethod
    def make(self, folder: Path) -> Record:
        """Make the products in a folder, and return the record with what is known of them."""

    @abstractmethod
    def is_own(self, product: str) -> bool:
        """Tell whether a name is that of a product of this job."""

    @abstractmethod
    def sources_of(self, product: str, hashes: Mapping[str, str], record: Record) -> dict[str, str]:
        """Return the files that a product is made from, with their hashes.

        ``hashes`` are those of all products, and ``record`` is what `make` returned.
        """

    def run(self) -> Record:
        """Make the products, all or none."""
        with _one_at_a_time:
            started = time.monotonic()
            try:
                record = self._attempt()
            except (Exception, SystemExit) as error:  # noqa: BLE001  # jwst exits without CRDS
                record = replace(self.record, status="failed", error=_sentence(error))
            finally:
                gc.collect()
            return replace(
                record,
                seconds=round(time.monotonic() - started, 3),
                finished=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                versions=record.versions or installed_versions(),
            )

    def given_up(self, error: str) -> Record:
        """Return the record of a job whose workers died."""
        return replace(self.record, status="failed", error=error)

    def _attempt(self) -> Record:
        _freeze_imports()
        with self.workspace.attempt(self.name) as (number, folder):
            if number > MAX_ATTEMPTS:
                raise OutputError(
                    f"{self.name}: the worker died {MAX_ATTEMPTS} times at it, which is what "
                    "running out of memory looks like; give fewer workers (-j) or more memory"
                )
            with _logged(self.workspace.log_file(self.name)):
                record = self.make(folder)
            found = [FileState.of_file(file) for file in sorted(folder.iterdir())]
            foreign = [product.name for product in found if not self.is_own(product.name)]
            if foreign or not found:
                raise OutputError(
                    f"{self.name}: {', '.join(foreign) or 'nothing'} was made, expected files that "
                    "carry its name; leave out parameters that name outputs"
                )
            self.workspace.publish(folder)
        hashes = {product.name: product.sha256 for product in found}
        products = tuple(
            replace(product, made_from=self.sources_of(product.name, hashes, record))
            for product in found
        )
        return replace(record, status="done", outputs=products)


@cache
def _freeze_imports() -> None:
    """Import the pipeline, and take it out of the garbage collector's sight, once in a process.

    stpipe collects garbage at every step of a pipeline; without this it goes each time through all
    of jwst, which takes half the time of a small exposure.
    """
    # Here, for the process that hands out the jobs needs nothing of jwst.
    from showermask.commands.batch.stages import mosaic, products  # noqa: F401

    gc.collect()
    gc.freeze()


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Write what the pipeline says into a file, errors with their traceback."""
    # Into a file of its own: a link could lead to somebody else's.
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o666)
    stream = os.fdopen(file, "w", encoding="utf-8", errors="backslashreplace")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s - %(name)s - %(levelname)s - %(message)s"))
    log = logging.getLogger(_LOGGERS[0])
    with stream, closing(handler), loggers_at(logging.INFO, _LOGGERS, handler):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("default")
                logging.captureWarnings(capture=True)
                yield
        except ShowermaskError as error:
            for problem in error.problems:
                log.log(logging.ERROR, "%s", problem)
            raise
        except (Exception, SystemExit):
            log.exception("failed")
            raise
        finally:
            logging.captureWarnings(capture=False)


def installed_versions(crds_context: str | None = None) -> dict[str, str]:
    """Return the versions of the packages that have a part in the products, and the context."""
    return dict(_versions()) | ({"crds_context": crds_context} if crds_context else {})


@cache
def _versions() -> Mapping[str, str]:
    return {name: version(name) for name in _PACKAGES}


def _sentence(error: BaseException) -> str:
    if isinstance(error, ShowermaskError):
        return "; ".join(error.problems)
    if isinstance(error, SystemExit):
        return "the pipeline gave up, as without CRDS (CRDS_PATH, CRDS_SERVER_URL); see its log"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
