import math
from datetime import datetime, timedelta

import numpy as np
import pytest

from tune.config.search_file import StopWhenConfig
from tune.study.further_gain import FurtherGain, expected_gain
from tune.study.records import State, TrialRecord

LEAST = 0.001


def draws(seed: int, count: int) -> list[float]:
    values: list[float] = np.random.default_rng(seed).normal(0.8, 0.05, size=count).tolist()
    return values


def record(
    number: int, value: float, state: State = State.PRUNED, seconds: int = 10
) -> TrialRecord:
    began = datetime(2026, 1, 1)
    ended = began + timedelta(seconds=seconds)
    return TrialRecord(number, state, {}, None, None, "", (), (value,), began, ended)


def test_it_is_not_less_than_what_comes() -> None:
    """Over many searches of random draws."""
    came, told = [], []
    for seed in range(200):
        values = draws(seed, 60)
        came.append(max(values) - max(values[:40]))
        told.append(expected_gain(values[:40], 20, LEAST) or 0.0)
    assert np.mean(came) < np.mean(told) < 3 * np.mean(came)


def test_it_falls_as_trials_end_and_grows_with_those_to_come() -> None:
    values = draws(0, 400)
    early, late, more = (
        expected_gain(values[:count], trials, LEAST)
        for count, trials in ((30, 20), (400, 20), (400, 40))
    )
    assert early is not None
    assert late is not None
    assert more is not None
    assert late < early
    assert late < more


def test_too_few_trials_say_nothing() -> None:
    assert expected_gain(draws(0, 15), 20, LEAST) is None
    assert expected_gain([*draws(0, 15), -math.inf], 20, LEAST) is None


def test_where_nothing_is_learnt_yet_nothing_is_told() -> None:
    """All at chance: the better part of the space may still be found."""
    at_chance = [0.5 + 0.0001 * number for number in range(30)]
    assert expected_gain(at_chance, 20, LEAST) is None
    assert expected_gain([*at_chance, 0.6], 20, LEAST) is not None


def test_failed_trials_count_as_draws_that_found_nothing() -> None:
    values = draws(0, 30)
    alone, among = (
        expected_gain(each, 20, LEAST) for each in (values, [*values, *[-math.inf] * 30])
    )
    assert alone is not None
    assert among is not None
    assert among < alone


def test_seconds_become_trials_by_the_length_of_the_latest_and_the_slots() -> None:
    by_time = FurtherGain(StopWhenConfig.model_validate({"gain_below": LEAST, "within": "100s"}), 2)
    by_count = FurtherGain(StopWhenConfig(gain_below=LEAST, within_trials=20))
    for number, value in enumerate(draws(0, 40)):
        for each in (by_time, by_count):
            each.add(record(number, value, seconds=10 if number >= 20 else 100))
    assert by_time.expected == pytest.approx(by_count.expected)


@pytest.mark.parametrize("state", [State.FAILED, State.DIVERGED])
def test_what_cannot_win_reaches_nothing(state: State) -> None:
    gain = FurtherGain(StopWhenConfig(gain_below=LEAST, within_trials=20))
    for number, value in enumerate(draws(0, 40)):
        gain.add(record(number, value))
    before = gain.expected
    gain.add(record(40, 5.0, state))
    assert before is not None
    assert gain.expected is not None
    assert gain.expected < before
