import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textcls.config.models import DataConfig
from textcls.data.dataset import TextDataset, locate
from textcls.data.formats import csv_files, json_files
from textcls.exceptions import DataError

SHARED = Path(__file__).parents[4] / "shared" / "data"
TEXTS = ["one", "two words", "three more words", "four"]


def read(path: Path, **settings: Any) -> TextDataset:
    return locate(DataConfig(name=str(path), **settings)).read()


def rows(data: TextDataset, split: str) -> list[tuple[str, str]]:
    part = data.splits[split]
    names = [data.label_names[label] for label in part.labels]
    return list(zip(part.texts.to_pylist(), names, strict=True))


def write(folder: Path, **files: bytes | str) -> Path:
    """Write files named split_suffix and return their folder."""
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name.replace("_", ".")).write_bytes(data)
    return folder


def csv_of(labels: list[Any]) -> str:
    return "text,label\n" + "".join(
        f"{text},{label}\n" for text, label in zip(TEXTS, labels, strict=True)
    )


def jsonl_of(labels: list[Any]) -> str:
    pairs = zip(TEXTS, labels, strict=True)
    return "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in pairs)


def parquet_of(labels: list[Any]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"label": labels, "text": TEXTS}), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def array_of(labels: list[Any]) -> str:
    pairs = zip(TEXTS, labels, strict=True)
    return json.dumps([{"text": text, "label": label} for text, label in pairs])


@pytest.mark.parametrize(
    ("suffix", "content"),
    [("csv", csv_of), ("jsonl", jsonl_of), ("json", array_of), ("parquet", parquet_of)],
)
@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["b", "a", "b", "a"], ("a", "b")),
        ([10, 9, 10, 9], ("9", "10")),
        ([10**17, -1, 10**17, -1], ("-1", str(10**17))),
    ],
)
def test_every_format_gives_the_same_rows(
    tmp_path: Path,
    suffix: str,
    content: Callable[[list[Any]], bytes | str],
    labels: list[Any],
    names: tuple[str, ...],
) -> None:
    write(tmp_path, **{f"train_{suffix}": content(labels), f"test_{suffix}": content(labels)})
    data = read(tmp_path)
    assert data.label_names == names
    assert list(data.splits) == ["train", "test"]
    expected = [(text, str(label)) for text, label in zip(TEXTS, labels, strict=True)]
    assert rows(data, "train") == rows(data, "test") == expected
    assert data.splits["train"].labels.dtype == np.int64
    assert data.splits["train"].texts.type == pa.string()
    assert data.notices == ()


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_integers_beyond_64_bits_are_labels(tmp_path: Path, suffix: str) -> None:
    big = 10**30
    content = csv_of if suffix == "csv" else jsonl_of
    write(tmp_path, **{f"train_{suffix}": content([big, 5, big, 5])})
    assert read(tmp_path, test_fraction=0.5).label_names == ("5", str(big))


def test_json_booleans_and_whole_floats_are_labels(tmp_path: Path) -> None:
    write(tmp_path, train_jsonl=jsonl_of([True, False, True, False]))
    assert read(tmp_path, test_fraction=0.5).label_names == ("false", "true")
    write(tmp_path, train_jsonl=jsonl_of([1.0, 2, 1, 2.0]))
    assert read(tmp_path, test_fraction=0.5).label_names == ("1", "2")


def test_class_names_in_a_parquet_file_are_kept_in_their_order(tmp_path: Path) -> None:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["z", "y", "x"])}
    )
    table = datasets.Dataset.from_dict({"text": TEXTS, "label": [0, 1, 2, 0]}, features).data.table
    pq.write_table(table, tmp_path / "train.parquet")
    pq.write_table(table, tmp_path / "test.parquet")
    data = read(tmp_path)
    assert data.label_names == ("z", "y", "x")
    assert data.splits["test"].labels.tolist() == [0, 1, 2, 0]


AG = '"3","Fears","for pension"\n"4","","The Race is On"\n"1","Title",""\n"2","a","b"\n'


def test_the_layout_of_ag_news(tmp_path: Path) -> None:
    data = read(write(tmp_path, train_csv=AG, test_csv=AG))
    assert data.label_names == ("World", "Sports", "Business", "Sci/Tech")
    assert rows(data, "train") == [
        ("Fears for pension", "Business"),
        ("The Race is On", "Sci/Tech"),
        ("Title", "World"),
        ("a b", "Sports"),
    ]


def test_class_names_from_classes_txt(tmp_path: Path) -> None:
    names = "\ufeffalpha\r\n beta \n\ngamma\nnone of them\n"
    data = read(write(tmp_path, train_csv=AG, test_csv=AG, classes_txt=names))
    assert data.label_names == ("alpha", "beta", "gamma", "none of them")


