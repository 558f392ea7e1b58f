"""The report as one page: its sections in order, its style and its script."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any

from tune.analysis.error_analysis import Examination
from tune.analysis.run_data import History
from tune.analysis.timeline import timeline as in_time
from tune.analysis.winner_score import verdict
from tune.report import _html
from tune.report._environment import environment, failures
from tune.report._html import Child, Html, tag
from tune.report._mistakes import mistakes
from tune.report._over_time import progress, timeline
from tune.report._overview import best_parameters, heading, result, suggestions
from tune.report._parameters import importances, parallel, parameters
from tune.report._trials import cards, curves, losses


def render(history: History, examined: Examination | str) -> str:
    """The whole page."""
    parts = list(_sections(history, examined))
    nav = tag("nav", *(tag("a", identity, href=f"#{identity}") for identity, _, _ in parts))
    foot = f"Written {history.read_at:%Y-%m-%d %H:%M} UTC from {history.folder.name}."
    body = [
        heading(history),
        nav,
        *(
            tag("section", tag("h2", title), *content, id=identity)
            for identity, title, content in parts
        ),
        tag("footer", foot),
    ]
    return page(f"{history.folder.name}: search report", body, cards(history))


def page(title: str, body: Sequence[Child], trials: Any) -> str:
    """A page that needs no other file and is not allowed to ask for any."""
    style, script = _own("report.css"), _own("report.js")
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # Should some text ever get past the escaping, the browser still runs no script but ours.
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", _html.raw(style)),
    )
    main = tag("main", *body)
    tooltip = tag("div", id="tip", role="status", hidden=True)
    inner = [main, tooltip, _html.data_block("trials", trials), tag("script", _html.raw(script))]
    return "<!doctype html>\n" + tag("html", head, tag("body", *inner), lang="en") + "\n"


def _sections(
    history: History, examined: Examination | str
) -> Iterator[tuple[str, str, list[Html]]]:
    judged = verdict(history)
    line = in_time(history)
    gaps = [tag("p", sentence, class_="gap") for sentence in history.missing]
    yield "result", "Result", [*gaps, *result(history, judged, line)]
    yield "best", "Best parameters", best_parameters(history, judged)
    yield "advice", "Advice and warnings", suggestions(history, judged)
    none = tag("p", "No trial has reached its first rung.", class_="gap")
    reported = bool(line.reports)
    plots = progress(history, line) if reported else [none]
    yield "progress", "Progress", [tag("div", *plots, class_="pair")]
    drawn = [figure for figure in (curves(history), losses(history)) if figure] if reported else []
    yield "curves", "Learning curves", drawn or [none]
    searched = bool(history.space)
    fixed = tag("p", "Nothing was searched: every parameter was fixed.", class_="gap")
    gap = none if searched else fixed
    yield "parameters", "Parameters", parameters(history) if searched and reported else [gap]
    yield "parallel", "Parallel coordinates", [parallel(history) if searched and reported else gap]
    yield "importance", "Importance", [importances(history)]
    idle = tag("p", "No trial was started.", class_="gap")
    yield "timeline", "Timeline", [timeline(history, line) if line.spans else idle]
    yield "mistakes", "Mistakes of the winner", mistakes(history, examined)
    yield "failures", "Failures", list(failures(history))
    yield "environment", "Environment", list(environment(history))


def _own(name: str) -> str:
    return (resources.files("tune.report") / name).read_text(encoding="utf-8")
