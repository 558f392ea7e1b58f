"""The report as one page: its sections in order, its style and its script."""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from typing import Any

from tune.analysis.error_analysis import ErrorAnalysis
from tune.analysis.run_data import RunData
from tune.analysis.timeline import build_timeline as in_time
from tune.analysis.winner_score import score_winner
from tune.report import _html
from tune.report._environment import environment_section, failures_section
from tune.report._html import Child, Html, tag
from tune.report._mistakes import mistakes_section
from tune.report._over_time import progress_section, timeline_section
from tune.report._overview import best_parameters, heading_section, result_section, suggestions
from tune.report._parameters import (
    importance_section,
    parallel_section,
    parameters_section,
    plane_section,
)
from tune.report._trials import curves_section, front_section, losses_section, trial_cards
from tune.report._within_epochs import steps_section

_LIVE = "; connect-src 'self'; img-src data:"
"""What a page may load that refreshes itself: its own service, and data URLs as its icon."""


def render_report(run: RunData, examined: ErrorAnalysis | str) -> str:
    """Return the whole page.

    Args:
        run: The search.
        examined: The winner's predictions, or a sentence that says why there are none.
    """
    return html_page(_page_title(run), report_body(run, examined), trial_cards(run))


def render_live_page(
    run: RunData, examined: ErrorAnalysis | str, facts: Iterable[tuple[str, str]], version: str
) -> str:
    """Return the whole page.

    Args:
        run: The search as it stands.
        examined: The winner's predictions, or a sentence that says why there are none yet.
        facts: How the search stands, label by label, for the lines that change most often.
        version: Changes whenever the page does; the script asks for the page again then.
    """
    live = tag(
        "aside",
        tag("p", id="live-state", role="status"),
        live_facts(facts),
        id="live",
        data_version=version,
        aria_label="The search at this moment",
    )
    body = report_body(run, examined, live=live)
    return html_page(
        _page_title(run), body, trial_cards(run), more_scripts=["live.js"], may_load=_LIVE
    )


def live_facts(facts: Iterable[tuple[str, str]]) -> Html:
    """Return the lines that change most often as a list.

    Args:
        facts: Label and text of each.
    """
    rows = [tag("div", tag("dt", label), tag("dd", text)) for label, text in facts]
    return tag("dl", *rows, id="live-facts")


def _page_title(run: RunData) -> str:
    """Return the title of the page, which the browser shows on its tab."""
    return f"{run.folder.name}: search report"


def report_body(run: RunData, examined: ErrorAnalysis | str, *, live: Child = None) -> list[Child]:
    """Return what the page shows, from top to bottom.

    Args:
        run: The search.
        examined: The winner's predictions, or a sentence that says why there are none.
        live: What a page that refreshes itself shows below its heading.
    """
    parts = list(_sections(run, examined))
    return [
        heading_section(run),
        live,
        tag("nav", *(tag("a", identity, href=f"#{identity}") for identity, _, _ in parts)),
        *(
            tag("section", tag("h2", title), *content, id=identity)
            for identity, title, content in parts
        ),
        tag("footer", f"Written {run.read_at:%Y-%m-%d %H:%M} UTC from {run.folder.name}."),
    ]


def html_page(
    title: str,
    body: Sequence[Child],
    trials: Any,
    *,
    more_scripts: Sequence[str] = (),
    may_load: str = "",
) -> str:
    """Return a page that needs no other file.

    Args:
        title: The title.
        body: What it shows.
        trials: What the script shows of each trial on hover.
        more_scripts: Files of this package that run after `report.js`.
        may_load: What the page is allowed to load, as a Content Security Policy has it; by
            default nothing at all.
    """
    style, scripts = _own("report.css"), [*map(_own, ("report.js", *more_scripts))]
    # Should some text ever get past the escaping, the browser still runs no script but ours.
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src {allowed}{may_load}"
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
    run = [tag("script", _html.raw(script)) for script in scripts]
    inner = [main, tooltip, _html.data_block("trials", trials), *run]
    page = tag("html", head, tag("body", *inner), lang="en")
    return f"<!doctype html>\n{page}\n"


def _sections(run: RunData, examined: ErrorAnalysis | str) -> Iterator[tuple[str, str, list[Html]]]:
    judged = score_winner(run)
    line = in_time(run)
    gaps = [tag("p", sentence, class_="gap") for sentence in run.missing]
    yield "result", "Result", [*gaps, *result_section(run, judged, line)]
    yield "best", "Best parameters", best_parameters(run, judged)
    yield "advice", "Advice and warnings", suggestions(run, judged)
    if (front := front_section(run)) is not None:
        yield "front", "Front", [front]
    none = tag("p", "No trial has reached its first rung.", class_="gap")
    reported = bool(line.reports)
    plots = progress_section(run, line) if reported else [none]
    yield "progress", "Progress", [tag("div", *plots, class_="pair")]
    drawn = (
        [figure for figure in (curves_section(run), losses_section(run)) if figure]
        if reported
        else []
    )
    yield "curves", "Learning curves", [*drawn, *steps_section(run)] or [none]
    searched = bool(run.space)
    fixed = tag("p", "Nothing was searched: every parameter was fixed.", class_="gap")
    gap = none if searched else fixed
    yield (
        "parameters",
        "Parameters",
        [*parameters_section(run), *([plane] if (plane := plane_section(run)) else [])]
        if searched and reported
        else [gap],
    )
    yield (
        "parallel",
        "Parallel coordinates",
        [parallel_section(run) if searched and reported else gap],
    )
    yield "importance", "Importance", [importance_section(run)]
    idle = tag("p", "No trial was started.", class_="gap")
    yield "timeline", "Timeline", [timeline_section(run, line) if line.spans else idle]
    yield "mistakes", "Mistakes of the winner", mistakes_section(run, examined)
    yield "failures", "Failures", list(failures_section(run))
    yield "environment", "Environment", list(environment_section(run))


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _own(name: str) -> str:
    return (resources.files("tune.report") / name).read_text(encoding="utf-8")
