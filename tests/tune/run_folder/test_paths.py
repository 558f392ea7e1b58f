import errno
import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import IO

import pytest

from tune.exceptions import RunFolderError
from tune.run_folder import paths
from tune.run_folder.trial_folder import TrialFolder


@pytest.mark.parametrize("name", ["../other", "a/b", "/etc", "..", ".hidden", "", "a b", "a" * 129])
def test_a_name_cannot_leave_the_runs_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunFolderError, match="a run's name has"):
        paths.create(tmp_path / "runs", name)
    assert not (tmp_path / "runs").exists()


def test_a_taken_name_is_refused(tmp_path: Path) -> None:
    paths.create(tmp_path, "first").journal.write_text('{"user_attr":{"format":1}}')
    with pytest.raises(RunFolderError, match=r"exists already.*--resume first"):
        paths.create(tmp_path, "first")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").touch()
    with pytest.raises(RunFolderError, match="exists already"):
        paths.create(tmp_path, "notes")


def test_the_name_of_a_search_that_never_began_is_free(tmp_path: Path) -> None:
    paths.create(tmp_path, "first").log.touch()
    assert paths.create(tmp_path, "first").root == tmp_path / "first"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="file/run: cannot be written"):
        paths.create(tmp_path / "file", "run")


def test_a_run_is_found_by_name_and_by_folder(tmp_path: Path) -> None:
    made = paths.create(tmp_path, "run")
    made.journal.touch()
    assert paths.find(tmp_path, "run") == made
    assert paths.find(Path("elsewhere"), str(made.root)) == made
    with pytest.raises(RunFolderError, match="no run at other or"):
        paths.find(tmp_path, "other")


def test_a_held_folder_keeps_another_process_out(tmp_path: Path) -> None:
    made = paths.create(tmp_path, "run")
    code = (
        "import sys; from pathlib import Path; from tune.run_folder.paths import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).held(): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(made.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(RunFolderError, match=f"in use by process {other.pid} on "), made.held():
            pass
        other.kill()
    with made.held():  # one that was killed holds it no longer
        pass


def test_checkpoints_are_kept_linked_and_deleted(tmp_path: Path) -> None:
    first = TrialFolder(tmp_path / "0")
    first.root.mkdir()
    first.curve.write_text("[]")
    for rung in (10, 2, 0):
        first.checkpoint(rung).write_text(str(rung))
    assert list(first.checkpoints()) == [0, 2, 10]
    second = TrialFolder(tmp_path / "1")
    second.adopt(first)
    first.keep({2})
    assert list(first.checkpoints()) == [2]
    assert second.checkpoint(10).read_text() == "10"
    second.keep(set())
    assert not second.checkpoints()
    assert second.curve.exists()


def test_the_default_name_tells_what_and_when() -> None:
    now = datetime(2031, 2, 3, 4, 5, 6)
    assert paths.default_name(Path("search_spaces/gru.yaml"), now) == "gru-20310203-040506"


@pytest.mark.parametrize("run", ["x" * 300, "a\0b", "..", ""])
def test_what_can_be_no_run(tmp_path: Path, run: str) -> None:
    with pytest.raises(RunFolderError, match="no run at "):
        paths.find(tmp_path, run)


def test_a_kill_amid_the_first_files_does_not_block_the_name(tmp_path: Path) -> None:
    made = paths.create(tmp_path, "run")
    (made.root / ".0123456789abcdef.tmp").write_text("half of space.ya")
    assert paths.create(tmp_path, "run") == made


def test_a_folder_that_was_removed_amid_the_locking_is_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, lock = paths.create(tmp_path, "run"), paths.fcntl.flock

    def late(file: IO[str], how: int) -> None:
        shutil.rmtree(made.root)  # what the holder does at its end
        lock(file, how)

    monkeypatch.setattr(paths.fcntl, "flock", late)
    with (
        pytest.raises(RunFolderError, match="removed by another search in this moment"),
        made.held(),
    ):
        pass


def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_file: IO[str], _how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(paths.fcntl, "flock", refuse)
    made = paths.create(tmp_path, "run")
    with (
        pytest.raises(RunFolderError, match=r"cannot be locked \(No locks available\)"),
        made.held(),
    ):
        pass


@pytest.mark.parametrize("name", ["result.json", "environment.json", "best/bundle.json"])
def test_a_pipe_in_a_run_folder_is_refused(tmp_path: Path, name: str) -> None:
    made = paths.create(tmp_path, "run")
    made.journal.touch()
    made.best.mkdir()
    os.mkfifo(made.root / name)
    with pytest.raises(RunFolderError, match=rf"{name}: must be a file, but is a pipe or a device"):
        paths.find(tmp_path, "run")
