import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from report_runs import BEGAN, make_search, many_trials, trial, write_run

from tune import status
from tune.run_folder.heartbeat import Heartbeat
from tune.study.records import State

SEARCH = make_search()
PARAMS = {"hidden_size": 64, "learning_rate": 0.004, "dropout": 0.1, "pooling": "max"}


def ended(*states: State) -> list:
    values = {State.PRUNED: [0.8], State.RUNNING: [0.7, 0.75]}
    return [
        trial(SEARCH, state, values.get(state, [0.8, 0.9, 0.91]), PARAMS, begin_s=40.0 * at)
        for at, state in enumerate(states)
    ]


def shown(run: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    assert status.main([str(run)]) == 0
    lines = capsys.readouterr().out.splitlines()
    width = next(line.index("/") for line in lines if line.startswith("Run"))
    return {line[:width].strip(): line[width:].strip() for line in lines}


def test_a_finished_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "run", SEARCH, ended(State.COMPLETE, State.PRUNED), number=0)
    told = shown(tmp_path / "run", capsys)
    assert told["State"] == "complete"
    assert told["Trials"] == "2 of 32: 1 complete, 1 pruned"
    assert told["Rungs"] == "2 at 0.25, 1 at 0.75, 1 at 2 epochs"
    assert told["Best"].startswith("trial 0, test_accuracy 0.9100  hidden_size=64")
    assert (
        told["Elapsed"] == "51 s, from the first trial to the last"
    )  # the second began after 40 s and took 11


def test_a_search_with_a_cost_tells_its_front(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search = make_search(search={"samples": 32, "metric": ["val_accuracy", "operations"]})
    trials = [
        trial(search, State.COMPLETE, [value], PARAMS | {"hidden_size": size})
        for value, size in ((0.8, 128), (0.7, 64), (0.6, 100), (0.5, 32))
    ]
    write_run(tmp_path / "run", search, trials, number=0)
    assert shown(tmp_path / "run", capsys)["Front"] == (
        "3 trials: 0.5000 with 32,000 operations a token (trial 3) to 0.8000 with 128,000 "
        "operations a token (trial 0)"
    )
    write_run(tmp_path / "new", search, [], state=None)
    assert shown(tmp_path / "new", capsys)["Front"] == "none yet"


def test_a_linear_winner_is_the_best(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fallback = {"kind": "linear classifier", "reason": "No trial is better."}
    best = {"number": None, "value": 0.92, "params": {}, "fallback": fallback}
    write_run(tmp_path / "run", SEARCH, ended(State.COMPLETE, State.PRUNED), best=best)
    told = shown(tmp_path / "run", capsys)
    assert told["Best"] == "the linear classifier alone, test_accuracy 0.9200"


def test_a_killed_search_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "run", SEARCH, ended(State.PRUNED, State.RUNNING), state=None)
    told = shown(tmp_path / "run", capsys)
    assert told["State"] == "cut off"
    assert told["Trials"] == "2 of 32: 1 pruned, 1 interrupted"
    assert told["Go on with"] == f"python -m tune.search --resume {tmp_path / 'run'}"


def test_a_pause_before_a_resume_is_not_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ten_days = 864_000.0
    cut_off = trial(SEARCH, State.INTERRUPTED, [0.7], PARAMS, message="the search was cut off")
    cut_off.datetime_complete = BEGAN + timedelta(seconds=ten_days)  # recorded at the resume
    later = trial(SEARCH, State.PRUNED, [0.7], PARAMS, begin_s=ten_days, continues=0, origin=0)
    write_run(tmp_path / "run", SEARCH, [cut_off, later], number=1)
    told = shown(tmp_path / "run", capsys)
    assert (
        told["Elapsed"] == "21 s, from the first trial to the last"
    )  # 10 until the kill, 11 after the resume


def test_a_trial_that_was_taken_up_again_counts_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trials = [
        trial(SEARCH, State.COMPLETE, [0.8, 0.9, 0.91], PARAMS),
        trial(SEARCH, State.INTERRUPTED, [0.7], PARAMS),
        trial(SEARCH, State.INTERRUPTED, [], PARAMS, continues=1, origin=1),
        trial(SEARCH, State.PRUNED, [0.7, 0.72], PARAMS, continues=2, origin=1),
    ]
    write_run(tmp_path / "run", SEARCH, trials, number=0)
    told = shown(tmp_path / "run", capsys)
    again = "(2 interrupted before and taken up again)"
    assert told["Trials"] == f"2 of 32: 1 complete, 1 pruned {again}"
    assert told["Rungs"] == "2 at 0.25, 2 at 0.75, 1 at 2 epochs"


def test_a_running_search_names_its_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trials = ended(State.PRUNED, State.RUNNING)
    folder = write_run(tmp_path / "run", SEARCH, trials, state=None)
    Heartbeat(folder.heartbeat(1)).beat(1.31)
    hold = (
        "from pathlib import Path; from tune.run_folder.paths import RunFolder\n"
        f"with RunFolder(Path({str(folder.root)!r})).held(): print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        told = shown(folder.root, capsys)
        holder.communicate(b"\n")
    assert told["State"].startswith(f"running, held by process {holder.pid} on ")
    assert told["Trials"] == "2 of 32: 1 pruned, 1 running"
    assert told["Running"] == "trial 1 at 1.31 of 2 epochs"
    assert re.match(r"~\d", told["Left"])


def test_a_search_before_its_first_trial(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "run", SEARCH, [], state=None)
    told = shown(tmp_path / "run", capsys)
    assert (told["Trials"], told["Best"]) == ("0 of 32", "none yet")
    assert told["Elapsed"] == "no trial yet"


def test_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status.main([str(tmp_path)]) == 1
    assert "a run folder holds a study.journal" in capsys.readouterr().err
    folder = write_run(tmp_path / "run", SEARCH, ended(State.PRUNED))
    folder.journal.write_text("garbage\n" * 3)
    assert status.main([str(folder.root)]) == 1
    assert "study.journal: not the journal" in capsys.readouterr().err


def test_neither_ray_nor_torch_is_loaded(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", SEARCH, many_trials(SEARCH, 20), number=0)
    code = (
        "import sys; from tune import status; status.main(sys.argv[1:])\n"
        "assert not {'ray', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(folder.root)], check=True, capture_output=True)
