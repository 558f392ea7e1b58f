"""The command: new texts of the same kind pass, others fail, and the exit code says which."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from bundle_parts import export_small

from textcls import TextClassifier, train
from textcls.check import __main__ as check
from textcls.ensemble import write_ensemble
from textcls.exceptions import DataError
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


def test_the_surest_mistakes_are_shown_with_their_words(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = [("goal match team coach league goal", "money"), ("the week today", "sport")]
    assert check.main([str(run), str(write(tmp_path / "new.csv", [*texts(1, 300), *wrong]))]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = lines.index(
        "Most confident mistakes, with the log-odds of the words that moved the decision:"
    )
    shown = [line for line in lines[at + 1 :] if line.startswith("  ")]
    heads, words = shown[::2], shown[1::2]
    assert len(heads) == len(words) == 5
    probabilities = [float(head.split()[1].rstrip(",")) for head in heads]
    assert probabilities == sorted(probabilities, reverse=True)
    (place,) = [n for n, head in enumerate(heads) if "coach league goal" in head]
    assert heads[place].startswith("  sport 0.") or heads[place].startswith("  sport 1.")
    assert ", labelled money: " in heads[place]
    assert "    for sport: " in words[place]
    assert any(f"{word} +" in words[place] for word in TOPICS["sport"].split())


def ensemble(run: Path, folder: Path) -> Path:
    folder.mkdir()
    for name in ("one", "two"):
        shutil.copytree(run / "best", folder / name)
    write_ensemble(folder, ["one", "two"], {})
    return folder


def test_an_ensemble_is_checked_as_its_members(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ensemble(run, tmp_path / "ensemble")
    new = write(tmp_path / "new.csv", texts(1, 300))
    assert check.main([str(run), str(new)]) == 0
    alone = capsys.readouterr().out
    assert check.main([str(folder), str(new)]) == 0
    assert capsys.readouterr().out == alone  # two equal members decide as one
    other = write(tmp_path / "other.csv", texts(1, 100, FOREIGN), ("text",))
    assert check.main([str(folder), str(other)]) == 3
    flipped = {"sport": "money", "money": "sport"}
    worse = write(tmp_path / "worse.csv", [(t, flipped[label]) for t, label in texts(1, 100)])
    assert check.main([str(folder), str(worse)]) == 3


def test_a_classifier_that_fit_has_made_is_checked_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, held = texts(0, 600), texts(7, 200)
    clf = TextClassifier(embeddings="random", hidden_size=8, epochs=1, least_texts=600)
    clf.fit([text for text, _ in train], [label for _, label in train])
    x, y = [text for text, _ in held], [label for _, label in held]
    folder = clf.save(tmp_path / "saved", held_out=(x, y))
    reference = read_bundle(folder).description.reference
    assert reference is not None
    assert (reference.split, reference.texts) == ("held out", 200)
    assert reference.accuracy == pytest.approx(clf.score(x, y))
    card = (folder / "README.md").read_text()
    assert f"| held out | 200 | {reference.accuracy:.4f} |" in card
    same = write(tmp_path / "same.csv", texts(3, 300))
    assert check.main([str(folder), str(same)]) == 0
    assert check.main([str(folder), str(same), "--no-labels"]) == 0
    foreign = write(tmp_path / "new.csv", texts(1, 100, FOREIGN), ("text",))
    assert check.main([str(folder), str(foreign)]) == 3
    again = TextClassifier.load(folder).save(tmp_path / "again")
    assert read_bundle(again).description.reference == reference
    with pytest.raises(DataError, match="the label 'weather' is none of the classifier's"):
        clf.save(tmp_path / "no", held_out=(["rain"], ["weather"]))
    bare = clf.save(tmp_path / "bare")
    assert "Not recorded: there were no held-out texts." in (bare / "README.md").read_text()
    capsys.readouterr()
    assert check.main([str(bare), str(foreign)]) == 1


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
        ([("a text", "x")] * 5, ("text",), [], "nothing can be measured"),
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
