from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from classifier_parts import VOCABULARY, split
from safetensors.numpy import save_file
from scipy.optimize import minimize

from textcls import bundle
from textcls.config.models import (
    ClassWeights,
    DataConfig,
    EmbeddingConfig,
    ModelConfig,
    TrainConfig,
)
from textcls.corpus import Corpus, prepare_corpus, with_all_learnt
from textcls.exceptions import BundleError
from textcls.models import linear
from textcls.models.linear import LinearClassifier, train_linear
from textcls.text.encoding import EncodedSplit
from textcls.training.trainer import Training, predict_logits

LENGTHS = np.random.default_rng(3).integers(1, 9, 400).tolist()
TRAIN, TEST = (
    replace(each, capitals=np.random.default_rng(5).random(len(each.tokens)) < 0.3)
    for each in (split(LENGTHS, seed=1), split(LENGTHS[:100], seed=2))
)
CAPITAL = 1 << 60
DATA = DataConfig(name="synthetic", train_size=600, test_size=200, min_count=2, max_length=30)
VECTORS = EmbeddingConfig(name="random", dim=8)


def texts(*rows: list[int], labels: list[int] | None = None) -> EncodedSplit:
    tokens = np.array([word for row in rows for word in row], np.int32)
    offsets = np.cumsum([0, *map(len, rows)])
    return EncodedSplit(tokens, offsets, np.array(labels or [0] * len(rows)))


def features(split: EncodedSplit, made: LinearClassifier) -> np.ndarray:
    """TF-IDF by the formula, dense, with a column of ones for the bias."""
    found = np.zeros((len(split), len(made.keys) + 1))
    found[:, -1] = 1
    for i, (start, stop) in enumerate(pairwise(split.offsets)):
        words = split.tokens[start:stop].tolist()
        asked = [*words, *((a << 32) + b for a, b in pairwise(words))]
        asked += [
            word + CAPITAL
            for word, capital in zip(words, split.capitals[start:stop], strict=True)
            if capital
        ]
        for column, (key, idf) in enumerate(zip(made.keys, made.idf, strict=True)):
            if times := asked.count(key):
                found[i, column] = (1 + np.log(times)) * idf
        found[i, :-1] /= np.linalg.norm(found[i, :-1]) or 1
    return found


def test_the_features_are_words_and_pairs_that_train_knows() -> None:
    train = texts([5, 6, 5], [5, 6], [1, 7, 8], labels=[0, 1, 0])
    made = train_linear(train, 2)
    # 5-6 occurs in two texts; 6-5 and 7-8 in one; 1 stands for words that train does not know.
    assert made.keys.tolist() == [5, 6, 7, 8, (5 << 32) + 6]
    df = np.array([2, 2, 1, 1, 2])
    np.testing.assert_allclose(made.idf, np.log(4 / (1 + df)) + 1, rtol=1e-6)


def test_a_word_with_a_capital_is_a_feature_of_its_own() -> None:
    train = texts([5, 6, 5], [5, 6], [1, 7, 8], labels=[0, 1, 0])
    marks = np.array([True, False, True, True, True, True, False, False])
    made = train_linear(replace(train, capitals=marks), 2)
    # 5 has one in two texts, 6 in one, and of 1 nobody knows what it stands for.
    assert made.keys.tolist() == [5, 6, 7, 8, (5 << 32) + 6, CAPITAL + 5]
    np.testing.assert_allclose(made.idf[-1], np.log(4 / 3) + 1, rtol=1e-6)
    low, high = texts([5]), replace(texts([5]), capitals=np.array([True]))
    expected = (np.array([1, 0, 0, 0, 0, 1, 0]) / np.sqrt(2)) @ made.weights + made.weights[-1]
    np.testing.assert_allclose(made.scores(high)[0], expected, rtol=1e-5)
    np.testing.assert_allclose(made.scores(low)[0], made.weights[0] + made.weights[-1], rtol=1e-5)


