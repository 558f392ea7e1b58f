"""The quick way to read a CSV file and the careful one give the same rows on the same lines."""

import random
from pathlib import Path

import pytest

from textcls.config.models import DataConfig
from textcls.data.formats import csv_files, json_files
from textcls.data.formats.csv_files import read_csv
from textcls.data.formats.hf_builders import BuilderError
from textcls.data.formats.json_files import read_json
from textcls.data.formats.screening import screen

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
def test_screening_agrees_with_the_builder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    file = tmp_path / "train.csv"
    file.write_text("text,label\na,b\n" + body, encoding="utf-8", newline="")
    screened: list[str] = []

    def noted(place: str, *rest: object) -> object:
        screened.append(place)
        return screen(place, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(csv_files, "screen", noted)
    quick = read_csv(file, "quick", DataConfig())

    def fails(*_: object, **__: object) -> None:
        raise BuilderError

    monkeypatch.setattr(csv_files, "load_csv", fails)
    careful = read_csv(file, "careful", DataConfig())
    assert careful.texts[0].to_pylist() == quick.texts[0].to_pylist()
    assert careful.label.to_pylist() == quick.label.to_pylist()
    rows = range(len(quick.label))
    assert careful.number(rows) == quick.number(rows)
    # Only what the careful way finds fault with, or empty fields too many, may lead there.
    assert screened == ["careful"] or careful.screened or '"",' in body or ",," in body


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("header.csv", "text,label\na,b\nshort\n\nd,e"),
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
