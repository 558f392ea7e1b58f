"""The whole program on real Ray with two CPUs and a small embedded corpus."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from textcls import bundle, corpus
from textcls.config.models import DataConfig, EmbeddingConfig
from textcls.training import trainer
from tune import search
from tune.config import search_file
from tune.exceptions import SearchError
from tune.execution.task import Task
from tune.monitor.progress import Progress
from tune.run_folder import paths
from tune.run_folder.paths import RunFolder
from tune.run_search import Request, run
from tune.study import study
from tune.study.records import State, TrialRecord

SPACE = """
model: gru
data: {name: synthetic, train_size: 1500, test_size: 400}
embeddings: {name: random, dim: 16}
train: {epochs: 1, batch_size: 32}
space:
  hidden_size: {type: int, low: 8, high: 32, log: true}
  learning_rate: {type: float, low: 1.0e-4, high: 3.0e-2, log: true}
points:
- {hidden_size: 24, learning_rate: 0.02}
search:
  samples: 6
"""
NAMED = """
data: {name: synthetic, train_size: 600, test_size: 400, validation_fraction: 0.2}
embeddings: {name: random, dim: 16}
model: {name: gru, hidden_size: 8}
configurations:
  small: {params: {}, expected: 0.9068, note: as in the paper}
  large: {params: {hidden_size: 16}}
