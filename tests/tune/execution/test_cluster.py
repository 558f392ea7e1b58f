"""A search on a cluster of two nodes, both on this machine: joined, and submitted as a job."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cluster_parts import TOKENLESS, Nodes, cluster, nodes, trivial_search

from tune.run_folder.paths import RunFolder
from tune.study import study
from tune.study.records import State

ROOT = Path(__file__).parents[3]
ARRAY_BYTES = 20_000_000
SPACE = """
model: gru
data: {name: synthetic, train_size: 600, test_size: 200}
embeddings: {name: random, dim: 16}
train: {epochs: 1, batch_size: 32}
space:
  hidden_size: {type: int, low: 8, high: 32, log: true}
search: {samples: 500, scheduler: none}
"""


@dataclass(frozen=True)
class Running:
    """A cluster that runs."""

    address: str
    dashboard: str


@pytest.fixture
def one_node() -> Iterator[Running]:
    """With jobs: two nodes on one machine share their working directories and delete them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with cluster(2, dashboard_port=port) as joined:
        yield Running(joined, f"http://127.0.0.1:{port}")


def job(running: Running, what: str, *arguments: str) -> list[str]:
    ray = str(Path(sys.executable).with_name("ray"))
    return [ray, "job", what, "--address", running.dashboard, *arguments]


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Nodes]:
    """One CPU each; the test that loses the second node comes last."""
    with nodes(1, 1) as running:
        yield running


def test_trials_run_on_both_nodes_and_the_arrays_reach_each_once(
    two_nodes: Nodes, tmp_path: Path
) -> None:
    found = trivial_search(two_nodes.address, tmp_path, trials=16, array_bytes=ARRAY_BYTES)
    assert sum(found["trials"].values()) == 16
    assert len(found["trials"]) == 2
    for taken_in in found["moved"].values():
        assert ARRAY_BYTES <= taken_in < 1.5 * ARRAY_BYTES


def test_a_node_that_is_lost_gives_its_trial_to_another(two_nodes: Nodes, tmp_path: Path) -> None:
    script = str(ROOT / "tests" / "support" / "cluster_parts.py")
    command = [sys.executable, script, "outlive", two_nodes.address, str(tmp_path), "5"]
    with subprocess.Popen(
        command,
        env={**os.environ, **TOKENLESS},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as driver:
        while not (tmp_path / "waits").exists():
            assert driver.poll() is None, driver.communicate()
            time.sleep(0.1)
        two_nodes.lose_one()
        printed, complaints = driver.communicate()
    assert driver.returncode == 0, complaints
    found = [json.loads(line) for line in printed.splitlines() if line.startswith("[")]
    assert [number for number, *_ in found] == list(range(5))
    assert {state for _, state, *_ in found} == {"complete"}
    moved = [ran_on for _, _, *ran_on in found if "lost" in ran_on]
    assert moved == [["lost", "head", "head"]]  # from its rung, not from its beginning
    assert all(len(ran_on) == 3 for _, _, *ran_on in found)


def test_a_job_runs_can_be_followed_and_leaves_a_run_to_resume(
    one_node: Running, tmp_path: Path
) -> None:
    running = one_node
    environment = {**os.environ, **TOKENLESS, "TEXTCLS_CACHE": str(tmp_path / "cache")}
    (tmp_path / "space.yaml").write_text(SPACE)
    folder = RunFolder(tmp_path / "runs" / "run")
    variables = {"env_vars": {"TEXTCLS_CACHE": environment["TEXTCLS_CACHE"]}}
    submission = [
        *job(running, "submit", "--submission-id", "search", "--no-wait"),
        *("--working-dir", str(ROOT), "--runtime-env-json", json.dumps(variables), "--"),
        *("python", "-m", "tune.search", "--space", str(tmp_path / "space.yaml")),
        *("--name", "run", "--runs-dir", str(tmp_path / "runs")),
    ]
    while True:  # the dashboard answers before the node's agent takes jobs
        submitted = subprocess.run(submission, env=environment, capture_output=True, text=True)
        if "No available agent" not in submitted.stderr:
            break
    assert submitted.returncode == 0, submitted.stderr

    with subprocess.Popen(
        job(running, "logs", "--follow", "search"),
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as logs:  # fmt: skip
        assert logs.stdout is not None
        followed = ""
        for line in logs.stdout:
            followed += line
            if "  complete  " in line:  # a trial came to its end, and it is told while others run
                break
        assert "2 at a time" in followed, followed
        subprocess.run(job(running, "stop", "search"), env=environment, check=True)
        logs.stdout.read()

    records = study.read_study(folder.journal, folder.name).records()
    kept = [record for record in records if record.state == State.COMPLETE]
    assert kept
    wait_until_free(folder)
    resumed = subprocess.run(
        [
            *(sys.executable, "-m", "tune.search", "--resume", str(folder.root), "--quiet"),
            *("--samples", str(len(kept) + 2), "--address", running.address),
            *("--max-concurrent", "1"),
        ],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert resumed.returncode == 0, resumed.stderr
    after = study.read_study(folder.journal, folder.name).records()
    assert [after[record.number] for record in kept] == kept
    assert sum(record.state == State.COMPLETE for record in after) == len(kept) + 2
    assert State.RUNNING not in {record.state for record in after}


def wait_until_free(folder: RunFolder) -> None:
    """Until the job's process is gone."""
    from tune.exceptions import RunFolderError

    while True:
        try:
            with folder.held():
                return
        except RunFolderError:
            time.sleep(0.1)
