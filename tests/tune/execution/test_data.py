from pathlib import Path

import numpy as np
import pytest

from textcls.config.models import DataConfig, EmbeddingConfig
from textcls.corpus import prepare_corpus
from textcls.exceptions import ConfigError
from textcls.text.encoding import EncodedSplit
from tune.config import search_file
from tune.execution import data


def test_corpora_that_share_their_texts_say_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "space.yaml"
    path.write_text(
        "data: {name: synthetic, train_size: 200, test_size: 100}\n"
        "embeddings: {name: random, dim: 4}\n"
        "space: {scale: {type: categorical, choices: [0.5, 1.0, 2.0]}}\n"
    )
    said: list[str] = []
    made = data.prepare_corpora(search_file.load_search(path), said.append)
    assert sorted(embeddings.scale for embeddings in made) == [0.5, 1.0, 2.0]
    assert len(said) == len(set(said))
    assert [sentence for sentence in said if "100 test texts" in sentence]


def test_each_text_of_train_and_validation_is_apart_in_one_fold(tmp_path: Path) -> None:
    texts = DataConfig(name="synthetic", train_size=300, test_size=50, validation_fraction=0.2)
    vectors = EmbeddingConfig(name="random", dim=4)
    corpus = prepare_corpus(texts, vectors, linear=True, cache_dir=tmp_path, say=lambda _: None)
    folds = data.fold_arrays(corpus, 3)
    assert [set(each.splits) for each in folds] == [{"train", "validation"}] * 3
    together = sorted(rows(corpus.splits["train"]) + rows(corpus.splits["validation"]))
    assert sorted(row for each in folds for row in rows(each.splits["validation"])) == together
    for each in folds:
        known, apart = each.splits["train"], each.splits["validation"]
        assert sorted(rows(known) + rows(apart)) == together
        assert np.abs(np.bincount(apart.labels) - np.bincount(known.labels) / 2).max() <= 1
        right = (apart.scores.argmax(axis=1) == apart.labels).mean()
        assert 0.6 < right < 1.0  # by a classifier that never saw them
    without = prepare_corpus(texts, vectors, cache_dir=tmp_path, say=lambda _: None)
    assert data.fold_arrays(without, 3)[0].splits["validation"].scores is None


def rows(split: EncodedSplit) -> list[tuple[int, ...]]:
    """Each text as its label and its words."""
    return [
        (int(label), *split.tokens[start:stop].tolist())
        for label, start, stop in zip(
            split.labels, split.offsets[:-1], split.offsets[1:], strict=True
        )
    ]


def test_folds_need_a_metric_of_the_validation_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path / "cache"))
    config = search_file.make_search(
        {
            "data": {"name": "synthetic", "train_size": 60, "test_size": 20},
            "embeddings": {"name": "random", "dim": 4},
            "space": {"learning_rate": {"type": "float", "low": 0.001, "high": 0.1}},
            "search": {"confirm": {"top": 2, "folds": True}},
        }
    )
    with pytest.raises(ConfigError, match=r"folds compares on .* search.metric is test_accuracy"):
        data.prepare_corpora(config, lambda _: None)
