import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from classifier_parts import EMBEDDINGS, SPLITS

from textcls.config.models import ModelConfig, TrainConfig
from textcls.exceptions import BundleError, DivergedError
from textcls.text.encoding import selected
from textcls.training.trainer import Training, predict_logits, rate_share

SUPPORT = Path(__file__).parents[2] / "support"
MODEL = ModelConfig(name="gru", hidden_size=12, pooling="max", dropout=0.2, ngrams=2)
TRAIN = TrainConfig(epochs=3, batch_size=16, learning_rate=0.01)


def training(model: ModelConfig = MODEL, train: TrainConfig = TRAIN, **more) -> Training:
    return Training(SPLITS, EMBEDDINGS, 3, model, train, **more)


def losses(run: Training, rungs=(0.5, 1, 2)) -> list[float]:
    return [value for r in run.fit(rungs) for value in (r.train_loss, r.metrics["test_loss"])]


def test_rungs_are_reported_exactly() -> None:
    results = list(training().fit([0.25, 1.5]))
    assert [r.step for r in results] == [6, 38, 75]
    assert [r.epoch for r in results] == [6 / 25, 38 / 25, 3.0]
    assert all(r.train_seconds > 0 and r.texts_per_second > 0 for r in results)


def test_small_data_gets_more_epochs_where_so_many_texts_are_asked_for() -> None:
    texts = len(SPLITS["train"])
    assert TrainConfig(epochs=2, least_texts=2 * texts).epochs_on(texts) == 2
    assert TrainConfig(epochs=2, least_texts=4 * texts - 1).epochs_on(texts) == 4
    assert TrainConfig(epochs=0.5).epochs_on(texts) == 0.5
    longer = TRAIN.model_copy(update={"epochs": 1, "least_texts": 2 * texts})
    *_, last = training(train=longer).fit([1])
    assert (last.epoch, last.step) == (2.0, 50)


def test_a_fraction_of_an_epoch_is_enough() -> None:
    (result,) = training(train=TRAIN.model_copy(update={"epochs": 0.4})).fit([])
    assert result.step == 10


def test_it_learns() -> None:
    model = ModelConfig(name="rnn", hidden_size=24, pooling="last", bidirectional=True)
    train = TrainConfig(epochs=12, batch_size=16, learning_rate=0.01)
    *_, last = training(model, train).fit([])
    assert last.metrics["test_accuracy"] > 0.9
    assert last.metrics["test_macro_f1"] > 0.9


@pytest.mark.parametrize("name", ["cnn", "rnn", "gru"])
def test_same_seed_same_losses_and_another_others(name) -> None:
    model = MODEL.model_copy(update={"name": name, "embedding_dropout": 0.1})
    first, again = losses(training(model)), losses(training(model))
    other = losses(training(model, TRAIN.model_copy(update={"seed": 1})))
    assert first == again
    assert first != other


@pytest.mark.parametrize("name", ["cnn", "rnn", "gru"])
def test_compiled_training_equals_plain_torch(name) -> None:
    model = ModelConfig(name=name, hidden_size=12, ngrams=2, ngram_dropout=0.0)
    expected = losses(training(model, compiled=False), rungs=(0.25,))
    np.testing.assert_allclose(losses(training(model), rungs=(0.25,))[:2], expected[:2], rtol=1e-3)


def test_frozen_embeddings_stay_until_their_step() -> None:
    run = training(train=TRAIN.model_copy(update={"freeze_iters": 25}))
    results = run.fit([1.0])
    next(results)
    assert np.array_equal(run.classifier.embeddings.numpy(), EMBEDDINGS)
    next(results)
    assert not np.array_equal(run.classifier.embeddings.numpy(), EMBEDDINGS)


def test_the_callers_embeddings_are_never_touched() -> None:
    shared = EMBEDDINGS.copy()
    shared.flags.writeable = False
    list(Training(SPLITS, shared, 3, MODEL, TRAIN).fit([]))
    assert np.array_equal(shared, EMBEDDINGS)


def test_a_loss_that_is_not_finite_ends_the_run() -> None:
    bad = EMBEDDINGS.copy()
    bad[5] = np.nan
    with pytest.raises(DivergedError, match=r"diverged: the training loss was nan by step \d+"):
        list(Training(SPLITS, bad, 3, MODEL, TRAIN).fit([]))


