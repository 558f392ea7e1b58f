"""Render the comparison of searches as one page."""

from collections.abc import Sequence

from tune.analysis import comparison
from tune.analysis.comparison import Contender
from tune.analysis.timeline import Report
from tune.config.metrics import metric_words
from tune.formatting import duration
from tune.report import _axes, _html
from tune.report._html import Html, tag
from tune.report._over_time import foot_note, staircase
from tune.report._plots import Layer, legend, plot
from tune.report.page import html_page

_TIME, _TEXTS = "time since the first trial", "texts trained"
_FAR_APART = 5.0  # times as long: then the axis is a log axis
_COLOURS = 6  # of the style sheet; further searches start again with dashes


def render_comparison(found: Sequence[Contender]) -> str:
    """Render the comparison of searches as one page of HTML, without files beside it.

    Args:
        found: The searches, two or more.
    """
    names = " and ".join([", ".join(each.name for each in found[:-1]), found[-1].name])
    body = [
        tag("header", tag("p", "Searches side by side", class_="eyebrow"), tag("h1", names)),
        *(tag("p", remark) for remark in comparison.comparison_remarks(found)),
        tag("section", tag("h2", "Best over time"), *_curves(found), id="curves"),
        *(_section(title, rows, found) for title, rows in comparison.comparison_sections(found)),
    ]
    return html_page(f"{names}: comparison", body, {"metric": "", "names": [], "trials": {}})


def _section(title: str, rows: Sequence[comparison.Row], found: Sequence[Contender]) -> Html:
    head = ["", *(each.name for each in found)]
    table = _html.table(head, [[label, *cells] for label, cells in rows], class_="facts-table")
    content = table if rows else tag("p", "Nothing was searched.", class_="gap")
    identity = title.lower().replace(" ", "-")
    return tag("section", tag("h2", title), content, id=identity)


def _curves(found: Sequence[Contender]) -> list[Html]:
    if not any(each.line.reports for each in found):
        return [tag("p", "No trial has reached its first rung.", class_="gap")]
    spans = [each.line.seconds for each in found]
    first = min(report.seconds for each in found for report in each.leaders)
    time = _axes.time_axis(_TIME, max(spans))
    if max(spans) > _FAR_APART * min(spans):
        time = _axes.log_time_axis(_TIME, first / 2, max(spans))
    trained = [each.trained(each.line.epochs) for each in found]
    seconds = [[report.seconds for report in each.leaders] for each in found]
    texts = [[each.trained(report.epochs) for report in each.leaders] for each in found]
    amount = _axes.linear_axis(_TEXTS, 0.0, max(trained))
    if max(trained) > _FAR_APART * min(trained):
        amount = _axes.log_axis(_TEXTS, min(map(min, filter(None, texts))) / 2, max(trained))
    figures = [
        _plot("over-time", "Over time", time, found, seconds, spans),
        _plot("over-texts", "Over texts trained", amount, found, texts, trained),
    ]
    return [tag("div", *figures, class_="pair")]


def _plot(
    identity: str,
    title: str,
    x: _axes.Axis,
    found: Sequence[Contender],
    reached: Sequence[Sequence[float]],
    ends: Sequence[float],
) -> Html:
    values = [report.value for each in found for report in each.leaders]
    y, below = _axes.metric_axis(metric_words(found[0].run.metric), values)
    layers = []
    for index, (each, at, end) in enumerate(zip(found, reached, ends, strict=True)):
        look = _look(index)
        led = [
            (x.at(when), y.at(report.value)) for when, report in zip(at, each.leaders, strict=True)
        ]
        if led:
            layers.append(Layer(f"{look} line", [staircase(led, x.at(end))]))
            tips = [_tip(each, report) for report in each.leaders]
            layers.append(Layer(f"{look} dots", [[place] for place in led], tips=tips))
    rows = [
        [each.name, f"{when:,.1f}", str(report.number), f"{report.value:.4f}"]
        for each, at in zip(found, reached, strict=True)
        for when, report in zip(at, each.leaders, strict=True)
    ]
    unit = "seconds" if x.title == _TIME else "texts"
    head = ["search", unit, "trial", "best so far"]
    looks = {_look(index): each.name for index, each in enumerate(found)}
    table = _html.table(head, rows, numeric=[False, True, True, True])
    return plot(
        identity, title, x, y, layers, note=foot_note(below, "value") or None, height=320,
        below=[legend([*looks], looks), _html.details("Table", table)],
    )  # fmt: skip


def _tip(each: Contender, report: Report) -> str:
    spent = f"after {duration(report.seconds)} and {each.spent(report.epochs)}"
    return f"{each.name}\n{report.value:.4f}: trial {report.number}\n{spent}"


def _look(index: int) -> str:
    dashed = " dashed" if index >= _COLOURS else ""
    return f"run-{index % _COLOURS}{dashed}"
