from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest
from search_parts import Witness, suggest

from tune.config.search_file import StopWhenConfig
from tune.execution.controller import SearchController
from tune.run_folder import paths
from tune.run_folder.paths import RunFolder
from tune.schedulers import SuccessiveHalving
from tune.study import study
from tune.study.further_gain import FurtherGain
from tune.study.records import State, ranked
from tune.study.study import SearchStudy

LAST = 2


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return paths.create(tmp_path, "run")


@pytest.fixture
def made(folder: RunFolder) -> SearchStudy:
    sampler = optuna.samplers.RandomSampler(seed=0)
    milestones = (0.25, 0.75, 1.0)
    return study.create_study(
        folder.journal, "run", metric="accuracy", milestones=milestones, sampler=sampler
    )


def make_controller(made: SearchStudy, folder: RunFolder, samples: int = 9) -> SearchController:
    return SearchController(
        made, suggest, SuccessiveHalving(LAST + 1, 3), samples, folder, Witness()
    )


def report(
    controller: SearchController, folder: RunFolder, number: int, rung: int, value: float
) -> bool:
    """As a worker does: the checkpoint first, then the report."""
    folder.trial(number).root.mkdir(exist_ok=True)
    folder.trial(number).checkpoint(rung).touch()
    return controller.report(number, rung, {"accuracy": value})


def run_trial(
    controller: SearchController, folder: RunFolder, *values: float, ends: State | None = None
) -> int:
    """Run a trial to the state that the rungs give it, or to `ends`."""
    proposal = controller.propose()
    assert proposal is not None
    for rung, value in enumerate(values):
        if not report(controller, folder, proposal.number, rung, value):
            ends = ends or State.PRUNED
            break
    controller.end(proposal.number, ends or State.COMPLETE)
    return proposal.number


def checkpoints(folder: RunFolder) -> dict[int, list[int]]:
    kept = {
        int(path.name): list(folder.trial(int(path.name)).checkpoints())
        for path in (folder.root / "trials").iterdir()
    }
    return {number: rungs for number, rungs in kept.items() if rungs}


def test_as_many_trials_as_asked_for(made: SearchStudy, folder: RunFolder) -> None:
    controller = make_controller(made, folder, samples=2)
    assert [controller.propose() is not None for _ in range(3)] == [True, True, False]


def test_only_the_winners_best_rung_is_kept(made: SearchStudy, folder: RunFolder) -> None:
    controller = make_controller(made, folder)
    run_trial(controller, folder, 0.5, 0.7, 0.6)
    assert checkpoints(folder) == {0: [1]}
    run_trial(controller, folder, 0.4)
    assert checkpoints(folder) == {0: [1]}
    run_trial(controller, folder, 0.6, 0.7, 0.9)
    assert checkpoints(folder) == {2: [2]}
    run_trial(controller, folder, 0.99, 0.99, ends=State.DIVERGED)
    assert checkpoints(folder) == {2: [2]}
    assert controller.best is not None
    assert controller.best.number == 2


def test_a_repeated_report_changes_nothing(made: SearchStudy, folder: RunFolder) -> None:
    controller = make_controller(made, folder)
    run_trial(controller, folder, 0.9)
    proposal = controller.propose()
    assert proposal is not None
    assert report(controller, folder, proposal.number, 0, 0.95)
    assert report(controller, folder, proposal.number, 0, 0.1)  # a restarted worker says it again
    assert made.record(proposal.number).values == (0.95,)


def test_five_trials_that_fail_alike_end_the_search(made: SearchStudy, folder: RunFolder) -> None:
    controller = make_controller(made, folder, samples=20)
    messages = ["a"] * 4 + ["b"] + ["a"] * 5
    for count, message in enumerate(messages):
        assert controller.given_up is None, count
        proposal = controller.propose()
        assert proposal is not None
        controller.end(proposal.number, State.FAILED, message)
    assert controller.given_up == "a"
    assert controller.propose() is None


def test_another_end_in_between_starts_the_count_anew(made: SearchStudy, folder: RunFolder) -> None:
    controller = make_controller(made, folder, samples=20)
    for state in [State.FAILED] * 4 + [State.PRUNED] + [State.FAILED] * 4:
        proposal = controller.propose()
        assert proposal is not None
        controller.end(proposal.number, state, "a")
    assert controller.given_up is None


