from typing import Any

from tune.study.front import cost_of, front_of
from tune.study.records import State, TrialRecord


def trial(number: int, value: float | None, cost: float = 1.0, **fields: Any) -> TrialRecord:
    values = () if value is None else (value,)
    known: dict[str, Any] = {
        "state": State.COMPLETE, "params": {}, "name": None, "continues": None, "message": "",
        "curve": tuple({"operations": cost} for _ in values), "values": values,
        "started": None, "ended": None,
    }  # fmt: skip
    return TrialRecord(number=number, **{**known, **fields})


def numbers(*records: TrialRecord) -> list[int]:
    return [record.number for record in front_of(records, "operations")]


def test_the_front_goes_from_the_cheapest_to_the_most_accurate() -> None:
    trials = [trial(0, 0.9, 10), trial(1, 0.7, 1), trial(2, 0.8, 5), trial(3, 0.75, 7)]
    assert numbers(*trials) == [1, 2, 0]


def test_of_equal_trials_the_first_is_on_it() -> None:
    assert numbers(trial(4, 0.9, 2), trial(1, 0.9, 2), trial(3, 0.9, 3)) == [1]


def test_only_trials_with_a_classifier_are_on_it() -> None:
    failed = trial(1, 0.95, state=State.FAILED)
    stopped = trial(2, 0.8, state=State.PRUNED)
    assert numbers(failed, stopped, trial(3, None)) == [2]


def test_a_chain_of_interrupted_trials_is_one_trial() -> None:
    before = trial(0, 0.9, 2, state=State.INTERRUPTED)
    after = trial(5, 0.9, 2, continues=0)
    assert numbers(before, after) == [5]


def test_a_trial_that_has_not_reported_has_no_cost() -> None:
    assert cost_of(trial(0, None), "operations") is None
    assert cost_of(trial(0, 0.5, 3.0), "operations") == 3.0
