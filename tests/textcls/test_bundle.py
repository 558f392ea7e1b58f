import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from textcls import bundle, predict
from textcls.config.models import DataConfig, EmbeddingConfig, ModelConfig, TrainConfig
from textcls.corpus import Corpus, prepare_corpus
from textcls.exceptions import BundleError
from textcls.text.encoding import EncodedSplit
from textcls.text.vocabulary import Vocabulary
from textcls.training.trainer import Training

WORDS = ("<pad>", "<unk>", "goal", "match", "stock", "market", "the", ".")
TEXTS = ["The match, the GOAL.", "stock market", "", "unheard of"]
DATA = DataConfig(max_length=5)


def corpus() -> Corpus:
    tokens = np.array([6, 3, 2, 4, 5, 6, 7], np.int32)
    split = EncodedSplit(tokens, np.array([0, 3, 5, 7]), np.array([0, 1, 0]))
    vectors = np.random.default_rng(0).normal(size=(len(WORDS), 6)).astype(np.float32)
    return Corpus({"train": split}, Vocabulary(WORDS), ("Sports", "Business"), vectors, {})


@pytest.fixture(params=["cnn", "rnn", "gru"])
def exported(request, tmp_path) -> tuple[Path, Training]:
    model = ModelConfig(name=request.param, hidden_size=5, bidirectional=False, pooling="max")
    training = Training(corpus().splits, corpus().embeddings, 2, model, TrainConfig(epochs=4))
    list(training.fit([]))
    training.save(tmp_path / "checkpoint.safetensors")
    out = tmp_path / "best"
    bundle.export_bundle(
        tmp_path / "checkpoint.safetensors", model, corpus(), DATA, out, {"seed": 0}
    )
    return out, training


def test_a_loaded_bundle_gives_the_trained_logits(exported) -> None:
    folder, training = exported
    loaded = bundle.load_bundle(folder)
    batch_of_one = loaded.encode(TEXTS)
    from textcls.training.trainer import predict_logits as logits

    expected = logits(training.classifier, batch_of_one, "cpu")
    # The bundle keeps its vectors in half precision, which rounds at the fourth digit.
    torch.testing.assert_close(loaded.logits(TEXTS), expected, rtol=1e-2, atol=1e-3)
    compiled = bundle.load_bundle(folder, compiled=True)
    torch.testing.assert_close(compiled.logits(TEXTS), loaded.logits(TEXTS), rtol=1e-4, atol=1e-5)
    vectors = training.classifier.embeddings
    training.classifier.embeddings = vectors.half().float()
    expected = logits(training.classifier, batch_of_one, "cpu")
    torch.testing.assert_close(compiled.logits(TEXTS), expected, rtol=1e-6, atol=1e-6)


def test_probabilities_do_not_depend_on_the_other_texts(exported) -> None:
    loaded = bundle.load_bundle(exported[0])
    together = loaded.probabilities(TEXTS)
    assert np.allclose(together.sum(axis=1), 1)
    for text, row in zip(TEXTS, together, strict=True):
        assert np.allclose(loaded.probabilities([text])[0], row, atol=1e-6)


def test_texts_are_cut_and_looked_up_as_in_training(exported) -> None:
    encoded = bundle.load_bundle(exported[0]).encode(["The MATCH . . . . .", "", "unheard"])
    assert encoded.tokens.tolist() == [6, 3, 7, 7, 7, 1, 1]
    assert encoded.offsets.tolist() == [0, 5, 6, 7]


def test_no_texts_give_no_rows(exported) -> None:
    assert bundle.load_bundle(exported[0]).probabilities([]).shape == (0, 2)


def test_the_folder_says_where_it_comes_from_and_replaces_an_older_one(exported, tmp_path) -> None:
    folder, _ = exported
    assert bundle.load_bundle(folder).about == {"seed": 0}
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md",
        "bundle.json",
        "classifier.safetensors",
        "vocabulary.json",
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["best", "checkpoint.safetensors"]


def run_predict(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "textcls.predict", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=60)


def test_another_process_predicts_the_same(exported) -> None:
    folder, _ = exported
    done = run_predict(str(folder), stdin="\n".join(TEXTS).encode())
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.decode().splitlines()]
    loaded = bundle.load_bundle(folder)
    rows = loaded.probabilities(TEXTS)
    assert [line[0] for line in lines] == [loaded.label_names[r.argmax()] for r in rows]
    assert [line[1] for line in lines] == [f"{r.max():.4f}" for r in rows]


def test_main_takes_texts_as_arguments(exported, capsys) -> None:
    assert predict.main([str(exported[0]), "stock\nmarket", "goal"]) == 0
    assert [line.split("\t")[2] for line in capsys.readouterr().out.splitlines()] == [
        "stock market",
        "goal",
    ]


