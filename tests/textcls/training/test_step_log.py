import csv
import io

import pytest
import torch
from classifier_parts import EMBEDDINGS, SPLITS

from textcls.config.models import ModelConfig, TrainConfig
from textcls.exceptions import DivergedError
from textcls.training.step_log import StepLog, StepPoint, points_as_csv
from textcls.training.trainer import Training

MODEL = ModelConfig(name="gru", hidden_size=8)


def trained(**train) -> Training:
    settings = {"epochs": 2, "batch_size": 16, "schedule": "linear", **train}
    run = Training(SPLITS, EMBEDDINGS, 3, MODEL, TrainConfig(**settings))
    run.results = list(run.fit([1]))
    return run


def test_a_point_is_the_mean_over_the_steps_before_it() -> None:
    run = trained(log_every=5)
    assert [point.step for point in run.log.points] == list(range(5, 51, 5))
    assert [point.epoch for point in run.log.points] == [step / 25 for step in range(5, 51, 5)]
    for rung, result in enumerate(run.results):  # 25 steps each
        means = [point.loss for point in run.log.points[5 * rung : 5 * rung + 5]]
        assert sum(means) / 5 == pytest.approx(result.train_loss, rel=1e-5)
    single = trained(log_every=1).log.points
    assert run.log.points[0].grad_norm == pytest.approx(
        sum(point.grad_norm for point in single[:5]) / 5, rel=1e-5
    )
    assert single[0].learning_rate == pytest.approx(0.01)
    assert single[-1].learning_rate == pytest.approx(0.01 / 50)
    assert single[-1].accuracy > single[0].accuracy


def test_recording_changes_no_result() -> None:
    plain, logged = trained(), trained(log_every=3)
    assert plain.log is None
    assert [each.metrics for each in plain.results] == [each.metrics for each in logged.results]


def test_steps_are_clipped_where_the_norm_is_larger() -> None:
    norms = [point.grad_norm for point in trained(log_every=1, max_grad_norm=1e9).log.points]
    assert min(norms) > 0
    assert all(point.clipped == 0 for point in trained(log_every=1, max_grad_norm=1e9).log.points)
    assert all(point.clipped == 1 for point in trained(log_every=1, max_grad_norm=1e-9).log.points)
    first = trained(log_every=1, max_grad_norm=norms[0] * 0.99).log.points[0]
    assert (first.clipped, first.grad_norm) == (1, pytest.approx(norms[0]))


def test_the_norm_is_that_of_all_gradients() -> None:
    log = StepLog(1, 1.0, "cpu")
    logits, labels = torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0])
    gradients = [torch.tensor([[3.0]]), None, torch.tensor([4.0, 12.0])]
    log.add(torch.tensor(0.5), logits, labels, gradients)
    log.close_step(1, 0.1, 0.01)
    assert log.points == [StepPoint(1, 0.1, 0.5, 0.5, 13.0, 1.0, 0.01)]


def test_frozen_embeddings_have_no_gradient_in_the_norm() -> None:
    points = trained(log_every=25, freeze_iters=25).log.points
    assert points[0].grad_norm < trained(log_every=25).log.points[0].grad_norm


def test_a_run_that_diverges_leaves_finite_points() -> None:
    embeddings = EMBEDDINGS.copy()
    run = Training(SPLITS, embeddings, 3, MODEL, TrainConfig(epochs=2, log_every=2))
    run.classifier.embeddings[:] = float("nan")
    with pytest.raises(DivergedError):
        list(run.fit([1]))
    assert run.log.points == []


def test_points_are_written_as_csv() -> None:
    text = points_as_csv([StepPoint(10, 0.4, 1 / 3, 0.25, 2e-7, 0.1, 0.01)])
    (row,) = csv.DictReader(io.StringIO(text))
    assert row == {
        "step": "10", "epoch": "0.4", "loss": "0.333333", "accuracy": "0.25",
        "grad_norm": "2e-07", "clipped": "0.1", "learning_rate": "0.01",
    }  # fmt: skip
