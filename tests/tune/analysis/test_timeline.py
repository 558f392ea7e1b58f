from datetime import timedelta
from pathlib import Path

import pytest
from report_runs import make_search, many_trials, trial, write_run

from tune.analysis import run_data
from tune.analysis.timeline import build_timeline, carried_rungs
from tune.study.records import State

SEARCH = make_search()
PARAMS = {"hidden_size": 64, "learning_rate": 0.004, "dropout": 0.1, "pooling": "max"}


def test_trials_side_by_side_lie_in_lanes_and_add_up(tmp_path: Path) -> None:
    made = many_trials(SEARCH, 20, slots=3)
    told = run_data.load_run(write_run(tmp_path / "run", SEARCH, made))
    line = build_timeline(told)
    assert line.lanes == 3
    assert line.epochs == pytest.approx(sum(r.curve[-1]["epoch"] for r in told.records if r.curve))
    for lane in range(line.lanes):
        spans = sorted((each.began, each.ended) for each in line.spans if each.lane == lane)
        ends = [end for _, end in spans]
        assert all(end <= begin for end, (begin, _) in zip(ends, spans[1:], strict=False))
    assert 0 < line.busy_seconds <= line.lanes * line.seconds


def test_the_best_so_far_only_rises(tmp_path: Path) -> None:
    told = run_data.load_run(write_run(tmp_path / "run", SEARCH, many_trials(SEARCH, 20)))
    line = build_timeline(told)
    seconds = [report.seconds for report in line.reports]
    assert seconds == sorted(seconds)
    values = [report.value for report in line.leaders()]
    assert values == sorted(set(values))
    assert values[-1] == max(value for record in told.records for value in record.values)


def test_a_trial_that_takes_over_is_not_counted_twice_nor_the_time_between(
    tmp_path: Path,
) -> None:
    first = trial(SEARCH, State.INTERRUPTED, [0.8, 0.9], PARAMS)
    second = trial(SEARCH, State.COMPLETE, [0.8, 0.9, 0.92], PARAMS, begin_s=3600.0, continues=0)
    second.datetime_complete = second.datetime_start + timedelta(seconds=15)
    told = run_data.load_run(write_run(tmp_path / "run", SEARCH, [first, second]))
    assert carried_rungs(told.records) == {0: 0, 1: 2}
    line = build_timeline(told)
    assert line.epochs == pytest.approx(2.0)
    assert [report.rung for report in line.reports] == [0, 1, 2]
    ((at, gap),) = line.pauses
    assert (at, gap) == (pytest.approx(21.0), pytest.approx(3600.0 - 21.0))
    assert line.seconds == pytest.approx(21.0 + 15.0)
    assert line.spans[1].ended - line.spans[1].began == pytest.approx(10.0)  # one rung of its own


def test_without_trials_there_is_an_empty_line(tmp_path: Path) -> None:
    line = build_timeline(run_data.load_run(write_run(tmp_path / "run", SEARCH, [], state=None)))
    assert (line.seconds, line.lanes, line.epochs, line.leaders()) == (0.0, 0, 0.0, [])
