import io
import re

import pytest
from record_parts import record
from rich.console import Console

from tune.execution.resources import Capacity
from tune.monitor.search_state import SearchPlan, SearchState
from tune.monitor.terminal import Display, labelled, sparkline, summary_line
from tune.study.records import Proposal, State


def state() -> SearchState:
    made = SearchState(SearchPlan("test_accuracy", 9, (0.25, 1.0), slots=2), now=lambda: 0.0)
    for number in range(4):
        made.on_trial_start(
            Proposal(number, {"hidden_size": 50, "learning_rate": 0.01}, None, None, number)
        )
        made.on_trial_report(number, 0, {"test_accuracy": 0.8 + number / 100, "epoch": 0.25})
    made.on_trial_end(record(0, State.PRUNED, 0.8))
    made.on_trial_report(1, 1, {"test_accuracy": 0.9, "epoch": 1.0, "texts_per_second": 1000.0})
    made.on_trial_end(record(1, State.COMPLETE, 0.81, 0.9))
    made.on_trial_end(record(2, State.FAILED, 0.82, message="KeyError: 'x'"))
    return made


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_picture_tells_all_and_stays_in_the_window(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, height=40, force_terminal=False)
    with console.capture() as capture:
        console.print(Display(state(), [("Search", "gru " * 80)]))
    text = capture.get()
    assert all(len(line) <= width for line in text.splitlines())
    for part in ("3/9 trials", "0.25/1", "-0.0700", "complete", "KeyError: 'x'", "1,000 texts/s"):
        assert part in text
    assert "0.25 ep: 4  1 ep: 1" in text


def test_a_cluster_tells_what_the_trials_take_of_it() -> None:
    made = SearchState(SearchPlan("test_accuracy", 9, capacity=Capacity(3, 48, 4, 2, 0.25)))
    for number in range(3):
        made.on_trial_start(Proposal(number, {}, None, None, number))
    console = Console(file=io.StringIO(), width=100, height=40, force_terminal=False)
    with console.capture() as capture:
        console.print(Display(made))
    assert "3 nodes, trials take 6 of 48 cores and 0.75 of 4 GPUs" in capture.get()


@pytest.mark.parametrize("begins", ["python -m textcls.predict ", "textcls-tune predict "])
def test_a_long_text_goes_on_below_itself_and_a_command_stays_whole(begins: str) -> None:
    command = begins + "folder/" * 8 + ' "your text"'
    lines = labelled([("Data", "two words " * 6), ("Predict", command)], 40).plain.splitlines()
    assert [line[:16].strip() for line in lines] == ["Data", "", "", "Predict"]
    assert " ".join(line[16:] for line in lines[:3]) == ("two words " * 6).strip()
    assert lines[3][16:] == command


def test_a_curve_spans_the_scale() -> None:
    assert sparkline([0.0, 0.5, 1.0], 0.0, 1.0) == "▁▅█"
    assert sparkline([0.5], 0.5, 0.5) == "█"
    assert sparkline([], 0.0, 1.0) == ""


def played(ends: int, waiting: int, budget_s: float | None = None) -> SearchState:
    """A search whose trials end after one and after nine epochs of a second by turns."""
    clock = [0.0]
    plan = SearchPlan("test_accuracy", ends + waiting, (1.0, 9.0), budget_s=budget_s)
    made = SearchState(plan, now=lambda: clock[0])
    for number in range(ends):
        made.on_trial_start(Proposal(number, {}, None, None, number))
        for rung in range(1 + number % 2):
            clock[0] += (1.0, 8.0)[rung]
            made.on_trial_report(number, rung, {"test_accuracy": 0.5, "epoch": (1.0, 9.0)[rung]})
        made.on_trial_end(record(number, State.COMPLETE, *[0.5] * (1 + number % 2)))
    return made


def test_a_range_is_told_where_chance_decides() -> None:
    assert re.search(r", ~2\dm\d\ds left$", summary_line(played(40, 300)))
    assert re.search(r", ~\d+ s left \(\d+ to \d+ s\)$", summary_line(played(40, 6)))
    assert ", unknown time left" in summary_line(played(0, 6))


def test_no_more_time_is_left_than_the_budget() -> None:
    assert ", ~50 s left" in summary_line(played(40, 1_000, budget_s=250.0))
    assert ", at most 30 s left" in summary_line(played(0, 6, budget_s=30.0))


