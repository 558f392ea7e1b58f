"""How many operations a training step dispatches on a card, and that it never waits for the card.

The numbers are those of today: a change that adds an operation has to raise one here. Before the
places came with the batches and Adam was one launch, a GRU that takes the maximum had 97 and 74.
"""

from typing import Any

import pytest
import torch
from classifier_parts import EMBEDDINGS, SPLITS
from operation_count import Operations, counted_operations

from textcls.config.models import ModelConfig, TrainConfig
from textcls.training.trainer import Training

GRU_LIMIT = 60
"""Operations that a step of a GRU of one layer may dispatch, its embeddings trained."""

COUNTS: list[tuple[dict[str, Any], int, int]] = [
    ({"name": "gru"}, 51, 33),
    ({"name": "gru", "pooling": "max"}, 58, 36),
    ({"name": "gru", "pooling": "mean"}, 55, 35),
    ({"name": "rnn"}, 51, 33),
    ({"name": "gru", "layers": 2, "bidirectional": True}, 73, 38),
    ({"name": "cnn"}, 153, 84),
    ({"name": "cnn", "kernel_sizes": (2, 3), "blocks": 2, "pooling": "mean"}, 196, 108),
    ({"name": "gru", "ngrams": 2, "ngram_dropout": 0.0}, 77, 57),
]
"""A model, its dispatched operations, and those of them that are not mere views (torch 2.13)."""


def training(keys: dict[str, Any], **train: Any) -> Training:
    settings = TrainConfig(epochs=3, batch_size=16, **train)
    model = ModelConfig(hidden_size=12, **keys)
    made = Training(SPLITS, EMBEDDINGS, 3, model, settings, device="meta")
    made.classifier.train()
    return made


def operations_of_a_step(run: Training) -> Operations:
    batches = run._batches()
    run._train_step(next(batches))
    with counted_operations() as found:
        run._train_step(next(batches))
    return found


@pytest.mark.parametrize(("keys", "dispatched", "launched"), COUNTS, ids=str)
def test_a_step_dispatches_so_many_operations(
    keys: dict[str, Any], dispatched: int, launched: int
) -> None:
    found = operations_of_a_step(training(keys))
    assert found.dispatched <= dispatched, found.all
    assert found.launched <= launched, found.all


@pytest.mark.parametrize("pooling", ["last", "max", "mean"])
def test_a_gru_of_one_layer_stays_within_its_limit(pooling: str) -> None:
    assert operations_of_a_step(training({"pooling": pooling})).dispatched <= GRU_LIMIT


@pytest.mark.parametrize("keys", [keys for keys, *_ in COUNTS], ids=str)
def test_a_step_does_nothing_on_the_host_and_copies_nothing(keys: dict[str, Any]) -> None:
    found = operations_of_a_step(training(keys))
    assert not found.on_host
    assert not found.copies


def test_taking_the_next_batch_dispatches_nothing_within_a_chunk() -> None:
    batches = training({"name": "cnn"})._batches()
    next(batches)
    with counted_operations() as found:
        for _ in range(5):
            next(batches)
    assert found.dispatched == 0


def test_a_frozen_step_leaves_the_embeddings_operations_out() -> None:
    trained = operations_of_a_step(training({})).launched
    assert operations_of_a_step(training({}, freeze_iters=10)).launched < trained


def test_the_count_sees_what_waits_for_the_card() -> None:
    sizes, on_card = torch.tensor([3, 2]), torch.zeros(3, device="meta")
    with counted_operations() as found:
        sizes.cumsum(0).to("meta")
    assert found.on_host == {"cumsum": 1}
    assert found.copies == {"_to_copy": 1}
    with counted_operations(), pytest.raises(RuntimeError, match="meta tensors"):
        on_card.sum().item()
