"""Nodes are asked for their cards: a real Ray, the machine's own torch, and stand-ins for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from cluster_parts import TOKENLESS, cluster

from tune.exceptions import ClusterError
from tune.execution import ray_cluster
from tune.execution.resources import Card, Node, SeenCards, describe_cards, with_cards

SPACE = """
model: gru
data: {name: synthetic, train_size: 600, test_size: 200}
embeddings: {name: random, dim: 16}
train: {epochs: 1, batch_size: 32}
space:
  hidden_size: {type: int, low: 8, high: 32, log: true}
search: {samples: 2}
"""
GIB = 2**30
CARD = Card("NVIDIA H100", 80 * GIB, 79 * GIB)
without_cards = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a card")


def test_a_node_keeps_the_cards_that_its_torch_can_use() -> None:
    nodes = [Node(8, 0, "a", "10.0.0.1"), Node(8, 2, "b", "10.0.0.2")]
    plain, found = with_cards(nodes, {"b": SeenCards("2.13.0+cu128", (CARD, CARD))})
    assert (plain, found.cards) == (nodes[0], (CARD, CARD))
    card = "NVIDIA H100 (79.0 of 80.0 GiB free)"
    assert describe_cards(found) == f"Cards of node 10.0.0.2: {card}, {card}."


def test_every_node_whose_torch_cannot_use_its_cards_is_named() -> None:
    nodes = [Node(8, 1, name, name) for name in ("a", "b", "c", "d")]
    nodes[1] = Node(8, 2, "b", "b")
    answers = {
        "a": SeenCards("2.13.0+cpu", reason="Torch not compiled with CUDA enabled"),
        "b": SeenCards("2.13.0+cu128", (CARD,)),
        "c": SeenCards("2.13.0+cu128", (CARD,)),
        "d": SeenCards("", reason="no answer within 120 s"),
    }
    with pytest.raises(ClusterError) as refused:
        with_cards(nodes, answers)
    *faults, remedy = str(refused.value).splitlines()
    assert faults == [
        "Node a offers 1 GPU, but its torch 2.13.0+cpu can use none: Torch not compiled with CUDA "
        "enabled.",
        "Node b offers 2 GPUs, but its torch 2.13.0+cu128 can use 1 of them: torch sees no more.",
        "Node d offers 1 GPU, but could not be asked for them: no answer within 120 s.",
    ]
    assert "--gpus-per-trial 0" in remedy


def offering_a_gpu() -> Node:
    """The node of the shared Ray, as if it offered a GPU."""
    import ray

    (node,) = ray.nodes()
    return Node(2, 1, node["NodeID"], "here")


def answer(see: object, timeout_s: float = 60.0) -> SeenCards:
    node = offering_a_gpu()
    return ray_cluster.ask_for_cards([Node(2, 0), node], see, timeout_s)[node.node_id]  # type: ignore[arg-type]


@pytest.mark.usefixtures("two_cpus")
def test_a_process_of_the_node_answers_and_ends() -> None:
    process = answer(lambda: SeenCards(str(os.getpid())))
    assert process.torch != str(os.getpid())
    assert answer(lambda: SeenCards(str(os.getpid()))) != process


@pytest.mark.usefixtures("two_cpus")
def test_a_node_that_cannot_answer_says_why() -> None:
    died = answer(lambda: os._exit(1))
    assert (died.torch, died.cards) == ("", ())
    assert "died" in died.reason or "crashed" in died.reason

    def hang() -> SeenCards:
        import time

        time.sleep(60)
        return SeenCards("")

    assert answer(hang, timeout_s=0.5).reason == "no answer within 0.5 s"


@without_cards
def test_a_machine_without_a_card_says_so() -> None:
    seen = ray_cluster.see_cards()
    assert (seen.torch, seen.cards) == (torch.__version__, ())
    assert "\n" not in seen.reason
    assert "CUDA" in seen.reason or "NVIDIA" in seen.reason


@without_cards
def test_a_search_stops_before_its_first_trial_where_torch_cannot_use_the_cards(
    tmp_path: Path,
) -> None:
    (tmp_path / "space.yaml").write_text(SPACE)
    with cluster(2, gpus=1) as address:
        command = [
            *(sys.executable, "-m", "tune.search", "--space", str(tmp_path / "space.yaml")),
            *("--address", address, "--gpus-per-trial", "auto", "--name", "run"),
            *("--runs-dir", str(tmp_path / "runs")),
        ]
        done = subprocess.run(
            command, env={**os.environ, **TOKENLESS}, capture_output=True, text=True
        )
    assert done.returncode == 1, done.stdout
    message = " ".join(done.stderr.split())
    assert f"offers 1 GPU, but its torch {torch.__version__} can use none" in message
    assert "search with --gpus-per-trial 0" in message
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "runs" / "run").exists()


def test_a_search_does_without_a_dashboard_that_starts_too_slowly() -> None:
    code = (
        "from tune.execution import ray_connect; ray_connect.configure_ray(None)\n"
        "from tune.execution import ray_cluster\n"
        "with ray_cluster.session(cpus=1) as joined:\n"
        "    print(repr(joined.dashboard_url), joined.nodes[0].cpus)"
    )
    slow = os.environ | {"RAY_DASHBOARD_STARTUP_TIMEOUT_S": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=slow, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "'' 1.0\n"), done.stderr


ENDS_AMID_ITS_WORK = """
import os, signal, sys
from pathlib import Path
from tune.execution import ray_cluster
from tune.run_folder.paths import RunFolder
with ray_cluster.watched(RunFolder(Path("runs/mine"))):
    if sys.argv[1] == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("how", ["is killed", "ends"])
def test_the_shell_says_how_to_go_on_only_where_the_search_is_killed(how: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDS_AMID_ITS_WORK, how], capture_output=True, text=True
    )
    assert (done.returncode != 0) == (how == "is killed")
    assert done.stderr.endswith("--resume runs/mine\n") == (how == "is killed")
    assert (done.stderr == "") == (how == "ends")
