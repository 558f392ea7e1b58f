import pytest

from tune.config.metrics import (
    HELD_OUT,
    METRICS,
    Metric,
    accuracy_name,
    loss_name,
    metric_words,
    parse_metric,
)


@pytest.mark.parametrize("name", METRICS)
def test_a_name_is_taken_apart_and_built_again(name: str) -> None:
    metric = parse_metric(name)
    assert metric.split in HELD_OUT
    assert metric.name == name


@pytest.mark.parametrize(
    ("name", "measure", "split", "words"),
    [
        ("test_accuracy", "accuracy", "test", "test accuracy"),
        ("val_accuracy", "accuracy", "validation", "validation accuracy"),
        ("val_macro_f1", "macro_f1", "validation", "validation macro F1"),
        ("train_loss", "loss", "train", "train loss"),
        ("f1_score", "f1_score", None, "f1 score"),
        ("test", "test", None, "test"),
        ("value_at_k", "value_at_k", None, "value at k"),
    ],
)
def test_what_a_name_says(name: str, measure: str, split: str | None, words: str) -> None:
    assert parse_metric(name) == Metric(measure, split)
    assert metric_words(name) == words
    assert parse_metric(name).name == name


def test_only_an_accuracy_is_a_share_of_texts() -> None:
    assert parse_metric(accuracy_name("validation")).is_accuracy
    assert not parse_metric(loss_name("validation")).is_accuracy
    assert not parse_metric("test_macro_f1").is_accuracy


def test_the_names_that_a_worker_reports() -> None:
    assert [accuracy_name(split) for split in HELD_OUT] == ["test_accuracy", "val_accuracy"]
    assert [loss_name(split) for split in HELD_OUT] == ["test_loss", "val_loss"]
