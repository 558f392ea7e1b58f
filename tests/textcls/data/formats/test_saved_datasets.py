from pathlib import Path

import datasets
import pytest
from dataset_parts import ROWS, read_data, rows_of

from textcls.config.models import DataConfig
from textcls.data.dataset import locate
from textcls.exceptions import DataError

SET = datasets.Dataset.from_dict(
    {"review": [text for text, _ in ROWS], "sentiment": [label for _, label in ROWS]}
)


def test_one_set(tmp_path: Path) -> None:
    SET.save_to_disk(str(tmp_path / "saved"))
    assert rows_of(read_data(tmp_path / "saved")) == sorted(ROWS)


def test_a_set_for_each_split(tmp_path: Path) -> None:
    splits = datasets.DatasetDict(train=SET, test=SET, unsupervised=SET)
    splits.save_to_disk(str(tmp_path / "saved"))
    data = read_data(tmp_path / "saved")
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 40, "test": 40}
    assert f"{tmp_path}/saved: left aside unsupervised, named after no split" in data.notices


def test_the_fingerprint_follows_the_rows(tmp_path: Path) -> None:
    def mark(name: str, saved: datasets.Dataset) -> str:
        saved.save_to_disk(str(tmp_path / name))
        return locate(DataConfig(name=str(tmp_path / name))).fingerprint

    assert mark("a", SET) != mark("b", SET.select(range(30)))


def test_a_folder_that_datasets_cannot_read(tmp_path: Path) -> None:
    for name in ("dataset_info.json", "state.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(DataError, match="cannot be read as a folder of save_to_disk"):
        read_data(tmp_path)
