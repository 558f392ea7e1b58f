"""The quick way to read a CSV file and the careful one give the same rows on the same lines."""

import random
from pathlib import Path

import pytest

from textcls.config.models import DataConfig
from textcls.data.formats import csv_files, hf_builders, json_files
from textcls.data.formats.csv_files import read_csv
from textcls.data.formats.hf_builders import BuilderError
from textcls.data.formats.json_files import read_json

PIECES = [
    "a",
    "b",
    " ",
    ",",
    '"',
    '""',
    "\n",
    "\r\n",
    "\r",
    "\\",
    "\t",
    "é",
    "\0",
    "\u2028",
    "\x0b",
]
WEIGHTS = [8, 8, 3, 3, 2, 2, 3, 1, 0.5, 1, 1, 1, 0.3, 0.3, 0.3]


def random_body(seed: int) -> str:
    rng = random.Random(seed)
    return "".join(rng.choices(PIECES, WEIGHTS, k=rng.randint(1, 60)))


@pytest.mark.parametrize("body", ['"c\rd",e\n"f\r\ng",h', *map(random_body, range(40))])
def test_every_way_to_read_a_file_gives_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    file = tmp_path / "train.csv"
    file.write_text("text,label\na,b\n" + body, encoding="utf-8", newline="")
    quick = read_csv(file, "quick", DataConfig())
    monkeypatch.setattr(csv_files, "read_regular_csv", lambda *_args, **_keys: None)
    careful = read_csv(file, "careful", DataConfig())
    rows = [careful.texts[0].to_pylist(), careful.label.to_pylist()]
    assert [quick.texts[0].to_pylist(), quick.label.to_pylist()] == rows
    assert quick.screened == careful.screened
    places = range(len(quick.label))
    assert careful.number(places) == quick.number(places)

    monkeypatch.setattr(hf_builders, "read_regular_csv", lambda *_args, **_keys: None)
    names = ("text", "label")
    try:
        built = hf_builders.load_csv(file, names, names, header=True)
    except BuilderError:  # it stops at what the careful way goes around
        return
    assert [column.to_pylist() for column in built] == rows


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("header.csv", "text,label\na,b\n\nd,e"),
        ("wide.csv", "id,text,note,label\n1,a,,b\n2,c,x,d\n"),
        ("ag.csv", '1,"",a\n2,b,c\n'),
        ("lines.jsonl", '{"text": "a", "label": 1}\n{"text": null, "label": 2}\n'),
        ("array.json", '[{"text": "a", "label": "b"}, {"text": "c"}]'),
    ],
)
def test_sound_files_are_not_screened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str
) -> None:
    monkeypatch.delattr(csv_files, "screen")
    monkeypatch.delattr(json_files, "screen")
    file = tmp_path / name
    file.write_text(content)
    read = read_csv if name.endswith(".csv") else read_json
    assert len(read(file, name, DataConfig()).label) >= 2
