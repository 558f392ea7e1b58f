"""What wins instead of a trial that reached a rung."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textcls import bundle
from textcls.check import __main__ as check
from textcls.config.models import EmbeddingConfig
from textcls.data.dataset import locate
from textcls.runtime.bundle_files import read_bundle
from textcls.training.trainer import Training
from tune.config.search_file import SearchFile
from tune.execution.data import Corpora, prepare_corpora
from tune.results import fallback
from tune.results._rerun_stats import Confirmation, Standing
from tune.results.winner import Trained, Winner, winner_lines
from tune.run_folder import atomic, paths
from tune.run_folder.paths import RunFolder
from tune.study.records import State, TrialRecord

CONFIG = SearchFile.model_validate(
    {
        "model": {"name": "gru", "hidden_size": 8},
        "data": {"name": "synthetic", "train_size": 400, "test_size": 300},
        "embeddings": {"name": "random", "dim": 8},
        "space": {"learning_rate": {"type": "float", "low": 1e-3, "high": 1e-1}},
    }
)
EMBEDDINGS = EmbeddingConfig(name="random", dim=8)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corpora]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEXTCLS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield prepare_corpora(CONFIG, lambda _sentence: None)


def interrupted(number: int) -> TrialRecord:
    params = {"learning_rate": 0.02}
    return TrialRecord(number, State.INTERRUPTED, params, None, None, "", (), (), None, None)


def train(folder: RunFolder, corpora: Corpora, number: int, steps: int) -> float:
    """Leave a trial as its worker does that is stopped after so many steps."""
    corpus = corpora[EMBEDDINGS]
    model, _, settings = CONFIG.configuration({"learning_rate": 0.02})
    training = Training(corpus.splits, corpus.embeddings, 4, model, settings)
    next(training.fit([steps / training.steps_per_epoch]))
    trial = folder.trial(number)
    trial.root.mkdir()
    training.save(trial.unfinished_checkpoint)
    scores = training.scores()
    atomic.write_json(trial.unfinished, {**scores, "epoch": 0.1 * number, "step": steps})
    return scores["test_accuracy"]


def accuracy(folder: RunFolder) -> float:
    """What `best/` makes of the test texts as they are read."""
    test = locate(CONFIG.data).read().splits["test"]
    loaded = bundle.load_bundle(folder.best)
    guessed = loaded.probabilities(test.texts.to_pylist()).argmax(axis=1)
    return float((guessed == test.labels).mean())


def told(won: Winner) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(won.as_dict()))
    return found


def test_the_linear_classifier_wins_alone_where_nothing_was_trained(
    tmp_path: Path, corpora: Corpora
) -> None:
    folder = paths.create(tmp_path, "run")
    won = fallback.fallback_winner([interrupted(0)], CONFIG, corpora, folder)
    said = told(won)
    assert said["number"] is None
    assert said["fallback"]["kind"] == fallback.LINEAR
    assert said["value"] == said["test_accuracy"] == accuracy(folder) > 0.5
    rows = winner_lines(won, CONFIG, folder)
    assert rows[0] == ("Winner", "the linear classifier alone")
    assert rows[1][1].startswith("The time budget ended before any trial was trained")


def test_the_best_of_what_was_trained_wins_and_nothing_is_left_over(
    tmp_path: Path, corpora: Corpora
) -> None:
    folder = paths.create(tmp_path, "run")
    reached = {number: train(folder, corpora, number, steps=6 * number + 1) for number in (0, 1, 2)}
    best = max(reached, key=lambda number: (reached[number], -number))
    records = [interrupted(number) for number in (*reached, 3)]
    said = told(fallback.fallback_winner(records, CONFIG, corpora, folder))
    assert (said["number"], said["fallback"]["kind"]) == (best, fallback.UNFINISHED)
    assert said["value"] == said["test_accuracy"] == pytest.approx(accuracy(folder))
    assert said["fallback"]["epoch"] == 0.1 * best
    assert list(folder.root.rglob("unfinished*")) == []


def test_the_linear_classifier_alone_has_a_card_and_can_be_checked(
    tmp_path: Path, corpora: Corpora
) -> None:
    folder = paths.create(tmp_path, "run")
    won = told(fallback.fallback_winner([interrupted(0)], CONFIG, corpora, folder))
    reference = read_bundle(folder.best).description.reference
    assert reference is not None
    assert reference.accuracy == pytest.approx(won["test_accuracy"])
    card = (folder.best / "README.md").read_text()
    assert "A linear classifier of words, pairs of words and capitals" in card
    assert "GRU" not in card
    assert f"| test | {reference.texts:,} | {reference.accuracy:.4f} |" in card
    test = locate(CONFIG.data).read().splits["test"]
    recorded = read_bundle(folder.best).description.about.configuration
    assert recorded == {"data": CONFIG.data.model_dump(mode="json")}  # its columns, for predict
    new = tmp_path / "new.jsonl"
    new.write_text("\n".join(json.dumps({"text": text}) for text in test.texts.to_pylist()))
    assert check.main([str(folder.best), str(new)]) == 0


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, corpora: Corpora) -> None:
    folder = paths.create(tmp_path, "run")
    train(folder, corpora, 0, steps=1)
    folder.trial(0).unfinished_checkpoint.write_bytes(b"damaged")
    said = told(fallback.fallback_winner([interrupted(0)], CONFIG, corpora, folder))
    assert said["fallback"]["kind"] == fallback.LINEAR


WITH_LINEAR = SearchFile.model_validate(
    {
        **CONFIG.model_dump(exclude_unset=True),
        "model": {"name": "gru", "hidden_size": 4, "linear_weight": 3.0},
        "data": {**CONFIG.data.model_dump(exclude_unset=True), "validation_fraction": 0.25},
        "search": {"metric": "val_accuracy"},
    }
)


@pytest.fixture(scope="module")
def with_linear(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corpora]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEXTCLS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield prepare_corpora(WITH_LINEAR, lambda _sentence: None)


def alone(corpora: Corpora) -> dict[str, float]:
    """What the linear classifier reaches on each split, by hand."""
    return {
        name: float((split.scores.argmax(axis=1) == split.labels).mean())
        for name, split in corpora[EMBEDDINGS].splits.items()
        if split.scores is not None
    }


def judged(
    value: float,
    corpora: Corpora,
    folder: RunFolder,
    confirmed: Confirmation | None = None,
    *,
    everything: bool = False,
    config: SearchFile = WITH_LINEAR,
) -> Winner | None:
    """Compare a trial of such a validation accuracy with the linear classifier."""
    params = {"learning_rate": 0.02}
    record = TrialRecord(3, State.COMPLETE, params, None, None, "", (), (value,), None, None)
    trained = Trained(Path("no checkpoint is read"), {"val_accuracy": value}, None, everything)
    return fallback.linear_if_no_worse(record, trained, config, corpora, folder, confirmed)


def test_the_linear_classifier_wins_where_no_trial_is_better(
    tmp_path: Path, with_linear: Corpora
) -> None:
    folder, reached = paths.create(tmp_path, "run"), alone(with_linear)
    won = judged(reached["validation"], with_linear, folder)  # of equals: the best was lucky
    assert won is not None
    said = told(won)
    assert (said["number"], said["fallback"]["kind"]) == (None, fallback.LINEAR)
    assert said["value"] == pytest.approx(reached["validation"])
    assert said["test_accuracy"] == pytest.approx(reached["test"])
    assert set(said) >= {"test_macro_f1", "val_balanced_accuracy"}
    value = f"{reached['validation']:.4f}"
    assert said["fallback"]["reason"] == (
        "No trial is better than the linear classifier alone: its validation accuracy is "
        f"{value}, and that of the best trial, number 3, is {value}."
    )
    # Its weights are kept in half precision, which may turn a text or two.
    assert accuracy(folder) == pytest.approx(reached["test"], abs=0.01)


def test_a_better_trial_keeps_its_place(tmp_path: Path, with_linear: Corpora) -> None:
    folder = paths.create(tmp_path, "run")
    assert judged(alone(with_linear)["validation"] + 0.001, with_linear, folder) is None
    assert not folder.best.exists()


def test_without_a_part_in_the_trials_it_takes_no_place(
    tmp_path: Path, with_linear: Corpora
) -> None:
    model = WITH_LINEAR.model.model_copy(update={"linear_weight": 0.0})
    config = WITH_LINEAR.model_copy(update={"model": model})
    assert judged(0.0, with_linear, paths.create(tmp_path, "run"), config=config) is None


def test_in_folds_both_are_judged_by_their_means(tmp_path: Path, with_linear: Corpora) -> None:
    folder = paths.create(tmp_path, "run")
    standing = Standing(3, 0.99, (0.6, 0.7), 0.65, 0.05, None)
    confirmed = Confirmation("val_accuracy", (standing,), None, linear=0.66)
    won = judged(0.99, with_linear, folder, confirmed)
    assert won is not None
    assert won.value == 0.66
    assert judged(0.0, with_linear, folder, replace(confirmed, linear=0.64)) is None


def test_what_learnt_the_validation_texts_is_not_judged_on_them(
    tmp_path: Path, with_linear: Corpora
) -> None:
    folder = paths.create(tmp_path, "run")
    won = judged(0.0, with_linear, folder, everything=True)
    assert won is not None
    assert set(won.accuracies) == {"test"}
    loaded = bundle.load_bundle(folder.best)
    assert loaded.about["search"]["trained_on_validation"] is True
    texts = with_linear[EMBEDDINGS].linear_texts
    assert texts is not None
    assert loaded.linear is not None
    for name in ("train", "validation"):
        assert np.isin(np.unique(texts.splits[name].tokens), loaded.linear.keys).all()


def test_the_linear_classifier_wins_over_what_was_hardly_trained(
    tmp_path: Path, with_linear: Corpora
) -> None:
    folder = paths.create(tmp_path, "run")
    trial = folder.trial(0)
    trial.root.mkdir()
    trial.unfinished_checkpoint.write_bytes(b"not read")
    atomic.write_json(trial.unfinished, {"val_accuracy": 0.1, "epoch": 0.1, "step": 1})
    said = told(fallback.fallback_winner([interrupted(0)], WITH_LINEAR, with_linear, folder))
    assert said["fallback"]["kind"] == fallback.LINEAR
    assert said["test_accuracy"] == pytest.approx(alone(with_linear)["test"])
