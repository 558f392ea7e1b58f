from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from textcls.corpus import prepare_corpus
from tune.config import search_file
from tune.config.search_file import ObjectiveSearchFile, SearchFile
from tune.execution import gpu_share
from tune.execution.data import Corpora
from tune.execution.gpu_share import (
    allocator_fraction,
    asks_for_cards,
    automatic_plan,
    gpu_share_of,
    nodes_without_trials,
    planned,
    trial_bytes,
)
from tune.execution.resources import Card, Node

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


def with_card(cpus: float, gpus: int, free: int = 80 * GIB) -> Node:
    return Node(cpus, gpus, cards=(Card("stand-in", 81 * GIB, free),) * gpus)


def sharing(search: SearchFile, corpora: Corpora, *nodes: Node) -> int:
    return round(1 / automatic_plan(search, corpora, nodes).gpu)


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
    assert sharing(made, corpora, with_card(64, 1, 3 * need)) == 3
    assert (
        sharing(made, corpora, with_card(64, 1, need // 2)) == 1
    )  # it may still fit, and is let try
    assert sharing(made, corpora, with_card(8, 2)) == 4
    assert sharing(made, corpora, with_card(640, 1)) == gpu_share.MOST
    assert sharing(search(search={"max_concurrent": 6}), corpora, with_card(64, 2)) == 3
    assert sharing(made, corpora, with_card(64, 1), with_card(64, 1, 5 * need), Node(64, 0)) == 5


def test_the_plan_says_what_was_decided(corpora: Corpora) -> None:
    made = automatic_plan(search(), corpora, [with_card(6, 1)])
    assert (made.gpu, made.concurrent, made.device) == (0.1666, 6, "cuda")
    assert made.notice is not None
    assert "6 trials share a card" in made.notice
    assert "81,920" in made.notice


def test_one_number_serves_nodes_that_differ_and_it_is_said_whose_it_is(corpora: Corpora) -> None:
    made = search()
    need = trial_bytes(made, corpora) + gpu_share.CONTEXT_BYTES
    small = replace(with_card(64, 1, 3 * need), name="10.0.0.7")
    four, none = replace(with_card(64, 4), name="10.0.0.8"), Node(8, 0, name="10.0.0.9")
    plan = automatic_plan(made, corpora, [four, small, none])
    assert (plan.gpu, plan.concurrent) == (0.3333, 3 * 5)
    assert plan.notice is not None
    assert plan.notice.endswith(
        "10.0.0.7 sets the number for all nodes; another would hold 16 a card."
    )
    alone = automatic_plan(made, corpora, [four, none])
    assert (alone.gpu, alone.concurrent) == (0.0625, 64)
    assert "sets the number" not in str(alone.notice)


def test_a_card_that_is_nearly_full_counts_for_its_node(corpora: Corpora) -> None:
    need = trial_bytes(search(), corpora) + gpu_share.CONTEXT_BYTES
    free, full = Card("a", 81 * GIB, 80 * GIB), Card("a", 81 * GIB, 2 * need)
    assert sharing(search(), corpora, Node(64, 2, cards=(free, full))) == 2


def test_nodes_that_get_no_trials_are_said(corpora: Corpora) -> None:
    card, none = with_card(8, 1), Node(8, 0)
    on_cards = automatic_plan(search(), corpora, [card, none])
    assert str(nodes_without_trials(on_cards, [card, none])).startswith(
        "1 node without a GPU gets no trials"
    )
    assert str(nodes_without_trials(on_cards, [card, none, none])).startswith("2 nodes")
    assert nodes_without_trials(on_cards, [card]) is None
    assert nodes_without_trials(automatic_plan(search(), corpora, [none]), [none]) is None


def test_without_a_card_trials_get_their_cores(corpora: Corpora) -> None:
    made = automatic_plan(search(), corpora, [Node(2, 0)])
    assert (made.gpu, made.concurrent, made.device) == (0, 2, "cpu")
    assert made.notice == "No GPU in the cluster: gpu: auto gives trials their cores."


def fusing(fuse: object, gpu: object = "auto", **search_keys: Any) -> SearchFile:
    return search(resources={"cpu": 1, "gpu": gpu, "fuse": fuse}, search=search_keys)


def test_as_many_fused_trials_as_the_memory_holds(corpora: Corpora) -> None:
    need, spare = trial_bytes(search(), corpora), gpu_share.CONTEXT_BYTES
    holds_five = with_card(8, 1, spare + 5 * need + need // 2)
    plan = planned(fusing("auto"), corpora, [holds_five, with_card(8, 2)])
    assert (plan.fuse, plan.gpu, plan.processes, plan.concurrent) == (5, 1.0, 3, 15)
    assert "fuse: auto trains up to 5 trials of one shape as one" in str(plan.notice)
    most = planned(fusing("auto"), corpora, [with_card(8, 1)])
    assert (most.fuse, most.concurrent) == (64, 64)
    share = planned(fusing("auto", 0.5), corpora, [with_card(8, 1, 2 * (spare + 3 * need))])
    assert (share.fuse, share.processes) == (3, 2)
    nearly_full = planned(fusing("auto"), corpora, [with_card(8, 1, need // 2)])
    assert nearly_full.fuse == 1  # it may still fit, and is let try


def test_groups_share_a_card_by_the_memory_of_all_their_trials(corpora: Corpora) -> None:
    need, spare = trial_bytes(search(), corpora), gpu_share.CONTEXT_BYTES
    plan = planned(fusing(4), corpora, [with_card(64, 1, 3 * (spare + 4 * need))])
    assert (plan.gpu, plan.fuse, plan.processes, plan.concurrent) == (0.3333, 4, 3, 12)
    assert "3 groups of 4 trials share a card" in str(plan.notice)
    wished = planned(fusing(4, max_concurrent=8), corpora, [with_card(64, 1)])
    assert (wished.processes, wished.concurrent) == (2, 8)


def test_without_a_card_auto_fuses_nothing_and_says_so(corpora: Corpora) -> None:
    for gpu in ("auto", 0):
        plan = planned(fusing("auto", gpu), corpora, [Node(2, 0)])
        assert (plan.fuse, plan.concurrent) == (1, 2)
        assert "fuse: auto trains each trial alone" in str(plan.notice)
    asked = planned(fusing(4, 0), corpora, [Node(2, 0)])
    assert (asked.fuse, asked.processes, asked.concurrent, asked.notice) == (4, 2, 8, None)


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


@pytest.mark.parametrize(
    ("gpu", "classifier", "own"), [(0, False, False), (0.5, True, True), (2, True, False)]
)
def test_torch_has_to_see_the_cards_that_it_is_to_use(
    gpu: float, *, classifier: bool, own: bool
) -> None:
    resources = {"cpu": 1, "gpu": gpu}
    assert asks_for_cards(search(resources=resources)) == classifier
    assert asks_for_cards(search()) is True  # auto
    space = {"x": {"type": "float", "low": 0.0, "high": 1.0}}
    mine = ObjectiveSearchFile.model_validate(
        {"objective": "mine", "space": space, "resources": resources}
    )
    assert asks_for_cards(mine) == own


def test_every_shipped_space_has_an_estimate(corpora: Corpora) -> None:
    spaces = Path(__file__).parents[3] / "search_spaces"
    for path in sorted(spaces.glob("*.yaml")):
        found = trial_bytes(search_file.load_search(path), corpora)
        assert 1e6 < found < 4 * GIB, path