search: {metric: val_accuracy, scheduler: {name: none}}
"""


@dataclass(frozen=True)
class Finished:
    """A search that came to its end, and what it printed."""

    code: int
    folder: RunFolder
    printed: str

    @property
    def records(self) -> list[TrialRecord]:
        return study.read_study(self.folder.journal, self.folder.name).records()

    @property
    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.folder.result.read_text())
        return found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("searches")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEXTCLS_CACHE", str(folder / "cache"))
        (folder / "space.yaml").write_text(SPACE)
        (folder / "named.yaml").write_text(NAMED)
        yield folder


ONE_AT_A_TIME = ("--max-concurrent", "1")  # where it is not about trials side by side: one worker


def start(root: Path, *options: str) -> tuple[int, str]:
    printed = io.StringIO()
    with redirect_stdout(printed):
        code = search.main([*options, "--runs-dir", str(root / "runs")])
    return code, printed.getvalue()


@pytest.fixture(scope="module")
def finished(root: Path, two_cpus: None) -> Finished:  # noqa: ARG001
    code, printed = start(root, "--space", str(root / "space.yaml"), "--name", "first")
    return Finished(code, RunFolder(root / "runs" / "first"), printed)


def test_every_trial_is_in_the_journal_with_its_curve(finished: Finished) -> None:
    assert finished.code == 0
    records = finished.records
    assert [record.number for record in records] == list(range(6))
    assert records[0].params == {"hidden_size": 24, "learning_rate": 0.02}
    lengths = {State.COMPLETE: {3}, State.PRUNED: {1, 2}}
    assert all(len(record.curve) in lengths[record.state] for record in records)
    epochs = [metrics["epoch"] for metrics in records[0].curve]
    assert epochs == pytest.approx([0.25, 0.75, 1.0], abs=0.02)


def test_leaderboard_and_result_agree_with_the_journal(finished: Finished) -> None:
    with finished.folder.leaderboard.open(newline="") as file:
        rows = {int(row["number"]): row for row in csv.DictReader(file)}
    for record in finished.records:
        assert rows[record.number]["state"] == record.state
        assert float(rows[record.number]["test_accuracy"]) == record.value
    result = finished.result
    best = max(record.value or 0.0 for record in finished.records)
    assert result["best"]["value"] == result["best"]["test_accuracy"] == best
    assert rows[result["best"]["number"]]["rank"] == "1"
    assert (result["state"], result["trials"]["total"]) == ("complete", 6)
    assert result["trials"]["complete"] + result["trials"]["pruned"] == 6


def test_the_winner_predicts_as_well_as_it_was_said_to(finished: Finished) -> None:
    data = DataConfig(name="synthetic", train_size=1500, test_size=400)
    prepared = corpus.prepare_corpus(
        data, EmbeddingConfig(name="random", dim=16), say=lambda _text: None
    )
    test = prepared.splits["test"]
    loaded = bundle.load_bundle(finished.folder.best)
    predictions = trainer.predict_logits(loaded.classifier, test, "cpu").argmax(dim=1).numpy()
    assert (predictions == test.labels).mean() == finished.result["best"]["value"]


def test_the_command_that_is_printed_predicts(finished: Finished) -> None:
    line = next(line for line in finished.printed.splitlines() if line.startswith("Predict"))
    assert line.split() == [
        "Predict", "python", "-m", "textcls.predict", f"{finished.folder.root}/best",
        '"your', 'text"',
    ]  # fmt: skip
    command = [sys.executable, "-m", "textcls.predict", str(finished.folder.best), "a good game"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] in {"World", "Sports", "Business", "Sci/Tech"}


def test_what_is_printed(finished: Finished) -> None:
    best = finished.result["best"]
    for text in (
        "Search          gru: 6 trials over hidden_size, learning_rate, asha on test_accuracy",
        "Rungs           0.25, 0.75, 1 epochs",
        "Trials          2 at a time, 1 CPU each",
        f"Winner          trial {best['number']}",
        f"Test accuracy   {best['value']:.4f}, 95 % interval ",
        "(400 texts, on which the trials were compared)",
    ):
        assert text in finished.printed
    assert "\x1b" not in finished.printed


def test_the_run_folder(finished: Finished) -> None:
    folder = finished.folder
    assert {path.name for path in folder.root.iterdir()} == {
        "space.yaml", "environment.json", "study.journal", "trials", "leaderboard.csv",
        "result.json", "best", "report.html", "next.yaml", "search.log", ".lock",
        "learnt_texts.npy",
    }  # fmt: skip
    winner = finished.result["best"]["number"]
    checkpoints = {number: len(folder.trial(number).checkpoints()) for number in range(6)}
    assert checkpoints == {number: int(number == winner) for number in range(6)}
    logs = [folder.trial(number).log.read_text() for number in range(6)]
    assert all("rung 1: " in log and "rung 0" not in log for log in logs)
    environment = json.loads(folder.environment.read_text())
    assert environment["versions"]["ray"]
    assert environment["corpora"][0]["data"].startswith("synthetic")
    assert search_file.load_search(folder.space).search.samples == 6


def test_a_finished_search_is_extended(finished: Finished, root: Path) -> None:
    before = finished.records
    code, printed = start(root, "--resume", "first", "--samples", "8", *ONE_AT_A_TIME)
    assert code == 0, printed
    after = finished.records
    assert after[:6] == before
    assert [record.number for record in after] == list(range(8))
    assert len({str(record.params) for record in after}) == 8
    assert finished.result["trials"]["total"] == 8


def test_a_command_hears_of_the_end_and_changes_nothing(
    finished: Finished, root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    copy = root / "copy.json"
    command = f'cp "$RESULT_JSON" {copy}; echo from "$RUN_FOLDER"; exit 3'
    code, _ = start(root, "--resume", "first", "--on-finish", command)
    assert code == 0
    assert json.loads(copy.read_text()) == finished.result
    printed = capfd.readouterr()
    assert f"from {finished.folder.root}" in printed.out
    assert "--on-finish ended with exit code 3" in printed.err


def test_a_warm_start_counts_only_its_own_trials(finished: Finished, root: Path) -> None:
    space = ["--space", str(root / "space.yaml"), "--name", "warm", "--samples", "2"]
    code, printed = start(root, *space, "--warm-start", "first", *ONE_AT_A_TIME)
    assert code == 0, printed
    assert "Warm start from first: " in printed
    warm = Finished(code, RunFolder(root / "runs" / "warm"), printed)
    known = sum(bool(record.values) for record in finished.records)
    assert [record.number for record in warm.records] == [known, known + 1]
    assert warm.result["trials"]["total"] == 2


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--resume", "first", "--warm-start", "first"], "--warm-start is for a new search"),
        (["--space", "{root}/space.yaml", "--warm-start", "other"], "no run at other or "),
        (["--resume", "first", "--set", "train.batch_size=64"], "train.batch_size: was 32, now 64"),
        (["--resume", "other"], "no run at other or "),
        (
            [
                "--resume",
                "auto",
                "--space",
                "{root}/space.yaml",
                "--name",
                "first",
                "--epochs",
                "2",
            ],
            "train.epochs: was 1.0, now 2.0",
        ),
        (
            ["--resume", "auto", "--space", "{root}/space.yaml", "--name", "../x"],
            "a run's name has",
        ),
        (["--space", "{root}/space.yaml", "--name", "first"], "exists already"),
        (["--space", "{root}/space.yaml", "--name", "../x"], "a run's name has"),
        (["--space", "{root}/space.yaml", "--samples", "0"], "--samples: must be at least 1"),
        (["--space", "{root}/absent.yaml"], "absent.yaml"),
        (["--space", "{root}/space.yaml", "--data", "{root}/absent.csv"], "absent.csv"),
        (["--space", "{root}/space.yaml", "--cpus-per-trial", "3"], "no node has that much"),
        (
            ["--space", "{root}/space.yaml", "--set", "search.metric=val_accuracy"],
            "set data.validation_fraction",
        ),
    ],
)
def test_one_clear_message_and_nothing_left_behind(
    root: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted((root / "runs").iterdir())
    assert search.main(
        [*(option.format(root=root) for option in options), "--runs-dir", str(root / "runs")]
    )
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert sorted((root / "runs").iterdir()) == before


@pytest.mark.usefixtures("two_cpus")
def test_named_configurations_on_a_hidden_test_split(root: Path) -> None:
    space = str(root / "named.yaml")
    code, printed = start(root, "--space", space, "--name", "named", "--quiet", *ONE_AT_A_TIME)
    assert code == 0
    named = Finished(code, RunFolder(root / "runs" / "named"), printed)
    by_name = {record.name: record for record in named.records}
    assert {name: record.params for name, record in by_name.items()} == {
        "small": {"hidden_size": 8}, "large": {"hidden_size": 16},
    }  # fmt: skip
    assert all(len(record.curve) == 3 for record in named.records)
    assert not any(key.startswith("test") for key in named.records[0].curve[0])
    assert 0.1 < named.result["best"]["test_accuracy"] <= 1
    rows = [line.split() for line in printed.splitlines()]
    value = by_name["small"].value
    assert ["small", f"{value:.4f}", "0.9068", "complete", "as", "in", "the", "paper"] in rows
    assert "Validation accuracy" in printed


@pytest.mark.usefixtures("two_cpus")
def test_five_trials_that_fail_alike_end_the_search(root: Path) -> None:
    def broken(task: Task) -> Iterator[Mapping[str, float]]:
        if not task.milestones:  # never: a sixth trial that reported would be a winner, if stopped
            yield {}
        raise KeyError("the set-up is wrong")

    folder = paths.create(root / "runs", "broken")
    overrides = ["search.samples=20", "search.scheduler.name=none", "search.max_concurrent=1"]
    request = Request(search_file.load_search(root / "space.yaml", overrides), folder, ("python",))
    with pytest.raises(SearchError, match=r"the last 5 trials failed alike.*the set-up is wrong"):
        run(request, Progress(quiet=True), broken).check()
    result = json.loads(folder.result.read_text())
    assert (result["state"], result["best"]) == ("failed", None)
    assert 5 <= result["trials"]["failed"] <= 6


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", place], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.usefixtures("two_cpus")
def test_a_disk_that_fills_up(
    root: Path, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--runs-dir", str(small_disk), "--quiet", *ONE_AT_A_TIME]
    filler = small_disk / "filler"
    filler.write_bytes(bytes(33_000_000))
    code = search.main(["--space", str(root / "space.yaml"), "--name", "full", *given])
    assert code == 1
    folder = RunFolder(small_disk / "full")
    message = capsys.readouterr().err
    assert f"{folder.root}: cannot be written (No space left on device)" in message
    assert "Traceback" not in message
    before = study.read_study(folder.journal, "full").records()  # readable still
    filler.unlink()
    assert search.main(["--resume", "full", *given]) == 0, capsys.readouterr().err
    after = study.read_study(folder.journal, "full").records()
    finished = {State.COMPLETE, State.PRUNED}
    kept = [record for record in before if record.state in finished]
    assert [after[record.number] for record in kept] == kept
    assert sum(record.state in finished for record in after) == 6
    assert {record.state for record in after} <= finished | {State.INTERRUPTED}


@pytest.mark.usefixtures("two_cpus")
def test_a_run_of_another_format_is_refused_and_left_alone(
    finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "runs" / "first"
    shutil.copytree(finished.folder.root, copy)
    journal = RunFolder(copy).journal
    content = journal.read_text()
    assert content.count('"format":1') == 1
    journal.write_text(content.replace('"format":1', '"format":0'))
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    assert search.main(["--resume", str(copy), "--samples", "9"]) == 1
    assert "format 0, but this version reads format 1" in capsys.readouterr().err
    after = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    changed = {path.name for path in after if after[path] != before.get(path)}
    assert changed <= {".lock", "search.log"}


def test_a_stopped_search_says_so_and_goes_on(root: Path, ray_address: str) -> None:
    options = ["--address", ray_address, "--space", str(root / "space.yaml"), "--name", "stopped"]
    long = ["--samples", "2", "--epochs", "8", "--set", "search.scheduler.grace_period=0.5"]
    command = [sys.executable, "-m", "tune.search", *options, *long]
    where = ["--runs-dir", str(root / "runs")]
    command += [*where, *ONE_AT_A_TIME]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        stopped = RunFolder(root / "runs" / "stopped")
        wait_for_a_report(stopped, driver)
        driver.send_signal(signal.SIGTERM)
        printed, _ = driver.communicate()
    assert driver.returncode == 143
    assert "Stopping: " in printed
    result = json.loads(stopped.result.read_text())
    assert result["state"] == "interrupted"
    assert result["trials"]["interrupted"] == 1
    assert stopped.best.is_dir()

    before = study.read_study(stopped.journal, "stopped").records()
    code, printed = start(root, "--resume", "stopped", "--max-concurrent", "1")
    assert code == 0, printed
    after = study.read_study(stopped.journal, "stopped").records()
    assert after[: len(before)] == before
    ends = [record.state for record in after if record.state != State.INTERRUPTED]
    assert len(ends) == 2
    for record in after:
        if record.continues is not None:
            start_of = before[record.continues]
            assert record.params == start_of.params
            assert record.values[: len(start_of.values)] == start_of.values


def wait_for_a_report(folder: RunFolder, driver: subprocess.Popen[str]) -> None:
    while not (folder.journal.exists() and b'"rung 1"' in folder.journal.read_bytes()):
        assert driver.poll() is None, "the search ended by itself"
        time.sleep(0.1)


@pytest.mark.parametrize(("options", "expected"), [((), 30.0), (("--epochs", "2"), 2.0)])
def test_epochs_that_are_named_are_had_however_small_the_data(
    options: tuple[str, ...], expected: float, tmp_path: Path
) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(SPACE.replace("epochs: 1,", "epochs: 1, least_texts: 3000,"))
    given = ["--space", str(path), "--runs-dir", str(tmp_path), *options]
    request = search._request(search.make_parser().parse(given), given)
    assert request.config.train.epochs_on(100) == expected


@pytest.mark.usefixtures("two_cpus")
def test_one_command_line_begins_a_run_and_goes_on_with_it(root: Path) -> None:
    given = ["--resume", "auto", "--space", str(root / "space.yaml"), "--name", "auto", "--quiet"]
    given += ONE_AT_A_TIME
    code, printed = start(root, *given, "--samples", "1")
    assert code == 0, printed
    folder = RunFolder(root / "runs" / "auto")
    first = Finished(code, folder, printed).records
    assert len(first) == 1
    code, printed = start(root, *given, "--samples", "2", "--track", "tensorboard")
    assert code == 0, printed
    assert [path.name for path in (folder.track / "tensorboard").iterdir()] == ["trial-1"]
    both = Finished(code, folder, printed).records
    assert both[:1] == first
    assert len(both) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "one of the arguments --space --data --from --resume is required"),
        (["--resume", "auto"], "--resume auto needs --name, and --space or --from"),
        (
            ["--resume", "auto", "--space", "x.yaml"],
            "--resume auto needs --name, and --space or --from",
        ),
        (["--resume", "x", "--space", "x.yaml"], "argument --space: not allowed with"),
        (["--resume", "x", "--name", "y"], "argument --name: not allowed with"),
    ],
)
def test_options_that_do_not_say_which_run(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        search.main(options)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_the_process_ends_whatever_its_threads_are_doing(tmp_path: Path) -> None:
    """CPython's own end would wait for this handler, and for a lock that an import holds."""
    code = (
        "import atexit, runpy, sys, time; atexit.register(time.sleep, 600); "
        "sys.argv = ['search', '--space', 'absent.yaml']; "
        "runpy.run_module('tune.search', run_name='__main__')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    assert "absent.yaml" in ended.stderr


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from tune import search\n"
        "try: search.main(['--help'])\n"
        "except SystemExit: print(sorted({'ray', 'torch', 'optuna', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")
    assert "--time-budget" in done.stdout


def test_a_process_without_a_home_for_its_runs(tmp_path: Path, root: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    tmp_path.chmod(0o500)
    code = search.main(["--space", str(root / "space.yaml"), "--runs-dir", str(tmp_path / "runs")])
    assert code == 1
