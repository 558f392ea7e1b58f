"""Groups of trials against the same trials each by itself, in this process."""

import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[4] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))  # the benchmarks are scripts, not a package

import fused_search  # noqa: E402

from textcls.config.models import ModelConfig, TrainConfig  # noqa: E402
from tune import setup  # noqa: E402
from tune.execution.groups.events import TrialEvent  # noqa: E402
from tune.execution.groups.member_training import fused, train_members  # noqa: E402
from tune.execution.task import Task  # noqa: E402
from tune.run_folder.trial_folder import TrialFolder  # noqa: E402
from tune.study import study  # noqa: E402
from tune.study.records import Interrupted, State, TrialRecord, current_trials  # noqa: E402

ARRAYS = fused_search.made_up_arrays(240)
SIZE = 4


def searched(root: Path, create: Any, trials: int = 9) -> list[TrialRecord]:
    config = fused_search.search_file(trials)
    return fused_search.begin(root, config, SIZE, ARRAYS).run(create)


def test_a_search_has_the_same_trials_and_decisions_as_with_each_by_itself(tmp_path: Path) -> None:
    together = searched(tmp_path / "together", fused(0))
    alone = searched(tmp_path / "alone", fused_search.separate(0))
    assert fused_search.differences(together, alone) == []
    states = {record.state for record in together}
    assert {State.COMPLETE, State.PRUNED, State.DIVERGED} <= states
    other_order = searched(tmp_path / "other", fused_search.separate(1))
    assert fused_search.differences(together, other_order)  # it can tell two searches apart


def test_a_search_that_is_cut_off_goes_on_from_each_trials_own_checkpoint(tmp_path: Path) -> None:
    """Cut off between a group's checkpoints and their records, then resumed to the end."""
    config = fused_search.search_file(4, resources={"fuse": 4})
    untouched = fused_search.begin(tmp_path / "untouched", config, SIZE, ARRAYS).run(fused(0))
    assert max(len(record.values) for record in untouched) == 3
    cut_off = fused_search.begin(tmp_path / "cut-off", config, SIZE, ARRAYS)
    with pytest.raises(KeyboardInterrupt):
        cut_off.run(fused(0), stop_after=2)
    resumed = replace(cut_off, study=setup.reopen_study(config, cut_off.folder))
    steps: list[int] = []

    def counted(tasks: Mapping[int, Task]) -> Any:
        training = fused(0)(tasks)
        train_step = training.train_step  # type: ignore[attr-defined]
        training.train_step = lambda batch: (steps.append(1), train_step(batch))[1]  # type: ignore[attr-defined]
        return training

    records = current_trials(resumed.run(counted))
    assert [record.state for record in records] == [record.state for record in untouched]
    for ours, theirs in zip(records, untouched, strict=True):
        assert ours.params == theirs.params
        assert ours.values == theirs.values
    assert len(steps) == 30 - 11  # from the second rung, which lies on the disk, to the end


