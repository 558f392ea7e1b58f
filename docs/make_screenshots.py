"""Draw what a search looked like at the terminal, and take a picture of its report.

    python docs/make_screenshots.py RUN [--at SHARE] [--out DIR]

RUN is the folder of a finished search. The display is drawn anew from its study, as it stood when a
share of its trials had ended, at 80, 120 and 200 columns, by the code that draws it in a search;
only its last line, cores and memory, is that of the machine that draws. The report needs Chromium
and the extra `browser`, and the picture of optuna-dashboard that command as well (`pip install
optuna-dashboard`, in any environment whose commands are on the path); a picture that cannot be made
stays as it is, which is said.
"""

import argparse
import io
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from tune.analysis.run_data import RunData, load_run
from tune.config.search_file import summarise_search
from tune.monitor.search_state import SearchPlan, SearchState
from tune.monitor.terminal import Display
from tune.run_folder import paths
from tune.run_folder.paths import RunFolder
from tune.study.records import Proposal, TrialRecord

WIDTHS = (80, 120, 200)
_HEIGHT = 30
_FONT = re.compile(r"@font-face \{.*?\}\s*", re.S)  # rich's loads from another server
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_REPORT_SIZE = {"width": 1100, "height": 780}
_DASHBOARD = "optuna-dashboard"
_DASHBOARD_SIZE = {"width": 1100, "height": 1080}
_STARTED_S = 60.0  # at most, until the dashboard answers
_DRAWN_MS = 5000  # its plots grow into place


def main(argv: Sequence[str] | None = None) -> int:
    """Write the pictures; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", help="the folder of a finished search")
    parser.add_argument("--at", type=float, default=0.6, help="share of trials that had ended")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "pictures")
    options = parser.parse_args(argv)
    folder = paths.find(Path("runs"), options.run)
    run = load_run(folder)
    for width in WIDTHS:
        path = options.out / f"terminal-{width}.svg"
        path.write_text(draw_terminal(run, width, options.at), encoding="utf-8")
    with browser() as chromium:
        if chromium is None:
            print("No Chromium or no playwright: no .png was made anew.", file=sys.stderr)
            return 0
        photograph_report(chromium, folder, options.out / "report.png")
        if shutil.which(_DASHBOARD):
            photograph_dashboard(chromium, folder, options.out / "optuna-dashboard.png")
        else:
            print(f"No {_DASHBOARD}: its picture was left as it is.", file=sys.stderr)
    return 0


def draw_terminal(run: RunData, width: int, share: float) -> str:
    """Return the display as SVG, as it stood when this share of the trials had ended."""
    facts = [("Search", summarise_search(run.config)), ("Data", _data(run))]
    console = Console(
        record=True, width=width, height=_HEIGHT, force_terminal=True, file=io.StringIO(),
        color_system="truecolor",
    )  # fmt: skip
    console.print(Display(state_at(run, share), facts))
    return _FONT.sub("", console.export_svg(title="textcls-tune search"))


def state_at(run: RunData, share: float) -> SearchState:
    """Replay the search until this share of its trials had ended, up to the end of the next."""
    events = sorted(_events(run.records), key=lambda event: event[0])
    ends = [when for when, name, _ in events if name == "end"]
    stop = ends[min(len(ends) - 1, round(share * len(ends)))]
    clock = [events[0][0].timestamp()]
    resources = run.environment.get("resources") or {}
    plan = SearchPlan(
        metric=run.metric,
        samples=run.config.search.samples,
        milestones=run.milestones,
        slots=resources.get("concurrent") or 1,
        used_vectors=run.used_vectors,
    )
    state = SearchState(plan, now=lambda: clock[0])
    for when, name, (record, rung) in events:
        if when >= stop:
            break
        clock[0] = when.timestamp()
        if name == "start":
            state.on_trial_start(
                Proposal(record.number, record.params, record.name, None, record.number)
            )
        elif name == "report":
            state.on_trial_report(record.number, rung, record.curve[rung])
        else:
            state.on_trial_end(record)
    return state


Event = tuple[datetime, str, tuple[TrialRecord, int]]


def _events(records: Sequence[TrialRecord]) -> list[Event]:
    found: list[Event] = []
    for record in records:
        if record.started is None or record.ended is None:
            continue
        found.append((record.started, "start", (record, 0)))
        whole = record.curve[-1].get("seconds", 0.0) if record.curve else 0.0
        lasted = record.ended - record.started
        for rung, point in enumerate(record.curve):
            reached = lasted * (point.get("seconds", 0.0) / whole if whole else 1.0) * 0.99
            found.append((record.started + reached, "report", (record, rung)))
        found.append((record.ended, "end", (record, 0)))
    return found


def _data(run: RunData) -> str:
    texts = ", ".join(f"{count:,} {split}" for split, count in run.corpus.get("texts", {}).items())
    return f"{run.corpus.get('data', '')}: {texts} texts; vectors {run.corpus.get('vectors', '')}"


@contextmanager
def browser() -> Iterator[Any]:
    """Start Chromium; None where it or playwright is missing."""
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        found = None
    if found is None:
        yield None
        return
    with sync_playwright() as player:
        chromium = player.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def photograph_report(chromium: Any, folder: RunFolder, out: Path) -> None:
    """Take a picture of the head of the report."""
    page = chromium.new_page(viewport=_REPORT_SIZE)
    page.goto(folder.report.absolute().as_uri())
    page.screenshot(path=out)


def photograph_dashboard(chromium: Any, folder: RunFolder, out: Path) -> None:
    """Take a picture of the study in optuna-dashboard, pruned trials included."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    journal = str(folder.journal)
    command = [_DASHBOARD, journal, "--host", "127.0.0.1", "--port", str(port), "--quiet"]
    with subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            _wait_for(port)
            page = chromium.new_page(viewport=_DASHBOARD_SIZE)
            page.goto(f"http://127.0.0.1:{port}/dashboard/studies/0")
            page.get_by_label("Include PRUNED trials").check(timeout=1000 * _STARTED_S)
            page.wait_for_timeout(_DRAWN_MS)
            page.screenshot(path=out)
        finally:
            server.terminate()


def _wait_for(port: int) -> None:
    """Return once something listens there; raises OSError where nothing does in time."""
    until = time.monotonic() + _STARTED_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return


if __name__ == "__main__":
    sys.exit(main())
