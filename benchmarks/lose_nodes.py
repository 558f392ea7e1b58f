"""Kill a node of three every so many seconds while a search runs on them.

    python benchmarks/lose_nodes.py [--data FOLDER] [--samples 24] [--every 20]

All nodes are raylets on this machine with one CPU each; the head stays, the older one of the two
others is killed without a word and a new one joins. At the end every trial must be accounted for.
"""

import argparse
import collections
import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

os.environ["RAY_AUTH_MODE"] = "disabled"

import ray.cluster_utils

from tune.run_folder.paths import RunFolder
from tune.study import study
from tune.study.records import State

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="synthetic")
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--every", type=float, default=20.0, help="seconds")
    options = parser.parse_args()
    data = options.data if options.data == "synthetic" else str(Path(options.data).resolve())
    cluster = ray.cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    others = [cluster.add_node(num_cpus=1) for _ in range(2)]
    cluster.wait_for_nodes()
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "tune.search", "--space", "search_spaces/gru.yaml"]
        command += ["--data", data, "--embeddings", "corpus", "--samples", str(options.samples)]
        command += ["--address", cluster.address, "--runs-dir", scratch, "--name", "run"]
        began, killed = time.monotonic(), 0
        with subprocess.Popen(command, cwd=ROOT) as process:
            while process.poll() is None:
                try:
                    process.wait(options.every)
                except subprocess.TimeoutExpired:
                    cluster.remove_node(others.pop(0), allow_graceful=False)
                    others.append(cluster.add_node(num_cpus=1))
                    killed += 1
        seconds = time.monotonic() - began
        folder = RunFolder(Path(scratch) / "run")
        records = study.read_study(folder.journal, "run").records()
        result = folder.result.exists()
    cluster.shutdown()
    states = collections.Counter(str(record.state) for record in records)
    whole = (
        process.returncode == 0
        and result
        and [record.number for record in records] == list(range(options.samples))
        and not any(record.state in (State.RUNNING, State.INTERRUPTED) for record in records)
    )
    print(f"{date.today()}: {killed} nodes killed in {seconds:.0f} s, exit {process.returncode}")
    print(f"{len(records)} trials: " + ", ".join(f"{n} {state}" for state, n in states.items()))
    for record in records:
        if record.state == State.FAILED:
            print(f"trial {record.number}: {record.message}")
    print("every trial is accounted for" if whole else "NOT every trial is accounted for")
    sys.exit(0 if whole else 1)


if __name__ == "__main__":
    main()