def test_a_file_without_header_may_hold_one_text_column(tmp_path: Path) -> None:
    data = read(write(tmp_path, train_csv="1,a\n2,b\n" * 5))
    assert rows(data, "train")[0] == ("a", "1")
    assert data.label_names == ("1", "2")


def test_columns_named_by_the_configuration(tmp_path: Path) -> None:
    content = "id,head,head,body,class\n" + "1,x,y,z,spam\n2,x,,w,ham\n" * 3
    write(tmp_path, train_csv=content, test_csv=content)
    data = read(tmp_path, text_columns=("class", "body"), label_column="id")
    assert rows(data, "train")[:2] == [("spam z", "1"), ("ham w", "2")]


CASES = {
    "a byte order mark": (b"\xef\xbb\xbftext,label\na,x\nb,y\n", ["a", "b"]),
    "line ends of Windows": (b"text,label\r\na,x\r\nb,y\r\n", ["a", "b"]),
    "a line break in quotes": (b'text,label\n"a\r\nc",x\nb,y\n', ["a\r\nc", "b"]),
    "doubled quotes": (b'text,label\n"say ""a""",x\nb "c" d,y\n', ['say "a"', 'b "c" d']),
    "words for nothing": (b"text,label\nNA,null\nNone,nan\n", ["NA", "None"]),
    "a zero byte": (b"text,label\na\0c,x\nb,y\n", ["a\0c", "b"]),
    "blank lines": (b"\ntext,label\n\na,x\n \t\nb,y\n\n", ["a", "b"]),
    "spaces around names": (b" text , label\na, x\nb,y \n", ["a", "b"]),
    "no line end at the end": (b"text,label\na,x\nb,y", ["a", "b"]),
    "empty fields beyond the header": (b"text,label\na,x,,\nb,y,,\n", ["a", "b"]),
    "a backslash": (b"text,label\na\\,x\n\\b,y\n", ["a\\", "\\b"]),
    "letters of the world": ("text,label\nžluťoučký,x\n日本\u3000語,y\n".encode(), None),
}


@pytest.mark.parametrize(("content", "texts"), CASES.values(), ids=CASES.keys())
def test_oddities_of_csv(tmp_path: Path, content: bytes, texts: list[str] | None) -> None:
    data = read(write(tmp_path, train_csv=content, test_csv=content))
    assert data.splits["train"].texts.to_pylist() == (texts or ["žluťoučký", "日本\u3000語"])
    assert len(data.label_names) == 2


@pytest.mark.parametrize("content", [csv_of, jsonl_of])
def test_a_text_longer_than_any_buffer(tmp_path: Path, content: Callable[[list[Any]], str]) -> None:
    suffix = "csv" if content is csv_of else "jsonl"
    text = content(["a", "b", "a", "b"]).replace("two words", "word " * 3_000_000)
    data = read(write(tmp_path, **{f"train_{suffix}": text, f"test_{suffix}": text}))
    assert len(data.splits["train"].texts[1].as_py()) == 15_000_000


def test_splits_are_found_by_the_word_in_their_name(tmp_path: Path) -> None:
    for name in ("my.train-00001-of-00002", "my.train-00002-of-00002", "MY_TEST", "my-dev"):
        (tmp_path / f"{name}.csv").write_text(csv_of(["a", "b", "a", "b"]))
    (tmp_path / "latest.csv").write_text("other")
    data = read(tmp_path)
    assert {split: len(part) for split, part in data.splits.items()} == {
        "train": 8,
        "validation": 4,
        "test": 4,
    }
    assert data.notices == (f"{tmp_path}: left aside latest.csv, named after no split",)


def test_a_single_file_is_split_and_that_is_said(tmp_path: Path) -> None:
    file = tmp_path / "reviews.csv"
    file.write_text("text,label\n" + "".join(f"t{i},{'ab'[i % 4 == 0]}\n" for i in range(2_000)))
    data = read(file, test_fraction=0.25, validation_fraction=0.1, seed=3)
    name = f"reviews.csv ({file})"
    assert data.name == name
    assert data.notices == (
        f"{name}: no test split; 500 of 2,000 rows were split off train as test, stratified by "
        "label, seed 3",
        f"{name}: 150 of 1,500 rows were split off train as validation, stratified by "
        "label, seed 3",
    )
    counts = {split: np.bincount(part.labels).tolist() for split, part in data.splits.items()}
    assert counts == {"train": [1012, 338], "test": [375, 125], "validation": [113, 37]}
    texts = [text for part in data.splits.values() for text in part.texts.to_pylist()]
    assert sorted(texts) == sorted(f"t{i}" for i in range(2_000))


def test_the_seed_decides_what_is_split_off(tmp_path: Path) -> None:
    file = tmp_path / "all.csv"
    file.write_text("text,label\n" + "".join(f"t{i},{i % 2}\n" for i in range(100)))

    def test_texts(seed: int) -> list[str]:
        texts: list[str] = read(file, seed=seed).splits["test"].texts.to_pylist()
        return texts

    assert test_texts(0) == test_texts(0) != test_texts(1)


