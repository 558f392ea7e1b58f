"""A search that starts from an earlier run and compares its winner with the earlier one's."""

import csv
import io
import json
import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from whole_search import without_ray

from textcls.data.dataset import locate
from tune import RunData, Search, SearchResult, search
from tune.analysis.earlier_run import start_from
from tune.config import search_file
from tune.exceptions import SearchError
from tune.run_folder import paths
from tune.run_folder.paths import RunFolder

WORDS = {
    "sport": ["striker", "goal", "coach", "cup", "league", "match", "referee", "stadium"],
    "money": ["shares", "profit", "bank", "bond", "market", "loan", "tax", "budget"],
    "travel": ["hotel", "flight", "beach", "luggage", "island", "visa", "train", "ticket"],
}
SPACE = """
model: {name: gru, hidden_size: 4, linear_weight: 2.0}
data: {validation_fraction: 0.2}
embeddings: {name: random, dim: 4}
train: {epochs: 2.0, batch_size: 16}
space:
  learning_rate: {type: float, low: 1.0e-3, high: 1.0e-1}
points:
- {learning_rate: 0.003}
- {learning_rate: 0.02}
search: {samples: 2, sampler: random, metric: val_accuracy}
"""


def texts(label: str, count: int, seed: int = 0, blur: float = 0.3) -> list[tuple[str, str]]:
    """Made-up texts of a label, of whose words a share is of any label."""
    chance = random.Random(f"{label} {seed}")
    every = [word for words in WORDS.values() for word in words]
    rows = []
    for number in range(count):
        words = [chance.choice(every if chance.random() < blur else WORDS[label]) for _ in range(5)]
        rows.append((f"{' '.join(words)} {seed} {number}", label))
    return rows


