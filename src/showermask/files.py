"""Files that appear whole or not at all, and locks that go with their process."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE, S_IWGRP, S_IWOTH, S_IWUSR

from showermask.exceptions import LockedError, OutputError

__all__ = ["STAGING_PREFIX", "FileLock", "atomic_folder", "atomic_write", "is_file", "sha256_of"]

#: How the names of folders begin in which files are made.
STAGING_PREFIX = ".showermask-"

#: Such a folder, of process and host.
_STAGING = re.compile(rf"{re.escape(STAGING_PREFIX)}(?P<pid>\d+)@(?P<host>.*)-[^-]*")
_A_DAY = 86400.0  # s
_BLOCK = 1024**2
_MAY_BE_WRITTEN = S_IWUSR | S_IWGRP | S_IWOTH

_swept: set[Path] = set()


@contextmanager
def atomic_write(
    path: str | os.PathLike[str], *, mode_of: str | os.PathLike[str] | None = None
) -> Iterator[Path]:
    """Write a file under its own name in a folder aside, and move it into place when it is whole.

    A file that is replaced hands on its mode and, where the system allows it, its owner and group.
    What killed processes of this host have left in the folder is removed.
    """
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"{path}: is a directory, expected the name of a file to write")
    if target.exists() and not _is_writable(target):
        raise OutputError(
            f"{path}: is read-only, expected a file that may be replaced; "
            "change its mode (chmod u+w), or give another name"
        )
    with _staging(target.parent, path) as staging:
        draft = staging / target.name
        try:
            yield draft
            _hand_on_mode(Path(mode_of or target), draft)
            draft.replace(target)
        except OSError as error:
            raise OutputError(f"{path}: can't be written ({error}); nothing was changed") from error


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Fill a folder aside, and put it in the place of the one of that name when it is whole."""
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path}: is a file, expected the name of a folder to write")
    with _staging(path.parent, path) as staging:
        made, old = staging / "new", staging / "old"
        made.mkdir()
        try:
            yield made
            if path.exists():
                path.replace(old)
            made.replace(path)
        except OSError as error:
            if old.exists():
                old.replace(path)
            raise OutputError(f"{path}: can't be written ({error}); nothing was changed") from error


@contextmanager
def _staging(folder: Path, path: str | os.PathLike[str]) -> Iterator[Path]:
    """Make a folder aside in which ``path`` is prepared, and remove what is left in it."""
    _sweep(folder)
    prefix = f"{STAGING_PREFIX}{os.getpid()}@{_host()}-"
    try:
        staging = tempfile.TemporaryDirectory(prefix=prefix, dir=folder)
    except OSError as error:
        raise OutputError(
            f"{path}: its folder can't be written to ({error.strerror}), "
            "expected an existing folder with write permission"
        ) from error
    with staging:
        yield Path(staging.name)


def _is_writable(path: Path) -> bool:
    return os.access(path, os.W_OK) and bool(path.stat().st_mode & _MAY_BE_WRITTEN)


def _hand_on_mode(source: Path, draft: Path) -> None:
    if not source.exists():
        return
    status = source.stat()
    with suppress(OSError):
        os.chown(draft, -1, status.st_gid)
    with suppress(OSError):
        os.chown(draft, status.st_uid, -1)
    draft.chmod(S_IMODE(status.st_mode))


def _host() -> str:
    return re.sub(r"[^\w.]", "_", socket.gethostname())


def _sweep(folder: Path) -> None:
    """Remove the staging folders of killed processes, once for each folder in this process.

    Those of other hosts may be in use as long as nobody can tell: they go when they are a day old.
    """
    if folder in _swept:
        return
    _swept.add(folder)
    with suppress(OSError):
        left = [
            Path(entry) for entry in os.scandir(folder) if entry.name.startswith(STAGING_PREFIX)
        ]
        for path in left:
            match = _STAGING.fullmatch(path.name)
            if match is not None and _is_left_over(path, int(match["pid"]), match["host"]):
                shutil.rmtree(path, ignore_errors=True)


def _is_left_over(path: Path, pid: int, host: str) -> bool:
    if host == _host():
        return not _is_alive(pid)
    return time.time() - path.stat().st_mtime > _A_DAY


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


class FileLock:
    """A file that says which process works on something, locked as long as the process lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock."""
        return self._file is not None

    def acquire(self, label: str) -> None:
        """Take the lock; nothing happens where it is held already."""
        if self._file is not None:
            return
        file = self._locked()
        try:
            os.ftruncate(file, 0)
            os.pwrite(file, f"{label} {socket.gethostname()} {os.getpid()}\n".encode(), 0)
        except OSError:
            os.close(file)
            raise
        self._file = file

    def release(self) -> None:
        """Let others have the lock."""
        if self._file is None:
            return
        self.path.unlink(missing_ok=True)
        os.close(self._file)
        self._file = None

    def _locked(self) -> int:
        while True:
            if self.path.is_symlink():
                raise OutputError(f"{self.path}: is a link, expected a lock file; remove it")
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(file, 1000, 0).decode(errors="replace").split()[1:]
                os.close(file)
                by = f" ({holder[0]}, process {holder[1]})" if len(holder) == 2 else ""
                raise LockedError(f"{self.path}: is locked by another process{by}", by=by) from None
            except OSError:
                pass  # a disk without locks: what the file says has to do
            # The one before may have removed the file between our opening and locking it.
            if self.path.exists() and os.fstat(file).st_ino == self.path.stat().st_ino:
                return file
            os.close(file)


def is_file(path: Path) -> bool:
    """Tell whether there is a file; a name that no file can have is that of none."""
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long
        return False


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Return the hash of a file's content."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
