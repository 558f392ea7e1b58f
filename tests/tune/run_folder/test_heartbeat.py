import shutil
from pathlib import Path

import pytest
from objective_parts import task

from tune.execution.objective import train_classifier
from tune.run_folder.heartbeat import Heartbeat, HeartbeatReader
from tune.run_folder.paths import RunFolder


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def test_what_a_trial_says_is_read_twice_a_second(tmp_path: Path) -> None:
    clock, folder = Clock(), RunFolder(tmp_path)
    heartbeat = Heartbeat(folder.heartbeat(7), clock)
    heartbeats = HeartbeatReader(folder.heartbeat, clock)
    heartbeat.beat(0.5)
    assert heartbeats.read([7, 8]) == {7: 0.5}
    clock.at = 0.2
    heartbeat.beat(0.6)  # too soon
    clock.at = 0.6
    assert heartbeats.read([7, 8]) == {7: 0.5}
    heartbeat.beat(0.75)
    assert heartbeats.read([7]) == {7: 0.5}  # read just now
    clock.at = 1.2
    assert heartbeats.read([7]) == {7: 0.75}


def test_a_late_word_does_not_bring_back_what_was_deleted(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    heartbeat = Heartbeat(folder.heartbeat(7))
    shutil.rmtree(folder.scratch)
    heartbeat.beat(0.5)
    assert not folder.scratch.exists()


def test_a_folder_that_is_not_shared_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    Heartbeat(tmp_path / "file" / "7").beat(0.5)
    (tmp_path / "8").write_text("")
    assert HeartbeatReader(lambda number: tmp_path / str(number)).read([7, 8]) == {}


def test_a_trial_says_between_rungs_how_far_it_is(tmp_path: Path) -> None:
    said = task(tmp_path / "trial", epochs=8)
    path = RunFolder(tmp_path).heartbeat(0)
    said = type(said)(
        **{each: getattr(said, each) for each in said.__slots__} | {"heartbeat": path}
    )
    results = train_classifier(said)
    next(results)
    assert not path.exists()  # 6 of 32 steps
    for _ in results:
        pass
    assert pytest.approx(float(path.read_text()), abs=0.01) == 32 / 13
