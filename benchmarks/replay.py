"""Plays samplers and schedulers over recorded learning curves: a search in a second, many seeds.

    python benchmarks/replay.py                 # the tables of docs/replay.md
    python benchmarks/replay.py --choose        # samplers and schedulers side by side, other seeds
    python benchmarks/replay.py --choose --no-points    # the same without the points of the file

The curves come from record_curves.py; between the recorded configurations a model interpolates
(curve_model.py; `--nearest` takes recorded curves only). Two trials run at a time on a simulated
clock. A search is worth the test accuracy of the trial that it would choose by validation, after
so many texts trained; texts count when they are reported. A ratio compares the texts that it takes,
on average over the seeds, to reach what random search reaches with N trials of full length.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import optuna
from curve_model import Array, Model, Nearest, Noise, Surrogate, Table, read
from replay_players import CHANCE, Ours, PlainRay, Player, play, position
from scipy.stats import spearmanr

from tune.config import search_file
from tune.config.search_file import SearchFile

HERE = Path(__file__).parent
SPACE = HERE.parent / "search_spaces" / "gru.yaml"
REPORTING_SEEDS = 10_000
"""Seeds from here on are for reporting only; choices are made with seeds from 0 on."""
FULL_TRIALS = (16, 32, 64)
RESAMPLES = 2_000
CHOOSING_EPOCHS = 33.0
EPOCHS = np.arange(1, 8 * 130 + 1) / 8
SECONDS = np.array([30.0, 60, 120, 180, 300, 450, 600, 900, 1200, 1800])
SHOWN_EPOCHS = (2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)


@dataclass(frozen=True, slots=True)
class Contestant:
    """A named way to search."""

    name: str
    player: Callable[[int], Player]


@dataclass(frozen=True, slots=True)
class Played:
    """One contestant's searches: the chosen trial's test accuracy, nan after a search's end."""

    name: str
    by_epochs: Array
    """(seeds, EPOCHS)"""
    by_seconds: Array
    """(seeds, SECONDS)"""
    trials: float
    """Trials in a search, on average."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times more texts the one needs than the other, with a 95 % interval over seeds."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if not self.value > 0:
            return "not reached"
        return f"{self.value:.1f} ({self.low:.1f} to {self.high:.1f})"


def ours(
    config: SearchFile,
    sampler: str | None = None,
    grace: float | None = None,
    factor: int | None = None,
    stopping: str = "asha",
) -> Contestant:
    """Our searcher, where nothing is given as the search file has it; grace 0: no scheduler."""
    scheduler = config.search.scheduler.model_dump()
    if grace is not None:
        scheduler |= {"name": stopping, "grace_period": grace} if grace else {"name": "none"}
    if factor is not None:
        scheduler["reduction_factor"] = factor
    data = config.model_dump(mode="json", by_alias=True)
    data["search"]["scheduler"] = scheduler
    data["search"]["sampler"] = sampler or config.search.sampler
    changed = SearchFile.model_validate(data)
    rungs = f"first rung {scheduler['grace_period']:g}, factor {scheduler['reduction_factor']}"
    others = f"{scheduler['name']}, {rungs}"
    how = {"asha": rungs, "none": "full length"}.get(scheduler["name"], others)
    name = f"{data['search']['sampler']}, {how}"
    return Contestant(name, lambda seed: Ours(changed, seed))


def random_search(config: SearchFile) -> Contestant:
    """Random configurations at full length, without the space's points."""
    bare = config.model_copy(update={"points": ()})
    return Contestant("random search, full length", ours(bare, "random", 0).player)


def plain_ray(config: SearchFile) -> Contestant:
    """Ray's stock pair."""
    return Contestant("Ray's OptunaSearch + ASHA", lambda seed: PlainRay(config, seed))


def contest(
    contestant: Contestant, model: Model, config: SearchFile, seeds: range, budget: float
) -> Played:
    """Play a contestant once per seed, until its trials have trained `budget` epochs together."""
    traces = [play(contestant.player(seed), model, config, seed, budget) for seed in seeds]
    return Played(
        contestant.name,
        np.array([_at(EPOCHS, trace.epochs, trace.chosen) for trace in traces]),
        np.array([_at(SECONDS, trace.seconds, trace.chosen) for trace in traces]),
        float(np.mean([trace.trials for trace in traces])),
    )


