import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from textcls.config.models import ModelConfig
from textcls.models.classifier import Classifier
from textcls.models.operations import OVERHEAD, operations_per_token
from textcls.runtime.bundle_layout import BundleParts

CURVES = Path(__file__).parents[3] / "benchmarks" / "curves"


def count(dim: int = 50, **settings: Any) -> float:
    return operations_per_token(ModelConfig(**settings), dim) - OVERHEAD


def test_a_gru_has_three_gates_and_an_rnn_one() -> None:
    assert count(name="rnn", hidden_size=100) == 100 * (50 + 100)
    assert count(name="gru", hidden_size=100) == 3 * count(name="rnn", hidden_size=100)


def test_a_second_layer_reads_both_directions_of_the_first() -> None:
    one = count(name="rnn", hidden_size=10, bidirectional=True)
    two = count(name="rnn", hidden_size=10, bidirectional=True, layers=2)
    assert one == 2 * 10 * (50 + 10)
    assert two - one == 2 * 10 * (20 + 10)


def test_each_block_of_convolutions_has_half_the_places() -> None:
    assert count(name="cnn", hidden_size=20, blocks=1) == 3 * 50 * 20 / 2
    two = count(name="cnn", hidden_size=20, blocks=2)
    assert two - count(name="cnn", hidden_size=20, blocks=1) == 3 * 20 * 20 / 4
    branches = count(name="cnn", hidden_size=20, blocks=1, kernel_sizes=(3, 5))
    assert branches == (3 + 5) * 50 * 20 / 2


def test_the_count_follows_recorded_times() -> None:
    with (CURVES / "configurations.csv").open(newline="") as file:
        hidden = {row["configuration"]: int(row["hidden_size"]) for row in csv.DictReader(file)}
    with (CURVES / "curves.csv").open(newline="") as file:
        last = {(row["configuration"], row["seed"]): row for row in csv.DictReader(file)}
    times = [float(row["train_s"]) for row in last.values()]
    counts = [
        operations_per_token(ModelConfig(name="gru", hidden_size=hidden[number]), 50)
        for number, _ in last
    ]
    assert np.corrcoef(np.log(times), np.log(counts))[0, 1] == pytest.approx(0.99, abs=0.01)


@pytest.mark.parametrize(
    "model",
    [
        ModelConfig(name="gru", hidden_size=12),
        ModelConfig(name="rnn", hidden_size=7, layers=3, bidirectional=True, pooling="mean"),
        ModelConfig(name="gru", hidden_size=9, layers=2, bidirectional=True),
        ModelConfig(name="cnn", hidden_size=6, kernel_sizes=(2, 3, 5), blocks=3),
        ModelConfig(name="cnn", hidden_size=8, kernel_sizes=(4,), blocks=1, ngrams=2),
    ],
)
def test_parameters_are_the_numbers_of_the_classifier(model: ModelConfig) -> None:
    classifier = Classifier(torch.zeros(30, 11), 5, model, compiled=False)
    numbers = [each for each in classifier.state_dict().values() if each.is_floating_point()]
    expected = sum(each.numel() for each in numbers)
    parts = BundleParts(words=30, dim=11, classes=5, vocabulary_bytes=0)
    assert parts.size_of(model).parameters == expected
