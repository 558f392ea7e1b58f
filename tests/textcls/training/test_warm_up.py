from pathlib import Path

import numpy as np
import pytest

from textcls import compilation
from textcls.config.models import ModelConfig, TrainConfig
from textcls.text.encoding import EncodedSplit
from textcls.training import warm_up
from textcls.training.trainer import Training
from textcls.training.warm_up import KernelKind


def test_a_kind_is_what_decides_the_kernels() -> None:
    kind = KernelKind.of(ModelConfig(name="gru", hidden_size=7, ngrams=1, pooling="max"))
    assert kind == KernelKind("gru", "max", ngrams=True, linear=False)
    assert kind == KernelKind.of(ModelConfig(hidden_size=9, layers=2, ngrams=2, pooling="max"))


def train(model: ModelConfig) -> None:
    """Two steps on data as a search's workers have it: arrays that cannot be written."""
    tokens = np.arange(2, 14, dtype=np.int32)
    offsets = np.array([0, 3, 7, 12])
    labels = np.array([0, 1, 0])
    for array in (tokens, offsets, labels):
        array.flags.writeable = False
    split = EncodedSplit(tokens, offsets, labels)
    vectors = np.ones((14, 5), np.float32)
    training = Training(
        {"train": split, "test": split},
        vectors,
        2,
        model,
        TrainConfig(batch_size=2, freeze_iters=1),
    )
    assert len(list(training.fit([0.5]))) == 2


def test_training_finds_every_kernel_compiled(capsys: pytest.CaptureFixture[str]) -> None:
    files = compilation.stored_kernels()
    models = [
        ModelConfig(name=name, pooling=pooling, ngrams=ngrams)
        for name in ("gru", "rnn", "cnn")
        for pooling, ngrams in (("last", 0), ("max", 2), ("mean", 0))
    ]
    kinds = [KernelKind.of(model, linear=True) for model in models]
    assert warm_up.main([warm_up.encode_kinds(kinds)]) == 0
    assert warm_up.missing_kinds(kinds) == []
    before = contents(files.folders[0])
    for model in models:
        for layers, bidirectional in ((1, False), (1, True), (2, True)):
            more = {"layers": layers, "bidirectional": bidirectional}
            train(model.model_copy(update=more if model.name != "cnn" else {}))
    assert contents(files.folders[0]) == before
    assert capsys.readouterr() == ("", "")


def contents(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def test_what_is_missing_is_asked_of_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = compilation.KernelFiles([tmp_path], "set")
    monkeypatch.setattr(warm_up, "stored_kernels", lambda: files)
    one, other = (KernelKind(name, "max", ngrams=False, linear=True) for name in ("gru", "cnn"))
    files.write(one.marker, b"")
    assert warm_up.missing_kinds([one, other, other]) == [other]
