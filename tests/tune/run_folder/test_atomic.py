"""What a reader and an attacker may rely on when a file is replaced."""

import errno
import os
import stat
from pathlib import Path

import pytest

from tune.run_folder import atomic


def test_the_whole_content_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("something longer than what comes next, by far")
    atomic.write_json(path, {"é": 1})
    assert path.read_text(encoding="utf-8") == '{\n  "é": 1\n}\n'
    assert list(tmp_path.iterdir()) == [tmp_path / "result.json"]


def test_a_number_that_json_does_not_have_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    atomic.write_json(path, 1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        atomic.write_json(path, {"bad": float("nan")})
    assert path.read_text(encoding="utf-8") == "1\n"


@pytest.mark.parametrize("sync", [True, False])
def test_a_reader_who_has_the_old_file_open_keeps_it(tmp_path: Path, sync: bool) -> None:
    path = tmp_path / "page.html"
    atomic.write_text(path, "old")
    with path.open(encoding="utf-8") as reader:
        atomic.write_bytes(path, b"new", sync=sync)
        assert reader.read() == "old"
    assert path.read_text(encoding="utf-8") == "new"


def test_a_link_at_the_target_is_replaced_and_not_followed(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("precious")
    path = tmp_path / "report.html"
    path.symlink_to(mine)
    atomic.write_text(path, "new")
    assert (mine.read_text(), path.read_text()) == ("precious", "new")
    assert not path.is_symlink()


def test_a_link_under_the_temporary_name_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic.secrets, "token_hex", lambda _bytes: "guessed")
    mine = tmp_path / "mine"
    mine.write_text("precious")
    (tmp_path / ".guessed.tmp").symlink_to(mine)
    with pytest.raises(FileExistsError):
        atomic.write_text(tmp_path / "report.html", "new")
    assert mine.read_text() == "precious"
    assert not (tmp_path / "report.html").exists()


def test_the_temporary_name_cannot_be_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    plain = Path.replace

    def noting(self: Path, target: Path) -> Path:
        seen.append(self.name)
        assert atomic.is_temporary(self)
        assert self.parent == target.parent  # a rename between two disks would be a copy
        return plain(self, target)

    monkeypatch.setattr(Path, "replace", noting)
    for _ in range(20):
        atomic.write_text(tmp_path / "curve.json", "[]")
    assert len(set(seen)) == 20
    assert min(map(len, seen)) >= len(".0123456789abcdef.tmp")


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_umask_decides_who_may_read(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        atomic.write_text(tmp_path / "report.html", "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "report.html").stat().st_mode) == mode


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "result.json"
    atomic.write_json(path, 1)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        atomic.write_json(path, 2)
    assert caught.value.filename == str(path)
    assert path.read_text(encoding="utf-8") == "1\n"
    assert list(tmp_path.iterdir()) == [tmp_path / "result.json"]


def test_a_folder_in_the_way_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(IsADirectoryError):
        atomic.write_text(tmp_path / "report.html", "new")
    assert list(tmp_path.iterdir()) == [tmp_path / "report.html"]


def test_the_content_is_on_disk_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "result.json"
    seen: list[tuple[int, bool]] = []
    plain = os.fsync

    def noting(descriptor: int) -> None:
        seen.append((os.fstat(descriptor).st_size, path.exists()))
        plain(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    atomic.write_text(path, "four")
    assert seen == [(4, False)]
    atomic.write_bytes(path, b"fives", sync=False)
    assert len(seen) == 1


def test_a_folder_that_a_kill_kept_from_being_replaced_comes_back(tmp_path: Path) -> None:
    replaced = tmp_path / ".best.0123456789abcdef.old"
    replaced.mkdir()
    (replaced / "bundle.json").write_text("{}")
    (tmp_path / ".0123456789abcdef.tmp").mkdir()
    atomic.remove_temporaries(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["best"]
    assert (tmp_path / "best" / "bundle.json").exists()
    replaced.mkdir()
    atomic.remove_temporaries(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["best"]


def test_what_a_user_has_put_beside_stays(tmp_path: Path) -> None:
    for name in ("best.old", "best.part", "ensemble.part"):
        (tmp_path / name).mkdir()
    atomic.remove_temporaries(tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
