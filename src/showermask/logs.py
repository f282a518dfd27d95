"""Loggers whose level is another for a while."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

__all__ = ["loggers_at"]


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
