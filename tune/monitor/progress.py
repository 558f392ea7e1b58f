"""Print the progress of a search at the terminal."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from rich.cells import cell_len
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from textcls.output import make_console, one_line, printable
from tune.formatting import format_params
from tune.monitor.search_state import SearchPlan, SearchState
from tune.monitor.terminal import COLOURS, Display, labelled, summary_line
from tune.study.records import Proposal, State, TrialRecord

_PLAIN_WIDTH = 240  # a log file has no margin; lines are for grep
_REDRAWS_PER_SECOND = 2.0
_SUMMARY_EVERY_S = 10.0
_SILENT_TIMES = 6
"""After so many without anything new a summary is printed all the same: the search lives."""
_KEPT = ("Search", "Data", "Dashboard")
"""Labels of the facts that stay in sight while trials run."""


class Progress:
    """Print sentences at the start, a line per ended trial, a live display below, and the result.

    Without a terminal there is no display and no control character, but a line that sums up, every
    ten seconds in which something happened and after each minute in which nothing did. `quiet`
    leaves only the result.
    """

    def __init__(
        self,
        *,
        quiet: bool = False,
        console: Console | None = None,
        summary_every_s: float = _SUMMARY_EVERY_S,
    ) -> None:
        self._console = console or _console()
        self._quiet = quiet
        self._summary_every_s = summary_every_s
        self._facts: list[tuple[str, str]] = []
        self._state = SearchState(SearchPlan("", 0))
        self._best: float | None = None
        self._above = 0
        self._display: Display | None = None
        self._live: Live | None = None
        self._over = threading.Event()
        self._summaries: threading.Thread | None = None

    def say(self, sentence: str) -> None:
        """Print a sentence, such as what the search runs on; nothing when quiet.

        Args:
            sentence: Plain text; terminal escapes in it are left out.
        """
        if not self._quiet:
            wrap = self._console.is_terminal  # at words; a log keeps its lines whole
            self._console.print(
                printable(sentence), highlight=False, markup=False, soft_wrap=not wrap
            )

    def facts(self, rows: Iterable[tuple[str, str]]) -> None:
        """Print labelled lines, such as the dashboard's address; nothing when quiet.

        Args:
            rows: Pairs of a label and a text. The display keeps them in sight while trials run.
        """
        self._facts = list(rows)
        if not self._quiet:
            self._above = self._print_labelled(self._facts)

    def begin(self, state: SearchState) -> None:
        """Start the display: trials are about to begin.

        Args:
            state: The search as it stands, with the trials of a run that is resumed.
        """
        self._state = state
        self._best = max((each.value or 0.0 for each in self._state.best(1)), default=None)
        if self._quiet:
            return
        if self._console.is_terminal:
            kept = [(label, text) for label, text in self._facts if label in _KEPT]
            self._display = Display(self._state, kept, self._above)
            self._live = Live(
                self._display,
                console=self._console,
                refresh_per_second=_REDRAWS_PER_SECOND,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        else:
            self._over.clear()
            self._summaries = threading.Thread(target=self._sum_up, name="summaries", daemon=True)
            self._summaries.start()

    def end(self) -> None:
        """End the display: there are no more trials."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._summaries is not None:
            self._over.set()
            self._summaries.join()
            self._summaries = None

    def on_trial_start(self, proposal: Proposal) -> None:
        """Show a trial that was proposed.

        Args:
            proposal: Its number, name and parameters.
        """
        self._state.on_trial_start(proposal)

    def on_trial_report(self, number: int, rung: int, metrics: Mapping[str, float]) -> None:
        """Show the rung that a trial reached.

        Args:
            number: The trial's, from 0.
            rung: Counted from 0.
            metrics: By name, the search's metric among them.
        """
        self._state.on_trial_report(number, rung, metrics)

    def on_trial_end(self, record: TrialRecord) -> None:
        """Print how a trial ended; nothing when quiet.

        Args:
            record: The trial. One that completed or was pruned with the highest value so far is
                marked as leading.
        """
        self._state.on_trial_end(record)
        leads = record.value is not None and (self._best is None or record.value > self._best)
        leads = leads and record.state in (State.COMPLETE, State.PRUNED)
        if leads:
            self._best = record.value
        if not self._quiet:
            shown = replace(record, params=self._state.plan.shown(record.params))
            line = _trial_line(shown, leads=leads)
            if self._live is not None:  # a picture below and wrapped lines above are a mess
                self._console.print(line, no_wrap=True, overflow="ellipsis", crop=True)
                if self._display is not None:
                    self._display.scroll()
            else:
                self._console.print(line, soft_wrap=True)

    def result(self, rows: Iterable[tuple[str, str]]) -> None:
        """Print the last lines, also when quiet.

        Args:
            rows: Pairs of a label and a text.
        """
        if not self._quiet:
            self._console.print()
        self._print_labelled(rows)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table, also when quiet: it is a result.

        Args:
            columns: The head of each column.
            rows: As many cells as there are columns, for each row.
        """
        cells = [[one_line(cell) for cell in row] for row in (columns, *rows)]
        wide = sum(max(map(cell_len, column)) + 2 for column in zip(*cells, strict=True)) - 2
        table = Table(  # a class's intervals fit into 80 columns with a blank between, not with two
            *columns,
            box=None,
            header_style="bold",
            pad_edge=False,
            collapse_padding=wide > self._console.width,
        )
        for row in cells[1:]:
            table.add_row(*map(Text, row))
        self._console.print()
        self._console.print(table)

    def _print_labelled(self, rows: Iterable[tuple[str, str]]) -> int:
        """Print labelled lines and return how many lines of the terminal they took."""
        width = self._console.width if self._console.is_terminal else None
        text = labelled(rows, width)
        self._console.print(text, soft_wrap=True)
        return text.plain.count("\n") + 1

    def _sum_up(self) -> None:
        told = silent = 0
        while not self._over.wait(self._summary_every_s):
            silent += 1
            if (changes := self._state.changes) != told or silent == _SILENT_TIMES:
                told, silent = changes, 0
                self.say(summary_line(self._state))


def _trial_line(record: TrialRecord, *, leads: bool) -> Text:
    value = "      " if record.value is None else f"{record.value:.4f}"
    last = record.curve[-1] if record.curve else {}
    extent = f"{last.get('epoch', 0):5.2f} epochs {last.get('seconds', 0):7.1f} s"
    what = one_line(record.name) + "  " if record.name else ""
    what += printable(format_params(record.params))
    message = one_line(record.message)
    return Text.assemble(
        f"{record.number:4}  ",
        (f"{record.state:<11}", COLOURS.get(record.state, "")),
        (f"  {value}", "bold" if leads else ""),
        "* " if leads else "  ",
        f"{extent}  ",
        (f"{message}  " if message else "", "italic"),  # a narrow window cuts the end
        what,
    )


def _console() -> Console:
    # The stream of now: while a search runs, what libraries print goes to its log.
    return make_console(_PLAIN_WIDTH)
