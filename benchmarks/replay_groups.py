"""Plays the groups of `resources.fuse` over recorded learning curves: what one shape a group costs.

    python benchmarks/replay_groups.py              # groups of 8, with and without refill
    python benchmarks/replay_groups.py --fuse 16 --seeds 100

The same search (gru.yaml, its sampler and scheduler) is played in two ways on the curves of
replay.py: with `--fuse` times two trials side by side that are proposed one by one, and with two
groups of `--fuse` trials of one shape. A search is worth the test accuracy of the trial that it
would choose by validation, after so many texts trained. A group's rung takes as long as that of its
slowest member, so the two ways differ in what is proposed and when, not in how fast a card is.
"""

import argparse
import heapq
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from curve_model import Array, Curve, Model, Surrogate, read
from replay import HERE, REPORTING_SEEDS, SPACE, _at
from replay_players import CHANCE, METRIC, Ours, Trace, play, position

from tune.config import search_file
from tune.config.search_file import SearchFile
from tune.config.shapes import TrialShapes
from tune.execution.groups.events import TrialEvent, rung_event
from tune.execution.groups.recorder import GroupRecorder

GROUPS = 2
BUDGET = 90.0
SHOWN = (16, 32, 64)
SHOWN_S = (5, 10, 15, 20)
"""Of simulated time: a rung of a group takes as long as that of its slowest trial."""


class Grouped(Ours):
    """A search whose trials come in groups of one shape."""

    def __init__(self, config: SearchFile, seed: int, size: int, *, refilled: bool = True) -> None:
        super().__init__(config, seed)
        self.recorder = GroupRecorder(
            self._controller, TrialShapes(config), size, len(self.milestones) - 1, refilled=refilled
        )


def play_groups(
    player: Grouped, model: Model, config: SearchFile, seed: int, budget: float
) -> Trace:
    """Run a search in groups on a simulated clock until it has trained `budget` epochs."""
    generator = np.random.default_rng(seed)
    trace = Trace()
    curves: dict[int, Curve] = {}
    rungs: dict[int, int] = {}
    waiting: list[tuple[float, int]] = []
    spent, best_value, chosen = 0.0, -1.0, CHANCE

    def members(group: int) -> list[int]:
        found = player.recorder.members(group)
        for each in found:
            if each.number not in curves:
                curves[each.number] = model.curve(position(config, each.params), generator)
                rungs[each.number] = 0
                trace.trials += 1
        return [each.number for each in found]

    def hindmost(group: int) -> tuple[int, list[int]]:
        numbers = members(group)
        rung = min(rungs[number] for number in numbers)
        return rung, [number for number in numbers if rungs[number] == rung]

    def due(group: int, now_s: float) -> None:
        rung, numbers = hindmost(group)
        longest = max(_seconds(curves[number], player.milestones, rung) for number in numbers)
        heapq.heappush(waiting, (now_s + longest, group))

    def begin(now_s: float) -> None:
        group = player.recorder.begin()
        assert group is not None
        due(group, now_s)

    for _ in range(GROUPS):
        begin(0.0)
    while spent < budget:
        now_s, group = heapq.heappop(waiting)
        rung, numbers = hindmost(group)
        epoch = player.milestones[rung]
        events: list[TrialEvent] = []
        for number in numbers:
            curve = curves[number]
            value, test = (
                float(np.interp(epoch, curve.epochs, accuracy))
                for accuracy in (curve.val_accuracy, curve.test_accuracy)
            )
            spent += epoch - (player.milestones[rung - 1] if rung else 0.0)
            if value > best_value:
                best_value, chosen = value, test
            trace.epochs.append(spent)
            trace.seconds.append(now_s)
            trace.chosen.append(chosen)
            events.append(rung_event(number, rung, {METRIC: value}))
            rungs[number] = rung + 1
        if player.recorder.record(group, events):
            due(group, now_s)
        else:
            begin(now_s)
    return trace


def _seconds(curve: Curve, milestones: Sequence[float], rung: int) -> float:
    epochs, seconds = np.append(0.0, curve.epochs), np.append(0.0, curve.train_s)
    until, since = milestones[rung], milestones[rung - 1] if rung else 0.0
    trained = np.interp(until, epochs, seconds) - np.interp(since, epochs, seconds)
    return float(trained + curve.evaluation_s)


def contests(config: SearchFile, model: Model, size: int, budget: float) -> Iterator[Any]:
    """Yield each way to search: its name and what it plays with a seed."""
    slots = GROUPS * size

    def one_by_one(seed: int) -> Trace:
        return play(Ours(config, seed), model, config, seed, budget, slots)

    def groups(seed: int, *, refilled: bool) -> Trace:
        player = Grouped(config, seed, size, refilled=refilled)
        return play_groups(player, model, config, seed, budget)

    yield f"{slots} side by side, one by one", one_by_one
    yield f"{GROUPS} groups of {size}", lambda seed: groups(seed, refilled=True)
    yield f"{GROUPS} groups of {size}, not refilled", lambda seed: groups(seed, refilled=False)


def played(search: Callable[[int], Trace], seeds: Sequence[int]) -> tuple[Array, float]:
    """Return the chosen trials' test accuracy, (seeds, SHOWN and SHOWN_S), and the trials."""
    traces = [search(seed) for seed in seeds]
    rows = [
        np.concatenate(
            [
                _at(np.array(SHOWN, float), trace.epochs, trace.chosen),
                _at(np.array(SHOWN_S, float), trace.seconds, trace.chosen),
            ]
        )
        for trace in traces
    ]
    return np.array(rows), float(np.mean([trace.trials for trace in traces]))


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table: a row for each way to search."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--curves", type=Path, default=HERE / "curves")
    parser.add_argument("--fuse", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=50)
    asked = parser.parse_args(argv)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    config = search_file.load_search(SPACE)
    model = Surrogate(read(asked.curves, lambda params: position(config, params)))
    seeds = range(REPORTING_SEEDS, REPORTING_SEEDS + asked.seeds)
    print(f"{asked.seeds} seeds, test accuracy after so much training, standard errors beside")
    heads = [*(f"{at} epochs" for at in SHOWN), *(f"{at} s" for at in SHOWN_S)]
    print(f"| proposed | {' | '.join(heads)} | trials |\n" + "| --- " * (len(heads) + 2) + "|")
    for name, search in contests(config, model, asked.fuse, BUDGET):
        began = time.process_time()
        rows, trials = played(search, seeds)
        means, errors = rows.mean(axis=0), rows.std(axis=0) / np.sqrt(len(rows))
        cells = [f"{m:.4f} ± {e:.4f}" for m, e in zip(means, errors, strict=True)]
        print(f"| {name} | " + " | ".join(cells) + f" | {trials:.0f} |", flush=True)
        print(f"{name}: {time.process_time() - began:.0f} s of CPU", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
