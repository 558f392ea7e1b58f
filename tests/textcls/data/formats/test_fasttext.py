from pathlib import Path

import pytest
from dataset_parts import ROWS, read_data, rows_of

from textcls.exceptions import DataError


@pytest.mark.parametrize("name", ["rows.txt", "train.ft", "cooking.train"])
def test_labelled_lines(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("".join(f"__label__{label} {text}\n" for text, label in ROWS))
    assert rows_of(read_data(tmp_path / name)) == sorted(ROWS)


def test_labels_may_follow_the_text_and_splits_be_named_by_the_suffix(tmp_path: Path) -> None:
    for name in ("cooking.train", "cooking.test"):
        (tmp_path / name).write_text("".join(f"{text} __label__{label}\n" for text, label in ROWS))
    data = read_data(tmp_path)
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 40, "test": 40}
    assert rows_of(data) == sorted(ROWS * 2)


def test_a_line_without_a_label_is_named(tmp_path: Path) -> None:
    file = tmp_path / "rows.txt"
    file.write_text("".join(f"__label__{label} {text}\n" for text, label in ROWS) + "\nno label\n")
    with pytest.raises(DataError, match=r"1 row has no label \(line 42\)"):
        read_data(file)
