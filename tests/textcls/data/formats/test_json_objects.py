import json
from pathlib import Path
from typing import Any

import pytest
from dataset_parts import ROWS, read_data, rows_of

from textcls.exceptions import DataError

OBJECTS = [{"text": text, "label": label} for text, label in ROWS]
COLUMNS = {"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS]}
FRAME = {
    name: {str(i): value for i, value in enumerate(values)} for name, values in COLUMNS.items()
}


@pytest.mark.parametrize("content", [{"data": OBJECTS}, COLUMNS, FRAME, {"rows": ROWS}])
@pytest.mark.parametrize("indent", [None, 2])
def test_an_object_of_rows_or_columns(tmp_path: Path, content: Any, indent: int | None) -> None:
    file = tmp_path / "rows.json"
    file.write_text(json.dumps(content, indent=indent))
    assert rows_of(read_data(file)) == sorted(ROWS)


@pytest.mark.parametrize("rows", [OBJECTS, [list(row) for row in ROWS], COLUMNS])
def test_an_object_of_splits(tmp_path: Path, rows: Any) -> None:
    file = tmp_path / "clinc.json"
    file.write_text(json.dumps({"train": rows, "val": rows, "test": rows, "oos_test": rows}))
    data = read_data(file)
    assert {split: len(part) for split, part in data.splits.items()} == dict.fromkeys(
        ("train", "validation", "test"), 40
    )
    assert f"{file}: left aside 'oos_test', no split of its own" in data.notices


def test_rows_of_an_object_are_numbered(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text(json.dumps({"data": [*OBJECTS, {"text": " ", "label": "pos"}]}, indent=1))
    with pytest.raises(DataError, match=r"1 row has an empty text \(row 41\)"):
        read_data(file)


def test_an_object_without_a_train_split(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text(json.dumps({"good": OBJECTS, "bad": OBJECTS}))
    with pytest.raises(DataError, match="an object with the keys 'good', 'bad'; expected train"):
        read_data(file)


def test_rows_beside_single_values(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text(json.dumps({"version": 1.1, "language": "en", "data": OBJECTS}))
    assert rows_of(read_data(file)) == sorted(ROWS)


def test_an_object_of_texts_and_their_labels(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text(json.dumps(dict(ROWS)))
    data = read_data(file)
    assert rows_of(data) == sorted(dict(ROWS).items())
    said = f"{file}: an object whose keys are used as texts and whose values as labels"
    assert said in data.notices


def test_an_object_of_labels_and_their_texts(tmp_path: Path) -> None:
    by_label = {name: [text for text, label in ROWS if label == name] for name in ("neg", "pos")}
    by_label["pos"].pop()
    file = tmp_path / "rows.json"
    file.write_text(json.dumps(by_label))
    data = read_data(file)
    assert len(rows_of(data)) == len(ROWS) - 1
    assert f"{file}: an object whose keys are used as the labels of their texts" in data.notices


@pytest.mark.parametrize("kind", ["lines", "array", "object"])
def test_objects_within_objects_are_columns(tmp_path: Path, kind: str) -> None:
    rows = [
        {"id": i, "review": {"text": text, "by": {"name": "x"}}, "meta": {"label": label}}
        for i, (text, label) in enumerate(ROWS)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    content = {"lines": lines, "array": json.dumps(rows), "object": json.dumps({"data": rows})}
    file = tmp_path / ("rows.jsonl" if kind == "lines" else "rows.json")
    file.write_text(content[kind])
    data = read_data(file)
    assert rows_of(data) == sorted(ROWS)
    assert any("'review.text' is used as the text and 'meta.label'" in n for n in data.notices)
    with pytest.raises(DataError, match="every row of train has the label 'x'"):
        read_data(file, label_column="review.by.name")