def test_a_running_trial_shows_the_epoch_that_its_worker_tells() -> None:
    made = SearchState(
        SearchPlan("test_accuracy", 9, (0.25, 2.0)), heartbeats=lambda _numbers: {0: 0.61}
    )
    for number in range(2):
        made.on_trial_start(Proposal(number, {}, None, None, number))
        made.on_trial_report(number, 0, {"test_accuracy": 0.8, "epoch": 0.25})
    console = Console(file=io.StringIO(), width=100, height=40, force_terminal=False)
    with console.capture() as capture:
        console.print(Display(made))
    assert "0.61/2" in capture.get()
    assert "0.25/2" in capture.get()


def drawn(display: Display, width: int, height: int = 40) -> str:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=False)
    with console.capture() as capture:
        console.print(display)
    return capture.get()


def test_facts_that_were_just_printed_are_drawn_again_once_out_of_sight() -> None:
    display = Display(state(), [("Search", "gru")], above=6)
    assert "Search" not in drawn(display, 80, height=24)
    for _ in range(10):
        display.scroll()
    assert "Search" in drawn(display, 80, height=24)
    assert "Search" in drawn(display, 80, height=99)  # it does not go again


def test_parameters_stand_below_their_names_and_fit_into_eighty_columns() -> None:
    made = SearchState(SearchPlan("test_accuracy", 9, (0.25, 2.0)))
    params = {
        "hidden_size": 245, "learning_rate": 0.009541, "max_grad_norm": 0.83741, "freeze_iters": 15,
    }  # fmt: skip
    for number in range(2):
        made.on_trial_start(Proposal(number, params, None, None, number))
        made.on_trial_report(number, 0, {"test_accuracy": 0.8 + number / 100, "epoch": 0.25})
    lines = drawn(Display(made), 80).splitlines()
    upper = next(line for line in lines if line.startswith("Running"))
    lower = lines[lines.index(upper) + 1]
    rows = [line for line in lines if "0.8374" in line]
    assert upper.split() == ["Running", "hidden_", "learning_", "max_", "freeze_"]
    assert lower.split() == ["size", "rate", "grad_norm", "iters"]
    assert len(rows) == 4
    assert {line.index("0.009541") for line in rows} == {upper.index("learning_")}
    wide = [line for line in drawn(Display(made), 60).splitlines() if "0.8" in line]
    assert all("hidden_size=245" in line for line in wide)  # columns have no room


@pytest.mark.parametrize(
    ("elapsed_s", "told"),
    [
        (2.0, "0/9 trials, 1 running, 2 s of 7 s, at most 5 s left"),
        (6.8, "0/9 trials, 1 running, 7 s of 7 s, at most 1 s left"),
        (10.0, "0/9 trials, 1 running, 10 s, the time budget is spent: ending"),
    ],
)
def test_a_small_budget_that_is_spent_is_said_in_words(elapsed_s: float, told: str) -> None:
    clock = [0.0]
    plan = SearchPlan("test_accuracy", 9, (0.25, 1.0), slots=2, budget_s=7.0)
    made = SearchState(plan, now=lambda: clock[0])
    made.on_trial_start(Proposal(0, {"hidden_size": 50}, None, None, 0))
    clock[0] = elapsed_s
    assert summary_line(made) == told


def test_with_a_cost_the_front_is_listed_with_it() -> None:
    made = SearchState(SearchPlan("test_accuracy", 9, (0.25, 2.0), cost="operations"))
    for number, (value, cost) in enumerate([(0.8, 10_000.0), (0.9, 50_000.0), (0.85, 60_000.0)]):
        made.on_trial_start(Proposal(number, {"hidden_size": 8}, None, None, number))
        made.on_trial_report(number, 0, {"test_accuracy": value, "epoch": 0.25, "operations": cost})
    assert [each.number for each in made.best(5)] == [1, 0]
    console = Console(file=io.StringIO(), width=80, height=40, force_terminal=False)
    with console.capture() as capture:
        console.print(Display(made))
    _, _, front = capture.get().partition("Front, by operations\n")
    assert re.search(r"1 .* 0\.9000 +50,000 .*\n +0 .* 0\.8000 +10,000", front)
