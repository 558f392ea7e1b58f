"""Thousands of mutated search files, data, vectors, command lines, run folders and classifiers.

    python benchmarks/fuzz.py [--cases 2000] [--seed 0] [--kind NAME]

Each has to end in something valid or in an error of ours that names what is wrong, within 2 s of
the processor and with 500 MB of memory more. Prints how many of each kind ended how; needs the
`test` extra and Linux, which tells the peak of memory.
"""

import argparse
import os
import sys
import tempfile
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import optuna
from hypothesis import HealthCheck, given, seed, settings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
import fuzz_parts
import stranger_parts

KINDS = fuzz_parts.KINDS | stranger_parts.KINDS


def play(kind: str, cases: int, first: int) -> bool:
    """Run one kind and print how its cases ended; False when one ended wrongly."""
    strategy, check = KINDS[kind]
    check = stranger_parts.measured(check)
    ends: Counter[str] = Counter()

    @seed(first)
    @settings(
        max_examples=cases, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def run(case: Any) -> None:
        ends[check(case)] += 1

    fault = None
    try:
        run()
    except Exception as error:
        fault = error
    told = ", ".join(f"{number} {how}" for how, number in ends.most_common())
    print(f"{kind}: {sum(ends.values())} cases: {told}", flush=True)
    if fault is not None:
        print(f"{kind}: {type(fault).__name__}: {fault}", file=sys.stderr)
        print(*getattr(fault, "__notes__", []), sep="\n", file=sys.stderr, flush=True)
    return fault is None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, help="this kind alone")
    options = parser.parse_args()
    os.environ.pop("RAY_ADDRESS", None)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print(f"{date.today()}, seed {options.seed}", flush=True)
    kinds = [options.kind] if options.kind else list(KINDS)
    cases = options.cases // len(kinds)
    with tempfile.TemporaryDirectory() as here:
        os.chdir(here)
        held = [play(kind, cases, options.seed) for kind in kinds]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
