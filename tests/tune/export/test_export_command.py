"""`textcls-tune export`: another trial of a search, by its number or by a preference."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import whole_search

from textcls.runtime.loading import load_predictor
from tune.analysis.run_data import RunData, load_run
from tune.config.search_file import ObjectiveSearchFile, dump_search
from tune.export import __main__ as export
from tune.run_folder.paths import RunFolder

SIZES = (4, 16, 8, 2, 12)
SEARCH: dict[str, Any] = {
    **whole_search.SEARCH,
    "model": {"name": "gru"},
    "space": {"hidden_size": {"type": "int", "low": 2, "high": 16}},
    "points": [{"hidden_size": size} for size in SIZES],
    "search": {
        "samples": len(SIZES),
        "sampler": "random",
        "metric": "val_accuracy",
        "scheduler": {"name": "none"},
    },
}
FRONT = SEARCH | {"search": SEARCH["search"] | {"metric": ["val_accuracy", "bytes"]}}


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEXTCLS_CACHE", str(tmp_path_factory.mktemp("cache")))
        logging.disable(logging.CRITICAL)
        yield
        logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    """A search for accuracy and few bytes, which has ended."""
    return searched(tmp_path_factory.mktemp("front"), FRONT)


def searched(root: Path, search: dict[str, Any]) -> RunData:
    assert whole_search.run_once(root, search=search).message == ""
    return load_run(RunFolder(root / "run"))


def exported(out: Path) -> tuple[int, int]:
    """The trial that a bundle is of, and its units."""
    told = json.loads((out / "bundle.json").read_text(encoding="utf-8"))
    return told["about"]["search"]["trial"], told["model"]["hidden_size"]


def floor(run: RunData) -> float:
    """One standard error below the best value."""
    best, texts = run.ranked[0].value, run.texts("validation")
    assert best is not None
    assert texts is not None
    return float(best - (best * (1 - best) / texts) ** 0.5)


def test_every_trial_of_the_front_can_be_exported(
    front: RunData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for record in front.front:
        out = tmp_path / str(record.number)
        command = [str(front.folder.root), "--trial", str(record.number), "--out", str(out)]
        assert export.main(command) == 0
        assert exported(out) == (record.number, record.params["hidden_size"])
        files = [out / "classifier.safetensors", out / "vocabulary.json"]
        size = sum(path.stat().st_size for path in files)
        assert front.costs[record.number].bytes == size
        said = capsys.readouterr().out
        assert f"trial {record.number}, val_accuracy {record.value:.4f}" in said
        assert f"{size / 1e6:.2f} MB" in said


def test_the_winners_own_export_is_the_same(front: RunData, tmp_path: Path) -> None:
    assert front.best is not None
    command = [str(front.folder.root), "--trial", str(front.best.number)]
    assert export.main([*command, "--out", str(tmp_path / "again")]) == 0
    texts = ["goal match stock", "the market fell", ""]
    both = [
        load_predictor(at).probabilities(texts) for at in (front.folder.best, tmp_path / "again")
    ]
    np.testing.assert_array_equal(*both)


@pytest.mark.parametrize("prefer", ["small", "fast", "accurate"])
def test_a_preference_picks_from_the_front(
    prefer: str, front: RunData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert export.main([str(front.folder.root), "--prefer", prefer, "--out", str(out)]) == 0
    best = front.ranked[0]
    within = [each for each in front.front if (each.value or 0.0) >= floor(front)]
    expected = best if prefer == "accurate" else within[0]
    assert exported(out)[0] == expected.number
    assert len({each.number for each in front.front}) > 1
    said = capsys.readouterr().out
    assert "is the best of the search" in said if prefer == "accurate" else "standard error" in said


def test_a_trial_can_be_written_in_another_form(
    front: RunData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number = front.front[0].number
    command = [str(front.folder.root), "--trial", str(number)]
    assert export.main([*command, "--small", str(tmp_path / "small")]) == 0
    assert exported(tmp_path / "small")[0] == number
    said = capsys.readouterr().out
    assert f"trial {number}" in said
    assert "get another label" in said


def test_a_run_knows_where_its_data_lies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "secret place"
    place.mkdir()
    rows = [f"the {word} number {i},{word}" for i in range(40) for word in ("goal", "stock")]
    (place / "own.csv").write_text("text,label\n" + "\n".join(rows), encoding="utf-8")
    named = SEARCH["data"] | {"name": str(place / "own.csv")}
    run = searched(tmp_path, SEARCH | {"data": named})
    assert all(b"secret" not in path.read_bytes() for path in run.folder.best.iterdir())
    assert run.best is not None
    for options in ([], ["--trial", str(run.best.number)]):
        command = [str(run.folder.root), *options, "--small", str(tmp_path / "small")]
        assert export.main(command) == 0
        assert "get another label; accuracy" in capsys.readouterr().out


def test_a_trial_whose_checkpoint_is_gone_is_one_sentence(
    front: RunData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = {each.number for each in front.front} | {front.ranked[0].number}
    gone = next(each.number for each in front.records if each.number not in kept)
    command = [str(front.folder.root), "--out", str(tmp_path / "out"), "--trial"]
    assert export.main([*command, str(gone)]) == 1
    said = capsys.readouterr().err
    assert f"the checkpoint of trial {gone} is not kept" in said
    assert all(str(number) in said.partition("kept are those of")[2] for number in kept)
    assert export.main([*command, "99"]) == 1
    assert "has no trial 99; its 5 trials are numbered from 0 to 4" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_the_preference_cannot_have_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # It keeps its winner's checkpoint alone, and without learning hardly any trial is better.
    still = SEARCH | {"train": SEARCH["train"] | {"learning_rate": 1e-6}}
    run = searched(tmp_path, still)
    out = tmp_path / "out"
    assert export.main([str(run.folder.root), "--prefer", "small", "--out", str(out)]) == 0
    assert exported(out)[0] == run.ranked[0].number
    said = capsys.readouterr().out
    winner = run.ranked[0]
    smaller = [
        each.number
        for each in run.ranked
        if (each.value or 0.0) >= floor(run)
        and run.costs[each.number].bytes < run.costs[winner.number].bytes
    ]
    assert smaller
    assert "would be smaller still, but has not kept its checkpoint" in said
    assert any(f"trial {number} would be" in said for number in smaller)


def test_a_run_whose_data_has_changed_is_refused(
    front: RunData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = front.folder.environment
    before = path.read_text(encoding="utf-8")
    told = json.loads(before)
    told["corpora"][0]["data_fingerprint"] = "other"
    path.write_text(json.dumps(told), encoding="utf-8")
    command = [str(front.folder.root), "--prefer", "small", "--out", str(tmp_path / "out")]
    try:
        assert export.main(command) == 1
    finally:
        path.write_text(before, encoding="utf-8")
    assert "something has changed since they were trained: the data" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_winners_folder_is_not_overwritten(
    front: RunData, capsys: pytest.CaptureFixture[str]
) -> None:
    before = exported(front.folder.best)
    command = [str(front.folder.root), "--trial", str(front.front[0].number)]
    assert export.main([*command, "--out", str(front.folder.best)]) == 1
    assert "holds the winner of the run" in capsys.readouterr().err
    assert exported(front.folder.best) == before


def test_an_objective_of_ones_own_has_nothing_to_export(
    front: RunData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = {"space": {"hidden_size": {"type": "int", "low": 2, "high": 16}}}
    search = ObjectiveSearchFile.model_validate(
        {"objective": "f", **own, "search": {"metric": "y"}}
    )
    before = front.folder.space.read_text(encoding="utf-8")
    front.folder.space.write_text(dump_search(search), encoding="utf-8")
    command = [str(front.folder.root), "--prefer", "small", "--out", str(tmp_path / "out")]
    try:
        assert export.main(command) == 1
    finally:
        front.folder.space.write_text(before, encoding="utf-8")
    assert "there is no classifier" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "name one thing to write: --small FOLDER or --onnx FILE"),
        (["--trial", "1"], "name one thing to write: --out FOLDER, --small FOLDER or --onnx FILE"),
        (["--trial", "1", "--out", "a", "--small", "b"], "name one thing to write"),
        (["--out", "a"], "--out is for --prefer or --trial"),
        (["--trial", "-1", "--out", "a"], "must be at least 0"),
        (["--trial", "1", "--prefer", "small", "--out", "a"], "not allowed with argument"),
    ],
)
def test_options_that_do_not_fit_are_a_usage_error(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        export.main(["run", *options])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
