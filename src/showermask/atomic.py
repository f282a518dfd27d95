"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from showermask.exceptions import OutputError

__all__ = ["whole_file"]


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file under its own name in a folder aside, and move it into place when it is whole.

    Parameters
    ----------
    path : path-like
        The file to make or replace. Its folder must exist.

    Yields
    ------
    `~pathlib.Path`
        Where to write instead: same file name, in a temporary folder on the same disk.

    Raises
    ------
    OutputError
        When the folder does not exist, can't be written to, or the disk is full.
    """
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"{path}: is a directory, expected the name of a file to write")
    try:
        staging = tempfile.TemporaryDirectory(prefix=".showermask-", dir=target.parent)
    except OSError as error:
        raise OutputError(
            f"{path}: its folder can't be written to ({error.strerror}), "
            "expected an existing folder with write permission"
        ) from error
    with staging:
        draft = Path(staging.name) / target.name
        try:
            yield draft
            draft.replace(target)
        except OSError as error:
            raise OutputError(f"{path}: can't be written ({error}); nothing was changed") from error