def test_the_watcher_sees_everything(made: SearchStudy, folder: RunFolder) -> None:
    witness = Witness()
    controller = SearchController(made, suggest, None, 2, folder, witness)
    run_trial(controller, folder, 0.5, 0.7, 0.6)
    controller.propose()
    controller.interrupt("stopped")
    assert witness.seen == [
        ("started", 0), ("rung 0", 0), ("rung 1", 0), ("rung 2", 0), ("complete", 0),
        ("started", 1), ("interrupted", 1),
    ]  # fmt: skip


def test_an_interrupted_search_goes_on(made: SearchStudy, folder: RunFolder) -> None:
    first = make_controller(made, folder, samples=4)
    run_trial(first, folder, 0.5, 0.6, 0.7)
    cut_off = first.propose()
    assert cut_off is not None
    report(first, folder, cut_off.number, 0, 0.8)
    first.interrupt("stopped")
    assert checkpoints(folder) == {0: [2], 1: [0]}

    for number in made.cut_off():
        made.requeue(number)
    second = make_controller(made, folder, samples=4)
    assert second.best is not None
    assert second.best.number == 1
    again = second.propose()
    assert again is not None
    assert (again.continues, again.params) == (1, cut_off.params)
    folder.trial(again.number).adopt(folder.trial(1))
    assert report(second, folder, again.number, 0, 0.8)
    report(second, folder, again.number, 1, 0.85)
    report(second, folder, again.number, 2, 0.9)
    second.end(again.number, State.COMPLETE)
    assert checkpoints(folder) == {2: [2]}
    ends = [run_trial(second, folder, 0.1) for _ in range(2)]
    assert ends == [3, 4]
    assert second.propose() is None
    states = [record.state for record in made.records()]
    assert states == ["complete", "interrupted", "complete", "pruned", "pruned"]
    assert [record.number for record in ranked(made.records())] == [2, 0, 3, 4]


def test_the_same_reports_give_the_same_search(tmp_path: Path) -> None:
    def run(name: str) -> list[tuple[dict[str, Any], State, tuple[float, ...]]]:
        folder = paths.create(tmp_path, name)
        sampler = optuna.samplers.TPESampler(seed=3, multivariate=True, constant_liar=True)
        made = study.create_study(
            folder.journal, name, metric="accuracy", milestones=(0.1, 0.5, 1.0), sampler=sampler
        )
        controller = make_controller(made, folder, samples=20)
        while (proposal := controller.propose()) is not None:
            rate = proposal.params["rate"]
            state = State.COMPLETE
            for rung in range(LAST + 1):
                if not report(controller, folder, proposal.number, rung, rate * (rung + 1) / 3):
                    state = State.PRUNED
                    break
            controller.end(proposal.number, state)
        return [(record.params, record.state, record.values) for record in made.records()]

    assert run("first") == run("second")


def test_what_an_interrupted_trial_had_passed_stays_passed(
    made: SearchStudy, folder: RunFolder
) -> None:
    first = make_controller(made, folder, samples=2)
    poor, good = first.propose(), first.propose()
    assert poor is not None
    assert good is not None
    assert report(first, folder, poor.number, 0, 0.1)  # the first one always goes on
    report(first, folder, good.number, 0, 0.9)
    report(first, folder, poor.number, 1, 0.2)
    first.interrupt("stopped")
    for number in made.cut_off():
        made.requeue(number)
    second = make_controller(made, folder, samples=2)
    again, other = second.propose(), second.propose()
    assert again is not None
    assert other is not None
    assert report(second, folder, other.number, 0, 0.9)
    assert report(second, folder, again.number, 0, 0.1)
    assert report(second, folder, again.number, 1, 0.2)


def waiting_for_gain(made: SearchStudy, folder: RunFolder) -> SearchController:
    rule = StopWhenConfig(gain_below=0.05, within_trials=2)
    return SearchController(
        made, suggest, None, 60, folder, Witness(), further_gain=FurtherGain(rule)
    )


def run_until_enough(controller: SearchController, folder: RunFolder, trials: int) -> int:
    """Trials of rising and then of equal values; return how many were run."""
    for number in range(trials):
        if (proposal := controller.propose()) is None:
            return number
        report(controller, folder, proposal.number, 0, min(0.9, 0.1 * (proposal.number % 11)))
        controller.end(proposal.number, State.PRUNED)
    return trials