def test_scores_are_those_of_the_formula() -> None:
    made = train_linear(TRAIN, 3)
    np.testing.assert_allclose(made.scores(TEST), features(TEST, made) @ made.weights, atol=1e-5)


def test_a_text_of_unknown_words_has_the_bias_alone() -> None:
    made = train_linear(TRAIN, 3)
    scores = made.scores(texts([1], [VOCABULARY + 7, VOCABULARY + 9]))
    np.testing.assert_array_equal(scores, np.stack([made.weights[-1]] * 2))


@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_the_weights_are_the_minimum_of_the_squared_hinge_loss(class_weights: ClassWeights) -> None:
    made = train_linear(TRAIN, 3, class_weights=class_weights)
    counts = np.bincount(TRAIN.labels, minlength=3)
    weights = counts.sum() / (3 * counts) if class_weights == "balanced" else np.ones(3)
    costs = linear.PENALTY * weights[TRAIN.labels]
    x = features(TRAIN, made)
    for label in range(3):
        y = np.where(TRAIN.labels == label, 1.0, -1.0)

        def objective(w: np.ndarray, y: np.ndarray = y) -> tuple[float, np.ndarray]:
            lost = np.maximum(0, 1 - y * (x @ w))
            slope = w - 2 * x.T @ (costs * y * lost)
            return 0.5 * w @ w + (costs * np.square(lost)).sum(), slope

        start = np.zeros(x.shape[1])
        least = minimize(objective, start, jac=True).fun
        assert objective(made.weights[:, label].astype(float))[0] < 1.01 * least
        assert least < 0.7 * objective(start)[0]


def test_the_same_texts_give_the_same_weights() -> None:
    one, other = train_linear(TRAIN, 3), train_linear(TRAIN, 3)
    np.testing.assert_array_equal(one.weights, other.weights)
    assert not np.array_equal(one.weights, train_linear(TRAIN, 3, seed=1).weights)


def test_the_scores_count_by_their_weight() -> None:
    vectors = np.random.default_rng(4).normal(0, 0.3, (VOCABULARY, 8)).astype(np.float32)
    scores = np.tile(np.array([0, 0, 1], np.float32), (len(TEST), 1))
    scored = EncodedSplit(TEST.tokens, TEST.offsets, TEST.labels, scores)

    def logits(weight: float, split: EncodedSplit = scored) -> torch.Tensor:
        model = ModelConfig(name="gru", hidden_size=4, linear_weight=weight)
        classifier = Training({"train": TRAIN}, vectors, 3, model, TrainConfig()).classifier
        return predict_logits(classifier, split, "cpu")

    alone = logits(0).log_softmax(dim=1)
    torch.testing.assert_close(logits(0, TEST).log_softmax(dim=1), alone)
    torch.testing.assert_close(logits(2.5), alone + 2.5 * torch.from_numpy(scores))
    assert (logits(50).argmax(dim=1) == 2).all()
    with pytest.raises(ValueError, match="no scores of a linear classifier"):
        logits(1, TEST)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    cache = tmp_path_factory.mktemp("cache")
    return prepare_corpus(DATA, VECTORS, linear=True, cache_dir=cache, say=lambda _: None)


@pytest.fixture
def exported(corpus: Corpus, tmp_path: Path) -> tuple[Path, Training]:
    model = ModelConfig(name="gru", hidden_size=8, pooling="max", linear_weight=3.0)
    classes = len(corpus.label_names)
    training = Training(corpus.splits, corpus.embeddings, classes, model, TrainConfig())
    list(training.fit([]))
    training.save(tmp_path / "checkpoint")
    bundle.export_bundle(tmp_path / "checkpoint", model, corpus, DATA, tmp_path / "best", {})
    return tmp_path / "best", training