class Played:
    """Trials of a group whose search is a function."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        self.heard: list[TrialEvent] = []

    def task(self, number: int, **train: Any) -> Task:
        folder = TrialFolder(self.root / str(number))
        folder.root.mkdir(exist_ok=True)
        settings = {"epochs": 2.0, "batch_size": 16, "learning_rate": 0.003, "seed": number}
        return Task(
            number=number,
            params={},
            model=ModelConfig(name="gru", hidden_size=4, pooling="max"),
            train=TrainConfig.model_validate(settings | train),
            arrays=ARRAYS,
            milestones=(0.25, 0.75, 2.0),
            metric="test_accuracy",
            folder=folder,
            stop=self.root / "stop",
            device="cpu",
            heartbeat=self.root / f"beat-{number}",
        )

    def play(
        self, tasks: Sequence[Task], decide: Callable[[Sequence[TrialEvent]], Sequence[Task]]
    ) -> list[tuple[int, int | str]]:
        def report(events: Sequence[TrialEvent]) -> Sequence[Task]:
            self.heard += events
            return decide(events)

        train_members(tasks, report, fused(0))
        return [
            (event["number"], event.get("rung", event.get("outcome", ""))) for event in self.heard
        ]


def to_the_end(tasks: Sequence[Task]) -> Callable[[Sequence[TrialEvent]], Sequence[Task]]:
    """Stop nobody before the last rung, and who has gone wrong."""
    known = {task.number: task for task in tasks}

    def decide(events: Sequence[TrialEvent]) -> Sequence[Task]:
        for event in events:
            if "outcome" in event or event["rung"] == 2:
                known.pop(event["number"], None)
        return list(known.values())

    return decide


def test_a_new_trial_catches_up_and_changes_nothing_for_the_others(tmp_path: Path) -> None:
    whole = Played(tmp_path / "whole")
    tasks = [whole.task(number) for number in (0, 1, 2)]
    whole.play(tasks, to_the_end(tasks))
    play = Played(tmp_path / "play")
    first, late = [play.task(0), play.task(1)], play.task(2)
    known = {task.number: task for task in first}

    def decide(events: Sequence[TrialEvent]) -> Sequence[Task]:
        for event in events:
            if event["number"] == 1:  # is pruned, and its place filled
                del known[1]
                known[2] = late
            elif event["rung"] == 2:
                del known[event["number"]]
        return list(known.values())

    order = play.play(first, decide)
    assert order == [(0, 0), (1, 0), (2, 0), (0, 1), (2, 1), (0, 2), (2, 2)]
    expected = {(e["number"], e["rung"]): e["metrics"] for e in whole.heard}
    for event in play.heard:
        theirs = expected[event["number"], event["rung"]]
        assert event["metrics"]["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-4)


def test_one_that_diverges_ends_by_itself(tmp_path: Path) -> None:
    play = Played(tmp_path)
    tasks = [play.task(0), play.task(1, learning_rate=1e38), play.task(2)]
    order = play.play(tasks, to_the_end(tasks))
    assert [what for number, what in order if number == 1] == ["diverged"]
    assert [what for number, what in order if number == 2] == [0, 1, 2]
    (event,) = [event for event in play.heard if event["number"] == 1]
    assert event["message"].startswith("diverged: the training loss was nan")
    assert not list((tmp_path / "1").glob("rung-*"))


def test_rungs_on_one_step_have_the_same_metrics(tmp_path: Path) -> None:
    play = Played(tmp_path)
    tasks = [replace(play.task(number), milestones=(0.25, 0.26, 2.0)) for number in (0, 1)]
    play.play(tasks, to_the_end(tasks))
    curve = tasks[0].folder.read_curve()
    assert curve[0] == curve[1]
    assert [point["step"] for point in curve] == [4, 4, 30]


def test_a_damaged_checkpoint_costs_one_rung_of_one_trial(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    play = Played(tmp_path)
    tasks = [play.task(number) for number in (0, 1)]

    def until_second(events: Sequence[TrialEvent]) -> Sequence[Task]:
        return tasks if events[0]["rung"] == 0 else []

    play.play(tasks, until_second)
    tasks[0].folder.checkpoint(1).write_bytes(b"damaged")
    again = [play.task(number) for number in (0, 1)]
    play.heard.clear()
    with caplog.at_level(logging.WARNING):
        order = play.play(again, to_the_end(again))
    assert "going on from before rung 2" in caplog.text
    assert order == [(0, 0), (1, 0), (1, 1), (0, 1), (0, 2), (1, 2)]


def test_each_trial_says_how_far_it_is_between_rungs(tmp_path: Path) -> None:
    play = Played(tmp_path)
    tasks = [replace(play.task(number, epochs=3.0), milestones=(3.0,)) for number in (0, 1)]
    play.play(tasks, lambda _events: [])
    assert [(tmp_path / f"beat-{number}").read_text() for number in (0, 1)] == ["2.1333"] * 2


def test_a_stop_before_the_first_rung_leaves_what_each_has_learnt(tmp_path: Path) -> None:
    play = Played(tmp_path)
    tasks = [replace(play.task(number), milestones=(40.0,)) for number in (0, 1)]
    tasks = [replace(each, train=each.train.model_copy(update={"epochs": 40.0})) for each in tasks]
    (tmp_path / "stop").write_text("evaluate")
    with pytest.raises(Interrupted):
        play.play(tasks, lambda _events: tasks)
    for task in tasks:
        left = json.loads(task.folder.unfinished.read_text())
        assert left["step"] == 32
        assert 0.0 <= left["test_accuracy"] <= 1.0
        assert task.folder.unfinished_checkpoint.exists()


def test_the_study_of_a_group_is_that_of_ordinary_trials(tmp_path: Path) -> None:
    """What stands in the journal is read as that of any search."""
    config = fused_search.search_file(5)
    search = fused_search.begin(tmp_path, config, SIZE, ARRAYS)
    search.run(fused(0))
    found = study.read_study(search.folder.study, search.folder.study_name).records()
    assert len(found) == 5
    assert all(record.started is not None and record.ended is not None for record in found)
    for record in found:
        steps = [point["step"] for point in record.curve]
        assert steps == sorted(steps)
        assert len(record.curve) == len(record.values)
