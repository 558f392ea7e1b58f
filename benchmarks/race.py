"""A race to the accuracy that a hand-written Ray Tune script ends with.

    python benchmarks/race.py --data FOLDER [--seconds 300] [--rounds 3] [--spaces gru,strong]

In each round handwritten.py searches for `--seconds`, then ours with each of the spaces, for a
third of that. All run on all cores, one core a trial, on the same rows, and choose on the same
validation split. A time counts from the command, Python's and Ray's start included. Corpus vectors
and the linear classifier are made in a search that does not count, as they are kept between
searches; with `--cold` our cache is emptied before each search instead.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psutil
from start import events

ROOT = Path(__file__).parents[1]
METRIC = "val_accuracy"


@dataclass(frozen=True, slots=True)
class Best:
    """The best validation accuracy of a search, and the test accuracy of the same trial."""

    validation: float
    test: float


def handwritten(data: str, seconds: float, share: float, out: Path) -> tuple[Best, float]:
    """What the hand-written script found, and how many seconds after its command."""
    command = [sys.executable, "benchmarks/handwritten.py", "--data", data, "--out", str(out)]
    command += ["--seconds", str(seconds), "--validation-fraction", str(share)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    best = max(lines, key=lambda line: float(line["validation"]))
    return Best(best["validation"], best["test"]), best["seconds"]


def shipped(space: str) -> Path:
    """The search space of that name."""
    return ROOT / "search_spaces" / f"{space}.yaml"


def ours(
    space: Path,
    data: str,
    seconds: float,
    share: float,
    folder: Path,
    seed: int,
    *options: str,
    samples: int = 10_000,
) -> tuple[Best, list[tuple[float, float]]]:
    """What our search found, and its rungs: seconds since the command, validation accuracy."""
    command = [sys.executable, "-m", "tune.search", "--space", str(space), *options]
    command += ["--data", data, "--embeddings", "corpus", "--quiet"]
    command += ["--set", f"search.metric={METRIC}"]
    command += ["--set", f"data.validation_fraction={share}", "--seed", str(seed)]
    command += ["--samples", str(samples), "--time-budget", f"{seconds:.0f}s"]
    command += ["--runs-dir", str(folder.parent), "--name", folder.name]
    began = time.time()
    environment = os.environ | {"TEXTCLS_CACHE": str(folder.parent / "cache")}
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, env=environment)
    rungs = sorted(
        (at - began, values[METRIC])
        for log in (folder / "trials").glob("*/log.txt")
        for at, kind, values in events(log)
        if kind == "rung"
    )
    best = json.loads((folder / "result.json").read_text(encoding="utf-8"))["best"]
    return Best(best[METRIC], best["test_accuracy"]), rungs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--validation-fraction", type=float, default=0.05)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--spaces", default="gru,strong")
    parser.add_argument("--cold", action="store_true")
    options = parser.parse_args()
    data, share = str(Path(options.data).resolve()), options.validation_fraction
    spaces = options.spaces.split(",")
    factors: dict[str, list[float]] = {space: [] for space in spaces}
    print(f"{date.today()}, {psutil.cpu_count()} cores, {options.seconds:g} s each", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for space in () if options.cold else spaces:
            ours(shipped(space), data, 600, share, Path(scratch) / f"warm-{space}", 0, samples=1)
        for number in range(options.rounds):
            out = Path(scratch) / f"handwritten-{number}.jsonl"
            theirs, seconds = handwritten(data, options.seconds, share, out)
            print(
                f"by hand   validation {theirs.validation:.4f}, test {theirs.test:.4f} "
                f"after {seconds:.1f} s",
                flush=True,
            )
            for space in spaces:
                if options.cold:
                    shutil.rmtree(Path(scratch) / "cache", ignore_errors=True)
                folder = Path(scratch) / f"{space}-{number}"
                best, rungs = ours(shipped(space), data, options.seconds / 3, share, folder, number)
                there = next((at for at, value in rungs if value >= theirs.validation), None)
                factors[space].append(seconds / there if there else 0.0)
                print(
                    f"{space:9s} the same after "
                    + (f"{there:.1f} s" if there else "more than its time")
                    + f", {factors[space][-1]:.1f} times as fast; ended with validation "
                    f"{best.validation:.4f}, test {best.test:.4f}",
                    flush=True,
                )
    for space, found in factors.items():
        print(
            f"{space}: {statistics.median(found):.1f} times as fast, median of {len(found)} rounds "
            f"({min(found):.1f} to {max(found):.1f})"
        )


if __name__ == "__main__":
    main()
