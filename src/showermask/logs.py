"""The log of the steps, and loggers whose level is another for a while."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from showermask.messages import printable

__all__ = ["log", "loggers_at"]

#: Below stpipe: the stock pipelines show and record the loggers of jwst and stpipe only.
log = logging.getLogger("stpipe.showermask")


def _make_printable(record: logging.LogRecord) -> bool:
    record.msg, record.args = printable(record.getMessage()), ()
    return True


log.addFilter(_make_printable)


@contextmanager
def loggers_at(
    level: int, names: Iterable[str], handler: logging.Handler | None = None
) -> Iterator[None]:
    """Set the level of loggers for the duration of a ``with`` block.

    Parameters
    ----------
    level : int
        Such as `logging.INFO`.
    names : iterable of str
        The loggers.
    handler : `logging.Handler`, optional
        Is given what they say.
    """
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(level)
        if handler is not None:
            logger.addHandler(handler)
    try:
        yield
    finally:
        for logger, level_before in zip(loggers, before, strict=True):
            if handler is not None:
                logger.removeHandler(handler)
            logger.setLevel(level_before)
