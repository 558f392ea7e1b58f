"""What is counted of a classifier before its training is what its bundle then takes."""

from pathlib import Path
from typing import Any

import pytest
from bundle_parts import LABELS, export_small, small_corpus
from safetensors.numpy import load_file

from textcls.config.models import ModelConfig
from textcls.corpus import bundle_parts
from textcls.runtime.bundle_files import read_bundle
from textcls.runtime.bundle_layout import BundleParts

COUNTED = {
    "classifier.safetensors",
    "vocabulary.json",
    "linear.safetensors",
    "linear_vocabulary.json",
}


@pytest.mark.parametrize("corpus", [{}, {"whole": True}, {"characters": True}])
@pytest.mark.parametrize(
    "model",
    [
        {},
        {"name": "rnn", "layers": 2, "bidirectional": True},
        {"name": "cnn", "kernel_sizes": (2, 3), "blocks": 2},
        {"name": "cnn", "hidden_size": 3, "ngrams": 1},
        {"linear_weight": 2.0},
        {"name": "cnn", "hidden_size": 137, "linear_weight": 0.5},
    ],
)
def test_the_counted_size_is_that_of_the_files(
    model: dict[str, Any], corpus: dict[str, Any], tmp_path: Path
) -> None:
    made = small_corpus(linear=True, **corpus)
    out = export_small(tmp_path, made, **model)
    kept = read_bundle(out).description.model
    size = bundle_parts(made).size_of(kept)
    files = [path for path in out.iterdir() if path.name in COUNTED]
    assert {path.name for path in out.iterdir()} - COUNTED == {"bundle.json", "README.md"}
    assert size.bytes == sum(path.stat().st_size for path in files)
    arrays = [load_file(path) for path in files if path.suffix == ".safetensors"]
    numbers = [
        each
        for held in arrays
        for name, each in held.items()
        if each.dtype.kind == "f" and name != "penalty"
    ]
    assert size.parameters == sum(each.size for each in numbers)


def test_the_linear_classifier_counts_where_the_model_has_it() -> None:
    parts = bundle_parts(small_corpus(linear=True, whole=True))
    alone, both = (parts.size_of(ModelConfig(linear_weight=each)) for each in (0.0, 1.0))
    assert parts.features is not None
    added = parts.features + (parts.features + 1) * len(LABELS)
    assert both.parameters - alone.parameters == added
    assert both.bytes - alone.bytes > 8 * parts.features + 2 * added


def test_a_linear_classifier_that_the_corpus_lacks_is_said() -> None:
    parts = BundleParts(words=30, dim=4, classes=2, vocabulary_bytes=100)
    with pytest.raises(ValueError, match="the corpus has no linear classifier"):
        parts.size_of(ModelConfig(linear_weight=1.0))
