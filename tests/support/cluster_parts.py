"""Clusters on this machine for tests, and a search of trivial trials that says where they ran.

    python cluster_parts.py hold DASHBOARD_PORT GPUS CPUS ...
    python cluster_parts.py search ADDRESS FOLDER TRIALS ARRAY_BYTES
    python cluster_parts.py outlive ADDRESS FOLDER TRIALS

`hold` loses its last node at each line that it reads. `search` prints {"trials": {node: how many},
"moved": {node: bytes that its store took in}}. In `outlive` a trial that is not on the head waits
for the loss of its node, having made FOLDER/waits; it prints each trial's state and the nodes that
reported its rungs.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

PYTHONS = Path(sys.executable).parent  # a job's `python` is the first that the node finds
TOKENLESS = {"RAY_AUTH_MODE": "disabled"}


@dataclass(frozen=True)
class Nodes:
    """A cluster that runs on this machine."""

    address: str
    orders: IO[str]

    def lose_one(self) -> None:
        """Kill the raylet of the node that came last, as a machine dies."""
        self.orders.write("lose\n")
        self.orders.flush()


@contextmanager
def cluster(*cpus: int, dashboard_port: int | None = None, gpus: int = 0) -> Iterator[str]:
    """Like `nodes`; gives the address alone."""
    with nodes(*cpus, dashboard_port=dashboard_port, gpus=gpus) as running:
        yield running.address


@contextmanager
def nodes(*cpus: int, dashboard_port: int | None = None, gpus: int = 0) -> Iterator[Nodes]:
    """A node for each number of CPUs, all on this machine, without a token.

    The head offers so many GPUs, which Ray believes whether the machine has them or not.
    It is held by a process of its own, since Ray's own class leaves sockets open.
    """
    command = [sys.executable, __file__, "hold", *map(str, (dashboard_port or 0, gpus, *cpus))]
    with subprocess.Popen(
        command,
        env={**os.environ, **TOKENLESS, "PATH": f"{PYTHONS}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            lines = iter(holder.stdout.readline, "")
            address = next(line for line in lines if line.startswith("ready ")).split()[1]
            yield Nodes(address, holder.stdin)
        finally:
            holder.stdin.close()
            holder.wait(timeout=60)


def trivial_search(address: str, folder: Path, trials: int, array_bytes: int) -> dict[str, Any]:
    """Run this file in a process of its own: only one Ray can be joined by a process."""
    command = [
        sys.executable,
        __file__,
        "search",
        address,
        str(folder),
        str(trials),
        str(array_bytes),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **TOKENLESS}, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def hold(dashboard_port: str, gpus: str, *cpus: str) -> None:
    """Start a cluster, say where, and end it when the standard input is closed."""
    from ray._private.utils import write_ray_address
    from ray.cluster_utils import Cluster

    dashboard: dict[str, Any] = {"include_dashboard": dashboard_port != "0"}
    if dashboard_port != "0":
        dashboard["dashboard_port"] = int(dashboard_port)
    # Any port: the usual one belongs to another Ray of this machine, and no agent means no jobs.
    ports = {"dashboard_agent_listen_port": 0}
    head = {"num_cpus": int(cpus[0]), "num_gpus": int(gpus), **dashboard, **ports}
    # A job joins the Ray whose address lies in its node's temporary folder, and in Ray's usual one
    # any Ray that starts on this machine meanwhile writes its own.
    with TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as place:
        running = Cluster(initialize_head=True, head_node_args={**head, "temp_dir": place})
        write_ray_address(running.address, place)
        workers = [running.add_node(num_cpus=int(number), **ports) for number in cpus[1:]]
        running.wait_for_nodes()
        print("ready", running.address, flush=True)
        for _line in sys.stdin:
            running.remove_node(workers.pop(), allow_graceful=False)
        running.shutdown()


def run_search(address: str, place: str, trials: str, array_bytes: str) -> None:
    """Run trials that read an array; print where they ran and what each node took in."""
    from tune.execution import ray_connect

    ray_connect.configure_ray(address)
    import numpy as np
    import optuna
    import ray
    from search_parts import Witness

    from textcls.config.models import EmbeddingConfig, ModelConfig, TrainConfig
    from tune.execution import ray_cluster
    from tune.execution.controller import SearchController
    from tune.execution.ray_runner import run_trials
    from tune.execution.resources import plan_resources
    from tune.execution.stop import StopSignal
    from tune.execution.task import Arrays, Objective, Task
    from tune.execution.worker import Workload
    from tune.run_folder import paths
    from tune.study import study

    def objective() -> Objective:
        def train(task: Task) -> Iterator[Mapping[str, float]]:  # sent by value
            import time

            time.sleep(0.1)
            value = float(task.arrays.embeddings[task.number, 0])
            yield {"accuracy": value, "node": ray.get_runtime_context().get_node_id()}

        return train

    made = paths.create(Path(place), "run")
    sampler = optuna.samplers.RandomSampler(seed=0)
    kept = study.create_study(
        made.journal, "run", metric="accuracy", milestones=(1.0,), sampler=sampler
    )
    controller = SearchController(
        kept,
        lambda trial: {"x": trial.suggest_float("x", 0, 1)},
        None,
        int(trials),
        made,
        Witness(),
    )
    matrix = np.full((int(array_bytes) // 400, 100), 0.5, dtype=np.float32)
    with ray_cluster.session(address) as joined:
        load = Workload(
            objective(), lambda _params: (ModelConfig(), EmbeddingConfig(), TrainConfig()),
            {EmbeddingConfig(): Arrays({}, matrix, 2)}, (1.0,), "accuracy", made, 1, "cpu",
        )  # fmt: skip
        run_trials(controller, StopSignal(), load, plan_resources(1, 0, joined.nodes))
        moved = {node["NodeID"]: _taken_in(node) for node in ray.nodes()}
    records = kept.records()
    assert {record.value for record in records} == {0.5}
    print(json.dumps({"trials": Counter(r.curve[0]["node"] for r in records), "moved": moved}))


def outlive(address: str, place: str, trials: str) -> None:
    """Run trials of three rungs of which those away from the head wait for the loss of a node."""
    from tune.execution import ray_connect

    ray_connect.configure_ray(address)
    import numpy as np
    import optuna
    import ray
    from search_parts import Witness

    from textcls.config.models import EmbeddingConfig, ModelConfig, TrainConfig
    from tune.execution import ray_cluster
    from tune.execution.controller import SearchController
    from tune.execution.ray_runner import run_trials
    from tune.execution.resources import plan_resources
    from tune.execution.stop import StopSignal
    from tune.execution.task import Arrays, Objective, Task
    from tune.execution.worker import Workload
    from tune.run_folder import paths
    from tune.study import study

    milestones = (0.25, 0.75, 1.0)

    def objective(head: str) -> Objective:
        def train(task: Task) -> Iterator[Mapping[str, float]]:  # sent by value
            import time

            here = ray.get_runtime_context().get_node_id()
            done = json.loads(task.folder.curve.read_text()) if task.folder.curve.exists() else []
            yield from list(done)
            for epoch in task.milestones[len(done) :]:
                if done and here != head:
                    task.folder.root.parent.parent.parent.joinpath("waits").touch()
                    time.sleep(120)
                done.append({"accuracy": epoch, "epoch": epoch, "node": here})
                task.folder.curve.write_text(json.dumps(done))
                yield done[-1]
                time.sleep(0.2)

        return train

    made = paths.create(Path(place), "run")
    sampler = optuna.samplers.RandomSampler(seed=0)
    kept = study.create_study(
        made.journal, "run", metric="accuracy", milestones=milestones, sampler=sampler
    )
    controller = SearchController(
        kept,
        lambda trial: {"x": trial.suggest_float("x", 0, 1)},
        None,
        int(trials),
        made,
        Witness(),
    )
    with ray_cluster.session(address) as joined:
        head = ray.get_runtime_context().get_node_id()
        load = Workload(
            objective(head), lambda _params: (ModelConfig(), EmbeddingConfig(), TrainConfig()),
            {EmbeddingConfig(): Arrays({}, np.zeros((1, 1)), 2)}, milestones, "accuracy", made, 1,
            "cpu",
        )  # fmt: skip
        run_trials(controller, StopSignal(), load, plan_resources(1, 0, joined.nodes))
    for record in kept.records():
        ran_on = ["head" if rung["node"] == head else "lost" for rung in record.curve]
        print(json.dumps([record.number, record.state.value, *ran_on]))


def _taken_in(node: dict[str, Any]) -> int:
    """Bytes of all objects that a node's store ever held."""
    from ray._private.internal_api import node_stats

    found = node_stats(node["NodeManagerAddress"], node["NodeManagerPort"], False)
    return int(found.store_stats.cumulative_created_bytes)


if __name__ == "__main__":
    {"hold": hold, "search": run_search, "outlive": outlive}[sys.argv[1]](*sys.argv[2:])
