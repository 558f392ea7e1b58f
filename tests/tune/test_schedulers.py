import random

import pytest

from tune.schedulers import (
    Hyperband,
    Median,
    SuccessiveHalving,
    TopK,
    create_scheduler,
    rung_milestones,
)


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
    assert rung_milestones(grace, factor, epochs) == pytest.approx(expected)


def test_milestones_refuse_nonsense() -> None:
    with pytest.raises(ValueError, match="no rungs with grace_period=0"):
        rung_milestones(0, 3, 1)


def test_the_best_third_goes_on() -> None:
    rungs = SuccessiveHalving(2, 3)
    decisions = [
        rungs.should_continue(trial, 0, value) for trial, value in enumerate([5, 4, 6, 5.5, 3, 7])
    ]
    #            first   2nd of 2  1st    2nd of 4: two may  last    first
    assert decisions == [True, False, True, True, False, True]
    assert rungs.counts() == [6, 0]


def test_of_equal_values_a_third_goes_on() -> None:
    rungs = SuccessiveHalving(2, 3)
    decisions = [rungs.should_continue(trial, 0, 0.5) for trial in range(300)]
    assert decisions[0]
    assert 90 <= sum(decisions) <= 120
    assert all(any(decisions[start : start + 20]) for start in range(0, 300, 20))
    assert rungs.should_continue(300, 0, 0.6)


def test_a_trial_that_repeats_another_stops_at_its_second_rung() -> None:
    rungs = SuccessiveHalving(4, 3)
    assert rungs.should_continue(0, 0, 0.5)
    assert rungs.should_continue(0, 1, 0.6)
    assert rungs.should_continue(1, 0, 0.5)  # by lot
    assert not rungs.should_continue(1, 1, 0.6)
    assert rungs.should_continue(3, 0, 0.51)
    assert rungs.should_continue(3, 1, 0.6)  # as the others here, but not before


def test_of_equal_values_so_many_as_are_kept_pass_the_first_rung() -> None:
    rungs = TopK(2, keep=4)
    assert 4 <= sum(rungs.should_continue(trial, 0, 0.5) for trial in range(300)) < 40


def test_nobody_is_stopped_at_the_last_rung() -> None:
    rungs = SuccessiveHalving(2, 3)
    assert [
        rungs.should_continue(trial, 1, value) for trial, value in enumerate([0.9, 0.1, 0.2])
    ] == [True] * 3


def test_what_is_not_a_number_stops() -> None:
    assert not SuccessiveHalving(2, 3).should_continue(0, 0, float("nan"))


@pytest.mark.parametrize("cut", [0, 1, 7, 39])
def test_refilled_rungs_decide_as_if_nothing_had_happened(cut: int) -> None:
    draw = random.Random(cut)
    reports = [(trial, rung, draw.random()) for trial in range(20) for rung in range(2)]
    whole = SuccessiveHalving(3, 3)
    expected = [whole.should_continue(*report) for report in reports]
    first = SuccessiveHalving(3, 3)
    for report in reports[:cut]:
        first.should_continue(*report)
    second = SuccessiveHalving(3, 3)
    for trial in range(20):
        second.refill(trial, [value for t, _, value in reports[:cut] if t == trial])
    assert [second.should_continue(*report) for report in reports[cut:]] == expected[cut:]


def test_hyperbands_brackets_take_turns_in_its_proportions() -> None:
    rungs = Hyperband(3, 3)
    turns = [rungs.bracket(trial) for trial in range(2 * 17)]
    # Its brackets for R = 9 start 9, ceil(3 / 2 * 3) and 3 configurations.
    assert [turns[:17].count(bracket) for bracket in range(3)] == [9, 5, 3]
    assert turns[17:] == turns[:17]