@pytest.mark.parametrize("compiled", [True, False])
def test_interrupted_and_restored_equals_uninterrupted(tmp_path, *, compiled: bool) -> None:
    whole = losses(training(compiled=compiled))
    path = tmp_path / "7" / "checkpoint.safetensors"
    first = training(compiled=compiled)
    results = first.fit([0.5, 1, 2])
    next(results)
    first.save(path)
    torch.manual_seed(99)
    second = training(compiled=compiled)
    second.restore(path)
    assert losses(second) == whole[2:]
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_damaged_checkpoint_is_refused(tmp_path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    training().save(path)
    whole = path.read_bytes()
    for damaged in (b"", whole[:20], whole[: len(whole) // 2], b"\x80" + whole[1:]):
        path.write_bytes(damaged)
        with pytest.raises(BundleError, match="not a readable checkpoint"):
            training().restore(path)


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    training().save(path)
    other = training(MODEL.model_copy(update={"hidden_size": 13}))
    with pytest.raises(BundleError, match="does not fit this configuration"):
        other.restore(path)


def test_progress_is_called_on_the_way() -> None:
    seen: list[tuple[int, int]] = []
    list(training().fit([], lambda step, total: seen.append((step, total))))
    assert seen == [(32, 75), (64, 75)]


def test_rates_rise_in_the_warm_up_and_fall_to_nearly_nothing() -> None:
    def shares(**keys) -> list[float]:
        return [rate_share(TrainConfig(**keys), step, 10) for step in range(10)]

    assert shares() == [1.0] * 10
    assert shares(schedule="linear") == pytest.approx([1 - i / 10 for i in range(10)])
    warm = shares(schedule="linear", warmup=0.2)
    assert warm == pytest.approx([1 / 3, 2 / 3, *(1 - i / 8 for i in range(8))])
    cosine = shares(schedule="cosine")
    assert cosine[0] == 1.0
    assert cosine[5] == pytest.approx(0.5)
    assert 0 < cosine[-1] < 0.03


@pytest.mark.parametrize(
    "keys",
    [
        {"embedding_learning_rate": 1e-4},
        {"ngram_learning_rate": 0.5},
        {"schedule": "cosine"},
        {"warmup": 0.5},
        {"label_smoothing": 0.1},
        {"class_weights": "balanced"},
        {"class_sampling": "sqrt"},
    ],
)
def test_every_training_key_changes_the_run(keys) -> None:
    changed = TRAIN.model_copy(update=keys)
    assert losses(training()) != losses(training(train=changed))


_LABELS = SPLITS["train"].labels
RARE = np.append(np.flatnonzero(_LABELS != 2)[:120], np.flatnonzero(_LABELS == 2)[:8])
IMBALANCED = {"train": selected(SPLITS["train"], RARE), "test": SPLITS["test"]}


@pytest.mark.parametrize("key", ["class_weights", "class_sampling"])
def test_a_rare_class_is_found_more_often_where_it_counts_more(key: str) -> None:
    model = ModelConfig(name="cnn", hidden_size=12)

    def times(**keys: str) -> int:
        run = Training(IMBALANCED, EMBEDDINGS, 3, model, TrainConfig(epochs=4, **keys))
        list(run.fit([]))
        logits = predict_logits(run.classifier, SPLITS["test"], "cpu")
        return int((logits.argmax(dim=1) == 2).sum())

    assert times(**{key: "balanced"}) > 2 * times()


def test_a_text_counts_in_the_loss_as_its_class_weighs() -> None:
    keys = TrainConfig(class_weights="balanced", label_smoothing=0.1)
    run = Training(IMBALANCED, EMBEDDINGS, 3, MODEL, keys)
    logits, labels = torch.randn(5, 3), torch.tensor([0, 1, 2, 2, 0])
    counts = np.bincount(IMBALANCED["train"].labels, minlength=3)
    weights = torch.tensor(counts.sum() / (3 * counts), dtype=torch.float32)
    told = 0.9 * torch.nn.functional.one_hot(labels, 3) + 0.1 / 3
    each = -(told * logits.log_softmax(dim=1)).sum(dim=1)
    torch.testing.assert_close(run._loss(logits, labels), (weights[labels] * each).mean())


def test_word_dropout_zeroes_whole_words_in_training_only() -> None:
    model = ModelConfig(name="cnn", hidden_size=5, word_dropout=0.5)
    run = training(model)
    seen = []
    run.classifier.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach()))
    batch = next(run._batches())
    rows = run.classifier.look_up(batch)
    run.classifier.train()(rows, batch)
    run.classifier.eval()(rows, batch)
    gone = (seen[0] == 0).all(dim=1)
    assert 0 < gone.sum() < len(rows)
    assert torch.equal(seen[0][~gone], rows[~gone])
    assert torch.equal(seen[1], rows)


MEMORY_PROBE = """
import numpy as np, sys
sys.path.insert(0, sys.argv[1])
from classifier_parts import EMBEDDINGS, SPLITS
from textcls.config.models import ModelConfig, TrainConfig
from textcls.training.trainer import Training
for keys in (
    {"name": "gru", "hidden_size": 21, "layers": 2, "bidirectional": True, "ngrams": 2},
    {"name": "rnn", "hidden_size": 21, "pooling": "mean", "bidirectional": True},
    {"name": "cnn", "hidden_size": 21},
):
    run = Training(SPLITS, EMBEDDINGS, 3, ModelConfig(**keys), TrainConfig(batch_size=16))
    print([(r.train_loss, r.metrics["test_loss"]) for r in run.fit([0.5])])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="MALLOC_PERTURB_ is glibc's")
def test_no_result_depends_on_what_lay_in_memory_before() -> None:
    """Kernels take addresses; memory that is freed too early or never written shows up here."""

    def start(fill: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", MEMORY_PROBE, str(SUPPORT)]
        env = os.environ | {"MALLOC_PERTURB_": fill}
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)

    # Freed and new bytes become 0x55 and 0xaa with 85, 0x80 and 0x7f with 128.
    side_by_side = [start(fill) for fill in ("0", "85", "128")]
    plain, *others = (process.communicate()[0] for process in side_by_side)
    assert plain.count("\n") == 3
    assert others == [plain, plain]
