import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_runs import NASTY, make_search, many_trials, write_real_run, write_run

from textcls import bundle
from textcls.analysis.explanation import explain_text
from textcls.analysis.mistake_words import WORDS
from textcls.data import dataset
from textcls.runtime.loading import load_predictor
from tune.analysis import run_data
from tune.analysis.error_analysis import MISTAKES, ErrorAnalysis, analyse_errors, summarise
from tune.run_folder.paths import RunFolder


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return write_real_run(tmp_path / "run")


def test_the_winner_reads_the_test_texts_again(run: RunFolder) -> None:
    told = run_data.load_run(run)
    found = analyse_errors(told)
    assert isinstance(found, ErrorAnalysis)
    assert (found.split, found.label_names) == ("test", (NASTY, "good"))
    split = dataset.locate(told.config.data).read().splits["test"]
    predicted = bundle.load_bundle(run.best).probabilities(split.texts.to_pylist()).argmax(axis=1)
    assert found.wrong == int((predicted != split.labels).sum())
    assert found.accuracy == pytest.approx((predicted == split.labels).mean())
    assert found.confusion.sum() == 30


def test_a_relative_path_is_found_from_where_the_search_was_started(run: RunFolder) -> None:
    told = run_data.load_run(run)
    place = Path(told.config.data.name)
    data = told.config.data.model_copy(update={"name": place.name})
    search = told.config.model_copy(update={"data": data})
    elsewhere = replace(told, config=search, environment={"directory": str(place.parent)})
    assert isinstance(analyse_errors(elsewhere), ErrorAnalysis)


def test_data_that_is_gone_is_said(run: RunFolder) -> None:
    told = run_data.load_run(run)
    shutil.rmtree(told.config.data.name)
    assert "cannot be read again" in str(analyse_errors(told))


def test_data_that_has_changed_is_not_mistaken_for_what_the_search_saw(run: RunFolder) -> None:
    told = run_data.load_run(run)
    with (Path(told.config.data.name) / "test.csv").open("a") as file:
        file.write("one more,good\n")
    assert "has changed" in str(analyse_errors(told))


def test_a_bundle_of_another_trial_is_not_taken_for_the_winner(run: RunFolder) -> None:
    path = run.best / "bundle.json"
    path.write_text(path.read_text().replace('"trial": ', '"trial": 1'))
    assert "leads now" in str(analyse_errors(run_data.load_run(run)))


def test_a_damaged_bundle_is_said(run: RunFolder) -> None:
    (run.best / "classifier.safetensors").write_bytes(b"nothing")
    assert "classifier cannot be read" in str(analyse_errors(run_data.load_run(run)))


def test_without_a_bundle_the_reason_is_said(tmp_path: Path) -> None:
    search = make_search()
    ended = run_data.load_run(write_run(tmp_path / "ended", search, many_trials(search, 3)))
    assert "is missing" in str(analyse_errors(ended))
    killed = run_data.load_run(
        write_run(tmp_path / "killed", search, many_trials(search, 3), state=None)
    )
    assert "when the search ends" in str(analyse_errors(killed))
    empty = run_data.load_run(write_run(tmp_path / "empty", search, []))
    assert analyse_errors(empty) == "There is no winner yet."


def test_mistakes_come_with_the_words_that_moved_the_decision(run: RunFolder) -> None:
    found = analyse_errors(run_data.load_run(run))
    assert isinstance(found, ErrorAnalysis)
    assert found.mistakes
    predictor = load_predictor(run.best)
    for each in found.mistakes:
        expected = explain_text(predictor, each.text, against=each.label).words[:WORDS]
        assert each.words == tuple(word for word in expected if abs(word.total) >= 0.005)
    assert any(each.words for each in found.mistakes)


def test_the_surest_mistakes_come_first() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([1.0, 1.0, 1.0], 200)
    labels = rng.integers(0, 3, 200)
    found = summarise(
        "test", ("a", "b", "c"), [str(at) for at in range(200)], labels, probabilities
    )
    assert len(found.mistakes) == MISTAKES
    surest = [each.probability for each in found.mistakes]
    assert surest == sorted(surest, reverse=True)
    wrong = [row.max() for row, label in zip(probabilities, labels, strict=True)
             if row.argmax() != label]  # fmt: skip
    assert surest[0] == max(wrong)
    for each in found.mistakes:
        assert each.label != each.prediction
        assert "abc"[labels[int(each.text)]] == each.label
        assert each.for_label <= each.probability
    for each in found.per_class():
        assert each.texts == (labels == "abc".index(each.name)).sum()
        assert each.f1 == pytest.approx(
            2 * each.precision * each.recall / (each.precision + each.recall)
        )
