"""The tensors and words in a bundle of a given configuration, and what they take on the disk.

All of that is known before a classifier is trained. So a bundle's tensors can be checked against
its configuration, and a search can compare trials by their size without exporting each.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from textcls.config.models import ModelConfig
from textcls.runtime._compact import INT8, MATRICES, PACKED, SCALE, WORD_IDS
from textcls.runtime._tensor_file import Wanted, file_size

NGRAM_BUCKETS = 1 << 18
"""Rows of the table of n-gram scores, as `textcls.models._ngrams` has them."""

_PENALTY = "penalty"
"""A tensor that tells how the linear classifier was trained; predicting does without it."""
_GATES = {"gru": 3, "rnn": 1}


@dataclass(frozen=True, slots=True)
class BundleSize:
    """What an exported classifier takes."""

    parameters: int
    """Its numbers, word vectors and linear classifier included; the keys of features are none."""
    bytes: int
    """The files with its tensors and its words, as `write_bundle` writes them by default: word
    vectors and linear classifier in half precision, all else in single precision. `bundle.json` and
    the model card, some kilobytes, say what the training came to and are not counted."""


@dataclass(frozen=True, slots=True)
class BundleParts:
    """What all classifiers of a corpus have in common.

    Example:
        >>> parts = BundleParts(words=1000, dim=50, classes=4, vocabulary_bytes=9_000)
        >>> parts.size_of(ModelConfig(name="gru", hidden_size=100)).parameters
        96004
    """

    words: int
    """Of the encoder's vocabulary."""
    dim: int
    """Numbers in a word's vector."""
    classes: int
    vocabulary_bytes: int
    """Size of the file with the encoder's words."""
    features: int | None = None
    """Of the linear classifier; None where the corpus has none."""
    linear_vocabulary_bytes: int = 0
    """Size of the file with the linear classifier's words; 0 where they are the encoder's."""

    def size_of(self, model: ModelConfig) -> BundleSize:
        """Return the size of a classifier's bundle.

        Args:
            model: Its settings; with `linear_weight` above 0 the linear classifier is part of it.

        Raises:
            ValueError: The settings want a linear classifier, and the corpus has none.
        """
        encoder = classifier_tensors(model, self.classes, (self.words, self.dim))
        files: list[Mapping[str, Wanted]] = [encoder]
        words = self.vocabulary_bytes
        if model.linear_weight > 0:
            if self.features is None:
                raise ValueError("the corpus has no linear classifier, but the model wants one")
            files.append(linear_tensors(self.features, self.classes, penalty=True))
            words += self.linear_vocabulary_bytes
        return BundleSize(
            sum(
                _numbers(each) for file in files for name, each in file.items() if name != _PENALTY
            ),
            words + sum(file_size({n: _written(w) for n, w in file.items()}) for file in files),
        )


def classifier_tensors(
    model: ModelConfig, classes: int, embeddings: tuple[int, int]
) -> dict[str, Wanted]:
    """Return what `classifier.safetensors` must hold.

    Args:
        model: The settings of the classifier.
        classes: Number of classes.
        embeddings: Number of words and numbers in a word's vector.
    """
    wanted = {"embeddings": Wanted(embeddings, ("F32", "F16"))}
    if model.name == "cnn":
        wanted |= dict(_convolutions(model, embeddings[1]))
    else:
        wanted |= dict(_recurrences(model, embeddings[1]))
    wanted["output.weight"] = Wanted((classes, output_dim(model)))
    wanted["output.bias"] = Wanted((classes,))
    if model.ngrams:
        wanted["ngrams.table"] = Wanted((NGRAM_BUCKETS, classes))
    return wanted


def compact_tensors(
    model: ModelConfig, classes: int, embeddings: tuple[int, int], word_ids: int | None
) -> dict[str, Wanted]:
    """Return what `classifier.safetensors` must hold in a small bundle.

    Args:
        model: The settings of the classifier.
        classes: Number of classes.
        embeddings: Number of words and numbers in a word's vector.
        word_ids: Bytes of the packed ids of its words; None without a linear classifier.
    """
    wanted = {}
    for name, want in classifier_tensors(model, classes, embeddings).items():
        if name in MATRICES:
            wanted[name + INT8] = Wanted(want.shape, ("I8",))
            wanted[name + SCALE] = Wanted(want.shape[1:])
        else:
            wanted[name] = Wanted(want.shape, ("F32", "F16")) if len(want.shape) > 1 else want
    return wanted if word_ids is None else wanted | {WORD_IDS: Wanted((word_ids,), ("U8",))}


