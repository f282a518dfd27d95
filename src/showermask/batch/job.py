"""One exposure of a batch, as a worker process runs it: all or nothing, and never an exception."""

from __future__ import annotations

import gc
import json
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

from showermask.batch.manifest import FileState, Row, file_time
from showermask.batch.settings import Settings
from showermask.batch.workspace import Workspace
from showermask.exceptions import OutputError, ShowermaskError
from showermask.flagging import measure
from showermask.logs import loggers_at

__all__ = ["MAX_ATTEMPTS", "Job", "installed_versions", "run_job"]

#: A worker that dies takes its exposure with it; more than one is no accident.
MAX_ATTEMPTS = 2

_PACKAGES = ("showermask", "jwst", "stcal", "stdatamodels", "stpipe", "numpy")
_LOGGERS = ("jwst", "stcal", "stdatamodels", "stpipe", "py.warnings")

# stpipe's logs and CRDS' caches are global: where a worker has several threads, they take turns.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker needs to know of one exposure.

    Parameters
    ----------
    row : Row
        The pending row of the manifest.
    kind : str
        Which of `~showermask.exposure.PRODUCT_KINDS` the input is.
    target : str
        ``masked`` or ``rate``.
    settings : Settings
        Parameters of the steps.
    workspace : Workspace
        Where to work and to publish.
    """

    row: Row
    kind: str
    target: str
    settings: Settings
    workspace: Workspace


def run_job(job: Job) -> Row:
    """Process one exposure.

    Parameters
    ----------
    job : Job
        The exposure.

    Returns
    -------
    Row
        Its row of the manifest: done, or failed with the reason. Products appear in the output
        directory only when all of them are whole.
    """
    with _one_at_a_time:
        started = time.monotonic()
        try:
            row = _run(job)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # jwst exits where CRDS is missing
            row = replace(job.row, status="failed", error=_sentence(error))
        finally:
            gc.collect()
        return replace(
            row,
            seconds=round(time.monotonic() - started, 3),
            finished=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            versions=row.versions or _versions(None),
        )


@cache
def _freeze_imports() -> None:
    """Take what is imported out of the garbage collector's sight, once in a process.

    stpipe collects garbage at every step of a pipeline; without this it goes each time through all
    of jwst, which takes half the time of a small exposure.
    """
    gc.collect()
    gc.freeze()


def _run(job: Job) -> Row:
    # Here, for the process that hands out the jobs needs nothing of jwst.
    from showermask.batch.routes import make_products

    _freeze_imports()
    path, root = Path(job.row.input), job.row.exposure
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
                job.kind,
                regions=Path(job.row.region_file),
                target=job.target,
                folder=folder,
                settings=job.settings,
            )
        if (file_time(path), path.stat().st_size) != before:
            raise OutputError(f"{path}: was changed while it was read; run the batch again")
        products = [FileState.of_file(file) for file in sorted(folder.iterdir())]
        strangers = [product.name for product in products if not product.name.startswith(root)]
        if strangers or not products:
            raise OutputError(
                f"{root}: {', '.join(strangers) or 'nothing'} was made, expected files that carry "
                "its name; leave out parameters that name outputs"
            )
        job.workspace.publish(folder)
    coverage = measure(masked.footprints, masked.exposure.shape)
    return replace(
        job.row.with_products(products),
        status="done",
        input_time=before[0],
        input_size=before[1],
        sha256=masked.provenance.sha256 or "",
        showers=coverage.showers,
        regions=coverage.regions,
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


def _versions(crds_context: str | None) -> str:
    found = installed_versions() | ({"crds_context": crds_context} if crds_context else {})
    return json.dumps(found)


@cache
def installed_versions() -> dict[str, str]:
    """Return the versions of the packages that have a part in the products.

    Returns
    -------
    dict of str to str
        By name.
    """
    return {name: version(name) for name in _PACKAGES}


def _sentence(error: BaseException) -> str:
    if isinstance(error, ShowermaskError):
        return "; ".join(error.problems)
    if isinstance(error, SystemExit):
        return "the pipeline gave up, as it does without CRDS; see its log"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
