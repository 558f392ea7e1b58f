"""Splits under all their usual names, and test files without labels."""

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dataset_parts import ROWS, lines, read_data, rows_of

from textcls.data._local import split_of
from textcls.exceptions import DataError

CSV = lines(",", header="text,label\n")


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("my-training-set", "train"),
        ("labeledTrainData", "train"),
        ("ag_news_test", "test"),
        ("testing", "test"),
        ("dev", "validation"),
        ("sst2.eval", "validation"),
        ("validation-00000-of-00001", "validation"),
        ("latest", None),
        ("train_test", None),
        ("devices", None),
    ],
)
def test_splits_by_name(name: str, split: str | None) -> None:
    assert split_of(name) == split


def test_folders_of_splits(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / "default" / split).mkdir(parents=True)
        (tmp_path / "default" / split / "0000.csv").write_text(CSV)
    (tmp_path / "README.md").write_text("a clone")
    (tmp_path / ".git").mkdir()
    data = read_data(tmp_path)
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 40, "test": 40}


def test_the_data_folder_of_a_clone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "figures").mkdir()
    (tmp_path / "data/train-00000-of-00001.csv").write_text(CSV)
    assert rows_of(read_data(tmp_path)) == sorted(ROWS)


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "jsonl", "parquet"])
@pytest.mark.parametrize("test", [None, "reviews_test"])
def test_files_with_the_same_columns_are_read_together(
    tmp_path: Path, kind: str, test: str | None
) -> None:
    for name in ("jan", "feb", *filter(None, [test])):
        rows = [{"text": f"{text} {name}", "label": label} for text, label in ROWS]
        path = tmp_path / f"{name}.{kind}"
        if kind == "parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        elif kind == "jsonl":
            path.write_text("\n".join(map(json.dumps, rows)))
        else:
            written = "text,label\n" + "".join(f"{r['text']},{r['label']}\n" for r in rows)
            path.write_bytes(gzip.compress(written.encode()) if "gz" in kind else written.encode())
    data = read_data(tmp_path)
    read = {split: len(part) for split, part in data.splits.items()}
    assert read["train"] == 80 if test else sum(read.values()) == 80
    assert read["test"] == 40 if test else read["test"] < 40
    assert data.notices[0] == (
        f"{tmp_path}: feb.{kind}, jan.{kind} are read together as train, named after no split and "
        "with the same columns"
    )


@pytest.mark.parametrize(
    ("other", "test"),
    [("id,text\n1,a b\n", None), ("text\na b\n", None), (CSV, "text,mood\na b,c\n"), ("", None)],
)
def test_files_with_other_columns_are_not_read_together(
    tmp_path: Path, other: str, test: str | None
) -> None:
    (tmp_path / "jan.csv").write_text(CSV)
    (tmp_path / "feb.csv").write_text(other)
    if test:
        (tmp_path / "test.csv").write_text(test)
    with pytest.raises(DataError, match=r"no train split among feb\.csv, jan\.csv"):
        read_data(tmp_path)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (CSV, "id,text\n1,who knows\n2,nobody\n"),
        (CSV.replace("text,label", "review,mood"), "review\nwho knows\nnobody knows\n"),
        (CSV, "text,label\nwho knows,\nnobody,\n"),
        (CSV, "text,label\nwho knows,-1\nnobody,-1\n"),
    ],
)
def test_a_test_file_without_labels_is_left_aside(tmp_path: Path, train: str, test: str) -> None:
    (tmp_path / "train.csv").write_text(train)
    (tmp_path / "test.csv").write_text(test)
    data = read_data(tmp_path)
    assert rows_of(data) == sorted(ROWS)
    assert [notice for notice in data.notices if "left aside as test" in notice]
    assert [notice for notice in data.notices if "no test split; 8 of 40 rows" in notice]


def test_a_train_file_without_labels_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("id,text\n1,who knows\n2,nobody\n")
    with pytest.raises(DataError, match="no column looks like the label"):
        read_data(tmp_path)


