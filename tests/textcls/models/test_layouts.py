"""What encoders gather, worked out for a chunk of batches at once and for each batch alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from classifier_parts import VOCABULARY, one_batch, split

from textcls.config.models import ModelConfig
from textcls.models import _encoders, _layouts
from textcls.text import batching

TEXTS = split([7, 1, 4, 7, 2, 9, 1])
MODELS = [
    ModelConfig(name="gru", pooling="last"),
    ModelConfig(name="gru", pooling="max"),
    ModelConfig(name="rnn", pooling="mean"),
    ModelConfig(name="cnn", kernel_sizes=(2, 3), blocks=3),
    ModelConfig(name="cnn", pooling="mean", blocks=1),
]


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_the_batches_of_a_chunk_have_the_places_of_each_alone(model: ModelConfig) -> None:
    layout = _encoders.build_encoder(6, model, compiled=False).plain_layout
    order, bounds = batching.evaluation_order(np.diff(TEXTS.offsets), 3)
    together = list(batching.batches(TEXTS, order, bounds, VOCABULARY, layout=layout))
    assert [len(batch.labels) for batch in together] == [3, 3, 1]
    for batch in together:
        assert batch.places is not None
        alone = batching.places_of(replace(batch, rows=batch.rows.int(), places=None), layout)
        for place, expected in zip(batch.places, alone, strict=True):
            assert torch.equal(place, expected)


def test_padded_places_are_the_tokens_of_a_text_and_then_its_first() -> None:
    batch = one_batch(split([3, 1, 2]))  # packed: 0 1 2 | 3 4 | 5
    (places,) = batching.places_of(batch, _layouts.padded_layout)
    assert places.view(3, 3).tolist() == [[0, 1, 2], [3, 4, 2], [5, 1, 2]]
    (last,) = batching.places_of(batch, _layouts.last_layout)
    assert last.tolist() == [5, 4, 2]
    text, share = batching.places_of(batch, _layouts.mean_layout)
    assert text.tolist() == [0, 1, 2, 0, 1, 0]
    assert share.tolist() == pytest.approx([1 / 3, 1 / 2, 1])