def test_a_patient_bracket_is_compared_late_and_with_its_own() -> None:
    rungs = Hyperband(3, 2)
    by_bracket = {rungs.bracket(trial): trial for trial in range(60)}
    patient, impatient = by_bracket[1], by_bracket[0]
    others = [trial for trial in range(60) if rungs.bracket(trial) == 0 and trial != impatient]
    for trial in others[:5]:
        rungs.should_continue(trial, 0, 0.9)
        rungs.should_continue(trial, 1, 0.9)
    assert rungs.should_continue(patient, 0, 0.1)
    assert not rungs.should_continue(impatient, 0, 0.1)
    assert rungs.should_continue(patient, 1, 0.1)  # the first of its bracket there


def test_the_median_stops_the_lower_half_once_there_is_one() -> None:
    rungs = Median(2, 3)
    decisions = [
        rungs.should_continue(trial, 0, value) for trial, value in enumerate([1, 9, 5, 4, 6, 5])
    ]
    assert decisions == [True, True, True, False, True, True]
    assert rungs.should_continue(7, 1, 0.0)  # nobody is stopped at the last rung


def test_only_the_best_so_far_pass_the_first_rung_of_top_k() -> None:
    rungs = TopK(3, 2)
    decisions = [
        rungs.should_continue(trial, 0, value) for trial, value in enumerate([5, 3, 4, 6, 4, 7])
    ]
    assert decisions == [True, True, True, True, False, True]
    assert all(
        rungs.should_continue(trial, 1, -trial) for trial in range(4)
    )  # nobody is stopped later
    assert not rungs.should_continue(9, 0, float("nan"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("asha", SuccessiveHalving), ("hyperband", Hyperband), ("median", Median), ("top_k", TopK)],
)
def test_schedulers_have_names(name: str, kind: type[SuccessiveHalving]) -> None:
    assert type(create_scheduler(name, 3, reduction_factor=3, keep=2)) is kind


def test_without_a_scheduler_nothing_is_decided() -> None:
    assert create_scheduler("none", 3, reduction_factor=3, keep=2) is None


@pytest.mark.parametrize("kind", [Hyperband, Median, TopK])
def test_refilled_rungs_decide_alike(kind: type[SuccessiveHalving]) -> None:
    rng = random.Random(2)
    values = [rng.random() for _ in range(40)]
    whole, again = kind(2, 3), kind(2, 3)
    before = [whole.should_continue(trial, 0, value) for trial, value in enumerate(values)]
    for trial, value in enumerate(values[:20]):
        again.refill(trial, [value])
    assert [again.should_continue(t, 0, values[t]) for t in range(20, 40)] == before[20:]
    assert not whole.should_continue(99, 0, float("nan"))


def test_with_a_cost_the_front_goes_on() -> None:
    """Each is less accurate than the one before and costs a tenth: none dominates another."""
    rungs = SuccessiveHalving(2, 3)
    for trial in range(6):  # dominated by all that follow
        rungs.should_continue(trial, 0, 0.3, cost=10.0**9)
    found = [rungs.should_continue(6 + n, 0, 0.9 - 0.1 * n, cost=10.0**-n) for n in range(3)]
    assert found == [True, True, True]
    assert rungs.should_continue(9, 0, 0.9, cost=10.0)  # the first of the second front
    assert not rungs.should_continue(10, 0, 0.89, cost=20.0)
    by_value = SuccessiveHalving(2, 3)
    for trial in range(6):
        by_value.should_continue(trial, 0, 0.85)
    assert [by_value.should_continue(6 + n, 0, 0.9 - 0.1 * n) for n in range(3)] == [
        True,
        False,
        False,
    ]


def test_costs_come_back_with_the_values() -> None:
    draw = random.Random(3)
    trials = [(draw.randrange(9) / 10, 1.0 + draw.randrange(9)) for _ in range(40)]
    whole, resumed = SuccessiveHalving(2, 3), SuccessiveHalving(2, 3)
    for trial, (value, cost) in enumerate(trials[:20]):
        whole.should_continue(trial, 0, value, cost)
        resumed.refill(trial, [value], cost)
    rest = list(enumerate(trials[20:], start=20))
    decisions = [
        [rungs.should_continue(trial, 0, value, cost) for trial, (value, cost) in rest]
        for rungs in (whole, resumed)
    ]
    assert decisions[0] == decisions[1]
    assert 0 < sum(decisions[0]) < 20
