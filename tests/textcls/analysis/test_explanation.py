"""What moved a decision: the linear part adds up exactly, the encoder's is what is lost without."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundle_parts import LABELS, TEXTS, export_small, small_corpus

from textcls import ensemble, predict
from textcls.analysis.explanation import Explanation, explain_text
from textcls.calibration.temperature import Temperature
from textcls.runtime.loading import load_predictor
from textcls.runtime.predictor import EnsemblePredictor, Predictor

MODELS: list[dict[str, Any]] = [
    {"name": "gru", "pooling": "max"},
    {"name": "cnn", "linear_weight": 3.0},
    {"name": "rnn", "linear_weight": 2.0, "ngrams": 2},
]


def loaded(folder: Path) -> Predictor:
    found = load_predictor(folder)
    assert isinstance(found, Predictor)
    return found


def log_odds(predictor: Predictor, text: str, why: Explanation) -> float:
    row = predictor.logits([text])[0].astype(np.float64)
    label, against = (LABELS.index(name) for name in (why.label, why.against))
    return (
        float(row[label] - row[against])
        / Temperature.of(predictor.calibration).of_texts(row[None]).item()
    )


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model["name"])
def test_both_parts_add_up_to_the_log_odds_of_the_prediction(
    model: dict[str, Any], tmp_path: Path
) -> None:
    predictor = loaded(export_small(tmp_path, **model))
    for text in TEXTS:
        why = explain_text(predictor, text)
        best = np.argsort(-predictor.probabilities([text])[0], kind="stable")
        assert (why.label, why.against) == (LABELS[best[0]], LABELS[best[1]])
        assert why.log_odds == pytest.approx(log_odds(predictor, text, why), abs=1e-5)
        assert why.log_odds == pytest.approx(why.encoder + why.linear, abs=1e-9)
        words = sum(each.linear for each in why.words)
        unknown = 0.0 if text.strip() else why.linear - why.linear_bias  # an unknown word's
        assert why.linear == pytest.approx(why.linear_bias + words + unknown, abs=1e-9)
        totals = [abs(each.total) for each in why.words]
        assert totals == sorted(totals, reverse=True)


@pytest.mark.parametrize("whole", [False, True])
def test_ngrams_of_characters_are_folded_onto_their_words(tmp_path: Path, whole: bool) -> None:
    corpus = small_corpus(linear=True, whole=whole, characters=True)
    predictor = loaded(export_small(tmp_path, corpus, linear_weight=3.0))
    for text in (*TEXTS, "goalies matching", "marketstock L'étés 很很快"):
        why = explain_text(predictor, text)
        assert why.log_odds == pytest.approx(log_odds(predictor, text, why), abs=1e-5)
    shares = {each.word: each.linear for each in explain_text(predictor, "zzz goalies").words}
    assert abs(shares["goalies"]) > 0.01  # unknown as a word, known by its parts


def test_the_encoders_share_is_what_is_lost_without_the_word(tmp_path: Path) -> None:
    predictor = loaded(export_small(tmp_path))
    why = explain_text(predictor, "the Goal . goal")
    without = log_odds(predictor, "the .", why)
    share = next(each for each in why.words if each.word == "Goal")
    assert share.count == 2
    assert share.encoder == pytest.approx(why.encoder - without, abs=1e-5)
    assert share.linear == 0.0


def test_a_class_may_be_named_to_compare_with(tmp_path: Path) -> None:
    predictor = loaded(export_small(tmp_path, linear_weight=2.0))
    first = explain_text(predictor, "stock market")
    third = next(name for name in LABELS if name not in (first.label, first.against))
    why = explain_text(predictor, "stock market", against=third)
    assert why.against == third
    assert why.log_odds >= first.log_odds
    with pytest.raises(ValueError, match="no other class"):
        explain_text(predictor, "stock market", against=first.label)


def test_an_ensemble_is_explained_by_the_mean_of_its_members(tmp_path: Path) -> None:
    for name in ("a", "b"):
        export_small(tmp_path / name, name="cnn" if name == "a" else "gru", linear_weight=2.0)
        (tmp_path / name / "bundle").rename(tmp_path / f"member-{name}")
    ensemble.write_ensemble(tmp_path, ["member-a", "member-b"], {})
    both = load_predictor(tmp_path)
    assert isinstance(both, EnsemblePredictor)
    why = explain_text(both, "the goal . stock")
    single = [explain_text(each, "the goal . stock", None) for each in both.members]
    if len({(each.label, each.against) for each in single}) == 1:
        assert why.log_odds == pytest.approx(sum(each.log_odds for each in single) / 2)
    assert {each.word for each in why.words} == {"the", "goal", ".", "stock"}


def test_the_command_tells_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = export_small(tmp_path, linear_weight=2.0)
    assert predict.main([str(folder), "the goal \x1b[31mstock goal", "", "--why", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("\t")[0] in LABELS
    assert " against " in lines[1]
    assert lines[2].split() == ["word", "both", "encoder", "linear"]
    assert lines[5].startswith("  ")
    assert "more word" in lines[5]
    assert lines[-1] == "  the text has no words"
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--why", "goal"], "put texts before --why"), (["goal", "--why", "0"], "at least 1")],
)
def test_a_wrong_number_of_words_is_refused(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        predict.main([str(tmp_path), *arguments])
    assert said in capsys.readouterr().err
