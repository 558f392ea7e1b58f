"""The light runtime gives what torch gives, whatever the classifier and the texts."""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundle_parts import LABELS, TEXTS, export_small, small_corpus
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textcls import bundle, ensemble
from textcls.exceptions import BundleError
from textcls.runtime.bundle_files import read_bundle
from textcls.runtime.loading import find_bundle, load_predictor
from textcls.runtime.predictor import EnsemblePredictor, Predictor
from textcls.text.encoding import WHOLE_LENGTH

MODELS: list[dict[str, Any]] = [
    {"name": name, "pooling": pooling, "bidirectional": both, "layers": layers}
    for name in ("gru", "rnn")
    for pooling in ("last", "max", "mean")
    for both, layers in ((False, 1), (True, 1), (True, 3), (False, 2))
]
MODELS += [
    {"name": "cnn", "pooling": pooling, "kernel_sizes": sizes, "blocks": blocks}
    for pooling in ("last", "mean")
    for sizes, blocks in (((3,), 3), ((2, 5), 1), ((1, 4), 2))
]
MODELS += [
    {"name": "gru", "hidden_size": 8, "ngrams": 1},
    {"name": "gru", "hidden_size": 33, "ngrams": 2, "linear_weight": 2.5},
    {"name": "cnn", "hidden_size": 16, "linear_weight": 5.0, "ngrams": 2},
]


def described(model: dict[str, Any]) -> str:
    return "-".join(str(value) for value in model.values())