@pytest.mark.parametrize(("ones", "zeros"), [("1.0", "0.0"), ("1", "0"), ("1.", "0.00")])
def test_numbers_written_in_several_ways_are_one_label(
    tmp_path: Path, ones: str, zeros: str
) -> None:
    (tmp_path / "train.csv").write_text("text,label\n" + f"a b,{ones}\nc d,{zeros}\n" * 5)
    (tmp_path / "test.jsonl").write_text(
        "".join(json.dumps({"text": "a", "label": label}) + "\n" for label in (0, 1))
    )
    assert read_data(tmp_path).label_names == ("0", "1")


def test_truth_written_in_several_ways_is_one_label(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\n" + "a b,True\nc d,FALSE\n" * 5)
    (tmp_path / "test.jsonl").write_text('{"text": "a", "label": true}\n')
    assert read_data(tmp_path).label_names == ("false", "true")


def test_leaving_out_bad_rows_is_not_advised_where_one_class_would_suffer(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    spam = "won, call now,spam\n" * 5 + "won call,spam\n" * 10
    file.write_text("text,label\n" + "see you,ham\n" * 85 + spam)
    with pytest.raises(DataError) as caught:
        read_data(file)
    assert str(caught.value).endswith(
        "or leave them out with --set data.bad_rows=skip (in a file, bad_rows: skip under data)"
    )
    file.write_text("text,label\n" + "see you,ham\n" * 85 + " ,spam\n" * 5 + "won,spam\n" * 10)
    with pytest.raises(DataError) as caught:
        read_data(file)
    advice = "'spam' loses 5 of its 15 rows (33%), the other classes 0% of theirs"
    assert str(caught.value).endswith(f"Fix them; with data.bad_rows: skip, {advice}")
    data = read_data(file, bad_rows="skip")
    assert [notice for notice in data.notices if advice in notice]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.pkl", b"\x80", "a pickle, which runs code when it is loaded and so is never read"),
        ("rows.tar.gz", b"-", "an archive of a kind that is not unpacked here"),
        ("rows.sqlite", b"-", "a database; save its rows as .csv or .parquet"),
        ("rows.csv", b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        ("rows.parquet", b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        ("rows.csv", b"\n<!DOCTYPE html><html>", "a web page, not data"),
    ],
)
def test_what_comes_in_the_place_of_data(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_data(tmp_path / name)


@pytest.mark.parametrize(
    ("train", "test", "pairs"),
    [
        (
            {"pos": "1", "neg": "0"},
            {"pos": "True", "neg": "False"},
            "'false' as '0', 'true' as '1'",
        ),
        ({"pos": "true", "neg": "false"}, {"pos": "1.0", "neg": "0"}, "'0' as 'false', '1' as"),
        ({"pos": "Very Good", "neg": "Bad"}, {"pos": "very  good", "neg": "BAD"}, "'BAD' as 'Bad'"),
    ],
    ids=["truth", "numbers", "case"],
)
def test_labels_of_another_spelling_than_train_s(
    tmp_path: Path, train: dict[str, str], test: dict[str, str], pairs: str
) -> None:
    for split, meant in (("train", train), ("test", test)):
        rows = "".join(f"{text},{meant[label]}\n" for text, label in ROWS)
        (tmp_path / f"{split}.csv").write_text("text,label\n" + rows)
    data = read_data(tmp_path)
    assert data.label_names == tuple(sorted(train.values()))
    np.testing.assert_array_equal(data.splits["test"].labels, data.splits["train"].labels)
    (told,) = [notice for notice in data.notices if "as train writes them" in notice]
    assert pairs in told


def test_another_spelling_of_two_labels_of_train_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(CSV.replace("pos", "Pos", 1))
    (tmp_path / "test.csv").write_text("text,label\nfine,POS\nfine,pos\n")
    with pytest.raises(DataError, match=r"a label that train lacks \('POS'\)"):
        read_data(tmp_path)
