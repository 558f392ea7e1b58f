"""Searches without Ray in thousands of orders of events: stops, kills, lost workers, resumes.

    python benchmarks/simulate.py [--seeds 1000] [--first 0]

A seed fixes one search and everything that happens to it (`tests/support/simulated_search.py`).
Whatever does not hold is printed with the shortest trace that was found; `--seeds 1 --first N`
plays one seed again. The last line says that all hold, or names the seeds that do not, and then the
exit code is 1. Needs the `test` extra; some twenty seeds a second on one core.
"""

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

import optuna

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
import simulated_search

_EXPLAINED = 3
"""Seeds whose trace is shortened and printed."""
_TELL_S = 60.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.disable(logging.WARNING)
    failing: list[int] = []
    told = began = time.monotonic()
    with tempfile.TemporaryDirectory() as here:
        place = Path(here) / "play"
        for count, seed in enumerate(range(options.first, options.first + options.seeds)):
            if simulated_search.play(seed, place)[1] is not None:
                failing.append(seed)
                if len(failing) <= _EXPLAINED:
                    print(simulated_search.explain(seed, place), flush=True)
            if time.monotonic() - told > _TELL_S:
                told = time.monotonic()
                print(f"{count + 1} seeds in {told - began:.0f} s", flush=True)
    if failing:
        print("do not hold:", *failing)
        return 1
    print(f"{options.seeds} seeds, all hold")
    return 0


if __name__ == "__main__":
    sys.exit(main())