def _at(grid: Array, at: Sequence[float], values: Sequence[float]) -> Array:
    latest = np.searchsorted(at, grid, side="right")
    found: Array = np.where(grid <= at[-1], np.append(CHANCE, values)[latest], np.nan)
    return found


def ratio(random: Played, one: Played, other: Played, trials: int, length: float) -> Ratio:
    """Texts that `one` needs over those of `other`, to what random search reaches in `trials`.

    Random search itself needs exactly its trials, each of `length` epochs.
    """
    end = int(np.searchsorted(EPOCHS, trials * length))

    def reach(means: Array, targets: Array) -> Array:
        reached = means >= targets[:, None]
        return np.where(reached.any(axis=1), EPOCHS[reached.argmax(axis=1)], np.inf)

    def once(seed: int | None) -> Array:
        means = {
            id(played): _means(played.by_epochs, None if seed is None else seed + place)
            for place, played in enumerate((random, one, other))
        }
        targets = means[id(random)][:, end]
        spent = [
            np.full(len(targets), trials * length)
            if played is random
            else reach(means[id(played)], targets)
            for played in (one, other)
        ]
        quotient: Array = spent[0] / spent[1]
        return quotient

    low, high = np.percentile(once(0), [2.5, 97.5], method="nearest")  # some are infinite
    return Ratio(float(once(None)[0]), float(low), float(high))


def _means(rows: Array, seed: int | None) -> Array:
    """(1, grid) the means over the rows, or (RESAMPLES, grid) those of rows drawn anew."""
    if seed is None:
        found: Array = rows.mean(axis=0, keepdims=True)
        return found
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=RESAMPLES)
    means: Array = counts @ rows / len(rows)
    return means


def epochs_to(played: Played, target: float) -> float:
    """Epochs until the mean over the seeds reaches `target`; infinite where it does not."""
    reached = np.flatnonzero(played.by_epochs.mean(axis=0) >= target)
    return float(EPOCHS[reached[0]]) if len(reached) else float("inf")


def cross_validated(table: Table, folds: int = 10) -> tuple[float, float, float, float]:
    """How far the model is from configurations that it has not seen, at the end of training.

    The root of the mean squared difference in test accuracy, over all and over the better half;
    the rank correlation; and the standard deviation between two seeds of one configuration.
    """
    numbers = np.unique(table.of)
    order = np.random.default_rng(0).permutation(numbers)
    predicted, seen = [], []
    for fold in range(min(folds, len(numbers))):
        left_out = order[fold::folds]
        model = Surrogate(table.part(np.setdiff1d(numbers, left_out)))
        for number in left_out:
            predicted.append(1 - np.exp(model.mean_errors(table.positions[number])[1, -1]))
            seen.append(float((1 - np.exp(table.errors[table.of == number, 1, -1])).mean()))
    found, true = np.array(predicted), np.array(seen)
    better = true >= np.median(true)
    wrong = np.square(found - true)
    noise = Noise(table).deviation[1, -1] * np.exp(np.median(table.errors[:, 1, -1]))
    return (
        float(np.sqrt(wrong.mean())),
        float(np.sqrt(wrong[better].mean())),
        float(spearmanr(found, true).statistic),
        float(noise),
    )


def report(model: Model, config: SearchFile, seeds: int) -> None:
    """Our defaults, plain Ray and random search, with seeds that chose nothing."""
    length, drawn = config.train.epochs, range(REPORTING_SEEDS, REPORTING_SEEDS + seeds)
    longest = max(FULL_TRIALS) * length + 1
    random = contest(random_search(config), model, config, drawn, longest)
    plain = contest(plain_ray(config), model, config, drawn, longest)
    best = contest(ours(config), model, config, drawn, longest / 2)
    bare = config.model_copy(update={"points": ()})
    pointless = contest(ours(bare), model, config, drawn, longest / 2)
    print(
        "\n| random search's trials | reaches | ours, fewer texts than random search "
        "| ours without points | plain Ray, than random search "
        "| ours, fewer texts than plain Ray | ours without points, than plain Ray |\n"
        + "| --- " * 7
        + "|"
    )
    for trials in FULL_TRIALS:
        target = random.by_epochs[:, int(np.searchsorted(EPOCHS, trials * length))].mean()
        pairs = [(random, best), (random, pointless), (random, plain)]
        pairs += [(plain, best), (plain, pointless)]
        ratios = [ratio(random, one, other, trials, length) for one, other in pairs]
        print(f"| {trials} | {target:.4f} | " + " | ".join(map(str, ratios)) + " |")
    named = {"random search": random, "plain Ray": plain, "ours": best, "no points": pointless}
    _curves(
        "epochs",
        SHOWN_EPOCHS,
        {
            name: played.by_epochs[:, np.searchsorted(EPOCHS, SHOWN_EPOCHS)]
            for name, played in named.items()
        },
    )
    _curves("seconds", SECONDS, {name: played.by_seconds for name, played in named.items()})


