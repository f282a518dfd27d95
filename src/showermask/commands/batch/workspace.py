"""The output directory of a batch: whose it is, where work goes on, how products appear in it."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from showermask.exceptions import LockedError, OutputError
from showermask.files import STAGING_PREFIX, FileLock
from showermask.regionfile.lookup import MANIFEST_NAME

__all__ = ["LOG_FOLDER", "Workspace", "check_foreign_files", "open_workspace"]

#: Folder of the logs, in the output directory.
LOG_FOLDER = "logs"

_LOCK_NAME = ".showermask.lock"
_WORK_NAME = f"{STAGING_PREFIX}work"


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """One run's hold on an output directory, as its workers see it."""

    #: The output directory, absolute.
    output: Path
    #: Name of this run.
    run: str

    def log_file(self, exposure: str) -> Path:
        """Return where the log of an exposure goes."""
        return self.output / LOG_FOLDER / f"{exposure}.log"

    @contextmanager
    def attempt(self, exposure: str) -> Iterator[tuple[int, Path]]:
        """Count an attempt at an exposure, and make a folder for its products.

        The folder of an attempt whose worker dies stays, and so is counted by the next.
        """
        self._check_held()
        work = self.output / _WORK_NAME / self.run
        number = 1
        while (work / f"{exposure}.{number}").exists():
            number += 1
        folder = work / f"{exposure}.{number}"
        folder.mkdir(parents=True)
        try:
            yield number, folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, folder: Path) -> None:
        """Move the products of an attempt into the output directory."""
        self._check_held()
        files = sorted(folder.iterdir())
        for target in (self.output / file.name for file in files):
            if target.is_dir():
                raise OutputError(f"{target}: is a directory, and in the way of a product")
        try:
            for file in files:
                file.replace(self.output / file.name)
        except OSError as error:
            raise OutputError(f"{error.filename2}: can't be written ({error.strerror})") from error

    def _check_held(self) -> None:
        """Refuse to go on for a run that is over; its workers may outlive it."""
        try:
            holder = (self.output / _LOCK_NAME).read_text().split()[:1]
        except OSError as error:
            raise OutputError(
                f"{self.output}: its batch has ended, or this worker does not see the same files "
                f"({error.strerror})"
            ) from error
        if holder != [self.run]:
            raise OutputError(f"{self.output}: belongs to another batch by now")


@contextmanager
def open_workspace(output: Path) -> Iterator[Workspace]:
    """Take hold of an output directory, and clear away what a run that died left unfinished."""
    folder = output.absolute()
    workspace = Workspace(output=folder, run=uuid.uuid4().hex)
    lock = FileLock(folder / _LOCK_NAME)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_foreign_files(folder)
        lock.acquire(workspace.run)
    except LockedError as error:
        raise OutputError(
            f"{folder}: another batch is at work in it{error.by}; wait for its end, or take "
            "another output directory"
        ) from error
    except OSError as error:
        raise _unusable(output, error) from error
    try:
        try:
            _clear(folder)
            (folder / LOG_FOLDER).mkdir(exist_ok=True)
        except OSError as error:
            raise _unusable(output, error) from error
        yield workspace
    finally:
        _clear(folder)
        lock.release()


def check_foreign_files(folder: Path) -> None:
    """Refuse a directory that holds something which no batch has put there."""
    if (folder / MANIFEST_NAME).exists() or not folder.exists():
        return
    if not folder.is_dir():
        raise OutputError(f"{folder}: is a file, expected a directory to write to")
    foreign = [
        path.name
        for path in folder.iterdir()
        if path.name != LOG_FOLDER and not path.name.startswith(".")
    ]
    if foreign:
        raise OutputError(
            f"{folder}: holds {min(foreign)} but no {MANIFEST_NAME}, expected a new or empty "
            "directory, or the output of an earlier batch"
        )


def _clear(folder: Path) -> None:
    """Remove what is not finished, of this run or of one that died."""
    for left in folder.glob(f"{STAGING_PREFIX}*"):
        if left.is_symlink():
            left.unlink(missing_ok=True)
        else:
            shutil.rmtree(left, ignore_errors=True)


def _unusable(output: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{output}: can't be used ({error.strerror}), expected a directory to write to"
    )
