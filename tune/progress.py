"""What a person sees at the terminal while a search runs."""

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tune.states import State
from tune.study import Proposal, TrialRecord

_COLOURS = {
    State.COMPLETE: "green",
    State.PRUNED: "bright_black",
    State.DIVERGED: "yellow",
    State.FAILED: "red",
    State.INTERRUPTED: "yellow",
}
_LABEL_WIDTH = 16
_PLAIN_WIDTH = 240  # a log file has no margin; lines are for grep


class Progress:
    """Sentences at the start, a line per ended trial, a line below that moves, the result.

    Without a terminal there is no moving line and no control character. `quiet` leaves only the
    result.
    """

    def __init__(self, *, quiet: bool = False, console: Console | None = None) -> None:
        self._console = console or _console()
        self._quiet = quiet
        self._live: Live | None = None
        self._metric = ""
        self._samples = 0
        self._started_at = time.monotonic()
        self._running: dict[int, str] = {}
        self._ended = 0
        self._best: float | None = None

    def say(self, sentence: str) -> None:
        """Print a sentence, such as what the search runs on."""
        if not self._quiet:
            self._console.print(sentence, highlight=False, markup=False, soft_wrap=True)

    def facts(self, rows: Iterable[tuple[str, str]]) -> None:
        """Print labelled lines, such as the dashboard's address."""
        if not self._quiet:
            self._console.print(_labelled(rows), soft_wrap=True)

    def begin(self, metric: str, samples: int, earlier: Sequence[TrialRecord] = ()) -> None:
        """From here on trials come and go."""
        self._metric, self._samples = metric, samples
        self._started_at = time.monotonic()
        self._ended = len(earlier)
        values = [record.value for record in earlier if record.value is not None]
        self._best = max(values, default=None)
        if self._console.is_terminal and not self._quiet:
            self._live = Live(
                get_renderable=self._status,
                console=self._console,
                refresh_per_second=4,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()

    def end(self) -> None:
        """No more trials."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def started(self, proposal: Proposal) -> None:
        """A trial was asked for."""
        self._running[proposal.number] = ""

    def reported(self, number: int, rung: int, metrics: Mapping[str, float]) -> None:  # noqa: ARG002
        """A trial reached a rung."""
        self._running[number] = f"{metrics[self._metric]:.4f}"

    def ended(self, record: TrialRecord) -> None:
        """Print how a trial ended."""
        self._running.pop(record.number, None)
        self._ended += 1
        leads = record.value is not None and (self._best is None or record.value > self._best)
        if leads and record.state in (State.COMPLETE, State.PRUNED):
            self._best = record.value
        if not self._quiet:
            self._console.print(_trial_line(record, leads=leads), soft_wrap=True)

    def result(self, rows: Iterable[tuple[str, str]]) -> None:
        """Print the last lines, also when quiet."""
        self._console.print()
        self._console.print(_labelled(rows), soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table, also when quiet: it is a result."""
        table = Table(*columns, box=None, header_style="bold", pad_edge=False)
        for row in rows:
            table.add_row(*row)
        self._console.print()
        self._console.print(table)

    def _status(self) -> Text:
        best = "-" if self._best is None else f"{self._best:.4f}"
        running = "  ".join(
            f"#{number} {value or '...'}" for number, value in sorted(self._running.items())
        )
        seconds = duration(time.monotonic() - self._started_at)
        status = f"{self._ended}/{self._samples} trials  best {best}  {seconds}  running {running}"
        return Text(status, style="cyan", no_wrap=True, overflow="ellipsis")


def duration(seconds: float) -> str:
    """42 s, 3m07s, 2h05m."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"


def parameters(params: Mapping[str, Any]) -> str:
    """Parameters on one line, numbers to four digits."""
    return "  ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in params.items()
    )


def _trial_line(record: TrialRecord, *, leads: bool) -> Text:
    value = "      " if record.value is None else f"{record.value:.4f}"
    last = record.curve[-1] if record.curve else {}
    extent = f"{last.get('epoch', 0):5.2f} epochs {last.get('seconds', 0):7.1f} s"
    what = (
        f"{record.name}  {parameters(record.params)}" if record.name else parameters(record.params)
    )
    return Text.assemble(
        f"{record.number:4}  ",
        (f"{record.state:<11}", _COLOURS.get(record.state, "")),
        (f"  {value}", "bold" if leads else ""),
        "* " if leads else "  ",
        f"{extent}  {what}",
        (f"  {record.message}" if record.message else "", "italic"),
    )


def _labelled(rows: Iterable[tuple[str, str]]) -> Text:
    lines = [Text.assemble((f"{label:<{_LABEL_WIDTH}}", "bold"), text) for label, text in rows]
    return Text("\n").join(lines)


def _console() -> Console:
    # The stream of now: while a search runs, what libraries print goes to its log.
    console = Console(file=sys.stdout)
    return console if console.is_terminal else Console(file=sys.stdout, width=_PLAIN_WIDTH)
