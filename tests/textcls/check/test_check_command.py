"""The command: new texts of the same kind pass, others fail, and the exit code says which."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from bundle_parts import export_small

from textcls import train
from textcls.check import __main__ as check
from textcls.runtime.bundle_files import read_bundle

TOPICS = {"sport": "goal match team coach league", "money": "stock bank market share profit"}
COMMON = [*"abcdefghijklm", "the", "and", "week", "today", "year", "day", "new", "last"]
FOREIGN = ["der", "die", "das", "und", "ein", "mit", "von", "wird", "Tor", "Woche", "Spiel"]


def texts(seed: int, count: int, common: list[str] = COMMON) -> list[tuple[str, str]]:
    """Made-up texts with their labels; a few words of each were never seen."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        label = str(rng.choice(list(TOPICS)))
        words = [*rng.choice(common, rng.integers(4, 15)), *rng.choice(TOPICS[label].split(), 2)]
        if rng.random() < 0.2:
            words.append(f"name{rng.integers(10**6)}")
        if rng.random() < 0.1:
            label = str(rng.choice(list(TOPICS)))
        rng.shuffle(words)
        found.append((" ".join(words), label))
    return found


def write(
    path: Path, rows: list[tuple[str, str]], head: tuple[str, ...] = ("text", "label")
) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(row[: len(head)] for row in rows)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checked")
    data = write(folder / "data.csv", texts(0, 1500))
    out = folder / "best"
    arguments = ["--data", str(data), "--embeddings", "random", "--model", "gru", "--epochs", "1"]
    for setting in ("model.hidden_size=8", "model.linear_weight=3"):
        arguments += ["--set", setting]
    assert train.main([*arguments, "--out", str(out)]) == 0
    return folder


def test_the_bundle_holds_what_later_texts_are_compared_with(run: Path) -> None:
    reference = read_bundle(run / "best").description.reference
    assert reference is not None
    assert (reference.split, reference.texts) == ("test", 300)
    assert 0.005 < reference.unseen.mean < 0.05
    assert sum(reference.predicted) == 300
    assert reference.accuracy is not None
    assert reference.accuracy > 0.85


@pytest.mark.parametrize("seed", range(1, 6))
def test_texts_of_the_same_kind_pass(
    run: Path, seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = write(tmp_path / "new.csv", texts(seed, 300))
    assert check.main([str(run), str(new)]) == 0
    assert "Verdict: accuracy holds" in capsys.readouterr().out
    assert check.main([str(run), str(new), "--no-labels"]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == "Verdict: the texts are like those that the classifier knows"
    assert "differs" not in said


def test_another_language_fails(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = write(tmp_path / "new.csv", texts(1, 100, FOREIGN), ("text",))
    out = tmp_path / "figures.json"
    assert check.main([str(run), str(new), "--json", str(out)]) == 3
    assert "Verdict: the texts differ" in capsys.readouterr().out
    figures = json.loads(out.read_text())
    assert figures["passed"] is False
    assert {each["name"]: each["drifted"] for each in figures["drift"]}["words that train lacks"]


def test_labels_that_changed_their_meaning_fail(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = {"sport": "money", "money": "sport"}
    new = write(tmp_path / "new.csv", [(t, other[label]) for t, label in texts(1, 100)])
    assert check.main([str(run), str(new)]) == 3
    assert "Verdict: accuracy has fallen" in capsys.readouterr().out
    assert check.main([str(run), str(new), "--tolerance", "1"]) == 0


def test_unknown_labels_are_mistakes_and_named(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [*texts(1, 100), ("rain in the week", "weather\x1b[31m")]
    assert check.main([str(run), str(write(tmp_path / "new.csv", rows))]) == 0
    said = capsys.readouterr().out
    assert "1 texts have labels that the classifier does not know" in said
    assert "\x1b" not in said


@pytest.mark.parametrize(
    ("rows", "head", "arguments", "said"),
    [
        ([("a text", "x")], ("text", "label"), [], "no label of the classifier: it has 'x'"),
        ([("a text", "x")], ("text", "kind"), ["--label", "topic"], "has no column 'topic'"),
        ([("a text", "x")] * 5, ("text",), [], "nothing can be told"),
    ],
)
def test_what_cannot_be_told_is_one_message(
    rows: list[tuple[str, str]],
    head: tuple[str, ...],
    arguments: list[str],
    said: str,
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    new = write(tmp_path / "new.csv", rows, head)
    assert check.main([str(run), str(new), *arguments]) == 1
    captured = capsys.readouterr()
    assert said in captured.err + captured.out
    assert "Verdict" not in captured.out


def test_an_older_bundle_says_what_cannot_be_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    about = {"result": {"test_accuracy": 0.4}}
    folder = export_small(tmp_path, about=about)  # a corpus without held-out texts
    rows = [("goal match", "Sports"), ("stock market", "Business")] * 30
    new = write(tmp_path / "new.csv", rows)
    assert check.main([str(folder), str(new), "--no-labels"]) == 1
    assert "holds no statistics" in capsys.readouterr().out
    code = check.main([str(folder), str(new)])
    assert "against 0.4000 on test (of how many texts is not recorded)" in capsys.readouterr().out
    assert code in (0, 3)