def test_a_corpus_has_the_one_that_the_measure_asks_for_and_keeps_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    labels = rng.random(800) < 0.1
    hints = np.where(rng.random(800) < 0.75, labels, ~labels)
    rows = [
        f"{'odd' if hint else 'plain'}{rng.integers(4)},{'rare' if label else 'usual'}"
        for hint, label in zip(hints, labels, strict=True)
    ]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label", *dict.fromkeys(rows), *rows]))
    data = DataConfig(name=str(tmp_path / "texts.csv"), validation_fraction=0.2)

    def prepared(measure: str) -> tuple[Corpus, LinearClassifier]:
        corpus = prepare_corpus(
            data, VECTORS, linear=True, measure=measure, cache_dir=tmp_path, say=lambda _: None
        )
        assert corpus.linear is not None
        return corpus, corpus.linear

    first, by_f1 = prepared("macro_f1")
    _, again = prepared("macro_f1")
    _, by_accuracy = prepared("accuracy")
    assert by_f1.class_weights == again.class_weights != by_accuracy.class_weights == "none"
    np.testing.assert_array_equal(again.weights, by_f1.weights)
    learnt = with_all_learnt(first).linear
    assert learnt is not None
    assert learnt.class_weights == by_f1.class_weights
    assert "chosen by the macro F1" in first.provenance["linear"]


def test_a_corpus_has_it_where_it_is_asked_for_and_keeps_it(tmp_path: Path) -> None:
    said: list[str] = []

    def prepared(**asked: bool) -> Corpus:
        said.clear()
        return prepare_corpus(DATA, VECTORS, cache_dir=tmp_path, say=said.append, **asked)

    without = prepared()
    assert without.linear is None
    assert without.splits["test"].scores is None
    first = prepared(linear=True)
    assert "Training a linear classifier; its features are chosen on train." in said
    told = first.provenance["linear"]
    assert told.startswith("The linear classifier reads words")
    assert said.count(told) == 1
    again = prepared(linear=True)
    assert told in said
    assert not [sentence for sentence in said if sentence.startswith("Training a linear")]
    assert again.splits["train"].scores is None
    found = again.splits["test"].scores.argmax(axis=1) == again.splits["test"].labels
    assert found.mean() > 0.7
    np.testing.assert_array_equal(again.splits["test"].scores, first.splits["test"].scores)
    words = again.whole.vocabulary.words
    np.testing.assert_array_equal(
        again.splits["test"].scores, again.linear.scores(again.whole.splits["test"], words)
    )


def test_a_bundle_predicts_with_it_what_training_reported(
    corpus: Corpus, exported: tuple[Path, Training]
) -> None:
    folder, training = exported
    loaded = bundle.load_bundle(folder)
    test = corpus.splits["test"]
    assert corpus.whole is not None  # half of the texts have more than 30 tokens
    whole = corpus.whole.splits["test"]
    words = corpus.whole.vocabulary.words
    shown = [
        words[word].upper() if capital else words[word]
        for word, capital in zip(whole.tokens, whole.capitals, strict=True)
    ]
    raw = [" ".join(shown[start:stop]) for start, stop in pairwise(whole.offsets)]
    assert 1 in test.tokens  # to the encoder, words that occur once in train are unknown
    assert 1 not in whole.tokens  # to the linear classifier, which may read their parts, none is
    expected = predict_logits(training.classifier, test, "cpu")
    torch.testing.assert_close(loaded.logits(raw), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"x"),
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
    ],
)
def test_a_damaged_one_is_refused(
    exported: tuple[Path, Training], harm: Callable[[Path], object]
) -> None:
    folder, _ = exported
    harm(folder / "linear.safetensors")
    with pytest.raises(BundleError, match=str(folder)):
        bundle.load_bundle(folder)


def test_one_for_other_classes_is_refused(exported: tuple[Path, Training]) -> None:
    folder, _ = exported
    made = bundle.load_bundle(folder).linear
    assert made is not None
    other = LinearClassifier(made.keys, made.idf, made.weights[:, :-1])
    save_file(
        {name: np.ascontiguousarray(a) for name, a in other.arrays().items()},
        folder / "linear.safetensors",
    )
    with pytest.raises(BundleError, match="tensor weights must have the shape"):
        bundle.load_bundle(folder)
