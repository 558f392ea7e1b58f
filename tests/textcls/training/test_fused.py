"""k classifiers trained together against each of them alone, in plain torch."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from classifier_parts import EMBEDDINGS, SPLITS
from operation_count import counted_operations

from textcls.config.fusion import Settings
from textcls.config.models import ModelConfig, TrainConfig
from textcls.exceptions import BundleError, ConfigError
from textcls.training.fused import FusedTraining
from textcls.training.trainer import Training

STEPS = 50
ORDER_SEED = 7
EQUAL = {"rtol": 1e-5, "atol": 1e-5}
TRAIN = TrainConfig(epochs=2, batch_size=16)

ENCODERS: list[dict[str, Any]] = [
    {"name": "gru", "pooling": "last"},
    {"name": "gru", "pooling": "max"},
    {"name": "gru", "pooling": "mean", "layers": 2, "bidirectional": True},
    {"name": "gru", "pooling": "last", "bidirectional": True},
    {"name": "rnn", "pooling": "last"},
    {"name": "rnn", "pooling": "max", "layers": 2, "bidirectional": True},
    {"name": "cnn", "kernel_sizes": (3,), "blocks": 3},
    {"name": "cnn", "kernel_sizes": (2, 3), "blocks": 2, "pooling": "mean"},
]
TRAININGS: list[dict[str, Any]] = [
    {"learning_rate": 0.003, "seed": 1},
    {"learning_rate": 0.01, "max_grad_norm": 0.1, "seed": 2, "schedule": "linear"},
    {"learning_rate": 0.001, "embedding_learning_rate": 0.01, "freeze_iters": 20, "warmup": 0.3},
    {"learning_rate": 0.005, "label_smoothing": 0.1, "seed": 4, "freeze_fraction": 0.9},
]


def members(*trainings: dict[str, Any], **model: Any) -> list[Settings]:
    settings = ModelConfig(hidden_size=6, **model)
    return [(settings, TRAIN.model_copy(update=keys)) for keys in trainings]


def group(of: list[Settings], device: str = "cpu") -> FusedTraining:
    return FusedTraining(SPLITS, EMBEDDINGS, 3, of, order_seed=ORDER_SEED, device=device)


def alone(member: Settings) -> Training:
    model, train = member
    return Training(SPLITS, EMBEDDINGS, 3, model, train, compiled=False, order_seed=ORDER_SEED)


def losses_alone(member: Settings, steps: int = STEPS) -> list[float]:
    run = alone(member)
    run.classifier.train()
    found = []
    for _, batch in zip(range(steps), run._batches(), strict=False):
        found.append(run._train_step(batch).item())
        run.step += 1
    return found


def losses_together(run: FusedTraining, steps: int = STEPS) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {number: [] for number in run.members}
    for _, batch in zip(range(steps), run._batches(), strict=False):
        for number, loss in zip(run.members, run.train_step(batch).tolist(), strict=True):
            found[number].append(loss)
    return found


@pytest.mark.parametrize("encoder", ENCODERS, ids=str)
def test_each_has_the_losses_that_it_has_alone(encoder: dict[str, Any]) -> None:
    of = members(*TRAININGS, **encoder)
    together = losses_together(group(of))
    for number, member in enumerate(of):
        np.testing.assert_allclose(together[number], losses_alone(member), **EQUAL)
    assert together[0] != together[1]


@pytest.mark.parametrize("encoder", ENCODERS, ids=str)
def test_a_step_dispatches_as_many_operations_whatever_k_is(encoder: dict[str, Any]) -> None:
    counts = []
    for k in (1, 2, 5):
        run = group(members(*[{"seed": seed} for seed in range(k)], **encoder), device="meta")
        batches = run._batches()
        run.train_step(next(batches))
        batch = next(batches)
        with counted_operations() as found:
            run.train_step(batch)
        assert not found.copies
        assert not found.on_host
        counts.append(found.launched)
    # What a CNN of one lays out anew for its normalisation is a mere view.
    assert counts[0] <= counts[1] == counts[2]
    assert counts[0] == counts[1] or encoder["name"] == "cnn"


@pytest.mark.parametrize("name", ["gru", "rnn", "cnn"])
def test_one_that_diverges_leaves_and_changes_nothing_for_the_others(name: str) -> None:
    usual, wild = TRAININGS[:2], {"learning_rate": 1e38}
    run = group(members(usual[0], wild, usual[1], name=name))
    results = list(run.fit([0.5, 1.0, 2.0]))
    assert [set(each) for each in results] == [{0, 2}] * 3
    assert run.members == [0, 2]
    assert str(run.diverged[1]) == "diverged: the training loss was nan by step 12"
    without = list(group(members(*usual, name=name)).fit([0.5, 1.0, 2.0]))
    for found, expected in zip(results, without, strict=True):
        for here, there in ((0, 0), (2, 1)):
            np.testing.assert_allclose(found[here].train_loss, expected[there].train_loss, **EQUAL)


def test_those_that_are_taken_out_change_nothing_for_the_others() -> None:
    of = members(*TRAININGS)
    run, untouched = group(of), losses_together(group(of))
    losses = losses_together(run, 20)
    run.leave([0, 3])
    assert run.members == [1, 2]
    for number, more in losses_together(run, STEPS - 20).items():
        np.testing.assert_allclose([*losses[number], *more], untouched[number], **EQUAL)
    run.leave([1, 2])
    assert list(run.fit([])) == []


@pytest.mark.parametrize("name", ["gru", "cnn"])
def test_rungs_have_the_metrics_of_each_alone(name: str) -> None:
    of = members(*TRAININGS[:2], name=name)
    for number, member in enumerate(of):
        expected = list(alone(member).fit([0.4, 1.0]))
        found = [results[number] for results in group(of).fit([0.4, 1.0])]
        assert [(each.step, each.epoch) for each in found] == [(10, 0.4), (25, 1.0), (50, 2.0)]
        for ours, theirs in zip(found, expected, strict=True):
            if name == "gru":
                assert ours.metrics == pytest.approx(theirs.metrics, rel=1e-5)
            # The gradient of a bias before batch normalisation is zero but for rounding, which Adam
            # makes steps of; running means follow, and predictions of a CNN with them.
            loss = theirs.metrics["test_loss"]
            assert ours.metrics["test_loss"] == pytest.approx(loss, rel=5e-3)
            assert ours.train_loss == pytest.approx(theirs.train_loss, rel=1e-5)


def test_class_weights_may_differ_and_class_sampling_is_shared() -> None:
    plain, weighted = {"seed": 1}, {"seed": 2, "class_weights": "balanced", "label_smoothing": 0.1}
    for sampling in ("none", "sqrt"):
        of = members(*[{**each, "class_sampling": sampling} for each in (plain, weighted)])
        together = losses_together(group(of), 30)
        for number, member in enumerate(of):
            np.testing.assert_allclose(together[number], losses_alone(member, 30), **EQUAL)


@pytest.mark.parametrize("encoder", [ENCODERS[1], ENCODERS[6]], ids=str)
def test_groups_join_at_a_step_and_change_nothing(encoder: dict[str, Any], tmp_path: Path) -> None:
    of = members(*TRAININGS, **encoder)
    untouched = losses_together(group(of))
    run = FusedTraining(SPLITS, EMBEDDINGS, 3, {1: of[1], 3: of[3]}, order_seed=ORDER_SEED)
    losses_together(run, 30)
    alone_until_now = group(of)
    losses_together(alone_until_now, 30)
    for number in (0, 2):
        path = tmp_path / f"{number}.safetensors"
        alone_until_now.save(number, path)
        other = FusedTraining(SPLITS, EMBEDDINGS, 3, {number: of[number]}, order_seed=ORDER_SEED)
        with pytest.raises(ValueError, match="groups join at one step"):
            run.join(other)
        other.restore(number, path)
        run.join(other)
    assert run.members == [1, 3, 0, 2]
    for number, losses in losses_together(run, STEPS - 30).items():
        np.testing.assert_allclose(losses, untouched[number][30:], **EQUAL)


@pytest.mark.parametrize("compiled", [True, False])
def test_a_checkpoint_of_one_that_was_trained_alone_goes_on_in_a_group(
    compiled: bool, tmp_path: Path
) -> None:
    member = members(TRAININGS[2])[0]
    model, train = member
    path = tmp_path / "checkpoint.safetensors"
    run = Training(SPLITS, EMBEDDINGS, 3, model, train, compiled=compiled, order_seed=ORDER_SEED)
    next(run.fit([30 / run.steps_per_epoch]))
    run.save(path)
    taken_up = group([member])
    taken_up.restore(0, path)
    assert taken_up.step == 30
    np.testing.assert_allclose(
        losses_together(taken_up, 20)[0], losses_alone(member)[30:], rtol=1e-4, atol=1e-4
    )


def test_a_checkpoint_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    group(members({}, layers=2)).save(0, path)
    with pytest.raises(BundleError, match="does not fit this configuration"):
        FusedTraining(SPLITS, EMBEDDINGS, 3, [(ModelConfig(hidden_size=5), TRAIN)]).restore(0, path)


@pytest.mark.parametrize("encoder", [ENCODERS[2], ENCODERS[7]], ids=str)
def test_a_checkpoint_goes_on_alone(encoder: dict[str, Any], tmp_path: Path) -> None:
    of = members(*TRAININGS, **encoder)
    run, path = group(of), tmp_path / "checkpoint.safetensors"
    losses_together(run, 30)
    for number, member in enumerate(of):
        run.save(number, path)
        single = alone(member)
        single.restore(path)
        assert single.step == 30
        single.classifier.train()
        found = []
        for batch in single._batches():
            found.append(single._train_step(batch).item())
            single.step += 1
        np.testing.assert_allclose(found, losses_alone(member)[30:], **EQUAL)


def test_dropout_of_one_does_not_depend_on_the_others() -> None:
    rates = [{}, {"dropout": 0.5, "embedding_dropout": 0.2, "word_dropout": 0.1}, {"dropout": 0.1}]
    trains = [TRAIN.model_copy(update={"seed": seed}) for seed in (1, 2, 3)]
    of = [(ModelConfig(hidden_size=6, **keys), t) for keys, t in zip(rates, trains, strict=True)]
    together = losses_together(group(of))
    for number, member in enumerate(of):
        np.testing.assert_allclose(together[number], losses_together(group([member]))[0], **EQUAL)
    np.testing.assert_allclose(together[0], losses_alone(of[0]), **EQUAL)
    assert not np.allclose(together[1], losses_alone((of[0][0], trains[1])), **EQUAL)


def test_dropout_keeps_its_share_and_draws_anew_for_each_step_and_seed() -> None:
    of = [
        (ModelConfig(hidden_size=6, embedding_dropout=0.3), TRAIN.model_copy(update={"seed": s}))
        for s in range(3)
    ]
    dropouts = group(of).model.dropouts
    ones = torch.ones(3, 50, 40)
    first, second = (dropouts.words(ones, step) for step in (0, 1))
    for drawn in (*first, *second):
        assert drawn.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
        assert (drawn == 0).float().mean().item() == pytest.approx(0.3, abs=0.04)
    different = [first[0], first[1], first[2], second[0]]
    for one in range(4):
        for other in range(one):
            agree = (different[one] == different[other]).float().mean().item()
            assert agree == pytest.approx(0.3**2 + 0.7**2, abs=0.05)


@pytest.mark.parametrize(
    ("models", "trains", "message"),
    [
        ([], [], "at least one classifier"),
        ([{}, {"hidden_size": 8}], [{}, {}], r"classifier 1: model.hidden_size is 8, but .* is 50"),
        ([{}, {}], [{}, {"batch_size": 8}], r"classifier 1: train.batch_size is 8"),
        ([{"ngrams": 2}], [{}], r"classifier 0: model.ngrams is 2, but must be 0 in a group"),
        ([{}, {}], [{}, {"class_sampling": "sqrt"}], "class_sampling is sqrt, but that of"),
        ([{}], [{"log_every": 5}], "train.log_every is 5, but must be null"),
    ],
)
def test_what_cannot_be_trained_together_is_refused(
    models: list[dict[str, Any]], trains: list[dict[str, Any]], message: str
) -> None:
    of = [
        (ModelConfig(**model), TrainConfig(**train))
        for model, train in zip(models, trains, strict=True)
    ]
    with pytest.raises(ConfigError, match=message):
        group(of)
