import fcntl
import os
import threading
from pathlib import Path

import pytest

from textcls._kernel_files import KernelFiles, kernel_roots


def test_what_is_written_is_read(tmp_path: Path) -> None:
    files = KernelFiles([tmp_path / "deep"], "set")
    assert files.read("one") is None
    files.write("one", b"code")
    assert KernelFiles([tmp_path / "deep"], "set").read("one") == b"code"
    assert KernelFiles([tmp_path / "deep"], "other").read("one") is None
    files.discard("one")
    assert files.read("one") is None


def test_any_byte_that_is_altered_is_noticed(tmp_path: Path) -> None:
    files = KernelFiles([tmp_path], "set")
    files.write("one", b"code")
    path = tmp_path / "set" / "one"
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        assert files.read("one") is None
    path.write_bytes(whole)
    assert files.read("one") == b"code"


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_file_that_others_may_write_is_not_run(mode: int, tmp_path: Path) -> None:
    files = KernelFiles([tmp_path], "set")
    files.write("one", b"code")
    (tmp_path / "set" / "one").chmod(mode)
    assert files.read("one") is None
    files.write("one", b"code")
    assert files.read("one") == b"code"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_not_run(tmp_path: Path) -> None:
    files = KernelFiles([tmp_path], "set")
    files.write("one", b"code")
    os.chown(tmp_path / "set" / "one", 54321, 54321)
    assert files.read("one") is None


def test_the_second_place_serves_where_the_first_cannot(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    files = KernelFiles([tmp_path / "file", tmp_path / "second"], "set")
    with files.lock("one"):
        files.write("one", b"code")
    assert files.read("one") == b"code"
    assert (tmp_path / "second" / "set" / "one").exists()


def test_a_lock_is_waited_for_within_bounds(tmp_path: Path) -> None:
    files = KernelFiles([tmp_path], "set", lock_wait_s=0.1)
    with files.lock("one"):
        reached = []
        with files.lock("one"):  # held by another: it goes on without
            reached.append("without the lock")
    assert reached == ["without the lock"]


def test_a_wait_ends_when_the_kernel_is_there(tmp_path: Path) -> None:
    files = KernelFiles([tmp_path], "set", lock_wait_s=3600.0)
    waits, read = threading.Event(), []

    def wait() -> None:
        waits.set()
        with files.lock("one"):
            read.append(files.read("one"))

    other = threading.Thread(target=wait, daemon=True)
    with files.lock("one"):
        other.start()
        waits.wait()
        files.write("one", b"code")
        other.join(60)  # though the lock is still held
    assert read == [b"code"]


def test_a_lock_is_let_go_at_an_error(tmp_path: Path) -> None:
    files = KernelFiles([tmp_path], "set")
    with pytest.raises(RuntimeError, match="compiling failed"), files.lock("one"):
        raise RuntimeError("compiling failed")
    with (tmp_path / "set" / "one.lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_old_sets_and_leftovers_are_removed(tmp_path: Path) -> None:
    month, day = 31 * 24 * 3600, 25 * 3600
    KernelFiles([tmp_path], "old").write("one", b"code")
    KernelFiles([tmp_path], "recent").write("one", b"code")
    KernelFiles([tmp_path], "set").write("one", b"code")
    leftover, fresh = (tmp_path / "set" / f"one.{name}.part" for name in ("killed", "at-work"))
    for path, age in ((tmp_path / "old", month), (leftover, day), (fresh, 0), (tmp_path, 0)):
        if path.suffix == ".part":
            path.touch()
        then = path.stat().st_mtime - age
        os.utime(path, (then, then))
    KernelFiles([tmp_path], "set").write("two", b"code")
    assert {path.name for path in tmp_path.iterdir()} == {"recent", "set"}
    assert not leftover.exists()
    assert fresh.exists()


def test_where_kernels_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEXTCLS_KERNEL_CACHE", "/own")
    assert kernel_roots() == (Path("/own"),)
    monkeypatch.delenv("TEXTCLS_KERNEL_CACHE")
    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path))
    assert kernel_roots()[0] == tmp_path / "kernels"
