from pathlib import Path
from typing import Any

import pytest
import yaml
from report_runs import make_search, many_trials, trial, write_run

from tune.analysis import run_data
from tune.analysis._curves import shape
from tune.analysis.advice import advise
from tune.analysis.winner_score import score_winner
from tune.study.records import State

PARAMS = {"hidden_size": 64, "learning_rate": 0.004, "dropout": 0.1, "pooling": "max"}


def said(tmp_path: Path, curves: list[list[float]], **keys: Any) -> tuple[list, run_data.RunData]:
    search = keys.pop("search", None) or make_search()
    made = [
        trial(search, State.COMPLETE if len(values) == 3 else State.PRUNED, values, PARAMS)
        for values in curves
    ]
    told = run_data.load_run(write_run(tmp_path / "run", search, made, **keys))
    return advise(told, score_winner(told)), told


def titles(found: list) -> str:
    return "\n".join(each.title for each in found)


@pytest.mark.parametrize(
    ("values", "title"),
    [
        ([0.80, 0.88, 0.93], "still rise at the end"),
        ([0.93, 0.935, 0.89], "overfit"),
        ([0.9300, 0.9302, 0.9301], "flat from the first rung on"),
    ],
)
def test_the_shape_of_the_best_curves_is_named(
    tmp_path: Path, values: list[float], title: str
) -> None:
    found, told = said(tmp_path, [values] * 4)
    assert title in titles(found)
    described = shape(told)
    assert described is not None
    assert described.trials == 4
    for each in found:
        if each.yaml:  # a line for the search file is one
            make_search(**yaml.safe_load(each.yaml))


def test_a_curve_that_has_arrived_needs_no_advice(tmp_path: Path) -> None:
    found, _ = said(tmp_path, [[0.88, 0.928, 0.93]] * 4)
    assert not {"rise", "overfit", "flat"} & set(titles(found).split())


def test_a_rising_held_out_loss_is_overfitting(tmp_path: Path) -> None:
    search = make_search()
    made = [trial(search, State.COMPLETE, [0.8, 0.9, 0.9], PARAMS) for _ in range(3)]
    for each in made:
        each.user_attrs["rung 2"] |= {"test_loss": 0.9, "train_loss": 0.1}
    told = run_data.load_run(write_run(tmp_path / "run", search, made))
    assert "overfit" in titles(advise(told, score_winner(told)))


def test_trials_that_only_guess_are_counted(tmp_path: Path) -> None:
    found, _ = said(tmp_path, [[0.8, 0.9, 0.92], [0.251], [0.249], [0.26]])
    (stuck,) = [each for each in found if "guessing" in each.title]
    assert stuck.title.startswith("3 of 4 trials")
    assert stuck.kind == "warning"


def test_failures_and_divergence_are_warnings(tmp_path: Path) -> None:
    search = make_search()
    made = [trial(search, state, [], PARAMS, message="x")
            for state in (State.FAILED, State.DIVERGED, State.DIVERGED)]  # fmt: skip
    told = run_data.load_run(write_run(tmp_path / "run", search, made, state="failed"))
    found = titles(advise(told, score_winner(told)))
    assert "1 of 3 trials failed" in found
    assert "2 of 3 trials diverged" in found


@pytest.mark.parametrize(
    ("state", "title"),
    [(None, "cut off"), ("interrupted", "stopped before its end")],
)
def test_a_search_that_did_not_end_says_how_to_go_on(
    tmp_path: Path, state: str | None, title: str
) -> None:
    found, _ = said(tmp_path, [[0.8]], state=state)
    (first, *_) = found
    assert title in first.title
    assert "--resume run" in first.text


def test_substitutions_come_first_in_one_warning(tmp_path: Path) -> None:
    notices = {"notices": ["the hub is away; synthetic is used", "No GPU: trials run on 1 core"]}
    found, _ = said(tmp_path, [[0.8, 0.9, 0.92]], environment=notices)
    assert found[0].kind == "warning"
    assert found[0].text.split("\n\n") == [
        "The hub is away; synthetic is used",
        notices["notices"][1],
    ]


def test_selection_on_the_test_split_is_told_and_on_validation_not(tmp_path: Path) -> None:
    found, _ = said(tmp_path, [[0.8, 0.9, 0.92]] * 3)
    (each,) = [each for each in found if "test split picked" in each.title]
    assert "best of 3" in each.text
    assert "val_accuracy" in each.text
    clean = make_search(search={"metric": "val_accuracy"}, data={"validation_fraction": 0.1})
    found, _ = said(tmp_path / "clean", [[0.8, 0.9, 0.92]] * 3, search=clean)
    assert "test split picked" not in titles(found)


def test_warnings_come_before_advice(tmp_path: Path) -> None:
    search = make_search()
    told = run_data.load_run(
        write_run(tmp_path / "run", search, many_trials(search, 25), state=None)
    )
    kinds = [each.kind for each in advise(told, score_winner(told))]
    assert kinds == sorted(kinds, reverse=True)


def test_a_winner_that_was_stopped_early_is_named(tmp_path: Path) -> None:
    found, _ = said(tmp_path, [[0.8, 0.93], [0.8, 0.9, 0.92]])
    (each,) = [each for each in found if "stopped early" in each.title]
    assert "epoch 0.75 of 2" in each.text
