"""Any bytes under any name are read as rows or refused by one `DataError`."""

import io
import json
import os
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcls.data.tables.reading import KINDS, open_table
from textcls.data.tables.writing import open_writer
from textcls.exceptions import DataError

MANY = settings(max_examples=int(os.environ.get("TEXTCLS_MUTATIONS", "100")), deadline=None)


def parquet() -> bytes:
    table = pa.table({"text": ["one", "two, and", None], "n": [1, 2, 3], "l": [["a"], [], None]})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def workbook() -> bytes:
    made = openpyxl.Workbook()
    for row in (["text", "n"], ["one, two", 1], ["three\nlines", None]):
        made.active.append(row)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


SEEDS = {
    ".csv": b'id,text,label\n1,"one, two",a\n2,"x\ny",b\n3,,\n',
    ".tsv": b'text\tn\n"quoted\t1\nplain\t2\n',
    ".tab": b"sep=;\ntext;n\na;b\n",
    ".jsonl": json.dumps({"text": "one", "n": [1, 2]}).encode() + b"\n\n",
    ".ndjson": b'{"text": null}\n{"n": 5}\n',
    ".txt": "one\n\nété\r\n".encode("utf-16"),
    ".parquet": parquet(),
    ".json": json.dumps([{"text": "one", "meta": {"n": 1}}, {"text": None}]).encode(),
    ".xlsx": workbook(),
}


def answered(name: str, content: bytes, out: str) -> int | str:
    """How many rows were read and written again, or why they were not."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"in{name}"
        path.write_bytes(content)
        count = 0
        try:
            table = open_table(path, Path(folder))
            with open_writer(Path(folder) / f"out{out}", table) as writer:
                for portion in table.portions(2):
                    count += len(portion.texts)
                    writer.write(portion, {"label": ["x"] * len(portion.texts)})
        except DataError as error:
            message = str(error)
            assert f"in{name}" in message or f"out{out}" in message
            assert len(message) < 2_000
            assert not (Path(folder) / f"out{out}").exists()
            return message
        return count


@pytest.mark.parametrize("out", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("name", SEEDS)
def test_a_sound_file_is_read(name: str, out: str) -> None:
    found = answered(name, SEEDS[name], out)
    assert found in (1, 2, 3), found


@MANY
@given(st.sampled_from(sorted(SEEDS)), st.sampled_from([".csv", ".jsonl", ".parquet"]), st.data())
def test_a_mutated_file_is_answered(name: str, out: str, data: st.DataObject) -> None:
    content = bytearray(SEEDS[name] * data.draw(st.integers(1, 3)))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(content)))
        piece = data.draw(
            st.binary(max_size=12)
            | st.sampled_from(
                [b'"', b"\n", b"\r", b"\0", b",", b"\xff\xfe", b'{"text": 1}\n', b"[" * 9]
            )
        )
        if data.draw(st.booleans()):
            content[at:at] = piece
        else:
            content[at : at + len(piece)] = piece
    answered(name, bytes(content), out)


@MANY
@given(st.sampled_from(sorted(KINDS)), st.binary(max_size=200))
def test_any_bytes_are_answered(name: str, content: bytes) -> None:
    answered(name, content, ".csv")


TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20
)
PLAIN = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=20)
"""Of one line: between tabs quotes may be letters, so a line break among them may be misread."""


def again(rows: list[tuple[str, str]], *files: str) -> list[tuple[str, str]]:
    """Write objects to one file after the other and return what the last one holds."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        lines = [json.dumps({"text": text, "label": other}) for text, other in rows]
        (folder / "in.jsonl").write_text("\n".join(lines))
        for source, out in pairwise(("in.jsonl", *files, "out.jsonl")):
            table = open_table(folder / source, folder, columns=["text"], encoding="utf-8")
            with open_writer(folder / out, table) as writer:
                for portion in table.portions(2):
                    writer.write(portion, {})
        found = [
            json.loads(line) for line in (folder / "out.jsonl").read_text().split("\n") if line
        ]
        return [(each["text"], each["label"]) for each in found]


@MANY
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6))
def test_any_text_comes_back_from_csv(rows: list[tuple[str, str]]) -> None:
    assert again(rows, "a.csv", "b.csv") == rows


@MANY
@given(st.lists(st.tuples(PLAIN, PLAIN), min_size=1, max_size=6))
def test_a_line_comes_back_from_between_tabs(rows: list[tuple[str, str]]) -> None:
    assert again(rows, "a.tsv", "b.csv", "c.tsv") == rows
