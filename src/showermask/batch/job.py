"""One exposure of a batch, as a worker process runs it: all or nothing, and never an exception."""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from showermask.batch.parameters import StepParameters
from showermask.batch.workspace import Workspace
from showermask.exceptions import OutputError, ShowermaskError
from showermask.messages import loggers_at
from showermask.pipeline.manifest import FileState, Record, file_time

if TYPE_CHECKING:
    from showermask.batch.products import Masked

__all__ = ["MAX_ATTEMPTS", "Job", "installed_versions", "run_job"]

#: A worker that dies takes its exposure with it; more than one is no accident.
MAX_ATTEMPTS = 2

#: Memory that an exposure takes at its peak, in units of its file; measured with
#: benchmarks/batch_memory.py, with a fifth or more to spare.
_PEAK_MEMORY = {
    ("masked", "jump"): 1.5,
    ("masked", "ramp"): 1.5,
    ("masked", "rateints"): 2.5,
    ("masked", "rate"): 2.5,
    ("rate", "jump"): 2.0,
    ("rate", "ramp"): 8.0,
    ("rate", "uncal"): 22.0,
    ("rate", "rateints"): 7.0,
    ("rate", "rate"): 2.5,
}

#: Bytes that stage 2 takes for an image of 1024 x 1032 pixels, jwst itself not counted.
_PEAK_OF_IMAGE2 = 3e8

_PACKAGES = ("showermask", "jwst", "stcal", "stdatamodels", "stpipe", "numpy")
_LOGGERS = ("jwst", "stcal", "stdatamodels", "stpipe", "py.warnings")

# stpipe's logs and CRDS' caches are global: where a worker has several threads, they take turns.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Job:
    """The order for a worker to process one exposure."""

    #: The pending record of the manifest.
    record: Record
    #: Which of `~showermask.exposure.names.PRODUCT_SUFFIXES` the input is.
    suffix: str
    #: ``masked``, ``rate`` or ``cal``.
    target: str
    #: Parameters of the steps.
    step_parameters: StepParameters
    #: Where to work and to publish.
    workspace: Workspace

    @property
    def name(self) -> str:
        """Name of the exposure."""
        return self.record.exposure

    @property
    def run_id(self) -> str:
        """Name of the batch."""
        return self.workspace.run

    @property
    def peak_memory(self) -> float:
        """Bytes that it takes at its peak."""
        # Images are small beside ramps: stage 2 takes no more than stage 1, but of a rate.
        target = "rate" if self.target == "cal" else self.target
        least = _PEAK_OF_IMAGE2 if self.target == "cal" else 0.0
        return self.record.input_size * _PEAK_MEMORY[target, self.suffix] + least

    def run(self) -> Record:
        """Process the exposure."""
        return run_job(self)

    def given_up(self, error: str) -> Record:
        """Return the record of a job whose workers died."""
        return replace(self.record, status="failed", error=error)


def run_job(job: Job) -> Record:
    """Process one exposure."""
    with _one_at_a_time:
        started = time.monotonic()
        try:
            record = _run(job)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # jwst exits where CRDS is missing
            record = replace(job.record, status="failed", error=_sentence(error))
        finally:
            gc.collect()
        return replace(
            record,
            seconds=round(time.monotonic() - started, 3),
            finished=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            versions=record.versions or _versions(None),
        )


@cache
def _freeze_imports() -> None:
    """Take what is imported out of the garbage collector's sight, once in a process.

    stpipe collects garbage at every step of a pipeline; without this it goes each time through all
    of jwst, which takes half the time of a small exposure.
    """
    gc.collect()
    gc.freeze()


def _run(job: Job) -> Record:
    # Here, for the process that hands out the jobs needs nothing of jwst.
    from showermask.batch.products import make_products

    _freeze_imports()
    path, root = Path(job.record.input), job.record.exposure
    with job.workspace.attempt(root) as (number, folder):
        if number > MAX_ATTEMPTS:
            raise OutputError(
                f"{root}: the worker died {MAX_ATTEMPTS} times at it, which is what running out of "
                "memory looks like; give fewer workers (-j) or more memory"
            )
        before = file_time(path), path.stat().st_size
        with _logged(job.workspace.log_file(root)):
            masked = make_products(
                path,
                job.suffix,
                region_path=Path(job.record.region_file),
                detector_path=job.record.parameters.get("detector_file"),
                target=job.target,
                folder=folder,
                step_parameters=job.step_parameters,
            )
        if (file_time(path), path.stat().st_size) != before:
            raise OutputError(f"{path}: was changed while it was read; run the batch again")
        products = [FileState.of_file(file) for file in sorted(folder.iterdir())]
        foreign = [product.name for product in products if not product.name.startswith(root)]
        if foreign or not products:
            raise OutputError(
                f"{root}: {', '.join(foreign) or 'nothing'} was made, expected files that carry "
                "its name; leave out parameters that name outputs"
            )
        job.workspace.publish(folder)
    return _done(job.record, masked, products, input_time=before[0], input_size=before[1])


def _done(record: Record, masked: Masked, products: list[FileState], **input_state: Any) -> Record:
    """Return the record of an exposure that is done."""
    coverage = masked.mask.coverage
    return replace(
        record,
        **input_state,
        outputs=tuple(products),
        status="done",
        sha256=masked.mask.fingerprint or "",
        showers=coverage.showers,
        regions=coverage.others,
        pixels=coverage.integration_pixels,
        frame_pixels=coverage.pixels,
        fraction=round(coverage.fraction, 8),
        versions=_versions(masked.crds_context),
    )


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


def _versions(crds_context: str | None) -> dict[str, str]:
    return installed_versions() | ({"crds_context": crds_context} if crds_context else {})


@cache
def installed_versions() -> dict[str, str]:
    """Return the versions of the packages that have a part in the products."""
    return {name: version(name) for name in _PACKAGES}


def _sentence(error: BaseException) -> str:
    if isinstance(error, ShowermaskError):
        return "; ".join(error.problems)
    if isinstance(error, SystemExit):
        return "the pipeline gave up, as it does without CRDS; see its log"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
