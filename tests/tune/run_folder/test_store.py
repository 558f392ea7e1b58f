"""What a run folder does alike with either store, and what only an object store can do."""

from pathlib import Path

import pytest

from tune.run_folder import atomic, paths
from tune.run_folder._object_store import RemoteStore
from tune.run_folder._store import LocalStore
from tune.run_folder.paths import RunFolder


@pytest.fixture(params=["local", "object store"])
def folder(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> RunFolder:
    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path / "cache"))
    remote = request.param == "object store"
    made = paths.create(f"file://{tmp_path}/store/runs" if remote else tmp_path / "runs", "run")
    assert isinstance(made.store, RemoteStore if remote else LocalStore)
    return made


def test_trials_are_asked_to_stop_and_may_go_on(folder: RunFolder) -> None:
    assert not folder.asked_to_stop()
    folder.ask_to_stop()
    assert folder.asked_to_stop()
    folder.go_on()
    assert not folder.stop.exists()


def test_nobody_else_searches_in_a_new_folder(folder: RunFolder) -> None:
    assert not folder.store.held_by_another()


def test_a_trials_files_stay_until_they_are_tidied(folder: RunFolder) -> None:
    trial = folder.trial(0)
    trial.root.mkdir()
    atomic.write_json(trial.curve, [{}, {}])
    trial.log.write_text("rung 0")
    for rung in (0, 1):
        trial.checkpoint(rung).write_text(str(rung))
    trial.publish(0, 1)
    trial.publish_log()
    trial.fetch()
    trial.tidy({1})
    assert list(trial.checkpoints()) == [1]
    assert trial.curve.exists()
    trial.keep(set())
    assert not trial.checkpoints()


def test_a_file_that_is_nowhere_is_not_fetched(folder: RunFolder) -> None:
    missing = folder.root / "missing.json"
    assert not folder.store.fetch(missing)
    assert folder.local(missing) == missing
    assert folder.store.read(missing) is None
    assert folder.store.stored_below(folder.root / "trials") == []
    folder.remove(missing)


def test_the_folder_is_the_same_for_another_process_of_this_machine(folder: RunFolder) -> None:
    assert folder.here() == folder


def test_only_an_object_store_brings_back_what_this_machine_lost(folder: RunFolder) -> None:
    atomic.write_text(folder.result, "{}\n")
    folder.publish(folder.result)
    folder.result.unlink()
    stored = isinstance(folder.store, RemoteStore)
    assert folder.store.read(folder.result) == (b"{}\n" if stored else None)
    assert folder.local(folder.result).exists() == stored


def test_where_the_run_lies_is_told(folder: RunFolder, tmp_path: Path) -> None:
    told = folder.store.describe("HERE")
    remote = f"file://{tmp_path}/store/runs/run, worked on in HERE"
    assert told == (remote if isinstance(folder.store, RemoteStore) else "HERE")
