"""The tensors that a classifier of a given configuration has: names, types and shapes."""

from collections.abc import Iterator

from textcls.config.models import ModelConfig
from textcls.runtime._compact import INT8, MATRICES, PACKED, SCALE, WORD_IDS
from textcls.runtime._tensor_file import Wanted

NGRAM_BUCKETS = 1 << 18
"""Rows of the table of n-gram scores, as `textcls.models._ngrams` has them."""

_GATES = {"gru": 3, "rnn": 1}


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
    """Return what `linear.safetensors` must hold in a small bundle, with `packed` bytes of keys."""
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
    """Return how many numbers the encoder makes of a text."""
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