def test_a_search_ends_when_further_trials_promise_too_little(
    made: SearchStudy, folder: RunFolder
) -> None:
    controller = waiting_for_gain(made, folder)
    count = run_until_enough(controller, folder, 60)
    assert 16 <= count < 60
    assert controller.ended_by is not None
    assert "less than 0.05" in controller.ended_by.reason


def test_a_resumed_search_ends_where_the_whole_one_does(
    made: SearchStudy, folder: RunFolder
) -> None:
    run_until_enough(waiting_for_gain(made, folder), folder, 12)
    resumed = waiting_for_gain(made, folder)
    count = 12 + run_until_enough(resumed, folder, 60)
    assert resumed.propose() is None
    assert waiting_for_gain(made, folder).propose() is None
    other = paths.create(folder.root.parent, "other")
    sampler = optuna.samplers.RandomSampler(seed=0)
    whole = study.create_study(
        other.journal, "other", metric="accuracy", milestones=made.milestones, sampler=sampler
    )
    assert run_until_enough(waiting_for_gain(whole, other), other, 60) == count


@pytest.fixture
def priced(folder: RunFolder) -> SearchStudy:
    return study.create_study(
        folder.journal,
        "run",
        metric="accuracy",
        milestones=(0.25, 0.75, 1.0),
        sampler=optuna.samplers.RandomSampler(seed=0),
        cost="operations",
    )


def priced_controller(made: SearchStudy, folder: RunFolder, *costs: float) -> SearchController:
    """Trials cost what is named, one after the other."""
    by_rate: dict[float, float] = {}
    left = list(costs)

    def cost(params: Mapping[str, Any]) -> float:
        if params["rate"] not in by_rate:
            by_rate[params["rate"]] = left.pop(0)
        return by_rate[params["rate"]]

    scheduler = SuccessiveHalving(LAST + 1, 3)
    return SearchController(made, suggest, scheduler, 99, folder, Witness(), cost=cost)


def test_with_a_cost_the_front_keeps_its_checkpoints(
    priced: SearchStudy, folder: RunFolder
) -> None:
    controller = priced_controller(priced, folder, 50, 10, 100, 20, 10)
    run_trial(controller, folder, 0.5, 0.7, 0.6)
    run_trial(controller, folder, 0.5, 0.6)  # stopped
    run_trial(controller, folder, 0.8, 0.9, 0.8)
    assert checkpoints(folder) == {0: [1], 1: [1], 2: [1]}
    run_trial(controller, folder, 0.9, 0.95, 0.7)  # dominates two of them
    assert checkpoints(folder) == {1: [1], 3: [1]}
    run_trial(controller, folder, 0.5)  # as cheap as trial 1, and stopped
    assert checkpoints(folder) == {1: [1], 3: [1]}
    assert controller.best is not None
    assert controller.best.number == 3


def test_a_large_front_keeps_the_checkpoints_that_are_spread_over_it(
    priced: SearchStudy, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tune.execution.controller.MOST_OF_FRONT", 3)
    costs = [1.0, 90.0, 100.0, 10.0, 95.0]
    searched = priced_controller(priced, folder, *costs)
    for value in (0.1, 0.88, 0.9, 0.5, 0.89):
        run_trial(searched, folder, value, value, value)
    assert sorted(checkpoints(folder)) == [0, 2, 3]
    assert [each.number for each in searched.exportable] == [2, 3, 0]


def test_a_cost_is_part_of_each_report_and_survives_a_restart(
    priced: SearchStudy, folder: RunFolder
) -> None:
    controller = priced_controller(priced, folder, 50, 10, 100)
    for value in (0.5, 0.4, 0.9):
        run_trial(controller, folder, value, value, value)
    again = study.resume_study(folder.journal, "run", lambda _: optuna.samplers.RandomSampler())
    assert again.cost == "operations"
    assert [r.curve[0]["operations"] for r in again.records()] == [50, 10, 100]
    resumed = priced_controller(again, folder, 200, 5)
    resumed.tidy_up()
    assert sorted(checkpoints(folder)) == [0, 1, 2]
    dominated, cheapest = run_trial(resumed, folder, 0.45), run_trial(resumed, folder, 0.1)
    assert again.record(dominated).state == State.PRUNED
    assert sorted(checkpoints(folder)) == [0, 1, 2, cheapest]
