from pathlib import Path

import optuna
import pytest
from report_runs import make_search, many_trials, trial, write_run

from tune.analysis import run_data
from tune.analysis.importance import ENOUGH, Importance, compute_importance
from tune.report import writer
from tune.study.records import State

FIXED = {"hidden_size": 64, "learning_rate": 0.004, "pooling": "max"}


def test_the_parameter_that_decides_comes_first(tmp_path: Path) -> None:
    search = make_search()
    made = many_trials(search, 60, lambda params, _: 0.5 + 0.5 * params["dropout"])
    told = run_data.load_run(write_run(tmp_path / "run", search, made))
    level = optuna.logging.get_verbosity()
    found = compute_importance(told)
    assert optuna.logging.get_verbosity() == level
    assert isinstance(found, Importance)
    assert next(iter(found.shares)) == "dropout"
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert found.directions["dropout"] > 0.9
    assert "pooling" not in found.directions  # choices have no order


def test_only_values_at_one_rung_are_compared(tmp_path: Path) -> None:
    search = make_search()
    told = run_data.load_run(write_run(tmp_path / "run", search, many_trials(search, 40)))
    found = compute_importance(told)
    assert isinstance(found, Importance)
    reached = [sum(len(each.values) > rung for each in told.records) for rung in range(3)]
    assert reached[found.rung] == found.trials >= ENOUGH
    assert all(count < ENOUGH for count in reached[found.rung + 1 :])


def test_parameters_of_some_trials_only_take_part(tmp_path: Path) -> None:
    space = {
        "model": {"type": "categorical", "choices": ["cnn", "gru"]},
        "blocks": {"type": "int", "low": 1, "high": 4, "when": {"model": "cnn"}},
    }
    search = make_search(space=space)
    made = [
        trial(search, State.PRUNED, [0.5 + 0.1 * (at % 4) + at / 1000],
              {"model": "cnn", "blocks": at % 4 + 1} if at % 2 else {"model": "gru"})
        for at in range(30)
    ]  # fmt: skip
    found = compute_importance(run_data.load_run(write_run(tmp_path / "run", search, made)))
    assert isinstance(found, Importance)
    assert set(found.shares) == {"model", "blocks"}


def test_ten_trials_suffice_for_a_hint(tmp_path: Path) -> None:
    search = make_search()
    made = [
        trial(search, State.PRUNED, [0.5 + 0.04 * at], {**FIXED, "dropout": 0.05 * at})
        for at in range(10)
    ]
    folder = write_run(tmp_path / "run", search, made)
    found = compute_importance(run_data.load_run(folder))
    assert isinstance(found, Importance)
    assert (next(iter(found.shares)), found.trials) == ("dropout", 10)
    assert "take it as a hint" in writer.write_report(folder).read_text()


def test_an_interrupted_trial_and_its_continuation_are_one(tmp_path: Path) -> None:
    search = make_search()
    made = [
        trial(search, State.INTERRUPTED if at == 0 else State.PRUNED, [0.5 + 0.04 * (at % 10)],
              {**FIXED, "dropout": 0.05 * (at % 10)}, continues=0 if at == 10 else None)
        for at in range(11)
    ]  # fmt: skip
    found = compute_importance(run_data.load_run(write_run(tmp_path / "run", search, made)))
    assert isinstance(found, Importance)
    assert found.trials == 10


def test_the_reason_is_said_where_there_is_none(tmp_path: Path) -> None:
    search = make_search()
    few = run_data.load_run(write_run(tmp_path / "few", search, many_trials(search, 5)))
    assert "Too few trials" in str(compute_importance(few))
    nine = run_data.load_run(write_run(tmp_path / "nine", search, many_trials(search, 9)))
    assert "needs 10 that reached the same rung, and 9 reached" in str(compute_importance(nine))
    made = many_trials(search, 60, lambda _params, _epoch: 0.5)
    for each in made:
        each.intermediate_values = dict.fromkeys(each.intermediate_values, 0.5)
    same = run_data.load_run(write_run(tmp_path / "same", search, made))
    assert "the same value" in str(compute_importance(same))
    fixed = make_search(configurations={"as it is": {"params": {}}})
    nothing = run_data.load_run(
        write_run(tmp_path / "fixed", fixed, [trial(fixed, State.PRUNED, [0.5], {})])
    )
    assert compute_importance(nothing) == "Nothing was searched."
