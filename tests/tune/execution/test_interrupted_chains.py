"""A trial that is interrupted and taken up again and again is one trial to the search."""

from pathlib import Path

import optuna
import pytest
from search_parts import Witness, suggest

from tune.execution.controller import SearchController
from tune.execution.worker import take_up
from tune.run_folder import atomic, paths
from tune.run_folder.paths import RunFolder
from tune.schedulers import Hyperband, Scheduler, SuccessiveHalving
from tune.study import study
from tune.study.records import Proposal, State, ranked
from tune.study.study import SearchStudy

MILESTONES = (0.25, 0.75, 1.0)


class Driver:
    """One process that searches; a new one on the same folder is what `--resume` starts."""

    def __init__(
        self, folder: RunFolder, samples: int = 9, scheduler: Scheduler | None = None
    ) -> None:
        self.folder = folder
        self.study = opened(folder)
        self.controller = SearchController(
            self.study,
            suggest,
            scheduler or SuccessiveHalving(len(MILESTONES), 3),
            samples,
            folder,
            Witness(),
        )
        self.controller.tidy_up()

    def start(self) -> Proposal:
        """Ask for a trial, whose worker has not begun."""
        proposal = self.controller.propose()
        assert proposal is not None
        return proposal

    def begin(self) -> Proposal:
        """Ask for a trial and have its worker take up what there is."""
        proposal = self.start()
        trial = self.folder.trial(proposal.number)
        trial.root.mkdir(exist_ok=True)
        take_up(trial, self.folder, proposal.predecessors)
        return proposal

    def report(self, number: int, rung: int, value: float) -> bool:
        """As a worker does: curve and checkpoint first, then the report."""
        trial = self.folder.trial(number)
        curve = trial.read_curve()
        if rung == len(curve):
            atomic.write_json(trial.curve, [*curve, {"accuracy": value}])
            trial.checkpoint(rung).write_text(f"{value}")
        return self.controller.report(number, rung, {"accuracy": value})