def test_a_missing_folder_is_one_line(capsys, tmp_path) -> None:
    assert predict.main([str(tmp_path / "none"), "text"]) == 1
    err = capsys.readouterr().err
    assert err == f"{tmp_path / 'none'}: not a classifier folder, bundle.json is missing\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bundle.json", "{"),
        ("bundle.json", "[]"),
        ("bundle.json", json.dumps({"format": 99})),
        ("bundle.json", json.dumps({"format": 1})),
        ("bundle.json", json.dumps({"format": 1, "model": {"name": "lstm"}})),
        ("vocabulary.json", json.dumps(["<pad>", "<unk>"])),
        ("vocabulary.json", json.dumps(3)),
        ("classifier.safetensors", "x"),
    ],
)
def test_a_damaged_bundle_is_refused(exported, name, content) -> None:
    folder, _ = exported
    (folder / name).write_text(content)
    with pytest.raises(BundleError, match=str(folder)):
        bundle.load_bundle(folder)


CHINESE = [("很快，好吃，味道足", "好"), ("送餐太慢了，不好吃", "差")] * 20  # noqa: RUF001
LONG = [(f"{'filler ' * 9}{word}", word[0]) for word in ("good", "bad")] * 20


@pytest.fixture
def exported_file(tmp_path, request) -> tuple[bundle.Bundle, Corpus, Path]:
    """A trained bundle of a small file, with a linear classifier beside its encoder."""
    (tmp_path / "rows.csv").write_text(
        "text,label\n" + "".join(f'"{text}",{label}\n' for text, label in request.param)
    )
    data = DataConfig(name=str(tmp_path / "rows.csv"), max_length=6)
    prepared = prepare_corpus(
        data,
        EmbeddingConfig(name="random", dim=4),
        linear=True,
        cache_dir=tmp_path / "cache",
        say=lambda _: None,
    )
    model = ModelConfig(name="gru", hidden_size=4, pooling="max", linear_weight=3.0)
    training = Training(prepared.splits, prepared.embeddings, 2, model, TrainConfig())
    list(training.fit([]))
    training.save(tmp_path / "checkpoint")
    bundle.export_bundle(tmp_path / "checkpoint", model, prepared, data, tmp_path / "best", {})
    return bundle.load_bundle(tmp_path / "best"), prepared, tmp_path / "best"


@pytest.mark.parametrize("exported_file", [CHINESE], indirect=True)
def test_a_bundle_cuts_texts_as_its_training_did(exported_file) -> None:
    loaded, prepared, folder = exported_file
    assert (loaded.tokenizer, prepared.tokenizer) == ("characters", "characters")
    ids = loaded.encode(["很快，好吃"]).tokens.tolist()  # noqa: RUF001
    assert [loaded.vocabulary.words[i] for i in ids] == ["很", "快", "，", "好", "吃"]  # noqa: RUF001
    about = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps(about | {"tokenizer": "klingon"}))
    with pytest.raises(BundleError, match="no tokenizer is called 'klingon'"):
        bundle.load_bundle(folder)


@pytest.mark.parametrize("exported_file", [LONG], indirect=True)
def test_the_linear_classifier_of_a_bundle_reads_whole_texts(exported_file) -> None:
    loaded, prepared, _ = exported_file
    texts = [LONG[0][0], LONG[1][0]]
    split = loaded.encode(texts)
    assert np.diff(split.offsets).tolist() == [6, 6]  # all that the encoder sees is filler
    assert split.scores is not None
    found = [loaded.label_names[i] for i in split.scores.argmax(axis=1)]
    assert found == ["g", "b"]
    np.testing.assert_allclose(
        np.unique(split.scores, axis=0),
        np.unique(prepared.splits["test"].scores, axis=0),
        rtol=1e-3,  # the bundle keeps its weights in half precision
    )


@pytest.mark.parametrize("exported_file", [LONG], indirect=True)
def test_a_bundle_of_before_cuts_everything_alike(exported_file) -> None:
    _, _, folder = exported_file
    about = json.loads((folder / "bundle.json").read_text())
    for key in ("tokenizer", "linear_length"):
        del about[key]
    (folder / "bundle.json").write_text(json.dumps(about))
    (folder / "linear_vocabulary.json").unlink()
    loaded = bundle.load_bundle(folder)
    assert loaded.tokenizer == "wordpunct"
    scores = loaded.encode([LONG[0][0], LONG[1][0]]).scores
    np.testing.assert_array_equal(scores[0], scores[1])
