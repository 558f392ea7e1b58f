"""A compact live display for notebooks, and a result as a notebook shows it."""

import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from tune.formatting import counted, format_params, rounded_duration
from tune.monitor.callback import Facts
from tune.monitor.search_state import SearchState, TrialView
from tune.monitor.terminal import time_left
from tune.study.records import Proposal, State, TrialRecord

if TYPE_CHECKING:
    from tune.analysis.run_data import RunData

_REDRAW_S = 1.0
_SHOWN = 5
"""The best trials, and the running ones, that are listed."""
_CELL = "text-align:left;padding:1px 12px 1px 0"
_BAR = Markup(
    '<div style="background:#8884;border-radius:3px;height:6px;max-width:480px">'
    '<div style="background:#3b82c4;border-radius:3px;height:6px;width:{:.1f}%"></div></div>'
)


def in_notebook() -> bool:
    """Tell whether this process is the kernel of a notebook."""
    shell = sys.modules.get("IPython")
    found = shell.get_ipython() if shell is not None else None
    return found is not None and hasattr(found, "kernel")


class NotebookDisplay:
    """Draws a search into the output of a notebook's cell, and redraws it in place."""

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self._html = HTML
        self._sentences: list[str] = []
        self._facts: list[tuple[str, str]] = []
        self._state: SearchState | None = None
        self._over = threading.Event()
        self._drawing = threading.Lock()
        self._drawn = 0.0
        self._thread: threading.Thread | None = None
        self._handle: Any = display(HTML("Starting …"), display_id=True)

    def say(self, sentence: str) -> None:
        """Show a sentence above the trials.

        Args:
            sentence: Plain text, which is escaped.
        """
        self._sentences.append(sentence)
        self._draw()

    def facts(self, rows: Facts) -> None:
        """Show labelled lines above the trials, in the place of those shown before.

        Args:
            rows: Pairs of a label and a text.
        """
        self._facts = list(rows)
        self._draw(now=True)

    def begin(self, state: SearchState) -> None:
        """Follow the trials of a search: draw them anew from a thread of its own until `end`.

        Args:
            state: The search as it stands, which this display brings up to date from here on.
        """
        self._state = state
        self._over.clear()
        self._thread = threading.Thread(target=self._redraw, name="notebook", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Draw the last state."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        self._draw(now=True)

    def on_trial_start(self, proposal: Proposal) -> None:
        """Show a trial among those that run.

        Args:
            proposal: Its number, name and parameters.
        """
        if self._state is not None:
            self._state.on_trial_start(proposal)
            self._draw()

    def on_trial_report(self, number: int, rung: int, metrics: Mapping[str, float]) -> None:
        """Show what a trial reached.

        Args:
            number: The trial's, from 0.
            rung: Counted from 0.
            metrics: By name, the search's metric among them.
        """
        if self._state is not None:
            self._state.on_trial_report(number, rung, metrics)
            self._draw()

    def on_trial_end(self, record: TrialRecord) -> None:
        """Show how a trial ended.

        Args:
            record: The trial with its state and all its reports.
        """
        if self._state is not None:
            self._state.on_trial_end(record)
            self._draw()

    def _redraw(self) -> None:
        while not self._over.wait(_REDRAW_S):
            self._draw()

    def _draw(self, *, now: bool = False) -> None:
        with self._drawing:
            if now or time.monotonic() - self._drawn >= _REDRAW_S:
                self._drawn = time.monotonic()
                self._handle.update(self._html(self._page()))

    def _page(self) -> str:
        parts = [_line(sentence) for sentence in self._sentences]
        parts += [_line(f"{label}: {text}") for label, text in self._facts if label]
        if self._state is not None:
            parts.append(search_html(self._state))
        return f'<div style="font-size:90%">{"".join(parts)}</div>'


def search_html(state: SearchState) -> Markup:
    """Draw a search that runs: how far it is, its running and best trials and its last faults.

    Args:
        state: The search as it stands.

    Returns:
        HTML in which every name and message is escaped.
    """
    left, _ = time_left(state)
    trials = counted(state.plan.samples, "trial")
    told = f"{state.ended} of {trials}, {rounded_duration(state.elapsed_s)}"
    if state.running:
        told += f", {left} left"
    running = [_row(each, f"{max(each.epoch, each.live):.2f}") for each in state.running[:_SHOWN]]
    best = [_row(each, f"{each.epoch:.2f}") for each in state.best(_SHOWN)]
    faults = [
        f"trial {each.number} {each.state}: {each.message}" for each in state.faults[-_SHOWN:]
    ]
    return Markup().join(
        [
            _line(told),
            _BAR.format(100 * state.done),
            _table("Running", state.plan.metric, running) if running else Markup(),
            _table("Best", state.plan.metric, best) if best else Markup(),
            *(_line(fault) for fault in faults),
        ]
    )


def result_table(run: "RunData") -> str:
    """Draw what a search came to, as a notebook shows its result.

    Args:
        run: A search, ended or not.

    Returns:
        HTML: state, number of trials, a link to the report where there is one, and the best trials.
    """
    rows = [
        [
            str(each.number),
            str(each.state),
            _value(each.value),
            _epoch(each),
            format_params(run.shown_params(each)),
        ]
        for each in run.ranked[:_SHOWN]
    ]
    head = Markup("<b>{}</b>: {}, {}").format(
        run.folder.name, run.state, counted(len(run.chains), "trial")
    )
    report = run.folder.report
    link = (
        Markup('<br><a href="{}" target="_blank">report</a>').format(report)
        if report.exists()
        else Markup()
    )
    return f"<div>{head}{link}{_table('Best', run.metric, rows)}</div>"


def _row(trial: TrialView, epoch: str) -> list[str]:
    state = "" if trial.state == State.RUNNING else str(trial.state)
    return [str(trial.number), state, _value(trial.value), epoch, format_params(trial.params)]


def _epoch(record: TrialRecord) -> str:
    return f"{record.curve[-1].get('epoch', 0.0):.2f}" if record.curve else ""


def _value(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _line(sentence: str) -> Markup:
    return Markup("<div>{}</div>").format(sentence)


def _table(title: str, metric: str, rows: Iterable[Sequence[str]]) -> Markup:
    head = [title, "state", metric, "epochs", "parameters"]
    cells = [_cells("th", head), *(_cells("td", row) for row in rows)]
    return Markup('<table style="margin:4px 0">{}</table>').format(Markup().join(cells))


def _cells(kind: str, row: Sequence[str]) -> Markup:
    made = Markup().join(
        Markup('<{0} style="{1}">{2}</{0}>').format(kind, _CELL, cell) for cell in row
    )
    return Markup("<tr>{}</tr>").format(made)
