"""Each thing that may be wrong with data is found and said with its figures."""

from pathlib import Path

import pytest
from dataset_parts import ROWS, lines, read_data

from textcls.data.inspection import figures_of, inspect_dataset
from textcls.inspect import main

ANIMALS = [(f"text about it, number {i}", "ab"[i % 2]) for i in range(100)]


def found(folder: Path, train: list[tuple[str, str]], test: list[tuple[str, str]]) -> list[str]:
    for name, rows in (("train", train), ("test", test)):
        content = "".join(f'"{text}",{label}\n' for text, label in rows)
        (folder / f"{name}.csv").write_text("text,label\n" + content)
    return [str(finding) for finding in inspect_dataset(read_data(folder))]


def test_sound_data_is_left_in_peace(tmp_path: Path) -> None:
    test = [(f"other text {i}", "ab"[i % 2]) for i in range(20)]
    assert found(tmp_path, ANIMALS, test) == []


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        (
            ANIMALS,
            [*ANIMALS[:5], *((f"new {i}", "a") for i in range(15))],
            "5 of 20 texts of test (25%) are in train as well, such as 'text about it, number 0'",
        ),
        (
            [*ANIMALS, ("TEXT about it, number 1 ", "a")],
            [("new", "a")],
            "2 rows of train have a text that also occurs with another label, such as "
            "'text about it, number 1' with 'a', 'b'",
        ),
        (
            [*ANIMALS, *ANIMALS[:1] * 6],
            [("new", "a")],
            "6 rows of train (6%) repeat the text of another row, 'text about it, number 0' occurs "
            "7 times",
        ),
        (
            [*ANIMALS, *((f"more {i}", "A ") for i in range(9))],
            [("new", "a")],
            "the labels 'A', 'a' differ by case or blanks alone",
        ),
        (
            [*ANIMALS, ("odd", "c")],
            [("new", "a")],
            "1 class has one or two texts in train, or none: 'c'",
        ),
        (
            [*((f"more {i}", "a") for i in range(300)), *ANIMALS],
            [("new", "a")],
            "88% of train have the label 'a'",
        ),
        (
            [(f"number {i} is spam", "spam") for i in range(9)]
            + [(f"number {i} is fine", "fine") for i in range(9)],
            [("new", "spam")],
            "100% of the texts of train hold the name of their label",
        ),
    ],
)
def test_what_may_be_wrong(
    tmp_path: Path, train: list[tuple[str, str]], test: list[tuple[str, str]], expected: str
) -> None:
    (said,) = found(tmp_path, train, test)
    assert said.startswith(f"{expected}: ")


def test_figures(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(lines(",", header="text,label\n"))
    figures = figures_of(read_data(file))
    assert {name: split.texts for name, split in figures.items()} == {"train": 32, "test": 8}
    assert figures["train"].per_class == {"neg": 16, "pos": 16}
    assert figures["train"].shortest == len("a bad film 0")


def test_equal_texts_stay_on_one_side(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    content = "".join(f"text {i % 150},{'ab'[i % 2]}\n" for i in range(400))
    file.write_text("text,label\n" + content)
    data = read_data(file, validation_fraction=0.2)
    texts = [set(split.texts.to_pylist()) for split in data.splits.values()]
    assert sum(map(len, texts)) == len(texts[0] | texts[1] | texts[2])
    assert 50 <= len(data.splits["test"]) <= 110
    assert "equal texts are on one side, for which" in data.notices[0]


def test_a_text_that_makes_a_class_stays_in_train(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    content = "".join(f"{'the same' if i % 2 else i},{'ab'[i % 2]}\n" for i in range(60))
    file.write_text("text,label\n" + content)
    data = read_data(file)
    assert set(data.splits["train"].labels.tolist()) == {0, 1}
    assert len(data.splits["test"]) == 6


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(lines(";", header="comment;question;mood\n".replace("question;", "")))
    assert main([str(file)]) == 0
    out = capsys.readouterr().out
    assert "read with a semicolon between the columns" in out
    assert "train: 32 texts of 12 to 14 characters" in out
    assert '  "neg": 16 (50.0%)' in out
    assert "data.max_length 128 cuts 0.0% of them and leaves out 0.0% of the tokens" in out
    assert "nothing looks wrong" in out
    assert main([str(file), "--label", "nothing"]) == 1
    assert "no column 'nothing' (data.label_column)" in capsys.readouterr().err
    assert len(ROWS) == 40
