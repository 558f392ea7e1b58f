import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from report_runs import make_search, many_trials, trial, write_run

from tune.analysis import run_data
from tune.exceptions import SearchError
from tune.run_folder.paths import RunFolder
from tune.study.records import State

SEARCH = make_search()
PARAMS = {"hidden_size": 64, "learning_rate": 0.004, "dropout": 0.1, "pooling": "max"}


def trials(*ends: State) -> list:
    return [trial(SEARCH, end, [0.8, 0.9, 0.91], PARAMS, begin_s=40.0 * at)
            for at, end in enumerate(ends)]  # fmt: skip


def test_a_finished_search_is_what_its_result_says(tmp_path: Path) -> None:
    ends = trials(State.COMPLETE, State.PRUNED)
    told = run_data.load_run(write_run(tmp_path / "run", SEARCH, ends, number=1))
    assert (told.state, told.metric, told.missing) == ("complete", "test_accuracy", ())
    assert told.best is not None
    assert told.best.number == 1  # the exported winner, not the first in rank
    assert [record.number for record in told.ranked] == [0, 1]
    splits = ("test", "train", "validation")
    assert tuple(map(told.texts, splits)) == (4_000, 20_000, None)


def test_a_killed_search_is_cut_off_and_its_open_trials_interrupted(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", SEARCH, trials(State.PRUNED, State.RUNNING), state=None)
    told = run_data.load_run(folder)
    assert told.state == run_data.CUT_OFF
    assert [record.state for record in told.records] == [State.PRUNED, State.INTERRUPTED]
    assert told.missing == ()  # a result was never due


@pytest.mark.parametrize("ends", [(State.COMPLETE, State.RUNNING), (State.COMPLETE, State.PRUNED)])
def test_the_result_of_an_earlier_stop_does_not_count(tmp_path: Path, ends: tuple) -> None:
    folder = write_run(tmp_path / "run", SEARCH, trials(*ends), number=0)
    stale = json.loads(folder.result.read_text())
    stale["trials"] |= {"total": 1, "records": 1}
    folder.result.write_text(json.dumps(stale))
    told = run_data.load_run(folder)
    assert (told.state, dict(told.result)) == (run_data.CUT_OFF, {})


def test_a_search_that_another_process_holds_is_running(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", SEARCH, trials(State.RUNNING), state=None)
    hold = (
        "import sys; from pathlib import Path; from tune.run_folder.paths import RunFolder\n"
        f"with RunFolder(Path({str(folder.root)!r})).held(): print('held', flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        told = run_data.load_run(folder)
    finally:
        holder.communicate(b"\n")
    assert told.state == run_data.RUNNING
    assert told.records[0].state == State.RUNNING
    assert run_data.load_run(folder).state == run_data.CUT_OFF


def test_the_search_itself_may_read_while_it_holds_the_folder(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", SEARCH, trials(State.COMPLETE), number=0)
    with folder.held():
        assert run_data.load_run(folder).state == "complete"


def test_a_folder_that_was_copied_under_another_name_is_read(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", SEARCH, trials(State.COMPLETE), number=0)
    shutil.copytree(folder.root, tmp_path / "copy")
    assert len(run_data.load_run(RunFolder(tmp_path / "copy")).records) == 1


def test_what_the_folder_lacks_is_said(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", SEARCH, trials(State.COMPLETE), number=0)
    folder.environment.write_text("{")
    folder.leaderboard.unlink()
    told = run_data.load_run(folder)
    assert len(told.missing) == 2
    assert "environment.json is missing or damaged" in told.missing[0]
    assert "leaderboard.csv" in told.missing[1]
    assert told.texts("test") is None


@pytest.mark.parametrize(
    "content", ["[]", "{", "{}", '{"state": 3}', '{"state": "complete", "trials": [1]}']
)
def test_a_result_that_is_none_does_not_count(tmp_path: Path, content: str) -> None:
    folder = write_run(tmp_path / "run", SEARCH, trials(State.COMPLETE), number=0)
    folder.result.write_text(content)
    told = run_data.load_run(folder)
    assert (told.state, dict(told.result)) == (run_data.CUT_OFF, {})


def test_a_record_that_was_being_written_does_not_count(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", SEARCH, trials(State.COMPLETE), state=None)
    with folder.journal.open("ab") as file:
        file.write(b'{"op_code": 4, "worker')
    assert len(run_data.load_run(folder).records) == 1


@pytest.mark.parametrize("damage", [b"garbage\n{}\n", b'{"op_code": 99}\n'])
def test_a_damaged_journal_is_named(tmp_path: Path, damage: bytes) -> None:
    folder = write_run(tmp_path / "run", SEARCH, many_trials(SEARCH, 3), state=None)
    folder.journal.write_bytes(damage + folder.journal.read_bytes())
    with pytest.raises(SearchError, match=r"study\.journal"):
        run_data.load_run(folder)
