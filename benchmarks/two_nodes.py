"""The same search on two nodes of one CPU and on one node of two, both on this machine.

    python benchmarks/two_nodes.py [--rounds 3] [--samples 8]

Both clusters are joined with --address, in turns. The caches are filled by a search before.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests" / "support"))
from cluster_parts import TOKENLESS, cluster  # noqa: E402  # beside the tests

SPACE = """
model: gru
data: {name: synthetic, train_size: 4000, test_size: 1000}
embeddings: {name: random, dim: 32}
train: {epochs: 2, batch_size: 32}
space:
  hidden_size: {type: int, low: 16, high: 64, log: true}
  learning_rate: {type: float, low: 1.0e-4, high: 3.0e-2, log: true}
search: {sampler: random, scheduler: none}
"""


def search(root: Path, address: str, name: str, samples: int) -> tuple[float, int]:
    """Seconds that a search took, and how many trials it completed."""
    command = [sys.executable, "-m", "tune.search", "--space", str(root / "space.yaml")]
    command += ["--name", name, "--runs-dir", str(root / "runs"), "--quiet"]
    command += ["--samples", str(samples), "--address", address]
    environment = {**os.environ, **TOKENLESS, "TEXTCLS_CACHE": str(root / "cache")}
    began = time.monotonic()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    result = json.loads((root / "runs" / name / "result.json").read_text(encoding="utf-8"))
    return time.monotonic() - began, result["trials"]["complete"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=8)
    options = parser.parse_args()
    shapes = {"one node of 2": (2,), "two nodes of 1": (1, 1)}
    took: dict[str, list[float]] = {shape: [] for shape in shapes}
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        (root / "space.yaml").write_text(SPACE, encoding="utf-8")
        for turn in range(-1, options.rounds):
            for number, (shape, cpus) in enumerate(shapes.items()):
                with cluster(*cpus) as address:
                    name = f"search-{turn + 1}-{number}"
                    seconds, complete = search(root, address, name, options.samples)
                assert complete == options.samples, f"{shape}: {complete} trials"
                if turn >= 0:
                    took[shape].append(seconds)
    print(f"{date.today()}, {os.cpu_count()} cores, {options.samples} trials, seconds a search")
    for shape, seconds_each in took.items():
        print(f"{shape}: " + ", ".join(f"{seconds:.1f}" for seconds in seconds_each))
    one, two = (statistics.median(each) for each in took.values())
    print(f"two nodes take {two / one:.2f} times as long (medians)")


if __name__ == "__main__":
    main()
