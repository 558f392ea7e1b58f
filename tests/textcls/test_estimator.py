"""`TextClassifier` trains on what people hold, keeps scikit-learn's conventions, can be saved."""

import doctest
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError as SklearnNotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks

from textcls import DataConfig, ModelConfig, TextClassifier, TrainConfig, estimator
from textcls.exceptions import BundleError, ConfigError, DataError, NotFittedError

SPORT = ["the striker scored", "a late goal", "the coach won the cup", "an own goal in extra time"]
MONEY = ["shares fell", "profits rose", "the bank cut its rates", "a bond of the bank"]
TEXTS = (SPORT + MONEY) * 8
LABELS = (["sport"] * 4 + ["money"] * 4) * 8
QUICK: dict[str, Any] = {"hidden_size": 8, "least_texts": 600, "embeddings": "random"}


@pytest.fixture(scope="module")
def fitted() -> TextClassifier:
    return TextClassifier(**QUICK).fit(TEXTS, LABELS)


def test_the_example_of_the_docstring() -> None:
    found = doctest.testmod(estimator)
    assert found.attempted > 4
    assert found.failed == 0


def test_it_learns_and_keeps_the_labels(fitted: TextClassifier) -> None:
    assert fitted.classes_.tolist() == ["money", "sport"]
    assert fitted.predict(["a goal by the striker", "rates of a bank"]).tolist() == [
        "sport",
        "money",
    ]
    found = fitted.predict_proba(TEXTS[:5])
    assert found.shape == (5, 2)
    assert found.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert fitted.score(TEXTS, LABELS) == 1.0
    assert fitted.predict([]).tolist() == []


@pytest.mark.parametrize(
    "labels",
    [
        [int(each == "sport") for each in LABELS],
        [each == "sport" for each in LABELS],
        np.array([each == "sport" for each in LABELS], dtype=np.int8),
        pd.Series([float(each == "sport") for each in LABELS]),
    ],
    ids=["integers", "booleans", "an array", "whole numbers as floats"],
)
def test_labels_come_back_as_they_were_given(labels: Any) -> None:
    made = TextClassifier(**QUICK).fit(TEXTS, labels)
    found = made.predict(TEXTS)
    assert found.tolist() == [bool(each) if found.dtype == bool else int(each) for each in labels]
    assert made.score(TEXTS, labels) == 1.0


FRAME = pd.DataFrame({"text": TEXTS, "label": LABELS})


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (tuple(TEXTS), tuple(LABELS)),
        (np.array(TEXTS), np.array(LABELS)),
        (np.array(TEXTS, dtype=object).reshape(-1, 1), LABELS),
        (pa.array(TEXTS), pa.array(LABELS)),
        (FRAME["text"], FRAME["label"]),
        (FRAME, None),
        (FRAME.rename(columns={"label": "topic"}), "topic"),
        (datasets.Dataset.from_dict({"text": TEXTS, "label": LABELS}), None),
    ],
    ids=["tuples", "arrays", "a column", "arrow", "series", "frame", "named label", "datasets"],
)
def test_texts_of_every_kind_train_the_same_classifier(
    X: Any,  # noqa: N803
    y: Any,
    fitted: TextClassifier,
) -> None:
    made = TextClassifier(**QUICK).fit(X, y)
    assert np.array_equal(made.predict_proba(SPORT), fitted.predict_proba(SPORT))


def test_the_columns_of_a_frame_are_joined() -> None:
    frame = pd.DataFrame({"title": [text.split()[0] for text in TEXTS], "body": TEXTS})
    made = TextClassifier(**QUICK).fit(frame[["title", "body"]], LABELS)
    joined = [f"{title} {body}" for title, body in frame.itertuples(index=False)]
    assert np.array_equal(made.predict_proba(frame), made.predict_proba(joined))


def test_a_path_is_read_whole(tmp_path: Path, fitted: TextClassifier) -> None:
    FRAME.to_csv(tmp_path / "all.csv", index=False)
    made = TextClassifier(**QUICK).fit(tmp_path / "all.csv")
    assert np.array_equal(made.predict_proba(SPORT), fitted.predict_proba(SPORT))
    assert TextClassifier(**QUICK).fit(str(tmp_path / "all.csv"), "label").score(TEXTS, LABELS) == 1


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (TEXTS, LABELS[:-1], "64 texts do not fit 63 labels"),
        (TEXTS, None, "labels are missing"),
        ([1, 2], ["a", "b"], "expected texts, but found 1, 2"),
        ("a text", ["a"], "y can only be the name of the label's column"),
        (["a", "b"], [0.5, 0.25], "expected texts, integers or booleans, but found 0.5"),
        (["a", "b"], ["x", "x"], "expected at least two classes"),
        (["a", " "], ["x", "y"], r"1 row has an empty text \(row 2\)"),
        (["a", "b"], [1, "1"], "1 and '1' are written alike"),
        ([], [], "no texts"),
    ],
)
def test_what_cannot_be_learnt_is_said(X: Any, y: Any, message: str) -> None:  # noqa: N803
    with pytest.raises(DataError, match=message):
        TextClassifier(**QUICK).fit(X, y)


