"""Figures of a search over time: the best value so far, and the time of each trial."""

from collections.abc import Sequence
from itertools import pairwise

from tune.analysis.run_data import RunData
from tune.analysis.timeline import Report, Span, Timeline
from tune.config.metrics import metric_words
from tune.formatting import counted, duration
from tune.report import _axes, _html
from tune.report._html import Html, tag
from tune.report._plots import Layer, Place, legend, look, plot
from tune.study.records import State

_LANE_PX, _TALLEST_PX = 22, 900
_FLUSH = (True, True, False, True, True, True, True)
_GAP = 0.0012  # between neighbours, so that they do not run into one


def progress_section(run: RunData, line: Timeline) -> list[Html]:
    """Plot the best value so far, over seconds and over texts trained."""
    if len(line.reports) == 1:
        _, trained, trial, epoch, value = _row(run, only := line.reports[0])
        what = "texts" if run.texts("train") else "epochs"
        return [tag("p", f"There is one report: {value} by trial {trial} at epoch {epoch}, after "
                         f"{duration(only.seconds)} and {trained} {what}.")]  # fmt: skip
    texts = run.texts("train")
    unit = f"texts trained, in epochs of {texts:,}" if texts else "epochs trained"
    seconds = _axes.time_axis("time since the first trial", line.seconds)
    epochs = _axes.linear_axis(unit, 0.0, line.epochs)
    over_time = [(seconds.at(report.seconds), report) for report in line.reports]
    over_texts = [(epochs.at(report.epochs), report) for report in line.reports]
    leaders = set(line.leaders())
    return [
        _progress("best-over-time", "Over time", seconds, over_time, leaders, run),
        _progress("best-over-texts", "Over texts trained", epochs, over_texts, leaders, run),
    ]


def _progress(
    identity: str,
    title: str,
    x: _axes.Axis,
    placed: Sequence[tuple[float, Report]],
    leaders: set[Report],
    run: RunData,
) -> Html:
    y, below = _axes.metric_axis(metric_words(run.metric), [report.value for _, report in placed])
    led = [(at, report) for at, report in placed if report in leaders]
    rest = [(at, report) for at, report in placed if report not in leaders]
    layers = [
        Layer("pruned dots small", [[(at, y.at(each.value))] for at, each in rest],
              trials=[each.number for _, each in rest]),
        Layer("complete line", [staircase([(at, y.at(each.value)) for at, each in led])]),
        Layer("best dots", [[(at, y.at(each.value))] for at, each in led],
              tips=[_led(run, each) for _, each in led]),
    ]  # fmt: skip
    head = ["time", "texts trained" if run.texts("train") else "epochs", "trial", "epoch",
            metric_words(run.metric)]  # fmt: skip
    rows = [_row(run, report) for _, report in led]
    words = {"complete": "best so far", "best": "a new best", "pruned": "every other report"}
    return plot(
        identity, title, x, y, layers,
        note=foot_note(below, "report") or None,
        below=[
            legend(["complete", "best", "pruned"], words),
            _html.details("Table", _html.table(head, rows, numeric=[True] * 5)),
        ],
    )  # fmt: skip


def staircase(points: Sequence[Place], end: float = 1.0) -> list[Place]:
    """Return the steps of the best value: each holds until the next, and the last to the `end`."""
    if not points:
        return []
    steps = [place for here, after in pairwise(points) for place in (here, (after[0], here[1]))]
    return [*steps, points[-1], (end, points[-1][1])]


def _led(run: RunData, report: Report) -> str:
    time, texts, trial, epoch, value = _row(run, report)
    unit = "texts" if run.texts("train") else "epochs"
    return f"{value}: trial {trial} at epoch {epoch}\nafter {time} and {texts} {unit}"


def _row(run: RunData, report: Report) -> tuple[str, str, str, str, str]:
    texts = run.texts("train")
    trained = f"{report.epochs * texts:,.0f}" if texts else f"{report.epochs:.2f}"
    epoch = next(
        record.curve[report.rung]["epoch"]
        for record in run.records
        if record.number == report.number
    )
    return (
        duration(report.seconds), trained, str(report.number), f"{epoch:.3g}",
        f"{report.value:.4f}",
    )  # fmt: skip


def timeline_section(run: RunData, line: Timeline) -> Html:
    """Plot when each trial ran, with one row for each that ran at a time."""
    x = _axes.time_axis("time since the first trial", line.seconds)
    rows = max(1, line.lanes)
    height = min(_LANE_PX * rows, _TALLEST_PX)
    labels = tuple(
        ((rows - lane - 0.5) / rows, str(lane + 1))
        for lane in range(rows)
        if lane % max(1, rows // 30) == 0
    )
    y = _axes.Axis("slot", 0.0, 1.0, False, labels)
    best = run.best
    layers = [_waiting(line, x, rows)]
    looks = []
    for name in ("pruned", "complete", "lost", "running", "best"):
        spans = [
            span for span in line.spans
            if look(span.record.state, best=span.record is best) == name
        ]  # fmt: skip
        if spans:
            looks.append(name)
            bars = [_bar(span, x, rows) for span in spans]
            layers.append(Layer(f"{name} bars", bars, [span.record.number for span in spans]))
    pauses = [(x.at(at), f"stopped for {duration(gap)}") for at, gap in line.pauses]
    busy = line.busy_seconds / (rows * line.seconds) if line.seconds else 0.0
    note = (
        f"{line.lanes} at a time; the slots were busy {busy:.0%} of the time. Which worker a trial "
        "ran on is not recorded: a slot is the first that was free."
    )
    head = ["trial", "slot", "state", "asked for", "began", "ended", "seconds"]
    return plot(
        "timeline-plot", "Trials on workers", x, y, layers,
        note=note, guides=pauses, height=height, bar=0.7 * height / rows,
        below=[
            legend([*looks, "waiting"], {"waiting": "asked for, not yet running"}),
            _html.details(
                f"Table of {counted(len(line.spans), 'trial')}",
                _html.table(head, map(_times, line.spans), numeric=_FLUSH),
            ),
        ],
    )  # fmt: skip


def _waiting(line: Timeline, x: _axes.Axis, rows: int) -> Layer:
    shapes = [
        [(x.at(span.asked), _height(span, rows)), (x.at(span.began), _height(span, rows))]
        for span in line.spans
        if x.at(span.began) - x.at(span.asked) > _GAP
    ]
    return Layer("waiting line", shapes)


def _bar(span: Span, x: _axes.Axis, rows: int) -> list[Place]:
    begin, end = x.at(span.began), x.at(span.ended)
    return [(begin, _height(span, rows)), (max(end - _GAP, begin + _GAP), _height(span, rows))]


def _height(span: Span, rows: int) -> float:
    return (rows - span.lane - 0.5) / rows


def _times(span: Span) -> tuple[str, ...]:
    record = span.record
    seconds = [f"{value:.1f}" for value in (span.asked, span.began, span.ended)]
    state = str(record.state) if record.state != State.RUNNING else "running"
    return (
        str(record.number), str(span.lane + 1), state, *seconds, f"{span.ended - span.began:.1f}",
    )  # fmt: skip


def foot_note(below: int, what: str) -> str:
    """Say that some values lie below the axis and are drawn at its edge."""
    if below == 0:
        return ""
    return f"{below} {what}{'s' if below > 1 else ''} below the axis: drawn at the edge."
