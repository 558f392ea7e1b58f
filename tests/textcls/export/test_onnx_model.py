"""onnxruntime gives what `predict` gives, for every encoder, pooling and the scores beside it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundle_parts import LABELS, TEXTS, export_small, small_corpus

from textcls import ensemble
from textcls.exceptions import BundleError
from textcls.export import __main__ as export
from textcls.export.onnx_model import export_onnx, model_inputs
from textcls.runtime.loading import load_predictor
from textcls.runtime.predictor import Predictor

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

MODELS: list[dict[str, Any]] = [
    {"name": name, "pooling": pooling, "bidirectional": both, "layers": layers}
    for name in ("gru", "rnn")
    for pooling in ("last", "max", "mean")
    for both, layers in ((False, 1), (True, 2))
]
MODELS += [
    {"name": "cnn", "pooling": pooling, "kernel_sizes": sizes, "blocks": blocks}
    for pooling in ("last", "mean")
    for sizes, blocks in (((3,), 3), ((2, 5), 1), ((1, 4), 2))
]
MODELS += [{"ngrams": 1}, {"ngrams": 2, "linear_weight": 2.5}, {"name": "cnn", "linear_weight": 5}]


def loaded(folder: Path) -> Predictor:
    found = load_predictor(folder)
    assert isinstance(found, Predictor)
    return found


def logits(path: Path, inputs: dict[str, Any]) -> np.ndarray[Any, Any]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found: np.ndarray[Any, Any] = session.run(["logits"], inputs)[0]
    return found


@pytest.mark.parametrize("model", MODELS, ids=lambda model: "-".join(map(str, model.values())))
def test_the_logits_are_those_of_predict(model: dict[str, Any], tmp_path: Path) -> None:
    predictor = loaded(export_small(tmp_path, **model))
    out = tmp_path / "model.onnx"
    assert export_onnx(predictor, out, TEXTS).largest < 1e-4
    together = logits(out, model_inputs(predictor, TEXTS))
    np.testing.assert_allclose(together, predictor.logits(TEXTS), atol=1e-4)
    alone = [logits(out, model_inputs(predictor, [text]))[0] for text in TEXTS]
    np.testing.assert_allclose(alone, together, atol=1e-5)  # whatever the padding
    assert np.ptp(together, axis=0).min() > 0.01


def test_ngrams_of_characters_come_in_as_columns(tmp_path: Path) -> None:
    corpus = small_corpus(linear=True, whole=True, characters=True)
    predictor = loaded(export_small(tmp_path, corpus, linear_weight=3.0))
    out = tmp_path / "model.onnx"
    export_onnx(predictor, out, [*TEXTS, "goalies matching"])
    described = json.loads((tmp_path / "model.onnx.json").read_text())
    assert described["label_names"] == list(LABELS)
    with np.load(tmp_path / described["linear"]["keys_and_idf"]) as arrays:
        assert len(arrays["keys"]) == len(arrays["idf"])


def test_a_model_that_predicts_otherwise_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = loaded(export_small(tmp_path))
    wrong = predictor.logits
    monkeypatch.setattr(predictor, "logits", lambda texts: wrong(texts) + 0.01)
    with pytest.raises(BundleError, match="predicts otherwise"):
        export_onnx(predictor, tmp_path / "model.onnx", TEXTS)
    assert not list(tmp_path.glob("model.onnx*"))


def test_the_command_writes_and_compares(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = export_small(tmp_path, linear_weight=2.0)
    assert export.main([str(folder), "--onnx", str(tmp_path / "m.onnx")]) == 0
    assert "same labels as predict on 500 texts" in capsys.readouterr().out
    assert export.main([str(folder), "--onnx", str(tmp_path / "no" / "m.onnx")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_an_ensemble_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export_small(tmp_path)
    ensemble.write_ensemble(tmp_path, ["bundle"], {})
    assert export.main([str(tmp_path), "--onnx", str(tmp_path / "m.onnx")]) == 1
    assert "export its members" in capsys.readouterr().err


@pytest.mark.parametrize("blocked", ["m.onnx", "m.onnx.json", "m.onnx.features.npz"])
def test_a_file_that_cannot_be_written_leaves_nothing(
    blocked: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = export_small(tmp_path, linear_weight=2.0)
    (tmp_path / "out" / blocked / "x").mkdir(parents=True)  # a folder that no file can replace
    assert export.main([str(folder), "--onnx", str(tmp_path / "out" / "m.onnx")]) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == [blocked]
