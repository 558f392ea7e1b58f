import pytest

from tune.eta import remaining_s


def test_nothing_is_known_before_a_trial_has_ended() -> None:
    assert remaining_s([], [3.0], 4, 2) is None
    assert remaining_s([], [], 0, 2) == 0


def test_equal_trials_fill_the_slots() -> None:
    assert remaining_s([10.0, 10.0], [4.0, 4.0], 4, 2) == pytest.approx((40 + 12) / 2)


def test_stopped_trials_count_and_recent_ones_count_more() -> None:
    stopped = remaining_s([100.0] + [10.0] * 9, [], 10, 1)
    assert stopped is not None
    assert 100 < stopped < 190  # the plain mean says 190
    reverse = remaining_s([10.0] * 9 + [100.0], [], 10, 1)
    assert reverse is not None
    assert reverse > 190


def test_a_trial_that_survived_takes_as_long_as_other_survivors() -> None:
    assert remaining_s([1.0, 1.0, 1.0, 50.0], [20.0], 0, 8) == pytest.approx(30)


def test_a_trial_that_outlived_all_is_never_negative() -> None:
    assert remaining_s([10.0], [1000.0], -3, 1) == pytest.approx(5)
