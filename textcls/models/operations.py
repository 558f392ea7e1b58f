"""Count the operations of a classifier before it is trained: what a configuration will cost."""

from textcls.config.models import ModelConfig

OVERHEAD = 6_000.0
"""Operations a token that take as long as all that the products leave out.

Looking up and updating word vectors, the batch, the loss. From 130 recorded trainings of a GRU with
32 to 256 units and 50 dimensions on one core (`benchmarks/curves`, 2026-11-25): the seconds of an
epoch are 0.99 correlated with this count.
"""


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


def _recurrence(model: ModelConfig, dim: int) -> float:
    gates = 3 if model.name == "gru" else 1
    directions = 2 if model.bidirectional else 1
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