def both(folder: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The logits of the runtime and of plain torch."""
    fast, slow = load_predictor(folder), bundle.load_bundle(folder)
    assert isinstance(fast, Predictor)
    return fast.logits(TEXTS), slow.logits(TEXTS).numpy()


@pytest.mark.parametrize("model", MODELS, ids=described)
def test_the_logits_are_those_of_torch(model: dict[str, Any], tmp_path: Path) -> None:
    fast, slow = both(export_small(tmp_path, **model))
    np.testing.assert_allclose(fast, slow, rtol=1e-5, atol=1e-5)
    assert fast.argmax(axis=1).tolist() == slow.argmax(axis=1).tolist()
    assert np.ptp(slow, axis=0).min() > 0.01  # the texts do differ


@pytest.mark.parametrize("whole", [False, True])
def test_a_linear_classifier_may_read_parts_of_words(tmp_path: Path, whole: bool) -> None:
    corpus = small_corpus(linear=True, whole=whole, characters=True)
    assert corpus.linear is not None
    assert corpus.linear.has_characters
    folder = export_small(tmp_path, corpus, linear_weight=3.0)
    texts = [*TEXTS, "goalies matching", "marketstock L'étés 很很快"]  # unknown words, known parts
    fast, slow = load_predictor(folder), bundle.load_bundle(folder)
    assert isinstance(fast, Predictor)
    expected = slow.logits(texts).numpy()
    np.testing.assert_allclose(fast.logits(texts), expected, rtol=1e-5, atol=1e-5)
    assert np.abs(expected[-1] - expected[4]).max() > 0.01  # of words as unknown, without parts


@pytest.mark.parametrize("whole", [False, True])
def test_a_linear_classifier_may_have_words_of_its_own(tmp_path: Path, whole: bool) -> None:
    corpus = small_corpus(linear=True, whole=whole)
    folder = export_small(tmp_path, corpus, linear_weight=3.0)
    assert (folder / "linear_vocabulary.json").exists() == whole
    fast, slow = both(folder)
    np.testing.assert_allclose(fast, slow, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("predictor")
    return Predictor(
        read_bundle(export_small(folder, linear_weight=2.0, bidirectional=True, hidden_size=9))
    )


def test_a_text_gives_the_same_alone_among_others_and_in_any_order(predictor: Predictor) -> None:
    texts = TEXTS * 13
    together = predictor.probabilities(texts)
    assert together.dtype == np.float32
    alone = np.concatenate([predictor.probabilities([text]) for text in texts])
    assert np.array_equal(alone, together)
    order = np.random.default_rng(1).permutation(len(texts))
    assert np.array_equal(predictor.probabilities([texts[i] for i in order]), together[order])
    many = predictor.probabilities(texts * 40)  # in several portions
    assert np.array_equal(many, np.tile(together, (40, 1)))


def test_threads_and_a_copy_give_the_same(predictor: Predictor) -> None:
    expected = predictor.probabilities(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: predictor.probabilities(TEXTS), range(32)):
            assert np.array_equal(found, expected)
    copy = pickle.loads(pickle.dumps(predictor))  # noqa: S301
    assert np.array_equal(copy.probabilities(TEXTS), expected)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=5))
def test_any_text_is_cut_and_looked_up_as_in_training(
    predictor: Predictor, slow: bundle.Bundle, texts: list[str]
) -> None:
    np.testing.assert_allclose(
        predictor.logits(texts), slow.logits(texts).numpy(), rtol=1e-5, atol=1e-5
    )


@pytest.fixture(scope="module")
def slow(predictor: Predictor, tmp_path_factory: pytest.TempPathFactory) -> bundle.Bundle:
    from textcls.runtime.bundle_files import write_bundle

    folder = tmp_path_factory.mktemp("slow") / "bundle"
    write_bundle(predictor.files, folder)
    return bundle.load_bundle(folder)


def test_no_texts_give_no_rows(predictor: Predictor) -> None:
    assert predictor.probabilities([]).shape == (0, len(LABELS))


def test_weights_that_overflow_are_said(predictor: Predictor) -> None:
    files = predictor.files
    huge = {**files.weights, "output.weight": np.full_like(files.weights["output.weight"], 3e38)}
    from dataclasses import replace

    with pytest.raises(BundleError, match="not finite"):
        Predictor(replace(files, weights=huge)).probabilities(["goal match"])


def test_an_ensemble_averages_its_members(tmp_path: Path) -> None:
    corpus = small_corpus()
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        export_small(tmp_path / name, corpus, name="rnn" if name == "1" else "gru")
        (tmp_path / name / "bundle").rename(tmp_path / f"m{name}")
    ensemble.write_ensemble(tmp_path, ["m1", "m2"], {})
    loaded = load_predictor(tmp_path)
    assert isinstance(loaded, EnsemblePredictor)
    expected = ensemble.load_ensemble(tmp_path).probabilities(TEXTS)
    np.testing.assert_allclose(loaded.probabilities(TEXTS), expected, atol=1e-5)


def test_a_run_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = export_small(tmp_path)
    run = tmp_path / "runs" / "gru-1"
    run.mkdir(parents=True)
    (run / "study.journal").touch()
    with pytest.raises(BundleError, match="the run has no classifier yet"):
        find_bundle("gru-1")
    (run / "result.json").touch()
    with pytest.raises(BundleError, match="the run has no classifier; its search found no winner"):
        find_bundle("gru-1")
    made.rename(run / "best")
    assert find_bundle("gru-1") == Path("runs/gru-1/best")
    for name in ("runs/gru-1", "runs/gru-1/best", str(run), "runs/gru-1/best/bundle.json"):
        assert find_bundle(name).resolve() == run / "best"
    with pytest.raises(BundleError, match="runs holds no run of that name"):
        find_bundle("gru-2")


def test_it_needs_neither_torch_nor_numba(tmp_path: Path) -> None:
    folder = export_small(tmp_path, linear_weight=2.0)
    load_predictor(folder).probabilities(["goal"])  # compiles where that was not done yet
    code = (
        "import sys; from textcls import TextClassifier\n"
        f"print(TextClassifier.load({str(folder)!r}).predict(['goal', 'été']))\n"
        "heavy = {'torch', 'numba', 'ray', 'optuna', 'datasets', 'gensim', 'pyarrow', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == "[]", done.stdout


def test_a_whole_text_is_read_by_the_linear_classifier(predictor: Predictor) -> None:
    assert predictor.files.description.linear_length == WHOLE_LENGTH
    short, long = "the " * 5, "the " * 5 + "goal match"
    assert not np.array_equal(predictor.logits([short]), predictor.logits([long]))
