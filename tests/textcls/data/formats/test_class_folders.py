from pathlib import Path

import pytest
from dataset_parts import BAD, GOOD, ROWS, read_data, rows_of

from textcls.exceptions import DataError


def classes(folder: Path, encoding: str = "utf-8", suffix: str = ".txt", mark: str = "") -> Path:
    for name, texts in (("pos", GOOD), ("neg", BAD)):
        (folder / name).mkdir(parents=True)
        for i, text in enumerate(texts):
            (folder / name / f"{i}{suffix}").write_text(mark + text, encoding=encoding)
    return folder


@pytest.mark.parametrize("suffix", [".txt", ""])
def test_a_folder_for_each_class(tmp_path: Path, suffix: str) -> None:
    data = read_data(classes(tmp_path, suffix=suffix))
    assert rows_of(data) == sorted(ROWS)
    assert f"{tmp_path}: 40 texts in 2 folders, a class each" in data.notices


def test_the_layout_of_aclimdb(tmp_path: Path) -> None:
    for split in ("train", "test"):
        classes(tmp_path / split)
    (tmp_path / "train/unsup").mkdir()
    (tmp_path / "train/unsup/0.txt").write_text("who knows")
    (tmp_path / "train/urls_pos.txt").write_text("http://")
    (tmp_path / "README").write_text("about")
    data = read_data(tmp_path)
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 40, "test": 40}
    assert data.label_names == ("neg", "pos")
    assert f"{tmp_path}/train: left aside unsup, texts without a class" in data.notices


def test_texts_in_another_encoding(tmp_path: Path) -> None:
    data = read_data(classes(tmp_path, "cp1252", mark="très chère: "))
    assert data.splits["train"].texts[0].as_py().startswith("très chère: ")
    assert f"{tmp_path}: 40 files read as cp1252, not UTF-8; data.encoding names another" in (
        data.notices
    )


def test_an_empty_text_is_named_by_its_file(tmp_path: Path) -> None:
    (classes(tmp_path) / "neg/7.txt").write_text(" \n")
    with pytest.raises(DataError, match=r"1 row has an empty text \(file neg/7.txt\)"):
        read_data(tmp_path)
