"""Whatever goes wrong with one operation on the disk: one message, nothing lost, and it goes on.

A sample of the operations; `benchmarks/simulate.py --every-operation` plays them all.
"""

import logging
import os
import random
from collections.abc import Iterator
from pathlib import Path

import faulty_store
import optuna
import pytest
import whole_search
from faulty_disk import FAULTS, FaultyDisk

from tune.study import journal

PLAYS = 5
REQUESTS = HURRIED = 2


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path / "cache"))
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
    optuna.logging.set_verbosity(before)


def test_nothing_is_lost_whichever_operation_goes_wrong(tmp_path: Path) -> None:
    operations = whole_search.count_operations(tmp_path / "play")
    assert operations > 200
    drawn = random.Random(0)
    for fault in FAULTS:
        for at in sorted(drawn.sample(range(operations), PLAYS)):
            assert whole_search.play(tmp_path / "play", fault, at) is None


def test_the_time_being_up_gives_a_winner_whichever_operation_goes_wrong(tmp_path: Path) -> None:
    operations = whole_search.count_operations(tmp_path / "play", whole_search.HURRIED)
    drawn = random.Random(0)
    for fault in FAULTS:
        for at in sorted(drawn.sample(range(operations), HURRIED)):
            assert whole_search.play_hurried(tmp_path / "play", fault, at) is None


def test_operations_of_every_part_are_met(tmp_path: Path) -> None:
    disk = FaultyDisk(tmp_path / "play")
    disk.root.mkdir()
    whole_search.run_once(disk.root, disk)
    for expected in (
        "write run/study.journal", "fsync run/study.journal", "rename run/report.html",
        "rename run/trials/0/rung-0.safetensors", "rename run/best", "rename run/ensemble",
        "open run/search.log", "mkdir run/trials",
    ):  # fmt: skip
        assert any(each.startswith(expected) for each in disk.operations), expected


def test_a_search_that_loses_something_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that is emptied where a record cannot be written."""
    append = journal._Journal.append_logs

    def spoilt(self: journal._Journal, logs: list[dict[str, object]]) -> None:
        try:
            append(self, logs)
        except OSError:
            os.truncate(self._path, 0)
            raise

    disk = FaultyDisk(tmp_path / "play")
    disk.root.mkdir()
    whole_search.run_once(disk.root, disk)
    at = max(n for n, each in enumerate(disk.operations) if each == "write run/study.journal")
    assert whole_search.play(disk.root, "full", at) is None
    monkeypatch.setattr(journal._Journal, "append_logs", spoilt)
    fault = whole_search.play(disk.root, "full", at)
    assert fault is not None
    assert "the journal has lost records" in fault


def test_nothing_is_lost_whichever_request_to_an_object_store_goes_wrong(tmp_path: Path) -> None:
    requests = faulty_store.count_requests(tmp_path / "play")
    assert requests > 50
    drawn = random.Random(0)
    for fault in faulty_store.FAULTS:
        for at in sorted(drawn.sample(range(requests), REQUESTS)):
            assert faulty_store.play(tmp_path / "play", fault, at) is None
