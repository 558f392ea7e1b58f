"""What the search hears of groups: ordinary trials, each by itself."""

import sys
from pathlib import Path

import pytest
from search_parts import Witness

BENCHMARKS = Path(__file__).parents[4] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))  # the benchmarks are scripts, not a package

from tune import setup  # noqa: E402
from tune.config.search_file import SearchFile  # noqa: E402
from tune.config.shapes import TrialShapes  # noqa: E402
from tune.execution.groups.events import TrialEvent, end_event, rung_event  # noqa: E402
from tune.execution.groups.recorder import GroupRecorder  # noqa: E402
from tune.run_folder import paths  # noqa: E402
from tune.study.records import State  # noqa: E402
from tune.study.study import SearchStudy  # noqa: E402

SIZE = 4


class Search:
    """A search over two shapes whose trials are never trained."""

    def __init__(self, root: Path, samples: int = 12, **sections: object) -> None:
        self.config = SearchFile.model_validate(
            {
                "train": {"epochs": 2.0},
                "space": {
                    "hidden_size": {"type": "categorical", "choices": [4, 8]},
                    "dropout": {"type": "float", "low": 0.0, "high": 0.5},
                },
                "search": {
                    "samples": samples,
                    "sampler": "gp",
                    "scheduler": {"name": "asha", "grace_period": 0.5, "reduction_factor": 2},
                },
                "resources": {"fuse": SIZE},
            }
            | sections
        )
        self.folder = paths.create(root, "run")
        self.witness = Witness()
        self.go_on(setup.new_study(self.config, self.folder, 1_000))

    def go_on(self, made: SearchStudy) -> None:
        self.study = made
        controller = setup.create_controller(self.config, made, self.folder, self.witness)
        self.controller = controller
        shapes = TrialShapes(self.config)
        self.recorder = GroupRecorder(controller, shapes, SIZE, len(made.milestones) - 1)

    def numbers(self, group: int) -> list[int]:
        return [each.number for each in self.recorder.members(group)]

    def sizes(self, group: int) -> set[int]:
        return {each.params["hidden_size"] for each in self.recorder.members(group)}

    def report(self, group: int, rung: int, values: dict[int, float]) -> list[int]:
        events = [at(number, rung, value) for number, value in values.items()]
        return [each.number for each in self.recorder.record(group, events)]


def at(number: int, rung: int, value: float) -> TrialEvent:
    return rung_event(number, rung, {"test_accuracy": value, "step": float(rung)})


def test_a_group_has_one_shape_and_all_else_is_proposed(tmp_path: Path) -> None:
    search = Search(tmp_path)
    for group in (search.recorder.begin(), search.recorder.begin(), search.recorder.begin()):
        assert group is not None
        assert search.numbers(group) == [group, group + 1, group + 2, group + 3]
        assert len(search.sizes(group)) == 1
        dropouts = [each.params["dropout"] for each in search.recorder.members(group)]
        assert len(set(dropouts)) == SIZE
    assert search.recorder.begin() is None


def test_trials_report_and_end_one_by_one(tmp_path: Path) -> None:
    search = Search(tmp_path, samples=4)
    assert search.recorder.begin() == 0
    assert search.report(0, 0, {0: 0.5, 1: 0.1, 2: 0.6, 3: 0.2}) == [0, 2]
    assert search.report(0, 1, {0: 0.7}) == [0, 2]
    gone = search.recorder.record(0, [end_event(2, State.DIVERGED, "diverged: the loss is nan")])
    assert [each.number for each in gone] == [0]
    assert search.report(0, 2, {0: 0.8}) == []
    ends = {record.number: record.state for record in search.study.records()}
    assert ends == {0: "complete", 1: "pruned", 2: "diverged", 3: "pruned"}
    assert search.study.record(0).values == (0.5, 0.7, 0.8)
    assert search.study.record(2).message == "diverged: the loss is nan"
    assert search.witness.seen[:7] == [
        ("started", 0), ("started", 1), ("started", 2), ("started", 3),
        ("rung 0", 0), ("rung 0", 1), ("pruned", 1),
    ]  # fmt: skip