def compact_linear_tensors(
    features: int, classes: int, packed: int, *, penalty: bool
) -> dict[str, Wanted]:
    """Return what `linear.safetensors` must hold in a small bundle.

    Args:
        features: Number of features.
        classes: Number of classes.
        packed: Bytes of the packed keys of the features.
        penalty: Whether the file says its penalty.
    """
    wanted = linear_tensors(features, classes, penalty=penalty)
    del wanted["keys"], wanted["weights"]
    return wanted | {
        "keys" + PACKED: Wanted((packed,), ("U8",)),
        "weights" + INT8: Wanted((features, classes), ("I8",)),
        "weights" + SCALE: Wanted((classes,)),
        "bias": Wanted((classes,)),
    }


def linear_tensors(features: int, classes: int, *, penalty: bool) -> dict[str, Wanted]:
    """Return what `linear.safetensors` must hold.

    Args:
        features: Number of features.
        classes: Number of classes.
        penalty: Whether the file says its penalty, as those of earlier versions do not.
    """
    wanted = {
        "keys": Wanted((features,), ("I64",)),
        "idf": Wanted((features,), ("F32", "F16")),
        "weights": Wanted((features + 1, classes), ("F32", "F16")),
    }
    return wanted | ({"penalty": Wanted((1,), ("F64",))} if penalty else {})


def output_dim(model: ModelConfig) -> int:
    """Return how many numbers the encoder makes of a text.

    Args:
        model: The settings of the classifier.
    """
    if model.name == "cnn":
        return model.hidden_size * len(model.kernel_sizes)
    return model.hidden_size * (2 if model.bidirectional else 1)


def _recurrences(model: ModelConfig, dim: int) -> Iterator[tuple[str, Wanted]]:
    hidden, gates = model.hidden_size, _GATES[model.name]
    directions = ("", "_reverse") if model.bidirectional else ("",)
    for layer in range(model.layers):
        width = dim if layer == 0 else hidden * len(directions)
        for direction in directions:
            end = f"l{layer}{direction}"
            yield f"encoder.recurrence.weight_ih_{end}", Wanted((gates * hidden, width))
            yield f"encoder.recurrence.weight_hh_{end}", Wanted((gates * hidden, hidden))
            yield f"encoder.recurrence.bias_ih_{end}", Wanted((gates * hidden,))
            yield f"encoder.recurrence.bias_hh_{end}", Wanted((gates * hidden,))


def _convolutions(model: ModelConfig, dim: int) -> Iterator[tuple[str, Wanted]]:
    hidden = model.hidden_size
    for branch, size in enumerate(model.kernel_sizes):
        for block in range(model.blocks):
            start = f"encoder.branches.{branch}.{block}"
            width = dim if block == 0 else hidden
            yield f"{start}.convolution.weight", Wanted((hidden, width, size))
            for name in ("convolution.bias", "norm.weight", "norm.bias", "norm.running_mean"):
                yield f"{start}.{name}", Wanted((hidden,))
            yield f"{start}.norm.running_var", Wanted((hidden,))
            yield f"{start}.norm.num_batches_tracked", Wanted((), ("I64",))


def vocabulary_text(words: Sequence[str]) -> str:
    """Return the content of a bundle's file of words.

    Args:
        words: In the order of their ids.
    """
    return json.dumps(words, ensure_ascii=False, indent=1) + "\n"


def _numbers(wanted: Wanted) -> int:
    return 0 if "I64" in wanted.types else math.prod(wanted.shape)


def _written(wanted: Wanted) -> Wanted:
    """Return the type that a tensor has where half precision is used."""
    return Wanted(wanted.shape, ("F16",)) if "F16" in wanted.types else wanted
