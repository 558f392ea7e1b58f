import random

import pytest

from tune.rungs import Rungs, milestones


@pytest.mark.parametrize(
    ("grace", "factor", "epochs", "expected"),
    [
        (0.25, 3, 3.0, (0.25, 0.75, 2.25, 3.0)),
        (0.25, 3, 1.0, (0.25, 0.75, 1.0)),
        (1, 2, 8, (1, 2, 4, 8)),
        (0.5, 4, 2.1, (0.5, 2.1)),  # 2.0 would save a twentieth of a run
        (5, 3, 1, (1,)),
    ],
)
def test_milestones(grace: float, factor: float, epochs: float, expected: tuple[float]) -> None:
    assert milestones(grace, factor, epochs) == pytest.approx(expected)


def test_milestones_refuse_nonsense() -> None:
    with pytest.raises(ValueError, match="no rungs with grace_period=0"):
        milestones(0, 3, 1)


def test_the_best_third_goes_on() -> None:
    rungs = Rungs(2, 3)
    decisions = [rungs.report(trial, 0, value) for trial, value in enumerate([5, 4, 6, 5.5, 3, 7])]
    #            first   2nd of 2  1st    2nd of 4: two may  last    first
    assert decisions == [True, False, True, True, False, True]
    assert rungs.counts() == [6, 0]


def test_ties_go_on() -> None:
    rungs = Rungs(2, 3)
    assert [rungs.report(trial, 0, 0.5) for trial in range(4)] == [True] * 4


def test_nobody_is_stopped_at_the_last_rung() -> None:
    rungs = Rungs(2, 3)
    assert [rungs.report(trial, 1, value) for trial, value in enumerate([0.9, 0.1, 0.2])] == [
        True
    ] * 3


def test_what_is_not_a_number_stops() -> None:
    assert not Rungs(2, 3).report(0, 0, float("nan"))


@pytest.mark.parametrize("cut", [0, 1, 7, 39])
def test_refilled_rungs_decide_as_if_nothing_had_happened(cut: int) -> None:
    draw = random.Random(cut)
    reports = [(trial, rung, draw.random()) for trial in range(20) for rung in range(2)]
    whole = Rungs(3, 3)
    expected = [whole.report(*report) for report in reports]
    first = Rungs(3, 3)
    for report in reports[:cut]:
        first.report(*report)
    second = Rungs(3, 3)
    for trial in range(20):
        second.refill(trial, [value for t, _, value in reports[:cut] if t == trial])
    assert [second.report(*report) for report in reports[cut:]] == expected[cut:]


def test_a_forgotten_trial_no_longer_counts() -> None:
    rungs = Rungs(2, 3)
    rungs.report(0, 0, 0.9)
    assert not rungs.report(1, 0, 0.5)
    rungs.forget(0)
    assert rungs.report(2, 0, 0.5)