def test_a_validation_split_of_its_own_stays(tmp_path: Path) -> None:
    content = csv_of(["a", "b", "a", "b"])
    write(tmp_path, train_csv=content, test_csv=content, valid_csv=content)
    data = read(tmp_path, validation_fraction=0.5)
    assert {len(part) for part in data.splits.values()} == {4}
    (notice,) = data.notices
    assert notice.endswith("it has a validation split; data.validation_fraction takes no other")


def test_the_fingerprint_follows_content_and_settings_that_matter(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        write(folder, train_csv=AG * 3)

    def mark(folder: Path, **settings: Any) -> str:
        return locate(DataConfig(name=str(folder), **settings)).fingerprint

    first = mark(here)
    assert mark(there) == first
    assert mark(here, max_length=5, min_count=2) == first
    assert mark(here, seed=1) != first
    assert mark(here, bad_rows="skip") != first
    assert mark(here, text_columns=("title",)) != first
    (there / "classes.txt").write_text("a\nb\nc\nd\n")
    assert mark(there) != first
    write(here, train_csv=AG * 2 + AG.replace("Fears", "fears"))
    assert mark(here) != first


def test_paths_with_the_characters_of_a_pattern(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(csv_files, "screen")  # it would read them after all
    monkeypatch.delattr(json_files, "screen")
    folder = tmp_path / "a [1]* {x}?#%20"
    folder.mkdir()
    data = read(write(folder, train_csv=AG, test_jsonl=jsonl_of(["World"] * 4)))
    assert len(data.splits["test"]) == 4


def test_reading_leaves_nothing_behind_and_prints_nothing(tmp_path: Path) -> None:
    """In a process of its own, whose cache and temporary folders are its own."""
    folders = {name: tmp_path / name for name in ("data", "HF_HOME", "XDG_CACHE_HOME", "TMPDIR")}
    for folder in folders.values():
        folder.mkdir()
    write(folders["data"], train_csv=AG + '"9","bad","bad"\n', test_jsonl='{"text": 1}\n' + AG)
    program = (
        "import sys; from textcls.config.models import DataConfig\n"
        "from textcls.data.dataset import locate\n"
        "assert not {'torch', 'datasets', 'pandas'} & set(sys.modules)\n"
        "try: locate(DataConfig(name=sys.argv[1])).read()\n"
        "except Exception as error: print(type(error).__name__)\n"
    )
    env = os.environ | {name: str(folder) for name, folder in folders.items()}
    command = [sys.executable, "-c", program, str(folders["data"])]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("DataError\n", "")
    left = [path for name in folders if name != "data" for path in folders[name].rglob("*")]
    assert left == []


def test_the_embedded_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = DataConfig(name="synthetic", train_size=400, test_size=80, validation_fraction=0.25)
    source = locate(data)
    read = source.read()
    assert read.name == "synthetic (400 / 80 embedded texts)"
    assert {split: len(part) for split, part in read.splits.items()} == {
        "train": 300,
        "test": 80,
        "validation": 100,
    }
    assert read.label_names == ("World", "Sports", "Business", "Sci/Tech")
    assert locate(data.model_copy(update={"seed": 1})).fingerprint != source.fingerprint
    assert locate(data.model_copy(update={"max_length": 9})).fingerprint == source.fingerprint


REAL = {
    "ag_news": ({"train": 62_087, "test": 7_600}, ("World", "Sports", "Business", "Sci/Tech")),
    "trec6": ({"train": 5_452, "test": 500}, ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")),
    "sst2": ({"train": 6_920, "validation": 872, "test": 1_821}, ("negative", "positive")),
}


@pytest.mark.parametrize("name", REAL)
def test_real_data(name: str) -> None:
    if not (SHARED / name).is_dir():
        pytest.skip(f"the texts of {name} are not on this machine")
    counts, labels = REAL[name]
    data = read(SHARED / name)
    assert {split: len(part) for split, part in data.splits.items()} == counts
    assert data.label_names == labels
    assert len(data.notices) == (name == "ag_news")
    if name == "ag_news":
        assert "they are called World, Sports, Business, Sci/Tech" in data.notices[0]
        assert data.splits["test"].texts[0].as_py().startswith("Fears for T N pension after talks ")
        assert np.bincount(data.splits["test"].labels).tolist() == [1_900] * 4


@pytest.mark.parametrize("name", ["", " ", "a\0b", "x" * 5_000, "no\nlines"])
def test_names_that_can_be_nothing(name: str) -> None:
    with pytest.raises(DataError, match="can be neither a file nor a data set of the hub"):
        locate(DataConfig(name=name))
