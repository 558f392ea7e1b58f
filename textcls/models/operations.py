"""Count a classifier's operations and parameters before it is trained: what it will cost."""

from textcls.config.models import ModelConfig

OVERHEAD = 6_000.0
"""Operations a token that take as long as all that the products leave out.

Looking up and updating word vectors, the batch, the loss. From 130 recorded trainings of a GRU with
32 to 256 units and 50 dimensions on one core (`benchmarks/curves`, 2026-11-25): the seconds of an
epoch are 0.99 correlated with this count.
"""

NGRAM_BUCKETS = 1 << 18
"""Rows of the table of n-gram scores."""


def operations_per_token(model: ModelConfig, dim: int) -> float:
    """Return the multiplications a token of one pass through the encoder, and `OVERHEAD`.

    A training step takes a constant times as many, so the ratio of two counts is about the ratio of
    two trainings' times on one machine; what the count leaves out (cache sizes, padding of vector
    registers, a GPU) is not in it.

    Args:
        model: The classifier.
        dim: Dimensions of the word vectors.

    Example:
        >>> operations_per_token(ModelConfig(name="gru", hidden_size=100), dim=50)
        51000.0
    """
    count = _convolutions(model, dim) if model.name == "cnn" else _recurrence(model, dim)
    return OVERHEAD + count


def parameter_count(model: ModelConfig, dim: int, *, words: int, classes: int) -> int:
    """Return how many numbers a trained classifier holds, word vectors included.

    The linear classifier that may stand beside it is not counted: it is the same for all
    configurations.

    Args:
        model: The classifier.
        dim: Dimensions of the word vectors.
        words: Words of the vocabulary.
        classes: Number of labels.

    Example:
        >>> parameter_count(ModelConfig(name="gru", hidden_size=100), 50, words=1000, classes=4)
        96004
    """
    hidden = model.hidden_size
    if model.name == "cnn":
        widths = [dim, *[hidden] * (model.blocks - 1)]
        normalised = 4 * hidden  # scale, shift, running mean and variance
        encoder = sum(
            size * width * hidden + hidden + normalised
            for size in model.kernel_sizes
            for width in widths
        )
        output_dim = hidden * len(model.kernel_sizes)
    else:
        gates, directions = _gates(model)
        biases = 2 * model.layers * directions * gates * hidden
        encoder = int(_recurrence(model, dim)) + biases
        output_dim = directions * hidden
    ngrams = NGRAM_BUCKETS * classes if model.ngrams else 0
    return words * dim + encoder + (output_dim + 1) * classes + ngrams


def _gates(model: ModelConfig) -> tuple[int, int]:
    """Return the gates of a cell and the directions in which a recurrence reads."""
    return 3 if model.name == "gru" else 1, 2 if model.bidirectional else 1


def _recurrence(model: ModelConfig, dim: int) -> float:
    gates, directions = _gates(model)
    hidden = model.hidden_size
    widths = [dim, *[directions * hidden] * (model.layers - 1)]
    return float(sum(directions * gates * hidden * (width + hidden) for width in widths))


def _convolutions(model: ModelConfig, dim: int) -> float:
    """Count the products of all branches; each block has half the places of the one before it."""
    hidden = model.hidden_size
    widths = [dim, *[hidden] * (model.blocks - 1)]
    return sum(
        size * width * hidden / 2 ** (block + 1)
        for size in model.kernel_sizes
        for block, width in enumerate(widths)
    )
