from random import Random
from typing import Any

import pytest

from tune.monitor.eta import Left, Run
from tune.monitor.eta import time_left as left_of

ONE = (1.0,)
FOUR = (1.0, 2.0, 4.0, 8.0)


def remaining_s(*search: Any) -> float | None:
    found = left_of(*search)
    return None if found is None else found.expected_s


def stopped(rungs: int, pace: float = 1.0) -> Run:
    epochs = FOUR[rungs - 1]
    return Run(pace * epochs, rungs, pace * epochs, epochs)


def whole(seconds: float) -> Run:
    return Run(seconds, 1, seconds, 1.0)


def test_nothing_is_known_before_a_trial_has_ended() -> None:
    assert remaining_s([], [Run(3.0)], 4, 2, ONE) is None
    assert remaining_s([], [], 0, 2, ONE) == 0


def test_equal_trials_fill_the_slots() -> None:
    running = [Run(4.0), Run(4.0)]
    assert remaining_s([whole(10.0)] * 2, running, 4, 2, ONE) == pytest.approx(6 + 2 * 10)


def test_a_slot_that_is_free_takes_the_next_trial() -> None:
    assert remaining_s([whole(10.0)], [Run(1.0)], 1, 2, ONE) == pytest.approx(10)


def test_recent_trials_count_more() -> None:
    early = remaining_s([whole(100.0)] * 30 + [whole(10.0)] * 30, [], 10, 1, ONE)
    late = remaining_s([whole(10.0)] * 30 + [whole(100.0)] * 30, [], 10, 1, ONE)
    assert early is not None
    assert late is not None
    assert early < 450 < 650 < late  # the plain mean says 550


def test_stopped_trials_are_shorter() -> None:
    left = remaining_s([stopped(1)] * 27 + [stopped(4)] * 3, [], 200, 1, FOUR)
    assert left is not None
    assert left == pytest.approx(200 * (0.9 * 1 + 0.1 * 8), rel=0.3)


def test_a_running_trial_keeps_its_own_pace() -> None:
    slow = Run(20.0, 2, 20.0, 2.0)
    ended = [stopped(1)] * 20 + [stopped(4)] * 20  # who passes the first rung comes to the end
    assert remaining_s(ended, [slow], 0, 2, FOUR) == pytest.approx(10 * (8 - 2), rel=0.02)


def test_what_has_run_since_the_last_rung_is_done() -> None:
    slow = Run(30.0, 3, 20.0, 4.0)
    assert remaining_s([stopped(4)], [slow], 0, 2, FOUR) == pytest.approx(5 * 4 - 10)


def test_a_trial_that_takes_up_an_earlier_one_has_the_pace_of_what_it_trained() -> None:
    continued = Run(8.0, 3, 8.0, 2.0)  # it began at epoch 2
    assert remaining_s([stopped(4)], [continued], 0, 1, FOUR) == pytest.approx(4 * 4)


def test_a_trial_that_outlived_all_is_never_negative() -> None:
    assert remaining_s([whole(10.0)], [Run(1000.0)], -3, 1, ONE) == 0


def test_trials_that_only_fail_take_as_long_as_they_took() -> None:
    assert remaining_s([Run(5.0)] * 3, [], 4, 1, FOUR) == pytest.approx(20)


def test_many_trials_to_come_take_their_mean() -> None:
    left = remaining_s([whole(10.0), whole(20.0)] * 8, [], 10_000, 4, ONE)
    assert left == pytest.approx(10_000 * 15 / 4, rel=0.05)


def test_a_trial_that_tells_how_far_it_is_is_believed() -> None:
    ended = [stopped(1)] * 20 + [stopped(4)] * 20
    slowed = Run(100.0, 2, 10.0, 2.0, since=4.0)  # 5 s an epoch, since then more than 20
    left = remaining_s(ended, [slowed], 0, 1, FOUR)
    assert left == pytest.approx(2 * 22, rel=0.15)
    untold = remaining_s(ended, [Run(100.0, 2, 10.0, 2.0)], 0, 1, FOUR)
    assert untold == 0


def test_a_first_rung_tells_its_pace_before_it_is_reached() -> None:
    ended = [whole(10.0)] * 20
    left = remaining_s(ended, [Run(40.0, since=0.5)], 0, 1, ONE)
    assert left == pytest.approx(0.5 * 45)  # 80 s an epoch by now, half a rung at 10 s before


def test_who_comes_far_has_the_pace_of_those_that_did() -> None:
    ended = [stopped(1, pace=1.0), stopped(4, pace=5.0)] * 20
    left = remaining_s(ended, [], 100, 1, FOUR)
    assert left == pytest.approx(50 * 1 + 50 * 40, rel=0.2)  # any pace for any: 50 * 3 * 9


def test_the_range_holds_the_truth_in_eight_of_ten_searches() -> None:
    draw = Random(0)
    held = 0
    for _ in range(200):
        fates = [stopped(draw.choice([1, 1, 2, 4]), draw.uniform(0.5, 2.0)) for _ in range(24)]
        left = left_of(fates[:12], [], 12, 1, FOUR)
        assert left is not None
        held += left.low_s <= sum(run.seconds for run in fates[12:]) <= left.high_s
    assert 0.7 < held / 200 < 0.9


def test_a_budget_bounds_all_of_it() -> None:
    assert Left(50.0, 30.0, 90.0).at_most(60.0) == Left(50.0, 30.0, 60.0)
    assert Left(50.0, 30.0, 90.0).at_most(20.0) == Left(20.0, 20.0, 20.0)
