"""How well the time left is estimated: finished searches are played again, event by event.

    python benchmarks/eta.py runs/gru-1 runs/gru-2

At fifty moments between half and 95 % of each search's time, the estimate of that moment is held
against the time that the trials then still took. A search is taken to have asked for as many
trials as it ended with, and to have had as many slots as trials ran side by side. How far a trial
was between two rungs is not recorded: it is taken to have trained evenly. `--no-heartbeats` leaves
that out, as on machines that do not share the run folder.
"""

import argparse
import statistics
from bisect import bisect_right
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from tune.analysis.run_data import RunData, load_run
from tune.analysis.timeline import build_timeline
from tune.monitor.eta import Left
from tune.monitor.search_state import SearchPlan, SearchState
from tune.run_folder.paths import RunFolder
from tune.study.records import Proposal, State, TrialRecord

MOMENTS = 50
NEAR = 0.3


class Trial:
    """When a trial of a recorded search began, reached its rungs and ended; POSIX seconds."""

    def __init__(self, record: TrialRecord) -> None:
        assert record.started
        assert record.ended
        self.record = record
        self.started, self.ended = record.started.timestamp(), record.ended.timestamp()
        trained = max([point["seconds"] for point in record.curve], default=0.0)
        self.first_step = max(self.started, self.ended - trained)
        self.reports = [
            min(self.ended, self.first_step + point["seconds"]) for point in record.curve
        ]

    def epoch(self, at: float) -> float:
        """Epochs trained by then."""
        times = [self.first_step, *self.reports]
        epochs = [0.0, *(point["epoch"] for point in self.record.curve)]
        place = bisect_right(times, at) - 1
        if place < 0 or place + 1 >= len(times):
            return epochs[max(place, 0)]
        (a, b), (x, y) = list(pairwise(times))[place], list(pairwise(epochs))[place]
        return x + (y - x) * (at - a) / max(b - a, 1e-9)


def estimates(folder: Path, *, heartbeats: bool = True) -> list[tuple[float, Left]]:
    """Pairs: how many seconds the trials still took, and what the estimate said."""
    run = load_run(RunFolder(folder))
    trials = {
        each.number: Trial(each)
        for each in run.records
        if each.started and each.ended and each.state != State.INTERRUPTED
    }
    begin = min(each.started for each in trials.values())
    end = max(each.ended for each in trials.values())
    clock = [begin]

    def live(numbers: list[int]) -> Mapping[int, float]:
        return {number: trials[number].epoch(clock[0]) for number in numbers if heartbeats}

    state = SearchState(_plan(run, len(trials)), now=lambda: clock[0], heartbeats=live)
    events = []
    for number, each in trials.items():
        record = each.record
        proposal = Proposal(number, record.params, record.name, None, number)
        events.append((each.started, 0, lambda proposal=proposal: state.on_trial_start(proposal)))
        for rung, (at, point) in enumerate(zip(each.reports, record.curve, strict=True)):
            report = (number, rung, point)
            events.append((at, 1, lambda report=report: state.on_trial_report(*report)))
        events.append((each.ended, 2, lambda record=record: state.on_trial_end(record)))
    for share in range(MOMENTS):
        moment = begin + (end - begin) * (0.5 + 0.45 * share / (MOMENTS - 1))
        events.append((moment, 3, None))
    pairs = []
    for at, _, happen in sorted(events, key=lambda event: event[:2]):
        clock[0] = at
        if happen is not None:
            happen()
        elif (said := state.left) is not None:
            pairs.append((end - at, said))
    return pairs


def _plan(run: RunData, samples: int) -> SearchPlan:
    return SearchPlan(
        metric=run.metric,
        samples=samples,
        milestones=run.milestones,
        slots=build_timeline(run).lanes,
    )


def _is_near(left_s: float, said: Left) -> bool:
    return abs(said.expected_s / left_s - 1) <= NEAR


def _is_sure(said: Left) -> bool:
    """Whether the display shows one figure, not a range."""
    return (1 - NEAR) * said.expected_s <= said.low_s and said.high_s <= (
        1 + NEAR
    ) * said.expected_s


def main() -> None:
    """Print a line per search."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--no-heartbeats", action="store_true")
    arguments = parser.parse_args()
    for folder in arguments.runs:
        pairs = estimates(folder, heartbeats=not arguments.no_heartbeats)
        ratios = [said.expected_s / left for left, said in pairs]
        near = statistics.mean(_is_near(*pair) for pair in pairs)
        held = statistics.mean(said.low_s <= left <= said.high_s for left, said in pairs)
        sure = [_is_near(left, said) for left, said in pairs if _is_sure(said)]
        sure_near = f", of which within 30 %: {statistics.mean(sure):.0%}" if sure else ""
        print(
            f"{folder.name:16} {2 * pairs[0][0]:5.0f} s  said/left: "
            f"median {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}; "
            f"within 30 %: {near:.0%}; in the range: {held:.0%}; "
            f"one figure: {len(sure) / len(pairs):.0%}{sure_near}"
        )


if __name__ == "__main__":
    main()
