"""Searches without Ray in thousands of orders of events: stops, kills, lost workers, resumes.

    python benchmarks/simulate.py [--seeds 1000] [--first 0]
    python benchmarks/simulate.py --every-operation [--first 0] [--step 1]

A seed fixes one search and everything that happens to it (`tests/support/simulated_search.py`).
Whatever does not hold is printed with the shortest trace that was found; `--seeds 1 --first N`
plays one seed again. The last line says that all hold, or names the seeds that do not, and then the
exit code is 1. Needs the `test` extra; some twenty seeds a second on one core.

With `--every-operation` a whole small search, with confirmation, retraining, ensemble and report,
is played once for each of its operations on the disk and each way in which that can go wrong: the
process is killed before it or amid it, the disk is full from then on, broken, or forbids it
(`tests/support/whole_search.py`). Then the search goes on, and nothing may be lost or left over.
A search whose time is up before its first trial is played likewise, and the same search in an
object store is played for each of its requests, which is lost, unanswered or
repeated, or after which the machine or the store is gone (`tests/support/faulty_store.py`).
`--first` and `--step` choose the operations; some two plays a second.
"""

import argparse
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import optuna

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

_EXPLAINED = 3
"""Seeds whose trace is shortened and printed."""
_TELL_S = 60.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--every-operation", action="store_true")
    parser.add_argument("--step", type=int, default=1)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.disable(logging.WARNING)
    failing: list[str] = []
    count = 0
    told = began = time.monotonic()
    with tempfile.TemporaryDirectory() as here:
        os.environ["TEXTCLS_CACHE"] = str(Path(here) / "cache")
        place = Path(here) / "play"
        if options.every_operation:
            found = _operations(place, options.first, options.step)
        else:
            found = _seeds(place, range(options.first, options.first + options.seeds))
        for count, failed in enumerate(found, start=1):
            if failed is not None:
                failing.append(failed)
            if time.monotonic() - told > _TELL_S:
                told = time.monotonic()
                print(f"{count} played in {told - began:.0f} s", flush=True)
    if failing:
        print("do not hold:", *failing)
        return 1
    print(f"{count} played, all hold")
    return 0


def _seeds(place: Path, seeds: range) -> Iterator[str | None]:
    """Play a search for each seed; yield the seed of each that does not hold."""
    import simulated_search

    explained = 0
    for seed in seeds:
        if simulated_search.play(seed, place)[1] is None:
            yield None
            continue
        if (explained := explained + 1) <= _EXPLAINED:
            print(simulated_search.explain(seed, place), flush=True)
        yield str(seed)


def _operations(place: Path, first: int, step: int) -> Iterator[str | None]:
    """Play a whole search for each operation and each fault; yield what does not hold."""
    import faulty_store
    import whole_search
    from faulty_disk import FAULTS
    from whole_search import HURRIED

    kinds = (
        (FAULTS, whole_search.count_operations(place), whole_search.play),
        (FAULTS, whole_search.count_operations(place, HURRIED), whole_search.play_hurried),
        (faulty_store.FAULTS, faulty_store.count_requests(place), faulty_store.play),
    )
    for faults, operations, play in kinds:
        for at in range(first, operations, step):
            for fault in faults:
                fails = play(place, fault, at)
                if fails is not None:
                    print(fails, flush=True)
                yield None if fails is None else f"{at}:{fault.replace(' ', '-')}"


if __name__ == "__main__":
    sys.exit(main())
