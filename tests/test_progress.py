import io

import pytest
from rich.console import Console
from test_leaderboard import record

from tune.progress import Progress, duration
from tune.states import State
from tune.study import Proposal


def watch(*, terminal: bool, quiet: bool = False) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=100)
    progress = Progress(quiet=quiet, console=console)
    progress.say("No GPU in the cluster.")
    progress.facts([("Dashboard", "http://127.0.0.1:8265")])
    progress.begin("test_accuracy", 2)
    for number in range(2):
        progress.started(Proposal(number, {}, None, None, number))
        progress.reported(number, 0, {"test_accuracy": 0.5})
    progress.ended(record(0, State.COMPLETE, 0.9123, params={"learning_rate": 0.00123456}))
    progress.ended(record(1, State.FAILED, 0.99, message="[boom]"))
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
    assert lines[3].endswith("hidden_size=1  [boom]")
    assert lines[-1] == "Winner          trial 0"


def test_on_a_terminal_a_line_moves() -> None:
    assert "0/2 trials  best -" in watch(terminal=True)


def test_quiet_leaves_the_result() -> None:
    assert watch(terminal=True, quiet=True).split() == ["\x1b[1mWinner", "\x1b[0mtrial", "0"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(1.26, "1.3 s"), (59.4, "59.4 s"), (60, "1m00s"), (3725, "1h02m")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