def _curves(unit: str, grid: Sequence[float] | Array, rows: dict[str, Array]) -> None:
    print(f"\n| {unit} | " + " | ".join(rows) + " |\n" + "| --- " * (len(rows) + 1) + "|")
    for place, at in enumerate(grid):
        means = [played[:, place].mean() for played in rows.values()]
        print(f"| {at:g} | " + " | ".join(f"{m:.4f}" if m == m else "" for m in means) + " |")


def choose(model: Model, config: SearchFile, seeds: int) -> None:
    """Samplers and schedulers side by side, with seeds that report nothing."""
    length, drawn = config.train.epochs, range(seeds)
    random = contest(random_search(config), model, config, range(4 * seeds), 65)
    targets = {
        trials: random.by_epochs[:, int(np.searchsorted(EPOCHS, trials * length))].mean()
        for trials in FULL_TRIALS[:2]
    }
    graces, factors = (1 / 16, 1 / 8, 1 / 4, 1 / 2), (2, 3, 4)
    settings = [("tpe", grace, factor, "asha") for grace in graces for factor in factors]
    settings += [("tpe", 1 / 4, 3, stopping) for stopping in ("hyperband", "median")]
    settings += [("tpe", 1.0, 3, "top_k")]
    others = ("gp", "cmaes", "qmc", "random")
    settings += [(name, grace, 3, "asha") for name in others for grace in (1 / 8, 1 / 4, 1 / 2)]
    settings += [(name, 0.0, 3, "asha") for name in ("tpe", *others)]
    print(
        "\n| sampler, scheduler | epochs to "
        + " | ".join(f"random {trials} ({target:.4f})" for trials, target in targets.items())
        + " | after 4 | 8 | 16 | 32 epochs | trials | s a search |\n"
        + "| --- " * 9
        + "|"
    )
    for sampler, grace, factor, stopping in settings:
        began = time.process_time()
        played = contest(
            ours(config, sampler, grace, factor, stopping), model, config, drawn, CHOOSING_EPOCHS
        )
        seconds = (time.process_time() - began) / seeds
        cells = [f"{epochs_to(played, target):.1f}" for target in targets.values()]
        means = played.by_epochs.mean(axis=0)
        cells += [f"{means[int(np.searchsorted(EPOCHS, at))]:.4f}" for at in (4, 8, 16, 32)]
        cells += [f"{played.trials:.0f}", f"{seconds:.2f}"]
        print(f"| {played.name} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--curves", type=Path, default=HERE / "curves")
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--no-points", action="store_true")
    parser.add_argument("--nearest", action="store_true")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    search = search_file.load_search(SPACE)
    if options.no_points:
        search = search.model_copy(update={"points": ()})
    table = read(options.curves, lambda params: position(search, params))
    runs, numbers = len(table.of), len(np.unique(table.of))
    print(f"{date.today()}, {numbers} configurations, {runs} runs, {options.seeds} seeds")
    everywhere, better, ranks, noise = cross_validated(table)
    print(
        f"unseen configurations: off by {everywhere:.4f} (the better half {better:.4f}), "
        f"rank correlation {ranks:.2f}; a seed's standard deviation {noise:.4f}"
    )
    model = Nearest(table) if options.nearest else Surrogate(table)
    (choose if options.choose else report)(model, search, options.seeds)


if __name__ == "__main__":
    main()
