"""Samplers in real searches, without the points that a search file has tried first.

    python benchmarks/samplers.py --data FOLDER [--space gru] [--samplers tpe,gp] [--seconds 90]

Each sampler searches for `--seconds` with each of `--seeds` seeds, in turns, all else as in the
search file. Trials are compared on a share of train; the test split is read once, for the winner.
What replay.py says of recorded curves is to hold here as well.
"""

import argparse
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import psutil
import yaml
from race import METRIC, ours, shipped

from tune.config import search_file

SHOWN_S = 15


def without_points(space: str, folder: Path) -> Path:
    """A copy of a shipped search space that has none."""
    search = search_file.load_search(shipped(space)).model_dump(mode="json", by_alias=True)
    search["points"] = []
    path = folder / f"{space}.yaml"
    path.write_text(yaml.safe_dump(search, sort_keys=False), encoding="utf-8")
    return path


def best_by(seconds: float, rungs: Sequence[tuple[float, float]]) -> float:
    """The best value that had been reported by then; 0 before the first."""
    return max((value for at, value in rungs if at <= seconds), default=0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--validation-fraction", type=float, default=0.05)
    parser.add_argument("--space", default="gru")
    parser.add_argument("--samplers", default="tpe,gp")
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    data, share = str(Path(options.data).resolve()), options.validation_fraction
    names = options.samplers.split(",")
    traces: dict[str, list[list[tuple[float, float]]]] = defaultdict(list)
    tests: dict[str, list[float]] = defaultdict(list)
    print(f"{date.today()}, {psutil.cpu_count()} cores, {options.seconds:g} s each", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        space = without_points(options.space, Path(scratch))
        ours(space, data, 600, share, Path(scratch) / "warm", 0, samples=1)
        for seed in range(options.seeds):
            for name in names:
                asked = ("--set", f"search.sampler={name}")
                folder = Path(scratch) / f"{name}-{seed}"
                best, rungs = ours(space, data, options.seconds, share, folder, seed, *asked)
                traces[name].append(rungs)
                tests[name].append(best.test)
                trials = sum(1 for _ in (folder / "trials").iterdir())
                print(
                    f"{name:7s} seed {seed}: {trials} trials, validation {best.validation:.4f}, "
                    f"test {best.test:.4f}",
                    flush=True,
                )
    shown = [float(at) for at in range(SHOWN_S, int(options.seconds) + SHOWN_S, SHOWN_S)]
    print(f"\n| mean best {METRIC} after | " + " | ".join(f"{at:g} s" for at in shown), end="")
    print(" | the winners on test |\n" + "| --- " * (len(shown) + 2) + "|")
    for name in names:
        means = [statistics.mean(best_by(at, rungs) for rungs in traces[name]) for at in shown]
        spread = statistics.stdev(tests[name]) if options.seeds > 1 else 0.0
        cells = [f"{mean:.4f}" for mean in means]
        cells.append(f"{statistics.mean(tests[name]):.4f}, standard deviation {spread:.4f}")
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