def test_every_wrong_parameter_is_named() -> None:
    with pytest.raises(ConfigError) as refused:
        TextClassifier(hidden_size=0, pooling="sum", options={"train.speed": 3}).fit(TEXTS, LABELS)  # type: ignore[arg-type]
    assert str(refused.value).splitlines()[0] == "TextClassifier: 3 problems"
    for words in (
        "hidden_size: must be at least 1",
        "pooling: must be one of",
        "options['train.speed']: unknown key",
    ):
        assert words in str(refused.value)


def test_nothing_is_predicted_before_it_is_fitted() -> None:
    with pytest.raises(NotFittedError, match="call fit first"):
        TextClassifier().predict(["a"])
    assert issubclass(NotFittedError, ValueError)
    assert issubclass(SklearnNotFittedError, ValueError)


def test_it_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    made = TextClassifier("cnn", options={"model.kernel_sizes": [3, 5]}, **QUICK)
    made.fit(TEXTS, [each == "sport" for each in LABELS])
    loaded = TextClassifier.load(made.save(tmp_path / "out"))
    assert loaded.get_params() == {**made.get_params(), "random_state": 0}
    assert loaded.predict(SPORT).dtype == bool
    assert loaded.predict_proba(TEXTS) == pytest.approx(made.predict_proba(TEXTS), abs=1e-5)
    again = TextClassifier.load(loaded.save(tmp_path / "again"))
    assert np.array_equal(again.predict_proba(TEXTS), loaded.predict_proba(TEXTS))


def test_the_command_line_predicts_with_it(fitted: TextClassifier, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "textcls.predict",
        str(fitted.save(tmp_path / "out")),
        "a goal",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("sport\t")


def test_a_folder_of_something_else_is_left_alone(fitted: TextClassifier, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BundleError, match="something other than a classifier"):
        fitted.save(tmp_path)
    assert (tmp_path / "thesis.txt").exists()
    with pytest.raises(BundleError, match="not a classifier folder"):
        TextClassifier.load(tmp_path)


def test_a_configuration_becomes_a_classifier() -> None:
    made = TextClassifier.from_config(
        model=ModelConfig(name="rnn", init="uniform"),
        train=TrainConfig(epochs=3, seed=4),
        data=DataConfig(max_length=9),
    )
    assert (made.model, made.epochs, made.random_state, made.max_length) == ("rnn", 3.0, 4, 9)
    assert made.options == {"model.init": "uniform"}
    assert made.configuration().model == ModelConfig(name="rnn", init="uniform")


def test_what_is_left_out_is_warned_of() -> None:
    made = TextClassifier(**QUICK, options={"data.bad_rows": "skip"})
    with pytest.warns(UserWarning, match="left out 1 of 65 rows"):
        made.fit([*TEXTS, ""], [*LABELS, "sport"])
    assert len(made.notices_) == 1


def test_a_seed_repeats_it_and_another_does_not(fitted: TextClassifier) -> None:
    again = TextClassifier(**QUICK).fit(TEXTS, LABELS)
    other = TextClassifier(**QUICK, random_state=1).fit(TEXTS, LABELS)
    assert np.array_equal(again.predict_proba(TEXTS), fitted.predict_proba(TEXTS))
    assert not np.array_equal(other.predict_proba(TEXTS), fitted.predict_proba(TEXTS))


def test_it_stands_in_a_pipeline_and_in_cross_validation() -> None:
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    pipeline = make_pipeline(lower, TextClassifier(**QUICK))
    assert cross_val_score(pipeline, TEXTS, LABELS, cv=2).tolist() == [1.0, 1.0]


def test_a_grid_search_goes_through_its_parameters() -> None:
    grid = GridSearchCV(TextClassifier(**QUICK), {"hidden_size": [4, 8], "model": ["rnn"]}, cv=2)
    grid.fit(TEXTS, LABELS)
    assert grid.best_estimator_.predict(["a late goal"]).tolist() == ["sport"]
    assert grid.best_params_["model"] == "rnn"


CHECKS = [
    estimator_checks.check_estimator_cloneable,
    estimator_checks.check_estimator_tags_renamed,
    estimator_checks.check_valid_tag_types,
    estimator_checks.check_estimator_repr,
    estimator_checks.check_no_attributes_set_in_init,
    estimator_checks.check_get_params_invariance,
    estimator_checks.check_set_params,
    estimator_checks.check_parameters_default_constructible,
    estimator_checks.check_mixin_order,
    estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
]
"""Those of scikit-learn's checks that do not fit an estimator to a matrix of random numbers."""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_scikit_learns_checks(check: Any) -> None:
    check("TextClassifier", TextClassifier(**QUICK))


def test_fitting_changes_no_parameter_and_a_clone_is_not_fitted(fitted: TextClassifier) -> None:
    assert fitted.get_params() == TextClassifier(**QUICK).get_params()
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(["a"])
    assert (
        repr(copy)
        == "TextClassifier(embeddings='random', hidden_size=8, least_texts=600, model='gru')"
    )
