"""The report as one page: its sections in order, its style and its script."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any

from tune import markup
from tune.examination import Examination
from tune.history import History
from tune.markup import Child, Html, tag
from tune.report_environment import environment, failures
from tune.report_parameters import importances, parallel, parameters
from tune.report_result import best_parameters, heading, result, suggestions
from tune.report_time import progress, timeline
from tune.report_trials import cards, curves, losses
from tune.report_winner import mistakes
from tune.timeline import timeline as in_time
from tune.verdict import verdict


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
        tag("style", markup.raw(style)),
    )
    main = tag("main", *body)
    tooltip = tag("div", id="tip", role="status", hidden=True)
    inner = [main, tooltip, markup.data_block("trials", trials), tag("script", markup.raw(script))]
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
    return (resources.files("tune") / name).read_text(encoding="utf-8")