def test_a_half_empty_group_is_refilled_when_nobody_waits(tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.recorder.begin()
    assert search.report(0, 0, {0: 0.5, 1: 0.1, 2: 0.6, 3: 0.2}) == [0, 2, 4, 5]
    assert len(search.sizes(0)) == 1
    # 0 and 2 wait at their rung, so what becomes empty now stays so until the others are there.
    assert search.report(0, 0, {4: 0.05, 5: 0.9}) == [0, 2, 5]
    assert search.report(0, 1, {0: 0.5, 2: 0.4, 5: 0.95}) == [0, 5, 6, 7]


def test_a_group_that_is_not_refilled_ends_with_its_last_trial(tmp_path: Path) -> None:
    search = Search(tmp_path)
    shapes = TrialShapes(search.config)
    search.recorder = GroupRecorder(search.controller, shapes, SIZE, 2, refilled=False)
    search.recorder.begin()
    assert search.report(0, 0, {0: 0.5, 1: 0.1, 2: 0.6, 3: 0.2}) == [0, 2]
    assert search.report(0, 1, {0: 0.5, 2: 0.4}) == [0]
    assert search.report(0, 2, {0: 0.5}) == []
    assert search.recorder.begin() == SIZE


def test_a_group_whose_trials_have_all_ended_ends(tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.recorder.begin()
    events = [end_event(number, State.DIVERGED, "nan") for number in range(SIZE)]
    assert search.recorder.record(0, events) == []
    assert search.recorder.begin() == SIZE


def test_what_a_restarted_worker_tells_again_changes_nothing(tmp_path: Path) -> None:
    search = Search(tmp_path, samples=4)
    search.recorder.begin()
    search.report(0, 0, {0: 0.5, 1: 0.1, 2: 0.6, 3: 0.2})
    assert search.report(0, 0, {0: 0.9, 1: 0.9, 2: 0.9, 3: 0.9}) == [0, 2]
    assert search.study.record(0).values == (0.5,)
    assert search.study.record(1).state == State.PRUNED


def test_a_worker_that_is_lost_for_good_fails_every_trial_of_its_group(tmp_path: Path) -> None:
    search = Search(tmp_path, samples=8)
    search.recorder.begin()
    other = search.recorder.begin()
    assert other is not None
    search.report(0, 0, {0: 0.5, 1: 0.1})
    search.recorder.fail(0, "its worker was lost: x")
    states = [record.state for record in search.study.records()]
    assert states == ["failed", "pruned", "failed", "failed", *["running"] * 4]
    assert search.recorder.given_up is None
    search.recorder.fail(other, "its worker was lost: x")
    assert search.recorder.given_up == "its worker was lost: x"


def test_a_training_that_hangs_fails_those_that_were_trained(tmp_path: Path) -> None:
    search = Search(tmp_path)
    group = search.recorder.begin()
    assert group is not None
    search.report(group, 0, dict.fromkeys(search.numbers(group)[:2], 0.5))
    waiting, trained = search.numbers(group)[:2], search.numbers(group)[2:]
    left = search.recorder.fail_those_behind(group, "timed out")
    assert [each.number for each in left] == waiting
    records = {record.number: record for record in search.study.records()}
    assert {records[n].state for n in trained} == {State.FAILED}
    assert {records[n].state for n in waiting} == {State.RUNNING}
    assert search.recorder.fail_those_behind(group, "timed out") == []


def test_points_come_first_each_in_a_group_of_its_shape(tmp_path: Path) -> None:
    points = [
        {"hidden_size": 4, "dropout": 0.1},
        {"hidden_size": 8, "dropout": 0.2},
        {"hidden_size": 4, "dropout": 0.3},
    ]
    search = Search(tmp_path, samples=4, points=points)
    first = search.recorder.begin()
    assert first is not None
    # One of the four is the point of the other shape, so only one is left to be proposed.
    members = search.recorder.members(first)
    assert [each.params["dropout"] for each in members][:2] == [0.1, 0.3]
    assert len(members) == 3
    second = search.recorder.begin()
    assert second is not None
    assert [each.params for each in search.recorder.members(second)] == [points[1]]
    assert search.recorder.begin() is None


def test_interrupted_trials_are_grouped_anew(tmp_path: Path) -> None:
    search = Search(tmp_path, samples=6)
    search.recorder.begin()
    before = [each.params for each in search.recorder.members(0)]
    search.report(0, 0, {0: 0.5, 1: 0.1})
    search.controller.interrupt("the search was stopped")
    search.go_on(setup.reopen_study(search.config, search.folder))
    group = search.recorder.begin()
    assert group is not None
    members = search.recorder.members(group)
    assert [each.continues for each in members] == [0, 2, 3, None]
    assert [each.origin for each in members[:3]] == [0, 2, 3]
    assert [each.params for each in members[:3]] == [before[0], before[2], before[3]]
    assert len({each.params["hidden_size"] for each in members}) == 1


@pytest.mark.parametrize("sampler", ["gp", "tpe", "random"])
def test_every_sampler_completes_a_shape(tmp_path: Path, sampler: str) -> None:
    search = Search(tmp_path, samples=24)
    search.config = search.config.model_copy(
        update={"search": search.config.search.model_copy(update={"sampler": sampler})}
    )
    search.go_on(setup.new_study(search.config, paths.create(tmp_path, "again"), 1_000))
    while (group := search.recorder.begin()) is not None:
        assert len(search.sizes(group)) == 1
        while members := search.numbers(group):
            rung = search.recorder._reached[members[0]]
            search.report(group, rung, {number: 0.5 + number / 100 for number in members})
    assert len(search.study.records()) == 24
