"""`python -m tune.status RUN`: print how a search is doing, from its run folder alone."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from textcls.command_line import CommandParser, add_runs_dir, typed
from textcls.output import make_console, printable, run_command

if TYPE_CHECKING:
    from tune.analysis.run_data import RunData
    from tune.monitor.search_state import SearchState

_RUNNING = 8  # trials that are named


def main(argv: Sequence[str] | None = None) -> int:
    """Print the state of a search.

    Args:
        argv: The arguments without the program's name; by default those of this process.

    Returns:
        The exit code: 0, or 1 where the folder is no run, which standard error explains.
    """
    options = make_parser().parse(argv)

    from textcls.exceptions import TextclsError
    from tune.analysis import run_data
    from tune.run_folder import paths
    from tune.study import databases

    try:
        databases.allow_named(options.storage)
        show(run_data.load_run(paths.find(paths.runs_dir(options.runs_dir), options.run)))
    except TextclsError as error:
        print(printable(str(error)), file=sys.stderr)
        return 1
    return 0


def show(found: "RunData") -> None:
    """Print a search's state as a table of two columns.

    Args:
        found: The search, running or not.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in rows(found, datetime.now()):  # as Optuna's own times
        table.add_row(Text(label), Text(printable(text)))
    make_console(240).print(table)


def rows(found: "RunData", now: datetime) -> Iterator[tuple[str, str]]:
    """Yield what is known of a search, label by label.

    Args:
        found: The search, running or not.
        now: Local time without a zone, as Optuna notes the times of trials.

    Yields:
        Pairs of a label and a text.
    """
    from tune.analysis import run_data
    from tune.config import grid
    from tune.formatting import rounded_duration
    from tune.run_folder import paths
    from tune.study.front import front_ends
    from tune.study.records import State

    running = found.state == run_data.RUNNING
    yield "Run", paths.shown(found.folder.root)
    yield "State", found.state + (f", {_holder(found)}" if running else "")
    asked = grid.trial_count(found.config)
    counts = Counter(chain.latest.state for chain in found.chains)
    order = (*(state for state in State if state != State.RUNNING), State.RUNNING)
    ends = ", ".join(f"{counts[state]} {state}" for state in order if counts[state])
    again = len(found.records) - len(found.chains)
    more = f" ({again} interrupted before and taken up again)" if again else ""
    yield "Trials", f"{len(found.chains)} of {asked}" + (f": {ends}" if ends else "") + more
    yield "Rungs", _rungs(found)
    yield "Best", _best(found)
    if found.cost is not None:
        yield "Front", front_ends(found.front, found.cost) or "none yet"
    seconds = _elapsed_s(found)
    elapsed = "no trial yet" if seconds is None else rounded_duration(seconds)
    since = "" if seconds is None or running else ", from the first trial to the last"
    yield "Elapsed", elapsed + since
    if running:
        search_state = _state(found, asked, now)
        yield "Running", _running(search_state)
        yield "Left", _left(search_state)
        if search_state.further_gain is not None:
            yield "Gain", search_state.further_gain.estimate
    elif found.state in (run_data.CUT_OFF, "interrupted"):
        yield "Go on with", f"{typed('tune.search')} --resume {paths.shown(found.folder.root)}"


def _left(search_state: "SearchState") -> str:
    """Say how long the search may still take."""
    from tune.monitor.terminal import BUDGET_SPENT, time_left

    if search_state.budget_left_s == 0.0:
        return BUDGET_SPENT
    return "".join(time_left(search_state))


def _holder(found: "RunData") -> str:
    """Return the process that searches, as the lock file names it."""
    text = (found.folder.root / ".lock").read_text(encoding="utf-8").strip()
    return f"held by {text or 'a process that has just started'}"


def _rungs(found: "RunData") -> str:
    """Say how many trials reached each rung."""
    reached = [
        f"{sum(len(chain.values) > rung for chain in found.chains)} at {epoch:.3g}"
        for rung, epoch in enumerate(found.milestones)
    ]
    return ", ".join(reached) + " epochs"


def _best(found: "RunData") -> str:
    from tune.formatting import counted

    if found.fallback is not None:
        return f"{found.fallback_name}, {found.metric} {found.fallback.get('value', 0.0):.4f}"
    if found.best is None or found.best.value is None:
        return "none yet"
    params = "  ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in found.shown_params(found.best).items()
    )
    value = f"{found.metric} {found.best.value:.4f}"
    if found.confirmation is not None:
        first = found.confirmation["standings"][0]
        seeds = counted(len(first["values"]), "fresh seed")
        value = f"{found.metric} {first['mean']:.4f} with {seeds}"
        value += f" ({found.best.value:.4f} in the search)"
    return f"trial {found.best.number}, {value}  {params}".rstrip()


def _elapsed_s(found: "RunData") -> float | None:
    """Return the seconds in which the search ran, pauses before a resume left out."""
    from tune.analysis import timeline

    if all(record.started is None for record in found.records):
        return None
    return timeline.build_timeline(found).seconds


def _state(found: "RunData", asked: int, now: datetime) -> "SearchState":
    """Rebuild the state of the search as the process that runs it sees it."""
    from tune.monitor.search_state import SearchPlan, SearchState
    from tune.run_folder.heartbeat import HeartbeatReader
    from tune.study.records import Proposal, State

    clock = [(found.folder.root / ".lock").stat().st_mtime]
    running = [each for each in found.records if each.state == State.RUNNING and each.started]
    plan = found.environment.get("resources")
    slots = plan.get("concurrent") if isinstance(plan, dict) else None
    search_plan = SearchPlan(
        metric=found.metric,
        samples=asked,
        milestones=found.milestones,
        cost=found.cost,
        slots=slots if isinstance(slots, int) else len(running),
        budget_s=found.config.search.time_budget_s,
        used_vectors=found.used_vectors,
        stop_rule=found.config.search.stop_when,
    )
    search_state = SearchState(
        search_plan, now=lambda: clock[0], heartbeats=HeartbeatReader(found.folder.heartbeat).read
    )
    ended = [each for each in found.records if each.ended is not None]
    search_state.recall(sorted(ended, key=lambda each: each.ended or now))
    for each in running:
        clock[0] = started = each.started.timestamp() if each.started else 0.0
        search_state.on_trial_start(
            Proposal(each.number, each.params, each.name, each.continues, each.number)
        )
        for rung, point in enumerate(each.curve):
            clock[0] = min(started + point.get("seconds", 0.0), now.timestamp())
            search_state.on_trial_report(each.number, rung, point)
    clock[0] = now.timestamp()
    return search_state


def _running(search_state: "SearchState") -> str:
    """Say which trials run and how far each is."""
    epochs = search_state.plan.milestones[-1:] or (0.0,)
    found = [f"{each.number} at {max(each.epoch, each.live):.2f}" for each in search_state.running]
    more = f" and {len(found) - _RUNNING} more" if len(found) > _RUNNING else ""
    return f"trial {', '.join(found[:_RUNNING])}{more} of {epochs[0]:g} epochs" if found else "none"


def make_parser() -> CommandParser:
    """Return the parser of this command's options."""
    parser = CommandParser(
        "tune.status", "Show a running, finished or killed search; loads neither ray nor torch."
    )
    parser.add_argument("run", metavar="RUN", help="a run folder, or the name of a run")
    add_runs_dir(parser)
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="a database that the run names and that may be opened, now and later",
    )
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
