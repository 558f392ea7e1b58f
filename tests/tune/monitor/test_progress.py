import io
import time

import pytest
from record_parts import record
from rich.console import Console

from tune.formatting import duration
from tune.monitor import progress as progress_of_a_search
from tune.monitor.progress import Progress
from tune.monitor.search_state import SearchPlan, SearchState
from tune.study.records import Proposal, State


def watch(*, terminal: bool, quiet: bool = False) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=100)
    progress = Progress(quiet=quiet, console=console)
    progress.say("No GPU in the cluster.")
    progress.facts([("Dashboard", "http://127.0.0.1:8265")])
    progress.begin(SearchState(SearchPlan("test_accuracy", 2)))
    for number in range(2):
        progress.on_trial_start(Proposal(number, {}, None, None, number))
        progress.on_trial_report(number, 0, {"test_accuracy": 0.5})
    progress.on_trial_end(record(0, State.COMPLETE, 0.9123, params={"learning_rate": 0.00123456}))
    progress.on_trial_end(record(1, State.FAILED, 0.99, message="[boom]"))
    progress.end()
    progress.result([("Winner", "trial 0")])
    return file.getvalue()


def test_without_a_terminal_there_are_plain_lines() -> None:
    text = watch(terminal=False)
    assert "\x1b" not in text
    assert "\r" not in text
    lines = text.splitlines()
    assert lines[0] == "No GPU in the cluster."
    assert lines[1] == "Dashboard       http://127.0.0.1:8265"
    assert lines[2].split() == [
        "0", "complete", "0.9123*", "1.00", "epochs", "0.0", "s", "learning_rate=0.001235",
    ]  # fmt: skip
    assert lines[3].endswith("s  [boom]  hidden_size=1")
    assert lines[-1] == "Winner          trial 0"


def test_on_a_terminal_a_picture_moves() -> None:
    text = watch(terminal=True)
    assert "\x1b[" in text
    assert "2/2 trials" in text


def test_a_long_label_keeps_its_distance_and_the_columns_align() -> None:
    file = io.StringIO()
    rows = [("Winner", "trial 0"), ("Validation accuracy", "0.7592")]
    Progress(console=Console(file=file, width=40)).result(rows)
    _, winner, accuracy = file.getvalue().splitlines()
    assert accuracy == "Validation accuracy  0.7592"
    assert winner.index("trial 0") == accuracy.index("0.7592")


def test_a_log_sums_up_while_something_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_of_a_search, "_SILENT_TIMES", 10**9)
    file = io.StringIO()
    progress = Progress(console=Console(file=file, width=200), summary_every_s=0.02)
    progress.begin(SearchState(SearchPlan("test_accuracy", 8, (1.0,), slots=2)))
    time.sleep(0.1)
    assert file.getvalue() == ""
    progress.on_trial_start(Proposal(0, {}, None, None, 0))
    progress.on_trial_report(0, 0, {"test_accuracy": 0.5, "texts_per_second": 1234.0})
    time.sleep(0.2)
    progress.end()
    lines = file.getvalue().splitlines()
    assert 1 <= len(lines) <= 2
    assert lines[-1].startswith("0/8 trials, best 0.5000 (trial 0), 1 running, ")
    assert lines[-1].endswith("1,234 texts/s")


def test_a_log_says_now_and_then_that_a_search_lives_in_which_nothing_happens() -> None:
    file = io.StringIO()
    progress = Progress(console=Console(file=file, width=200), summary_every_s=0.01)
    progress.begin(SearchState(SearchPlan("test_accuracy", 8, (1.0,), slots=2)))
    until = time.monotonic() + 60
    while file.getvalue().count("\n") < 2:
        assert time.monotonic() < until
        time.sleep(0.01)
    progress.end()
    assert all(line.startswith("0/8 trials, 0 running, ") for line in file.getvalue().splitlines())


def test_quiet_leaves_the_result() -> None:
    assert watch(terminal=True, quiet=True).split() == ["\x1b[1mWinner", "\x1b[0mtrial", "0"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(1.26, "1.3 s"), (59.4, "59.4 s"), (60, "1m00s"), (3725, "1h02m")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("width", "gap"), [(80, " "), (120, "  ")])
def test_a_table_of_classes_fits_into_80_columns(width: int, gap: str) -> None:
    file = io.StringIO()
    progress = Progress(quiet=False, console=Console(file=file, width=width))
    row = ["Business", "1,000", *["0.25 (0.21 to 0.30)"] * 3]
    progress.table(["class", "test texts", "precision", "recall", "F1"], [row])
    _, _, line = file.getvalue().splitlines()
    assert line == gap.join(["Business", "1,000     ", *row[2:]])
