"""What wins where the time budget has ended before any trial reached its first rung."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from textcls import bundle
from textcls.config.models import EmbeddingConfig
from textcls.data.dataset import locate
from textcls.training.trainer import Training
from tune.config.search_file import SearchFile
from tune.execution.data import Corpora, prepare_corpora
from tune.results import fallback
from tune.results.winner import Winner, winner_lines
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


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, corpora: Corpora) -> None:
    folder = paths.create(tmp_path, "run")
    train(folder, corpora, 0, steps=1)
    folder.trial(0).unfinished_checkpoint.write_bytes(b"damaged")
    said = told(fallback.fallback_winner([interrupted(0)], CONFIG, corpora, folder))
    assert said["fallback"]["kind"] == fallback.LINEAR
