"""A small bundle is written only where it predicts as the whole one, and says what it changes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from textcls import train
from textcls.exceptions import BundleError
from textcls.export import __main__ as export
from textcls.export import small_bundle
from textcls.export.small_bundle import HeldOut, feature_use, reduced, write_small
from textcls.runtime.bundle_files import BundleFiles, read_bundle
from textcls.runtime.predictor import Predictor

TEXTS = 1_500


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of made texts, with a linear part and a validation split."""
    folder = tmp_path_factory.mktemp("trained")
    lines = [f"data.train_size={TEXTS}", "data.test_size=400", "data.name=synthetic"]
    lines += ["data.validation_fraction=0.2", "model.hidden_size=8", "model.linear_weight=3"]
    lines += ["embeddings.name=random", "embeddings.dim=16", "train.epochs=2"]
    command = [each for line in lines for each in ("--set", line)]
    assert train.main([*command, "--out", str(folder / "whole")]) == 0
    return folder / "whole"


def test_the_command_tells_what_it_changes(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small"
    assert export.main([str(trained), "--small", str(out)]) == 0
    said = capsys.readouterr().out
    size, before = (sum(p.stat().st_size for p in each.iterdir()) for each in (out, trained))
    assert f"{size:,} bytes instead of {before:,}" in said
    assert size < before / 2
    description = read_bundle(out).description
    found = description.reduction
    assert found is not None
    assert found.accuracy is not None
    assert (found.split, found.texts) == ("validation", TEXTS // 5)
    assert found.accuracy[0] - found.accuracy[1] <= small_bundle.MOST_LOST
    assert found.changed <= small_bundle.MOST_CHANGED * found.texts
    assert found.accuracy[0] == pytest.approx(
        description.about.model_dump()["result"]["val_accuracy"]
    )
    assert f"{found.changed} of {found.texts} texts of validation get another label" in said
    assert "## Size" in (out / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_the_least_used_features_go(trained: Path) -> None:
    files = read_bundle(trained)
    made = reduced(files, 1.0, 0.25)
    assert files.linear is not None
    assert made.linear is not None
    assert len(made.linear["keys"]) == round(0.25 * len(files.linear["keys"]))
    use = feature_use(files.linear["idf"], files.linear["weights"][:-1])
    kept = np.isin(files.linear["keys"], made.linear["keys"])
    assert use[kept].min() >= use[~kept].max()
    assert np.array_equal(made.linear["weights"][-1], files.linear["weights"][-1])
    assert made.linear["weights"].shape == (kept.sum() + 1, len(files.description.label_names))


def test_a_feature_that_says_the_same_of_all_classes_is_of_no_use() -> None:
    idf = np.array([2.0, 2.0, 5.0], np.float32)
    weights = np.array([[3.0, 3.0], [1.0, -1.0], [1.0, -1.0]], np.float32)
    same, common, rare = feature_use(idf, weights)
    assert same == 0
    assert common > rare > 0


def test_the_rarest_words_go(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = read_bundle(trained)
    monkeypatch.setattr(small_bundle, "_LEAST_WORDS", 10)
    made = reduced(files, 0.5, 1.0)
    assert made.words == files.words[: round(0.5 * len(files.words))]
    assert len(made.weights["embeddings"]) == len(made.words)
    # The linear classifier knows as many as before: whatever it alone reads stays the same.
    assert (made.linear_words or ()) == (files.linear_words or files.words)


def test_a_table_of_ngrams_keeps_its_ids(trained: Path) -> None:
    files = read_bundle(trained)
    model = files.description.model.model_copy(update={"ngrams": 1})
    description = files.description.model_copy(update={"model": model})
    assert reduced(replace(files, description=description), 0.5, 1.0).words == files.words


def test_more_is_kept_where_labels_change(trained: Path, tmp_path: Path) -> None:
    files = coarse(read_bundle(trained))
    texts = [" ".join(files.words[i : i + 12]) for i in range(2, 402)]
    found = write_small(files, HeldOut("words", texts), tmp_path / "small")
    assert found.features is not None
    assert found.features[1] > small_bundle.LEVELS[0][1] * found.features[0] + 1
    assert found.accuracy is None


def coarse(files: BundleFiles) -> BundleFiles:
    """A classifier of its linear part alone, whose every feature matters."""
    weights = {**files.weights, "output.weight": files.weights["output.weight"] * 0}
    return replace(files, weights=weights)


def test_what_cannot_be_rounded_is_not_written(trained: Path, tmp_path: Path) -> None:
    files = read_bundle(trained)
    assert files.linear is not None
    weights = files.linear["weights"].copy()
    weights[0] *= 1e6  # beside such a number a byte has no room for the others
    spoilt = replace(files, linear={**files.linear, "weights": weights})
    texts = [" ".join(files.words[i : i + 12]) for i in range(2, 402)]
    labels = Predictor(spoilt).probabilities(texts).argmax(axis=1)
    with pytest.raises(BundleError, match="not written: a byte for each number changes"):
        write_small(spoilt, HeldOut("words", texts, labels), tmp_path / "small")
    assert not list(tmp_path.iterdir())


def test_other_texts_may_be_named(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new.csv").write_text("text\n" + "goal\nstock\n" * 30, encoding="utf-8")
    command = [str(trained), "--small", str(tmp_path / "small")]
    assert export.main([*command, "--rows", str(tmp_path / "new.csv")]) == 0
    assert "of 60 texts of new.csv" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({}, "does not record its data"),
        ({"configuration": {"data": {"name": "/no/such.csv"}}}, "such.csv: no such file"),
        ({"configuration": {"data": {"name": 3}}}, "is damaged"),
        (
            {
                "configuration": {"data": {"name": "synthetic", "train_size": 99}},
                "provenance": {"data_fingerprint": "other"},
            },
            "has changed since",
        ),
        (
            {"configuration": {"data": {"name": "synthetic"}}},
            "has other classes",
        ),
    ],
)
def test_without_the_texts_of_the_training_others_are_asked_for(
    about: dict[str, object],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from bundle_parts import export_small

    folder = export_small(tmp_path, about={"seed": 0, **about})
    assert export.main([str(folder), "--small", str(tmp_path / "small")]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert "--rows FILE" in said
    assert not (tmp_path / "small").exists()


def test_nothing_else_is_overwritten(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "letters.txt").write_text("Dear Ann")
    assert export.main([str(trained), "--small", str(tmp_path)]) == 1
    assert export.main([str(trained), "--small", str(trained)]) == 1
    said = capsys.readouterr().err
    assert "holds something other than a classifier" in said
    assert "is the classifier itself" in said
    with pytest.raises(SystemExit):
        export.main([str(trained)])


def test_where_the_data_lies_can_be_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "secret place"
    place.mkdir()
    rows = [f"the {word} number {i},{word}" for i in range(40) for word in ("goal", "stock")]
    (place / "own.csv").write_text("text,label\n" + "\n".join(rows), encoding="utf-8")
    command = ["--set", f"data.name={place}/own.csv", "--set", "embeddings.name=random"]
    out = tmp_path / "whole"
    assert train.main([*command, "--out", str(out), "--set", "model.hidden_size=4"]) == 0
    assert all(b"secret" not in path.read_bytes() for path in out.iterdir())
    capsys.readouterr()
    small = ["--small", str(tmp_path / "small")]
    assert export.main([str(out), *small]) == 1
    assert "own.csv" in (said := capsys.readouterr().err)
    assert "with --data" in said
    assert export.main([str(out), *small, "--data", str(place / "own.csv")]) == 0
    assert "texts of test get another label" in capsys.readouterr().out
    monkeypatch.chdir(place)
    assert export.main([str(out), *small]) == 0
    (place / "own.csv").write_text("text,label\na,goal\nb,stock\n" * 9, encoding="utf-8")
    assert export.main([str(out), *small]) == 1
    assert "has changed since" in capsys.readouterr().err
