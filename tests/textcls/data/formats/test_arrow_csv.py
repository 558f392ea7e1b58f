"""What Arrow reads must be what the builder reads, or be left to the builder."""

from pathlib import Path
from random import Random

import pytest

from textcls.data.formats import hf_builders
from textcls.data.formats.arrow_csv import read_regular_csv
from textcls.data.formats.csv_dialect import COMMA, Dialect

PIECES = (
    '"',
    '""',
    "a",
    "b c",
    " ",
    ",",
    ";",
    "\n",
    "\r\n",
    "\t",
    "é",
    "\u2028",
    "NA",
    "1.0",
    "\\",
)


def read(path: Path, names: list[str], dialect: Dialect = COMMA, *, header: bool = True) -> object:
    found = read_regular_csv(path, names, names, header=header, dialect=dialect)
    return found and [column.to_pylist() for column in found]


def built(
    path: Path, names: list[str], monkeypatch: pytest.MonkeyPatch, dialect: Dialect
) -> object:
    """What the builder of `datasets` alone makes of a file."""
    with monkeypatch.context() as patch:
        patch.setattr(hf_builders, "read_regular_csv", lambda *_args, **_keys: None)
        columns = hf_builders.load_csv(path, names, names, header=True, dialect=dialect)
    return [column.to_pylist() for column in columns]


def test_quotes_line_ends_and_words_that_pandas_takes_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'text,label\r\n"a ""b"",\nc",NA\r\n\r\n x ,\r\nlast,1.0')
    assert read(path, ["text", "label"]) == [['a "b",\nc', " x ", "last"], ["NA", "", "1.0"]]


def test_tabs_without_quoting_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b'\xef\xbb\xbf"a\tx\n"b" c\ty\n')
    dialect = Dialect("\t", quoted=False)
    assert read(path, ["1", "2"], dialect, header=False) == [['"a', '"b" c'], ["x", "y"]]


def test_lines_before_the_first_record_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("sep=;\ntext;label\na;b\n")
    assert read(path, ["text", "label"], Dialect(";", skipped=1)) == [["a"], ["b"]]


@pytest.mark.parametrize(
    "content",
    [b"text,label\na,b,c\n", b"text,label\na\n", b"text,label\na\0,b\n", b'text,label\n"a,b\n'],
    ids=["too many fields", "too few", "a zero byte", "a quote that is never closed"],
)
def test_an_irregular_file_is_left_to_the_builder(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    assert read(path, ["text", "label"]) is None


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("dialect", [COMMA, Dialect("\t", quoted=False), Dialect(";")], ids=str)
def test_both_ways_give_the_same_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, dialect: Dialect
) -> None:
    random, compared = Random(seed), 0
    for turn in range(60):
        path = tmp_path / f"{turn}.csv"
        rows = [
            dialect.separator.join(
                "".join(random.choices(PIECES, k=random.randrange(4))) for _ in range(2)
            )
            for _ in range(random.randrange(1, 4))
        ]
        path.write_bytes("\n".join(["text" + dialect.separator + "label", *rows]).encode())
        found = read(path, ["text", "label"], dialect)
        if found is not None:
            compared += 1
            assert found == built(path, ["text", "label"], monkeypatch, dialect), path.read_bytes()
    assert compared > 2
