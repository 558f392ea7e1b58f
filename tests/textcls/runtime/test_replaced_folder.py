"""A folder is replaced as a whole, and nothing beside it is touched."""

import shutil
from pathlib import Path

import pytest

from textcls.runtime.bundle_files import replaced_folder


def fill(out: Path, content: str) -> None:
    with replaced_folder(out) as draft:
        (draft / "file").write_text(content)
        assert draft.parent == out.parent  # on one file system with it


def test_a_folder_is_made_and_replaced(tmp_path: Path) -> None:
    out = tmp_path / "new" / "model"
    fill(out, "first")
    fill(out, "second")
    assert (out / "file").read_text() == "second"
    assert list(out.parent.iterdir()) == [out]


def test_folders_of_the_user_beside_it_stay(tmp_path: Path) -> None:
    mine = [tmp_path / "model.old", tmp_path / "model.part", tmp_path / "model.new"]
    for path in mine:
        path.mkdir()
        (path / "mine").touch()
    fill(tmp_path / "model", "first")
    fill(tmp_path / "model", "second")
    assert all((path / "mine").exists() for path in mine)


def test_a_failure_leaves_the_earlier_folder(tmp_path: Path) -> None:
    out = tmp_path / "model"
    fill(out, "first")
    with pytest.raises(IsADirectoryError), replaced_folder(out) as draft:
        draft.write_text("second")
    assert (out / "file").read_text() == "first"
    assert list(tmp_path.iterdir()) == [out]


def test_a_failed_rename_brings_the_earlier_folder_back(tmp_path: Path) -> None:
    out = tmp_path / "model"
    fill(out, "first")
    with pytest.raises(FileNotFoundError), replaced_folder(out) as draft:
        shutil.rmtree(draft)
    assert (out / "file").read_text() == "first"
