"""Real Ray: groups of trials in workers that report, are refilled, die and are started again."""

import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[4] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))  # the benchmarks are scripts, not a package

import fused_search  # noqa: E402
from search_parts import Witness  # noqa: E402

from tune import setup  # noqa: E402
from tune.config.search_file import SearchFile  # noqa: E402
from tune.config.shapes import TrialShapes  # noqa: E402
from tune.execution.groups.member_training import fused  # noqa: E402
from tune.execution.objective import train_classifier  # noqa: E402
from tune.execution.ray_runner import run_trials  # noqa: E402
from tune.execution.resources import plan_resources  # noqa: E402
from tune.execution.stop import StopSignal  # noqa: E402
from tune.execution.task import Arrays  # noqa: E402
from tune.execution.worker import Workload  # noqa: E402
from tune.run_folder import paths  # noqa: E402
from tune.run_folder.paths import RunFolder  # noqa: E402
from tune.study.records import State, TrialRecord  # noqa: E402

pytestmark = pytest.mark.usefixtures("two_cpus")

SIZE = 4
ARRAYS = fused_search.made_up_arrays(240)


def run(
    root: Path, config: SearchFile, witness: Witness, arrays: Arrays = ARRAYS
) -> tuple[list[TrialRecord], RunFolder]:
    """Run a search with one worker; return its trials and its folder."""
    from tune.execution import ray_cluster

    folder = paths.create(root, "run")
    made = setup.new_study(config, folder, len(ARRAYS.splits["train"]))
    controller = setup.create_controller(config, made, folder, witness)
    load = Workload(
        train_classifier, config.configuration, {config.embeddings: arrays},
        made.milestones, made.metric, folder, 1, "cpu",
    )  # fmt: skip
    with ray_cluster.session() as joined:
        plan = plan_resources(1, 0, joined.nodes, SIZE, fuse=SIZE)
        run_trials(controller, StopSignal(), load, plan, None, TrialShapes(config))
    return made.records(), folder


def without_ray(root: Path, config: SearchFile) -> list[TrialRecord]:
    """Run the same search in this process; on a CPU groups are not refilled."""
    search = fused_search.begin(root, config, SIZE, ARRAYS)
    return replace(search, refilled=False).run(fused(0))


def test_a_search_with_ray_is_the_search_without(tmp_path: Path) -> None:
    config = fused_search.search_file(9)
    records, folder = run(tmp_path / "ray", config, Witness())
    alone = without_ray(tmp_path / "here", config)
    assert fused_search.differences(records, alone) == []
    assert {State.COMPLETE, State.PRUNED, State.DIVERGED} <= {each.state for each in records}
    complete = next(each for each in records if each.state == State.COMPLETE)
    log = folder.trial(complete.number).log.read_text()
    assert [f"rung {rung}:" in log for rung in (1, 2, 3)] == [True] * 3
    assert log.count("rung 1:") == 1  # those of the others are not in it
    assert json.loads(folder.trial(complete.number).curve.read_text())[-1]["epoch"] == 2.0


def test_a_lost_worker_costs_its_trials_nothing_that_is_on_the_disk(tmp_path: Path) -> None:
    config = fused_search.search_file(4)

    class Killer(Witness):
        """Kills the worker once, in the middle of what its group has reported."""

        killed = 0

        def on_trial_report(self, number: int, rung: int, metrics: Mapping[str, float]) -> None:
            super().on_trial_report(number, rung, metrics)
            if rung == 1 and not self.killed:
                self.killed = worker_of(tmp_path / "killed" / "run")
                os.kill(self.killed, signal.SIGKILL)

    witness = Killer()
    killed, folder = run(tmp_path / "killed", config, witness)
    assert witness.killed
    alone = without_ray(tmp_path / "here", config)
    assert fused_search.differences(killed, alone) == []
    told = [seen for seen in witness.seen if str(seen[0]).startswith("rung")]
    assert len(told) == len(set(told))  # what was told again was not counted again
    logs = [folder.trial(record.number).log.read_text() for record in killed]
    assert max(log.count("in group 0") for log in logs) == 2


def worker_of(folder: Path) -> int:
    """Return the process that writes a trial's log."""
    import psutil

    for process in psutil.process_iter():
        try:
            files = [each.path for each in process.open_files()]
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(path.startswith(str(folder)) for path in files):
            return process.pid
    raise AssertionError("no worker has a log open")


def test_a_group_that_cannot_be_trained_fails_with_one_message(tmp_path: Path) -> None:
    config = fused_search.search_file(4)
    broken = Arrays(ARRAYS.splits, ARRAYS.embeddings[:3], ARRAYS.num_classes)
    records, folder = run(tmp_path, config, Witness(), broken)
    assert {record.state for record in records} == {State.FAILED}
    (message,) = {record.message for record in records}
    assert message.startswith("RuntimeError: INDICES element is out of DATA bounds")
    assert "Traceback" in folder.trial(0).log.read_text()