def write(path: Path, rows: Sequence[tuple[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


def run(root: Path, *options: str) -> tuple[int, str, str]:
    out, errors = io.StringIO(), io.StringIO()
    with without_ray(), redirect_stdout(out), redirect_stderr(errors):
        code = search.main([*options, "--runs-dir", str(root / "runs")])
    return code, out.getvalue(), errors.getvalue()


def result(folder: RunFolder) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(folder.result.read_text())
    return found


OLD = [*texts("sport", 60), *texts("money", 60)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("from")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEXTCLS_CACHE", str(folder / "cache"))
        (folder / "space.yaml").write_text(SPACE)
        data = str(write(folder / "old.csv", OLD))
        code, _, errors = run(folder, "--space", str(folder / "space.yaml"), "--data", data,
                              "--name", "old")  # fmt: skip
        assert code == 0, errors
        yield folder


def old_run(root: Path) -> RunFolder:
    return paths.find(root / "runs", "old")


def test_a_run_keeps_which_texts_its_winner_learnt_from(root: Path) -> None:
    folder = old_run(root)
    dataset = locate(search_file.load_search(folder.space).data).read()
    kept = np.load(folder.learnt_texts, allow_pickle=False)
    assert np.isin(dataset.splits["train"].hashes(), kept).all()
    assert np.isin(dataset.splits["validation"].hashes(), kept).all()
    assert not np.isin(dataset.splits["test"].hashes(), kept).any()


@pytest.fixture(scope="module")
def grown(root: Path) -> tuple[RunFolder, str]:
    """A search on the old texts, more of them, and a class that the old winner does not know."""
    rows = [*OLD, *texts("sport", 60, 1), *texts("money", 60, 1), *texts("travel", 60, 1)]
    data = str(write(root / "grown.csv", rows))
    code, printed, errors = run(root, "--from", "old", "--data", data, "--name", "grown")
    assert code == 0, errors
    return paths.find(root / "runs", "grown"), printed


def test_it_begins_with_what_the_old_run_knew(root: Path, grown: tuple[RunFolder, str]) -> None:
    new, old = search_file.load_search(grown[0].space), search_file.load_search(old_run(root).space)
    told = RunData.load(old_run(root).root)
    best = told.params(told.ranked[0])
    assert (new.space, new.model, new.search) == (old.space, old.model, old.search)
    assert new.points[0] == best
    assert {point["learning_rate"] for point in new.points} == {0.003, 0.02}
    assert (old.data.tokenizer, new.data.tokenizer) == ("auto", "wordpunct")
    assert new.data.name == str(root / "grown.csv")
    said = "Starting from old: its search space, the parameters of its best 2 trials first, its"
    assert f"{said} tokenizer (wordpunct)." in grown[1]


def test_both_winners_are_compared_on_texts_that_neither_learnt(
    root: Path, grown: tuple[RunFolder, str]
) -> None:
    folder, printed = grown
    told = result(folder)["previous"]
    dataset = locate(search_file.load_search(folder.space).data).read()
    test = dataset.splits["test"]
    seen = np.isin(test.hashes(), np.load(old_run(root).learnt_texts))
    assert told["left_out"] == seen.sum() > 0
    assert told["texts"] == (~seen).sum()
    rows = test.where(~seen)
    labels = [dataset.label_names[at] for at in rows.labels]
    for key, run_folder in (("old", old_run(root)), ("new", folder)):
        clf = SearchResult(run_folder.root).classifier
        assert told[key] == pytest.approx(clf.score(rows.texts.to_pylist(), labels))
    assert told["difference"] == pytest.approx(told["new"] - told["old"])
    assert told["interval"][0] < told["difference"] < told["interval"][1]
    assert told["better"] == "new"  # a third of the texts is of a class that the old one lacks
    assert told["sentence"].endswith("(McNemar's exact test): take the new one.")
    assert told["sentence"] in " ".join(printed.split())
    travel = labels.count("travel")
    notes = " ".join(told["notes"])
    assert f"old does not know travel: all {travel} texts of that count as its mistakes." in notes
    assert f"On the other {told['texts'] - travel} texts: new " in notes
    assert "left out of this comparison: old was trained or chosen on equal ones." in notes
    assert "Nothing is recorded" not in notes


def test_the_report_says_so(grown: tuple[RunFolder, str]) -> None:
    page = grown[0].report.read_text()
    assert "The winner before" in page
    assert "take the new one" in page
    assert "does not know travel" in page


def test_it_goes_on_without_the_old_run(root: Path, grown: tuple[RunFolder, str]) -> None:
    before = result(grown[0])["previous"]
    moved = root / "elsewhere"
    old_run(root).root.rename(moved)
    try:
        code, printed, errors = run(root, "--resume", "grown", "--samples", "3")
        assert code == 0, errors
    finally:
        moved.rename(root / "runs" / "old")
    after = result(grown[0])
    assert after["trials"]["total"] == 3
    assert (after["previous"]["texts"], after["previous"]["old"]) == (
        before["texts"], before["old"],
    )  # fmt: skip
    assert "Old winner" in printed


def test_auto_begins_and_goes_on(root: Path) -> None:
    data = str(write(root / "more.csv", [*texts("sport", 50, 2), *texts("money", 50, 2)]))
    command = ("--from", "old", "--data", data, "--name", "auto", "--resume", "auto")
    assert run(root, *command)[0] == 0
    code, _, errors = run(root, *command, "--samples", "3")
    assert code == 0, errors
    assert result(paths.find(root / "runs", "auto"))["trials"]["total"] == 3


def test_worse_data_keeps_the_old_one(root: Path) -> None:
    random_labels = [(text, random.Random(text).choice(["sport", "money"])) for text, _ in OLD]
    train, test = random_labels, [*texts("sport", 60, 3, 0.1), *texts("money", 60, 3, 0.1)]
    folder = root / "shuffled"
    folder.mkdir()
    write(folder / "train.csv", train)
    write(folder / "test.csv", test)
    code, printed, errors = run(root, "--from", "old", "--data", str(folder), "--name", "worse")
    assert code == 0, errors
    told = result(paths.find(root / "runs", "worse"))["previous"]
    assert (told["better"], told["texts"], told["left_out"]) == ("old", 120, 0)
    assert told["sentence"].endswith("keep the old one.")
    assert "keep the old one." in " ".join(printed.split())


@pytest.mark.filterwarnings("ignore:No trial is better than the linear classifier")
def test_from_python_with_a_class_that_is_gone(root: Path) -> None:
    shutil.copytree(root / "runs" / "grown", root / "runs" / "three")
    rows = [*texts("sport", 60, 4), *texts("money", 60, 4)]
    made = Search.from_run("three", {"search.metric": "val_macro_f1"}, runs_dir=root / "runs")
    with without_ray():
        found = made.run(
            [text for text, _ in rows], [label for _, label in rows],
            name="fewer", runs_dir=root / "runs",
        )  # fmt: skip
    told = found.against_previous
    assert told is not None
    assert told["measure"] == "macro_f1"
    assert "a test that exchanges the two predictions of texts at random" in told["sentence"]
    assert any("The new data has no text of travel, which three predicts" in note
               for note in told["notes"])  # fmt: skip
    assert SearchResult.load("old", root / "runs").against_previous is None


def test_a_run_that_did_not_record_its_texts_says_so(root: Path) -> None:
    bare = root / "runs" / "bare"
    shutil.copytree(root / "runs" / "old", bare)
    (bare / "learnt_texts.npy").unlink()
    data = str(write(root / "later.csv", [*texts("sport", 40, 5), *texts("money", 40, 5)]))
    assert run(root, "--from", "bare", "--data", data, "--name", "later")[0] == 0
    notes = result(paths.find(root / "runs", "later"))["previous"]["notes"]
    assert any(note.startswith("Nothing is recorded of which texts bare") for note in notes)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (("up", "down"), "the new data has none of its labels: it knows money, sport, the data"),
        (("sport", "money"), "learnt_texts.npy: damaged"),
    ],
)
def test_what_cannot_be_compared_is_said_and_the_winner_stays(
    root: Path, labels: tuple[str, str], reason: str
) -> None:
    name = f"not-{labels[0]}"
    damaged = root / "runs" / "damaged"
    if not damaged.exists():
        shutil.copytree(root / "runs" / "old", damaged)
        (damaged / "learnt_texts.npy").write_bytes(b"\x93NUMPY\x01\x00")
    kinds = dict(zip(WORDS, labels, strict=False))
    rows = [
        (text, kinds[label]) for text, label in (*texts("sport", 40, 6), *texts("money", 40, 6))
    ]
    data = str(write(root / f"{name}.csv", rows))
    code, printed, errors = run(root, "--from", "damaged", "--data", data, "--name", name)
    assert code == 0, errors
    told = result(paths.find(root / "runs", name))["previous"]
    assert reason in told["sentence"]
    assert told["sentence"].startswith("The new winner could not be compared with that of damaged:")
    assert "better" not in told
    assert "could not be compared" in printed
    assert "could not be compared" in (root / "runs" / name / "report.html").read_text()


def test_points_outside_of_a_changed_space_are_left_out(root: Path) -> None:
    low = {"type": "float", "low": 0.01, "high": 0.1}
    made = Search.from_run("old", {"space.learning_rate": low}, runs_dir=root / "runs")
    assert [dict(point) for point in made.config.points] == [{"learning_rate": 0.02}]
    found = start_from(old_run(root), ["space.learning_rate.low=0.01", "data.tokenizer=characters"])
    assert "1 of its best trials lies outside of this space." in str(found)
    assert "tokenizer" not in str(found)
    assert found.config.data.tokenizer == "characters"


def broken(root: Path, name: str, change: Mapping[str, str]) -> RunFolder:
    folder = RunFolder(root / "runs" / name)
    shutil.copytree(root / "runs" / "old", folder.root, dirs_exist_ok=True)
    for file, content in change.items():
        (folder.root / file).write_text(content)
    return folder


def test_a_run_without_a_sound_winner_is_refused_before_anything_starts(root: Path) -> None:
    folder = broken(root, "broken", {"best/bundle.json": "{}"})
    with pytest.raises(SearchError, match="--from broken: it has no winner to start from"):
        start_from(folder)
    code, _, errors = run(root, "--from", "broken", "--name", "never")
    assert code == 1
    assert errors.count("\n") == 1
    assert not (root / "runs" / "never").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--space", "gru"),
        ("--warm-start", "old"),
        ("--resume", "old"),
    ],
)
def test_what_does_not_go_with_from_is_refused(
    root: Path, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        search.main(["--from", "old", *options, "--runs-dir", str(root / "runs")])
    assert "not allowed with argument" in capsys.readouterr().err


def test_a_kill_amid_its_start_does_not_block_the_name(root: Path) -> None:
    folder = paths.create(root / "runs", "killed")
    shutil.copytree(root / "runs" / "old" / "best", folder.previous.best)
    assert paths.create(root / "runs", "killed").root == folder.root
