"""How well the time left is estimated: finished searches are played again, event by event.

    python benchmarks/eta.py runs/gru-1 runs/gru-2

At fifty moments between half and 95 % of each search's time, the estimate of that moment is held
against the time that the trials then still took. A search is taken to have asked for as many
trials as it ended with, and to have had as many slots as trials ran side by side.
"""

import argparse
import statistics
from pathlib import Path

from tune.course import Course, Outlook
from tune.history import read
from tune.paths import RunFolder
from tune.states import State
from tune.study import Proposal
from tune.timeline import timeline

MOMENTS = 50
NEAR = 0.3


def estimates(folder: Path) -> list[tuple[float, float]]:
    """Pairs of seconds: how long the trials still took and how long the estimate said."""
    history = read(RunFolder(folder))
    records = [each for each in history.records if each.started and each.ended]
    records = [each for each in records if each.state != State.INTERRUPTED]
    begin = min(each.started.timestamp() for each in records)
    end = max(each.ended.timestamp() for each in records)
    clock = [begin]
    outlook = Outlook(
        metric=history.metric,
        samples=len(records),
        milestones=history.milestones,
        slots=timeline(history).lanes,
    )
    course = Course(outlook, now=lambda: clock[0])
    events = []
    for each in records:
        started, ended = each.started.timestamp(), each.ended.timestamp()
        proposal = Proposal(each.number, each.params, each.name, None, each.number)
        events.append((started, 0, lambda proposal=proposal: course.start(proposal)))
        trained = max([point["seconds"] for point in each.curve], default=0.0)
        late = max(0.0, ended - started - trained)  # before the first step
        for rung, point in enumerate(each.curve):
            at = min(ended, started + late + point["seconds"])
            report = (each.number, rung, point)
            events.append((at, 1, lambda report=report: course.report(*report)))
        events.append((ended, 2, lambda record=each: course.end(record)))
    for share in range(MOMENTS):
        moment = begin + (end - begin) * (0.5 + 0.45 * share / (MOMENTS - 1))
        events.append((moment, 3, None))
    pairs = []
    for at, _, happen in sorted(events, key=lambda event: event[:2]):
        clock[0] = at
        if happen is not None:
            happen()
        elif (said := course.remaining_s) is not None:
            pairs.append((end - at, said))
    return pairs


def main() -> None:
    """Print a line per search."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    for folder in parser.parse_args().runs:
        pairs = estimates(folder)
        ratios = [said / left for left, said in pairs]
        near = sum(abs(ratio - 1) <= NEAR for ratio in ratios) / len(ratios)
        whole = [abs(said - left) / (2 * pairs[0][0]) for left, said in pairs]
        print(
            f"{folder.name:24} {2 * pairs[0][0]:6.0f} s  said/left: "
            f"median {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}; "
            f"within 30 %: {near:.0%}; off by {statistics.mean(whole):.1%} of the whole on average"
        )


if __name__ == "__main__":
    main()