def opened(folder: RunFolder) -> SearchStudy:
    def sampler(trials: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.RandomSampler(seed=trials)

    if not paths.began(folder):
        return study.create_study(
            folder.journal, "run", metric="accuracy", milestones=MILESTONES, sampler=sampler(0)
        )
    found = study.resume_study(folder.journal, "run", sampler)
    found.end_cut_off()
    for number in found.cut_off():
        found.requeue(number)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return paths.create(tmp_path, "run")


def checkpoints(folder: RunFolder) -> dict[int, list[int]]:
    kept = {
        int(path.name): list(folder.trial(int(path.name)).checkpoints())
        for path in (folder.root / "trials").iterdir()
    }
    return {number: rungs for number, rungs in kept.items() if rungs}


def best_checkpoint(driver: Driver) -> tuple[float, str]:
    """The best value, and what its checkpoint holds."""
    best = driver.controller.best
    assert best is not None
    assert best == ranked(driver.study.records())[0]
    assert best.value is not None
    assert best.best_rung is not None
    return best.value, driver.folder.trial(best.number).checkpoint(best.best_rung).read_text()


@pytest.mark.parametrize("stopped", [True, False], ids=["sigterm", "sigkill"])
def test_interrupted_again_before_its_worker_begins(folder: RunFolder, stopped: bool) -> None:
    first = Driver(folder, samples=2)
    trial = first.begin()
    assert first.report(trial.number, 0, 0.9)
    if stopped:
        first.controller.interrupt("stopped")
    second = Driver(folder, samples=2)
    assert second.start().continues == 0
    assert best_checkpoint(second) == (0.9, "0.9")
    if stopped:
        second.controller.interrupt("stopped")
        assert best_checkpoint(second) == (0.9, "0.9")
    third = Driver(folder, samples=2)
    assert best_checkpoint(third) == (0.9, "0.9")
    again = third.begin()
    assert (again.number, again.origin, again.predecessors) == (2, 0, (1, 0))
    assert len(folder.trial(2).read_curve()) == 1  # it goes on after rung 0
    assert third.report(2, 0, 0.9)
    assert checkpoints(folder) == {2: [0]}
    assert third.report(2, 1, 0.8)
    assert third.report(2, 2, 0.7)
    third.controller.end(2, State.COMPLETE)
    assert best_checkpoint(third) == (0.9, "0.9")
    assert checkpoints(folder) == {2: [0]}


def test_the_better_of_two_interrupted_trials_is_not_forgotten(folder: RunFolder) -> None:
    first = Driver(folder, samples=3)
    good, poor = first.begin(), first.begin()
    assert first.report(good.number, 0, 0.5)
    assert first.report(poor.number, 0, 0.9)
    first.controller.interrupt("stopped")
    second = Driver(folder, samples=3)  # one slot, and the one with 0.5 comes first
    again = second.begin()
    assert again.origin == good.number
    assert second.report(again.number, 0, 0.5)
    assert second.report(again.number, 1, 0.5)
    second.controller.interrupt("the time budget was spent")
    assert best_checkpoint(second) == (0.9, "0.9")
    assert [each.number for each in ranked(second.study.records())] == [poor.number, again.number]


def test_interrupted_again_amid_what_it_had_done_before(folder: RunFolder) -> None:
    first = Driver(folder, samples=1)
    first.begin()
    assert first.report(0, 0, 0.8)
    assert first.report(0, 1, 0.9)
    first.controller.interrupt("stopped")
    second = Driver(folder, samples=1)
    assert second.begin().number == 1
    assert second.report(1, 0, 0.8)
    second.controller.interrupt("stopped")
    assert best_checkpoint(second) == (0.9, "0.9")
    third = Driver(folder, samples=1)
    assert third.begin().number == 2
    assert len(folder.trial(2).read_curve()) == 2


def test_a_rung_that_was_passed_stays_passed_along_the_chain(folder: RunFolder) -> None:
    first = Driver(folder, samples=2)
    poor, good = first.begin(), first.begin()
    assert first.report(poor.number, 0, 0.1)
    assert first.report(poor.number, 1, 0.2)
    assert first.report(good.number, 0, 0.9)
    assert first.report(good.number, 1, 0.9)
    first.controller.interrupt("stopped")
    second = Driver(folder, samples=2)
    assert second.begin().origin == poor.number
    assert second.begin().origin == good.number
    assert second.report(3, 0, 0.9)
    second.controller.interrupt("stopped")  # before the poor one has said anything
    third = Driver(folder, samples=2)
    again = third.begin()
    assert again.origin == poor.number
    assert third.report(again.number, 0, 0.1)
    assert third.report(again.number, 1, 0.2)


def test_a_stop_that_was_decided_holds_after_a_kill(folder: RunFolder) -> None:
    first = Driver(folder, samples=3)
    for value, goes_on in ((0.9, True), (0.1, False)):
        number = first.begin().number
        assert first.report(number, 0, value) is goes_on
    assert first.report(0, 1, 0.9)
    assert first.report(0, 2, 0.9)  # the last rung; killed before either end was recorded
    second = Driver(folder, samples=3)
    assert [each.state for each in second.study.records()] == [State.COMPLETE, State.PRUNED]
    assert second.start().continues is None


def test_a_stop_that_was_decided_holds_when_the_search_is_stopped(folder: RunFolder) -> None:
    driver = Driver(folder)
    for value in (0.9, 0.1):
        driver.report(driver.begin().number, 0, value)
    driver.controller.interrupt("stopped")
    states = [(each.state, each.message) for each in driver.study.records()]
    assert states == [(State.INTERRUPTED, "stopped"), (State.PRUNED, "")]


def test_what_was_cut_off_comes_before_what_waits(folder: RunFolder) -> None:
    first = Driver(folder, samples=3)
    for rate in (0.1, 0.2, 0.3, 0.4, 0.5):  # as a grid has more points than are asked for
        first.study.enqueue({"rate": rate}, name=f"rate {rate}")
    assert [first.begin().params["rate"] for _ in range(2)] == [0.1, 0.2]
    second = Driver(folder, samples=3)
    assert [second.start().params["rate"] for _ in range(3)] == [0.1, 0.2, 0.3]
    assert second.controller.propose() is None


def test_a_trial_keeps_its_bracket(folder: RunFolder) -> None:
    brackets = Hyperband(3, 3)
    first = Driver(folder, scheduler=Hyperband(3, 3))
    proposals = [first.begin() for _ in range(5)]
    patient = next(each.number for each in proposals if brackets.bracket(each.number) > 0)
    for number in range(5):
        if number != patient:
            first.report(number, 0, 0.9)
    second = Driver(folder, scheduler=Hyperband(3, 3))
    again = {proposal.origin: proposal.number for proposal in (second.begin() for _ in range(5))}
    assert brackets.bracket(again[patient]) != brackets.bracket(patient)  # or it shows nothing
    assert second.report(again[patient], 0, 0.1)  # its bracket decides nothing here


def test_values_of_interrupted_trials_still_count_in_the_rungs(folder: RunFolder) -> None:
    first = Driver(folder)
    for value in (0.9, 0.8, 0.85):
        first.report(first.begin().number, 0, value)
    first.controller.interrupt("stopped")
    second = Driver(folder)
    new = [second.begin() for _ in range(4)][-1]
    assert new.continues is None
    assert not second.report(new.number, 0, 0.1)  # though none has reported since the resume


def test_a_kill_leaves_no_more_checkpoints_than_are_needed(folder: RunFolder) -> None:
    first = Driver(folder, samples=3)
    for value in (0.5, 0.7):
        number = first.begin().number
        for rung in range(3):
            first.report(number, rung, value)
        first.study.end(number, State.COMPLETE)  # killed before the tidying
    running = first.begin().number
    first.report(running, 0, 0.8)
    trial = folder.trial(running)
    (trial.root / ".0f.tmp").touch()
    (folder.root / ".0f.tmp").touch()
    folder.trial(99).root.mkdir()  # asked for, but its record was lost with the power
    folder.trial(99).curve.write_text("[]")
    second = Driver(folder, samples=3)
    assert checkpoints(folder) == {1: [0], 2: [0]}
    left = {path.name for path in folder.root.rglob("*") if path.is_file()}
    assert left == {"study.journal", "rung-0.safetensors", "curve.json"}
    assert not folder.trial(99).root.exists()
    assert best_checkpoint(second) == (0.8, "0.8")


def test_a_chain_that_fails_has_no_classifier(folder: RunFolder) -> None:
    first = Driver(folder, samples=2)
    first.report(first.begin().number, 0, 0.9)
    first.controller.interrupt("stopped")
    second = Driver(folder, samples=2)
    second.controller.end(second.begin().number, State.FAILED, "its worker was lost")
    assert second.controller.best is None
    assert ranked(second.study.records()) == []
    assert checkpoints(folder) == {}


def test_an_interrupted_worker_of_a_chain_adopts_only_once(folder: RunFolder) -> None:
    first = Driver(folder, samples=1)
    first.begin()
    first.report(0, 0, 0.9)
    second = Driver(folder, samples=1)
    second.begin()
    second.report(1, 0, 0.9)
    second.report(1, 1, 0.95)
    take_up(folder.trial(1), folder, (0,))  # Ray starts it again after its worker died
    assert len(folder.trial(1).read_curve()) == 2
