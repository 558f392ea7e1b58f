from pathlib import Path

import numpy as np
import pytest
from report_runs import TEXTS, make_search, many_trials, trial, write_run

from textcls.training.metrics import wilson_interval
from tune.analysis import run_data
from tune.analysis.winner_score import (
    error_of_difference,
    interval_of_mean,
    score_winner,
    selection_bias,
)
from tune.study.records import State

PARAMS = {"hidden_size": 64, "learning_rate": 0.004, "dropout": 0.1, "pooling": "max"}


def test_the_interval_goes_with_the_number_of_texts(tmp_path: Path) -> None:
    search = make_search()
    made = [trial(search, State.COMPLETE, [0.9, 0.91, 0.9], PARAMS)]
    judged = score_winner(run_data.load_run(write_run(tmp_path / "run", search, made)))
    assert judged is not None
    assert judged.headline is not None
    assert judged.headline.accuracy == judged.value == 0.91
    assert judged.headline.interval == wilson_interval(0.91, TEXTS["test"])
    assert (judged.selected_on_test, judged.candidates, judged.evaluations) == (True, 1, 3)


def test_a_search_on_validation_is_judged_on_test(tmp_path: Path) -> None:
    search = make_search(search={"metric": "val_accuracy"}, data={"validation_fraction": 0.1})
    made = [trial(search, State.COMPLETE, [0.9, 0.91, 0.93], PARAMS)]
    best = {"number": 0, "test_accuracy": 0.9, "val_accuracy": 0.93}
    judged = score_winner(run_data.load_run(write_run(tmp_path / "run", search, made, best=best)))
    assert judged is not None
    assert judged.headline is not None
    assert (judged.headline.split, judged.headline.accuracy) == ("test", 0.9)
    assert not judged.selected_on_test


def test_without_reports_there_is_no_score(tmp_path: Path) -> None:
    search = make_search()
    made = [trial(search, State.FAILED, [], PARAMS, message="it broke")]
    assert score_winner(run_data.load_run(write_run(tmp_path / "run", search, made))) is None


def test_the_bias_of_equals_is_the_expected_maximum_of_as_many_errors() -> None:
    error = np.sqrt(0.9 * 0.1 / 4_000)
    highest = np.random.default_rng(1).standard_normal((20_000, 32)).max(axis=1).mean()
    assert selection_bias([0.9] * 32, 4_000) == pytest.approx(highest * error, rel=0.05)


def test_a_clear_leader_has_hardly_any_bias_and_more_candidates_have_more() -> None:
    assert selection_bias([0.95, 0.8, 0.8], 4_000) == pytest.approx(0.0, abs=1e-4)
    few, many = selection_bias([0.9] * 4, 4_000), selection_bias([0.9] * 64, 4_000)
    assert few is not None
    assert many is not None
    assert 0 < few < many
    assert selection_bias([0.9], None) is None


def test_rivals_lie_within_the_interval(tmp_path: Path) -> None:
    search = make_search()
    told = run_data.load_run(write_run(tmp_path / "run", search, many_trials(search, 30)))
    judged = score_winner(told)
    assert judged is not None
    assert judged.headline is not None
    assert judged.headline.interval is not None
    low = judged.headline.interval[0]
    assert judged.n_within_interval == sum(record.value >= low for record in told.ranked[1:])


def test_the_error_of_a_difference_matches_a_simulation() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.binomial(1_000, 0.9, (2, 20_000)) / 1_000
    assert error_of_difference(0.9, 1_000) == pytest.approx(np.std(drawn[0] - drawn[1]), rel=0.03)


def test_the_interval_of_a_mean_of_shares_lies_within_0_and_1() -> None:
    for values in ([0.64, 0.49], [0.999, 1.0], [0.0, 0.2], [0.0, 1.0]):
        found = interval_of_mean(values, share=True)
        assert found is not None
        assert 0.0 <= found[0] < np.mean(values) < found[1] <= 1.0
    assert interval_of_mean([1.0, 1.0], share=True) == (1.0, 1.0)
    assert interval_of_mean([0.5], share=True) is None
    other = interval_of_mean([0.64, 0.49], share=False)
    assert other is not None
    assert other[0] < 0.0 < 1.0 < other[1]


def test_the_interval_of_a_mean_of_many_shares_is_students() -> None:
    values = np.random.default_rng(0).normal(0.8, 0.01, 50)
    plain, bounded = (interval_of_mean(values.tolist(), share=share) for share in (False, True))
    assert bounded == pytest.approx(plain, abs=1e-4)


def test_equal_perfect_scores_have_an_optimism() -> None:
    assert (selection_bias([1.0] * 5, 100) or 0.0) > 0.001
