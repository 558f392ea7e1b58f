from pathlib import Path
from typing import Any

import pytest

from textcls.corpus import prepare_corpus
from tune.config import search_file
from tune.config.search_file import SearchFile
from tune.exceptions import ClusterError
from tune.execution import gpu_share
from tune.execution.data import Corpora
from tune.execution.gpu_share import (
    allocator_fraction,
    automatic_plan,
    check_card,
    gpu_share_of,
    trial_bytes,
)
from tune.execution.ray_cluster import _card_bytes
from tune.execution.resources import Node

GIB = 2**30
BASE = {
    "data": {"name": "synthetic", "train_size": 600, "test_size": 400},
    "embeddings": {"name": "random", "dim": 16},
    "model": {"name": "gru", "hidden_size": 16},
    "space": {"learning_rate": {"type": "float", "low": 0.001, "high": 0.01}},
    "resources": {"cpu": 1, "gpu": "auto"},
}


def search(**changes: Any) -> SearchFile:
    return SearchFile.model_validate({**BASE, **changes})


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Corpora:
    made = search()
    cache = tmp_path_factory.mktemp("cache")
    return {made.embeddings: prepare_corpus(made.data, made.embeddings, cache_dir=cache)}


def sharing(search: SearchFile, corpora: Corpora, node: Node, card: int = 80 * GIB) -> int:
    return round(1 / automatic_plan(search, corpora, [node], lambda: card).gpu)


def test_the_largest_configuration_counts(corpora: Corpora) -> None:
    small = trial_bytes(search(), corpora)
    wide = {"hidden_size": {"type": "int", "low": 16, "high": 512}}
    chosen = {"hidden_size": {"type": "categorical", "choices": [16, 512]}}
    deep = {"layers": {"type": "int", "low": 1, "high": 4}}
    both = {"bidirectional": {"type": "categorical", "choices": [False, True]}}
    assert trial_bytes(search(space=wide), corpora) == trial_bytes(search(space=chosen), corpora)
    for larger in (wide, deep, both):
        assert trial_bytes(search(space=larger), corpora) > small
    words, dim = next(iter(corpora.values())).embeddings.shape
    assert small > 3 * 4 * words * dim


def test_memory_cores_and_wishes_limit_how_many_share_a_card(corpora: Corpora) -> None:
    made = search()
    need = trial_bytes(made, corpora) + gpu_share.CONTEXT_BYTES
    assert sharing(made, corpora, Node(64, 1), 3 * need) == 3
    assert sharing(made, corpora, Node(64, 1), need // 2) == 1  # it may still fit, and is let try
    assert sharing(made, corpora, Node(8, 2)) == 4
    assert sharing(made, corpora, Node(640, 1)) == gpu_share.MOST
    assert sharing(search(search={"max_concurrent": 6}), corpora, Node(64, 2)) == 3


def test_the_plan_says_what_was_decided(corpora: Corpora) -> None:
    made = automatic_plan(search(), corpora, [Node(6, 1)], lambda: 80 * GIB)
    assert (made.gpu, made.concurrent, made.device) == (0.1666, 6, "cuda")
    assert made.notice is not None
    assert "6 trials share a card" in made.notice
    assert "81,920" in made.notice


def test_without_a_card_nobody_is_asked_for_its_size(corpora: Corpora) -> None:
    made = automatic_plan(search(), corpora, [Node(2, 0)], lambda: pytest.fail("asked"))
    assert (made.gpu, made.concurrent, made.device) == (0, 2, "cpu")
    assert made.notice == "No GPU in the cluster: gpu: auto gives trials their cores."


@pytest.mark.parametrize("trials", range(1, 33))
def test_as_many_shares_fit_as_were_counted(trials: int) -> None:
    assert trials * gpu_share_of(trials) <= 1
    assert int(1 / gpu_share_of(trials) + 1e-9) == trials


def test_the_allocators_of_all_trials_and_their_contexts_fit_on_the_card() -> None:
    for card in (8 * GIB, 80 * GIB):
        for trials in (2, 4):
            held = allocator_fraction(1 / trials, card) * card + gpu_share.CONTEXT_BYTES
            assert trials * held <= card * (1 + 1e-9)
    assert allocator_fraction(0.0625, 8 * GIB) == 0.03125


def test_a_gpu_that_torch_cannot_use_is_named() -> None:
    assert check_card([2, 1]) == 1
    with pytest.raises(ClusterError, match=r"its torch cannot use.*set resources\.gpu to 0"):
        check_card([GIB, 0])


def test_every_shipped_space_has_an_estimate(corpora: Corpora) -> None:
    spaces = Path(__file__).parents[3] / "search_spaces"
    for path in sorted(spaces.glob("*.yaml")):
        found = trial_bytes(search_file.load_search(path), corpora)
        assert 1e6 < found < 4 * GIB, path


def test_a_machine_without_a_card_says_so() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a card")
    assert _card_bytes() == 0
