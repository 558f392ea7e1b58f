"""Many trivial trials through the whole search: what one costs, and whether that grows.

    python benchmarks/scale.py [--trials 100 1000 10000] [--sampler tpe] [--profile]

Space, study, journal, sampler, rungs, display and Ray Tune are those of a search; only the
objective does nothing but report at up to three rungs. Each number of trials runs in a process of
its own, with a Ray of its own on two CPUs. A trial's time runs from the end of the one before it
to its own end, so the start of Ray and of its workers is not in it. On a machine with other work,
only the time of the driver's processor tells whether a trial's cost grows. Memory is the driver's
resident memory at its highest. `--profile` prints where the driver's own thread spent its time.
"""

import argparse
import cProfile
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]
WINDOW = 1000


def search(trials: int, sampler: str, root: Path) -> list[tuple[float, float]]:
    """Run the trials; when each ended, in seconds of the clock and of the driver's processor."""
    from tune.execution import ray_connect

    ray_connect.configure_ray(None)
    import numpy as np

    from textcls.config.models import EmbeddingConfig
    from tune import setup
    from tune.config import search_file
    from tune.execution import ray_cluster
    from tune.execution.ray_runner import run_trials
    from tune.execution.resources import plan_resources
    from tune.execution.stop import StopSignal
    from tune.execution.task import Arrays, Objective, Task
    from tune.execution.worker import Workload
    from tune.monitor import log_capture
    from tune.monitor.progress import Progress
    from tune.monitor.search_state import SearchPlan, SearchState
    from tune.run_folder import paths
    from tune.study.records import TrialRecord

    ends: list[tuple[float, float]] = []

    class Clock(Progress):
        def on_trial_end(self, record: TrialRecord) -> None:
            super().on_trial_end(record)
            ends.append((time.monotonic(), time.process_time()))

    def nothing() -> Objective:
        def train(task: Task) -> Iterator[Mapping[str, float]]:  # sent by value: a nested function
            value = 1 / (1 + abs(np.log10(task.params["learning_rate"]) + 2))
            for epoch in task.milestones:
                yield {"test_accuracy": float(value * epoch / 2), "epoch": epoch, "seconds": 0.0}

        return train

    overrides = [f"search.samples={trials}", f"search.sampler={sampler}"]
    made = search_file.load_search(ROOT / "search_spaces" / "gru.yaml", overrides)
    folder = paths.create(root, "run")
    progress = Clock()
    with (
        log_capture.capture_output(folder.log),
        ray_cluster.session(cpus=2, dashboard=False) as joined,
    ):
        log_capture.silence_libraries()
        study = setup.new_study(made, folder, texts=60_000)
        controller = setup.create_controller(made, study, folder, progress)
        load = Workload(
            nothing(), made.configuration, {EmbeddingConfig(): Arrays({}, np.zeros((1, 1)), 2)},
            study.milestones, made.search.metric, folder, 1, "cpu",
        )  # fmt: skip
        load.arrays.update({made.embeddings: load.arrays[EmbeddingConfig()]})
        fit = plan_resources(1, 0, joined.nodes)
        metric = made.search.metric
        plan = SearchPlan(metric, trials, study.milestones, slots=fit.concurrent)
        progress.begin(SearchState(plan))
        run_trials(controller, StopSignal(), load, fit)
        progress.end()
    assert len(ends) == trials
    return ends


def measure(trials: int, sampler: str, profile: bool) -> None:
    profiler = cProfile.Profile()
    with tempfile.TemporaryDirectory() as place:
        if profile:
            profiler.enable()
        ends = search(trials, sampler, Path(place))
        profiler.disable()
        journal = (Path(place) / "run" / "study.journal").stat().st_size
    if profile:
        for order in ("tottime", "cumulative"):
            pstats.Stats(profiler, stream=sys.stderr).sort_stats(order).print_stats(40)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(
        f"{date.today()}, {os.cpu_count()} cores, {sampler}: {trials} trials, driver {peak_mb:.0f}"
        f" MB, journal {journal / 1e6:.1f} MB; ms a trial (of the driver's processor):"
        f" {mean(ends)}, first {WINDOW} {mean(ends[: WINDOW + 1])},"
        f" last {WINDOW} {mean(ends[-WINDOW - 1 :])}",
        file=sys.stderr,
    )


def mean(ends: list[tuple[float, float]]) -> str:
    clock, processor = (1e3 * (ends[-1][at] - ends[0][at]) / (len(ends) - 1) for at in (0, 1))
    return f"{clock:.1f} ({processor:.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    if len(options.trials) == 1:
        measure(options.trials[0], options.sampler, options.profile)
        return
    for trials in options.trials:
        command = [sys.executable, __file__, "--trials", str(trials)]
        command += ["--sampler", options.sampler, *(["--profile"] if options.profile else [])]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
