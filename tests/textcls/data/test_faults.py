"""Every kind of bad data gives one message: the file, the rows, how many, what was expected."""

import pickle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textcls.config.models import DataConfig
from textcls.data.dataset import TextDataset, locate
from textcls.exceptions import DataError

GOOD = b"text,label\n" + b"".join(b"text %d,%s\n" % (i, (b"a", b"b")[i % 2]) for i in range(20))
"""20 rows on the lines 2 to 21."""
GOOD_JSON = b'{"text": "a b", "label": 1}\n{"text": "c", "label": 2}\n' * 5
"""10 rows on the lines 1 to 10."""
ACCENTS = GOOD.replace(b"text ", "t\u00e9xt ".encode())
SKIP = (
    "Fix them, or leave them out with --set data.bad_rows=skip "
    "(in a file, bad_rows: skip under data)"
)
JSON_OBJECT = 'an object such as {"text": "...", "label": "..."}'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `d` in the current one, so that messages name it as d."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    return tmp_path / "d"


def read(files: dict[str, bytes], **settings: Any) -> TextDataset:
    for name, content in files.items():
        Path("d", name).write_bytes(content)
    return locate(DataConfig(name=settings.pop("name", "d"), **settings)).read()


def message(files: dict[str, bytes], **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        read(files, **settings)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 (our own bytes)
    assert str(again) == str(caught.value)
    return str(caught.value)


def parquet(**columns: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


FILES: dict[str, tuple[dict[str, bytes], str, str]] = {
    "a missing file": (
        {"train.csv": GOOD},
        "d/tran.csv",
        "d/tran.csv: no such file or folder; d holds 'train.csv'",
    ),
    "a missing folder": (
        {"train.csv": GOOD},
        "./e/f/g",
        "e/f/g: no such file or folder; the current folder holds 'd'",
    ),
    "an empty folder": (
        {"notes.txt": b"-"},
        "d",
        "d: no data file; expected train and test files "
        "(.csv, .tsv, .tab, .txt, .jsonl, .ndjson, .json, .parquet, .xlsx) or a folder for each "
        "class, found 'notes.txt'",
    ),
    "a kind of file that is not read": (
        {"train.abc": b"-"},
        "d/train.abc",
        "d/train.abc: a file of an unknown kind; expected one of "
        ".csv, .tsv, .tab, .txt, .jsonl, .ndjson, .json, .parquet, .xlsx",
    ),
    "a damaged workbook": (
        {"train.xlsx": b"-"},
        "d/train.xlsx",
        "d/train.xlsx: cannot be read as a workbook of Excel: File is not a zip file",
    ),
    "an old workbook": (
        {"train.xls": b"-"},
        "d/train.xls",
        "d/train.xls: a workbook of Excel before 2007; save it as .xlsx or .csv",
    ),
    "damaged gzip": (
        {"train.csv.gz": b"-"},
        "d",
        "d/train.csv.gz: cannot be unpacked as gzip: Not a gzipped file (b'-')",
    ),
    "a damaged archive": (
        {"all.zip": b"-"},
        "d/all.zip",
        "d/all.zip: cannot be unpacked as zip: File is not a zip file",
    ),
    "no train split": (
        {"test.csv": GOOD, "more.csv": b"id,text\n1,a\n"},
        "d",
        "d: no train split among more.csv, test.csv; expected train in a file's name, or files "
        "with the same columns, which are read together",
    ),
    "two files for a split": (
        {"train.csv": GOOD, "train.jsonl": GOOD_JSON},
        "d",
        "d: train.csv, train.jsonl all name the train split; expected one file, or parts that are "
        "told apart by numbers alone",
    ),
    "an empty file": (
        {"train.csv": GOOD, "test.csv": b""},
        "d",
        "d/test.csv: the file is empty; expected a text and a label in each row",
    ),
    "a file of blank lines": (
        {"train.csv": b"\n \n"},
        "d",
        "d/train.csv: the file is empty; expected a header and a row for each text",
    ),
    "a JSON file of blank lines": (
        {"train.jsonl": b"\n \n"},
        "d",
        "d/train.jsonl: the file is empty; expected a JSON object on each line",
    ),
    "an empty array": (
        {"train.json": b"[]"},
        "d",
        "d/train.json: an empty array; expected an object for each text",
    ),
    "a header alone": (
        {"train.csv": b"text,label\n"},
        "d",
        "d/train.csv: a header and no row; expected a row for each text",
    ),
    "a Parquet file without rows": (
        {"train.parquet": parquet(text=pa.array([], pa.string()), label=pa.array([], pa.int8()))},
        "d",
        "d/train.parquet: no row in the file; expected a row for each text",
    ),
    "a missing column": (
        {"train.csv": b"when,what,label\n1,2,b\n3,4,c\n"},
        "d",
        "d/train.csv: no column looks like the text; its columns are 'when', 'what', 'label'. "
        "Name them, such as --text when --label label (data.text_columns, data.label_column)",
    ),
    "two columns as good as each other": (
        {
            "train.csv": b"id,comment,question,topic,queue\n"
            b"1,a b,c d,x,y\n2,e f,g h,z,y\n3,i j,k l,z,z\n4,m n,o p,x,z\n"
        },
        "d",
        "d/train.csv: 'comment', 'question' may each be the text and 'topic', 'queue' may each be "
        "the label; its columns are 'id', 'comment', 'question', 'topic', 'queue'. Name them, such "
        "as --text comment,question --label topic (data.text_columns, data.label_column)",
    ),
    "another separator": (
        {"train.csv": b"text~label\na~b\n"},
        "d",
        "d/train.csv: one column, the first line is 'text~label'; expected a text and a label in "
        "each row, separated by one of: a comma, a tab, a semicolon, a vertical bar "
        "(data.separator names another)",
    ),
    "a column twice": (
        {"train.csv": b"text,label,text\na,b,c\n"},
        "d",
        "d/train.csv: more than one column is called 'text'; expected one",
    ),
    "a missing key": (
        {"train.jsonl": b'{"text": "a", "when": 1.5}\n' * 4},
        "d",
        "d/train.jsonl: no column looks like the label; its columns are 'text', 'when'. Name them, "
        "such as --text text --label when (data.text_columns, data.label_column)",
    ),
    "neither header nor AG's layout": (
        {"train.csv": b"1,a,b,c\n2,a,b,c\n"},
        "d",
        "d/train.csv: no column looks like the text; its columns are '1', '2', '3', '4'. Name "
        "them, such as --text 2 --label 1 (data.text_columns, data.label_column); the file has no "
        "header, so the columns are called 1 to 4",
    ),
    "UTF-16 cut short": (
        {"train.csv": GOOD.decode().encode("utf-16")[:-1]},
        "d",
        "d/train.csv: not all of it is utf-16 (truncated data); expected text in one encoding "
        "(data.encoding names it)",
    ),
    "a Parquet file cut short": (
        {"train.parquet": parquet(text=["a"], label=[1])[:-3]},
        "d",
        "d/train.parquet: cannot be read as Parquet: Parquet magic bytes not found in footer. "
        "Either the file is corrupted or this is not a parquet file.",
    ),
    "a text column of lists": (
        {"train.parquet": parquet(text=[["a"]], label=[1])},
        "d",
        "d/train.parquet: column 'text' holds list<element: string>; expected texts",
    ),
    "a label column of lists": (
        {"train.parquet": parquet(text=["a"], label=[[1]])},
        "d",
        "d/train.parquet: column 'label' holds list<element: int64>; expected texts or integers",
    ),
    "an array cut short": (
        {"train.json": b'[{"text": "a", "label": 1},\n {"text": "b"'},
        "d",
        "d/train.json: line 2, column 14: no valid JSON (Expecting ',' delimiter); "
        "expected an array of objects",
    ),
    "one class name": (
        {"train.csv": b"1,a,b\n", "classes.txt": b"\none\n"},
        "d",
        "d/classes.txt: 1 name; expected one a line, at least two",
    ),
    "a class name twice": (
        {"train.csv": b"1,a,b\n", "classes.txt": b"one\ntwo\none\n"},
        "d",
        "d/classes.txt: 'one' more than once; expected a name for each class",
    ),
    "a single class": (
        {"train.csv": GOOD.replace(b",b\n", b",a\n")},
        "d",
        "d: every row of train has the label 'a'; expected at least two classes",
    ),
    "too few rows to split": (
        {"train.csv": b"text,label\na,1\nb,2\n"},
        "d",
        "d: 2 rows in train, too few to split off 0.2 of each class as test; "
        "expected more rows or a test file",
    ),
}


@pytest.mark.parametrize(("files", "name", "expected"), FILES.values(), ids=FILES.keys())
def test_files_that_cannot_be_used(files: dict[str, bytes], name: str, expected: str) -> None:
    assert message(files, name=name).replace("item: ", "element: ") == expected


ROWS: dict[str, tuple[str, bytes, str, str]] = {
    "an undecodable byte": (
        "train.csv",
        ACCENTS + b"caf\xe9,a\nna\xefve,b\n",
        "2 of 22 rows",
        "2 rows have bytes that are not UTF-8, the first 0xe9 (lines 22, 23); "
        "expected UTF-8 throughout",
    ),
    "an undecodable byte in JSON": (
        "train.jsonl",
        GOOD_JSON.replace(b"c", "\u010d".encode()) + b'{"text": "caf\xe9", "label": 1}\n',
        "1 of 11 rows",
        "1 row has bytes that are not UTF-8, the first 0xe9 (line 11); expected UTF-8 throughout",
    ),
    "an undecodable byte in Parquet": (
        "train.parquet",
        parquet(
            text=pa.Array.from_buffers(
                pa.string(), 4, pa.array([b"a", b"b\xff", b"c", b"d"]).buffers()
            ),
            label=[1, 2, 1, 2],
        ),
        "1 of 4 rows",
        "1 row has bytes that are not UTF-8 (row 2); expected UTF-8 throughout",
    ),
    "an empty text": (
        "train.csv",
        GOOD + b'\n,a\n \t,b\n"multi\nline",a\n"\xe3\x80\x80",b\n',
        "3 of 24 rows",
        "3 rows have an empty text (lines 23, 24, 27); expected a visible character in 'text'",
    ),
    "an empty text in JSON": (
        "train.jsonl",
        GOOD_JSON + b'\n{"text": "", "label": 1}\n{"label": 1}\n{"text": null, "label": 2}\n',
        "3 of 13 rows",
        "3 rows have an empty text (lines 12, 13, 14); expected a visible character in 'text'",
    ),
    "an empty text in Parquet": (
        "train.parquet",
        parquet(text=["a", None, "b", ""] * 4, label=["x", "x", "y", "y"] * 4),
        "8 of 16 rows",
        "8 rows have an empty text (rows 2, 4, 6, 8, 10, 12, 14, 16); "
        "expected a visible character in 'text'",
    ),
    "empty title and description": (
        "train.csv",
        b'1,"","x"\n2,x,\n' * 5 + b'1,""," "\n2,,\n' + b'1,"","x"\n',
        "2 of 13 rows",
        "2 rows have an empty text (lines 11, 12); "
        "expected a visible character in 'title', 'description'",
    ),
    "a missing label": (
        "train.csv",
        GOOD + b"x,\ny\nz, \n",
        "3 of 23 rows",
        "3 rows have no label (lines 22, 23, 24); expected a text or an integer in 'label'",
    ),
    "a missing label in JSON": (
        "train.jsonl",
        GOOD_JSON + b'{"text": "a"}\n{"text": "a", "label": null}\n',
        "2 of 12 rows",
        "2 rows have no label (lines 11, 12); expected a text or an integer in 'label'",
    ),
    "a missing label that makes integers floats": (
        "train.parquet",
        parquet(text=list("abcde"), label=[1.0, float("nan"), 2.0, 1.0, 2.0]),
        "1 of 5 rows",
        "1 row has no label (row 2); expected a text or an integer in 'label'",
    ),
    "an unknown label": (
        "train.csv",
        b"1,a\n2,b\n3,c\n4,d\n" * 100 + b"5,c\n0,d\nSports,e\n5,f\n",
        "4 of 404 rows",
        "4 rows have an unknown label ('5', '0', 'Sports') (lines 401, 402, 403, 404); "
        "expected 1 to 4 (World, Sports, Business, Sci/Tech) in 'label'",
    ),
    "more than ten rows": (
        "train.csv",
        GOOD + b",a\n,b\n" * 600,
        "1,200 of 1,220 rows",
        "1,200 rows have an empty text "
        "(the first ten at lines 22, 23, 24, 25, 26, 27, 28, 29, 30, 31); "
        "expected a visible character in 'text'",
    ),
    "a comma without quotes": (
        "train.csv",
        GOOD + b"yes, no, maybe,a\n",
        "1 of 21 rows",
        "1 row has too many fields, 4 in the first (line 22); "
        "expected 2 (a text with a comma in it belongs between double quotes)",
    ),
    "a comma without quotes in the first row": (
        "train.csv",
        GOOD.replace(b"text 0,a", b"text, 0,a"),
        "1 of 20 rows",
        "1 row has too many fields, 3 in the first (line 2); "
        "expected 2 (a text with a comma in it belongs between double quotes)",
    ),
    "a quote that is never closed": (
        "train.csv",
        GOOD + b'"never,a\nx,b\n',
        "1 of 21 rows",
        "1 row has a quote that is never closed (line 22); expected a closing quote",
    ),
    "no JSON": (
        "train.jsonl",
        GOOD_JSON + b'{"text": "x"\n[1]\n"x"\n' + b'{"text": ' * 2_000 + b"\n",
        "4 of 14 rows",
        f"4 rows have no valid JSON object (lines 11, 12, 13, 14); expected {JSON_OBJECT}",
    ),
    "a number for a text": (
        "train.jsonl",
        GOOD_JSON + b'{"text": 5, "label": 1}\n',
        "1 of 11 rows",
        "1 row has a number in 'text' (line 11); expected a text",
    ),
    "a list for a label": (
        "train.json",
        b'[{"text": "a", "label": 1}, {"text": "b", "label": [2]}, '
        b'{"text": "c", "label": 2}, {"text": "d", "label": 1}, {"text": "e", "label": 2}]',
        "1 of 5 rows",
        "1 row has a list in 'label' (row 2); expected a text or an integer",
    ),
    "half a surrogate pair": (
        "train.jsonl",
        GOOD_JSON + b'{"text": "a\\ud800", "label": 1}\n',
        "1 of 11 rows",
        "1 row has half a surrogate pair, the first \\ud800 (line 11); expected whole characters",
    ),
}


@pytest.mark.parametrize(("file", "content", "share", "fault"), ROWS.values(), ids=ROWS.keys())
def test_rows_that_cannot_be_used(file: str, content: bytes, share: str, fault: str) -> None:
    expected = f"d/{file}: {share} cannot be used\n  {fault}\n{SKIP}"
    assert message({file: content}, test_fraction=0.5) == expected


@pytest.mark.parametrize(("file", "content", "share", "fault"), ROWS.values(), ids=ROWS.keys())
def test_bad_rows_are_left_out_and_that_is_said(
    file: str, content: bytes, share: str, fault: str
) -> None:
    bad, total = (int(part.replace(",", "")) for part in share.removesuffix(" rows").split(" of "))
    data = read({file: content}, bad_rows="skip", test_fraction=0.5)
    assert sum(len(part) for part in data.splits.values()) == total - bad
    what, where = fault.split("; expected")[0].rsplit(" (", 1)
    what = what.replace(" rows have ", " with ").replace(" row has ", " with ")
    assert f"d/{file}: left out {share}: {what} ({where}" in data.notices
    assert "split off" in data.notices[-1]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    train = GOOD + b"\xff,a\n,a\nx,\n,\n1,2,3\n"
    test = GOOD + b"new,c\nnew,d\nnew,c\n,e\n"
    assert message({"train.csv": train, "test.csv": test}) == "\n".join(
        [
            "d/train.csv: 5 of 25 rows cannot be used",
            "  1 row has bytes that are not UTF-8, the first 0xff (line 22); "
            "expected UTF-8 throughout",
            "  1 row has too many fields, 3 in the first (line 26); "
            "expected 2 (a text with a comma in it belongs between double quotes)",
            "  2 rows have an empty text (lines 23, 25); expected a visible character in 'text'",
            "  2 rows have no label (lines 24, 25); expected a text or an integer in 'label'",
            "d/test.csv: 4 of 24 rows cannot be used",
            "  1 row has an empty text (line 25); expected a visible character in 'text'",
            "  3 rows have a label that train lacks ('c', 'd') (lines 22, 23, 24); "
            "expected one of 'a', 'b'",
            SKIP,
        ]
    )


def test_a_label_in_test_that_train_lacks() -> None:
    files = {"train.csv": GOOD, "test.csv": GOOD + b"new,C\n"}
    assert message(files) == (
        "d/test.csv: 1 of 21 rows cannot be used\n"
        "  1 row has a label that train lacks ('C') (line 22); expected one of 'a', 'b'\n" + SKIP
    )
    data = read(files, bad_rows="skip")
    assert len(data.splits["test"]) == 20
    assert data.notices == (
        "d/test.csv: left out 1 of 21 rows: 1 with a label that train lacks ('C') (line 22)",
    )


def test_a_known_class_that_train_lacks() -> None:
    files = {"train.csv": b"1,a\n2,b\n", "test.csv": b"1,a\n3,b\n"}
    names = b"World\nSports\nBusiness\n"
    assert "a label that train lacks ('Business') (line 2); expected one of 'World', 'Sports'" in (
        message(files | {"classes.txt": names})
    )


def test_many_labels_are_not_all_shown() -> None:
    test = b"text,label\n" + b"".join(b"x,%03d\n" % i for i in range(200))
    text = message({"train.csv": GOOD, "test.csv": test + b"x," + b"y" * 500 + b"\n"})
    assert (
        "('000', '001', '002', '003', '004', '005', '006', '007', '008', '009' and 191 more)"
        in text
    )
    assert len(text) < 500


def test_labels_of_rows_that_are_left_out_make_no_class() -> None:
    data = read({"train.csv": GOOD + b",lonely\n"}, bad_rows="skip")
    assert data.label_names == ("a", "b")


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        (b"text,label\n,a\n,b\n", "d: no row can be used in the train split (d/train.csv)"),
        (b"text,label\n\xff,a\n", "d: no row can be used in the train split (d/train.csv)"),
        (GOOD.replace(b",b", b","), "d: the rows of train that can be used all have the label 'a'"),
    ],
)
def test_too_little_is_left(train: bytes, expected: str) -> None:
    text = message({"train.csv": train, "test.csv": GOOD}, bad_rows="skip")
    assert text.startswith(expected)


@pytest.mark.parametrize(
    "first", [b"null", b" null", b"\xef\xbb\xbfnull", b"\n\nnull", b'nullts"}']
)
def test_json_that_begins_with_null_crashes_no_reader(first: bytes) -> None:
    found = message({"train.jsonl": first + b"\n" + GOOD_JSON})
    assert "1 of 11 rows cannot be used" in found
    assert "no valid JSON object" in found
