"""Files that appear whole, with the mode of those that they replace, and locks."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from showermask import files
from showermask.exceptions import LockedError, OutputError
from showermask.files import FileLock, atomic_folder, atomic_write, is_file


@pytest.fixture(autouse=True)
def forget_folders(monkeypatch):
    """Folders are looked through once in a process; here once in a test."""
    monkeypatch.setattr(files, "_swept", set())


def write(path, text="new"):
    """Write a file."""
    with atomic_write(path) as draft:
        draft.write_text(text)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_the_mode_stays(tmp_path, mode):
    """A file that is replaced hands on its mode and group."""
    path = tmp_path / "f"
    path.write_text("old")
    path.chmod(mode)
    if os.geteuid() == 0:
        os.chown(path, 1234, 4321)
    before = path.stat()
    write(path)
    after = path.stat()
    assert path.read_text() == "new"
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode, before.st_uid, before.st_gid,
    )  # fmt: skip


def test_read_only_files_are_not_replaced(tmp_path):
    """Not even by root, who could."""
    path = tmp_path / "f"
    path.write_text("old")
    path.chmod(0o444)
    with pytest.raises(OutputError, match="is read-only, expected a file that may be replaced"):
        write(path)
    assert path.read_text() == "old"


def test_what_killed_processes_left_is_removed(tmp_path):
    """Of this host at once, of others after a day; what lives, or is none of ours, stays."""
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    here, day = files._host(), 86400
    ages = {
        f".showermask-{dead.pid}@{here}-abc": 0,
        f".showermask-{os.getpid()}@{here}-abc": 2 * day,
        ".showermask-1@other.host-abc": 0,
        ".showermask-2@other.host-abc": 2 * day,
        ".showermask-work": 2 * day,
        "other": 2 * day,
    }
    for name, age in ages.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "half.fits").write_text("half")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    write(tmp_path / "f")
    left = {path.name for path in tmp_path.iterdir()}
    gone = {f".showermask-{dead.pid}@{here}-abc", ".showermask-2@other.host-abc"}
    assert left == ages.keys() - gone | {"f"}


def test_a_killed_writer_leaves_nothing_behind_the_next(tmp_path):
    """However many were killed: the next one that writes there sweeps."""
    code = (
        "import os, sys\n"
        "from showermask.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as draft:\n"
        "    draft.write_text('half')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    for _ in range(3):
        subprocess.run([sys.executable, "-c", code, tmp_path / "f"])
    assert list(tmp_path.glob(".showermask-*"))
    write(tmp_path / "f")
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


class TestLock:
    """A file that tells others that somebody is at work."""

    def test_one_at_a_time(self, tmp_path):
        """The second is told who has it; after release it gets it, and nothing is left."""
        first, second = (FileLock(tmp_path / "lock") for _ in range(2))
        first.acquire("one")
        first.acquire("one")
        with pytest.raises(LockedError) as raised:
            second.acquire("two")
        assert raised.value.by.endswith(f"process {os.getpid()})")
        first.release()
        second.acquire("two")
        assert (tmp_path / "lock").read_text().startswith("two ")
        second.release()
        assert not list(tmp_path.iterdir())

    def test_goes_with_its_process(self, tmp_path):
        """A lock file of a killed process is nobody's."""
        code = (
            "import os, sys\nfrom pathlib import Path\nfrom showermask.files import FileLock\n"
            "FileLock(Path(sys.argv[1])).acquire('dead')\nos.kill(os.getpid(), 9)\n"
        )
        subprocess.run([sys.executable, "-c", code, tmp_path / "lock"])
        assert (tmp_path / "lock").read_text().startswith("dead ")
        lock = FileLock(tmp_path / "lock")
        lock.acquire("mine")
        lock.release()

    def test_links_are_not_followed(self, tmp_path):
        """What a link leads to is not emptied."""
        target = tmp_path / "precious"
        target.write_text("content")
        (tmp_path / "lock").symlink_to(target)
        with pytest.raises(OutputError, match="is a link"):
            FileLock(tmp_path / "lock").acquire("x")
        assert target.read_text() == "content"


def test_names_that_no_file_can_have(tmp_path):
    """Are those of none, not an error."""
    assert not is_file(tmp_path / ("x" * 300))


def test_a_folder_that_can_not_be_replaced_is_put_back(tmp_path, monkeypatch):
    """Nothing of the one that was there is lost."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "old").write_text("kept")
    rename = Path.replace

    def fail(self, target):
        if self.name == "new":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with (
        pytest.raises(OutputError, match="nothing was changed"),
        atomic_folder(folder) as staged,
    ):
        (staged / "new").write_text("half")
    assert [path.name for path in folder.iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]
