"""k classifiers of one shape as one set of operations: every weight has k in front.

Nothing here sums over the networks, so one whose numbers are no longer finite leaves the others
as they are.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from textcls.models.classifier import Classifier
from textcls.text.batching import Batch, places_of
from textcls.training._fused_recurrence import FusedGRULayer, FusedRNNLayer

_MASK = 0xFFFFFFFF
_FIRST, _SECOND, _THIRD = 0x9E3779B1, 0x7FEB352D, 0x846CA68B


class FusedModel:
    """The weights and statistics of k classifiers, and their scores.

    flat: all weights of each, float32 (k, weights); a leaf that gets the gradients.
    words: the word vectors of each, (k, vocabulary, dim).
    statistics: the running means and variances of batch normalisation, by name, (k, channels).
    """

    def __init__(self, singles: Sequence[Classifier], words: Tensor) -> None:
        self.template = singles[0]
        self.shapes = {name: p.shape for name, p in self.template.named_parameters()}
        flat = [torch.cat([p.detach().reshape(-1) for p in each.parameters()]) for each in singles]
        self.flat = torch.stack(flat).requires_grad_()
        self.words = words.expand(len(singles), -1, -1).clone()
        self.statistics = {
            name: torch.stack([dict(each.named_buffers())[name] for each in singles])
            for name, _ in self.template.named_buffers()
            if name.endswith(("running_mean", "running_var"))
        }
        self.dropouts = Dropouts(singles)

    def keep(self, places: Tensor) -> None:
        """Keep the classifiers at these places, (kept,) int64."""
        self.flat = self.flat.detach().index_select(0, places).requires_grad_()
        self.words = self.words.index_select(0, places)
        for name, values in self.statistics.items():
            self.statistics[name] = values.index_select(0, places)
        self.dropouts.keep(places)

    def join(self, other: "FusedModel") -> None:
        """Add the classifiers of another model of the same shape."""
        self.flat = torch.cat([self.flat.detach(), other.flat.detach()]).requires_grad_()
        self.words = torch.cat([self.words, other.words])
        for name, values in self.statistics.items():
            self.statistics[name] = torch.cat([values, other.statistics[name]])
        self.dropouts.join(other.dropouts)

    def load(self, place: int, tensors: Mapping[str, Tensor]) -> None:
        """Take over the weights of a checkpoint, `classifier.NAME`, at a place.

        Raises:
            KeyError: A tensor is missing.
            RuntimeError: One has another shape.
        """
        with torch.no_grad():
            for name, weight in (*self.weights().items(), *self.statistics.items()):
                weight[place].copy_(tensors[f"classifier.{name}"])
        self.words[place].copy_(tensors["classifier.embeddings"])

    def weights(self) -> dict[str, Tensor]:
        """Return the weights by name, each (k, *shape): views of `flat`."""
        parts = self.flat.split([shape.numel() for shape in self.shapes.values()], dim=1)
        shaped = zip(self.shapes.items(), parts, strict=True)
        return {name: part.view(len(part), *shape) for (name, shape), part in shaped}

    def look_up(self, batch: Batch) -> Tensor:
        """Return a copy of the vectors of the batch's distinct words, (k, distinct, dim)."""
        return self.words.index_select(1, batch.rows)

    def scores(self, rows: Tensor, batch: Batch, step: int | None) -> Tensor:
        """Score a batch: (k, distinct, dim) -> logits (k, batch, classes).

        Args:
            rows: The vectors of the batch's distinct words.
            batch: The batch.
            step: The step of training, which decides what dropout leaves out; None in prediction.
        """
        weights = self.weights()
        if step is not None:
            rows = self.dropouts.words(rows, step)
        places = places_of(batch, self.template.encoder.plain_layout)
        encode = _recurrent if hasattr(self.template.encoder, "recurrence") else _convolutional
        encoded = encode(self, weights, rows, batch, places, training=step is not None)
        if step is not None:
            encoded = self.dropouts.encoded(encoded, step)
        return _linear(encoded, weights["output.weight"], weights["output.bias"])


class Dropouts:
    """What dropout leaves out, decided by each classifier's seed, the step and the position alone.

    So a classifier's draws do not depend on which others are trained beside it. They are not those
    of a classifier that is trained alone, which come from torch's generator.
    """

    def __init__(self, singles: Sequence[Classifier]) -> None:
        device = singles[0].embeddings.device
        rates = [(each.word_dropout, each.embedding_dropout, each.dropout.p) for each in singles]
        self.rates = torch.tensor(rates, device=device).T  # (3, k)
        self.used = [any(kind) for kind in zip(*rates, strict=True)]
        self.seeds = torch.zeros(len(singles), dtype=torch.int64, device=device)

    def keep(self, places: Tensor) -> None:
        """Keep the classifiers at these places."""
        self.rates = self.rates.index_select(1, places)
        self.seeds = self.seeds.index_select(0, places)

    def join(self, other: "Dropouts") -> None:
        """Add the classifiers of another."""
        self.rates = torch.cat([self.rates, other.rates], dim=1)
        self.used = [ours or theirs for ours, theirs in zip(self.used, other.used, strict=True)]
        self.seeds = torch.cat([self.seeds, other.seeds])

    def words(self, rows: Tensor, step: int) -> Tensor:
        """Leave out words, then numbers of their vectors: (k, distinct, dim)."""
        if self.used[0]:
            rows = rows * self._kept(0, step, rows[:, :, :1])
        return self._scaled(1, step, rows) if self.used[1] else rows

    def encoded(self, vectors: Tensor, step: int) -> Tensor:
        """Leave out numbers of the encoded texts: (k, batch, dim)."""
        return self._scaled(2, step, vectors) if self.used[2] else vectors

    def _scaled(self, kind: int, step: int, values: Tensor) -> Tensor:
        kept = self._kept(kind, step, values)
        return values * (kept / (1.0 - self.rates[kind])[:, None, None])

    def _kept(self, kind: int, step: int, like: Tensor) -> Tensor:
        """Return True where a number stays, (k, ...): a hash of 32 bits against the rate."""
        count = like[0].numel()
        positions = torch.arange(count, device=like.device) * _FIRST
        mixed = (self.seeds[:, None] + positions + (3 * step + kind) * _SECOND) & _MASK
        mixed = ((mixed ^ (mixed >> 16)) * _SECOND) & _MASK
        mixed = ((mixed ^ (mixed >> 15)) * _THIRD) & _MASK
        drawn = (mixed ^ (mixed >> 16)) * 2.0**-32
        return (drawn >= self.rates[kind][:, None]).view(like.shape)


def _linear(values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """(k, rows, in), (k, out, in), (k, out) -> (k, rows, out)."""
    return torch.baddbmm(bias[:, None], values, weight.transpose(1, 2))


def _pooled(states: Tensor, places: Sequence[Tensor], pooling: str, texts: int) -> Tensor:
    """Take the maximum or mean of each text's states: (k, tokens, dim) -> (k, texts, dim)."""
    if pooling == "max":
        padded = states.index_select(1, places[0])
        return padded.view(len(states), -1, texts, states.shape[2]).max(dim=1).values
    text, share = places
    zeros = states.new_zeros(len(states), texts, states.shape[2])
    return zeros.index_add(1, text, states) * share[:, None]


def _recurrent(
    model: FusedModel,
    weights: Mapping[str, Tensor],
    rows: Tensor,
    batch: Batch,
    places: Sequence[Tensor],
    *,
    training: bool,  # noqa: ARG001
) -> Tensor:
    encoder = model.template.encoder
    cell: nn.RNNBase = encoder.recurrence  # type: ignore[assignment]
    function = FusedGRULayer if isinstance(cell, nn.GRU) else FusedRNNLayer
    sizes, texts = batch.sizes.tolist(), len(batch.lengths)
    states, directions = rows, list[Tensor]()
    for layer in range(cell.num_layers):
        directions = []
        for end in ("", "_reverse") if cell.bidirectional else ("",):
            w_ih, w_hh, b_ih, b_hh = (
                weights[f"encoder.recurrence.{name}_l{layer}{end}"]
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            gates = _linear(states, w_ih, b_ih)
            if layer == 0:  # over the distinct words, which are half as many as the tokens
                gates = gates.index_select(1, batch.index)
            directions.append(function.apply(gates, w_hh, b_hh, sizes, bool(end)))
        states = directions[0] if len(directions) == 1 else torch.cat(directions, dim=2)
    if encoder.pooling != "last":
        return _pooled(states, places, str(encoder.pooling), texts)
    last = directions[0].index_select(1, places[0])
    # The backward direction has read the whole text when it stands on its first token.
    return last if len(directions) == 1 else torch.cat([last, directions[1][:, :texts]], dim=2)


def _convolutional(
    model: FusedModel,
    weights: Mapping[str, Tensor],
    rows: Tensor,
    batch: Batch,
    places: Sequence[Tensor],
    *,
    training: bool,
) -> Tensor:
    encoder, texts = model.template.encoder, len(batch.lengths)
    pooling, left, vectors = str(encoder.pooling), list(places), []
    sizes: Sequence[int] = encoder.kernel_sizes  # type: ignore[assignment]
    blocks: int = encoder.blocks  # type: ignore[assignment]
    for branch in range(len(sizes)):
        states = rows
        for block in range(blocks):
            name = f"encoder.branches.{branch}.{block}"
            states = _block(model, weights, name, states, left.pop(0), training=training)
        arrays = [left.pop(0) for _ in range(2 if pooling == "mean" else 1)]
        vectors.append(_pooled(states, arrays, pooling, texts))
    return vectors[0] if len(vectors) == 1 else torch.cat(vectors, dim=2)


def _block(
    model: FusedModel,
    weights: Mapping[str, Tensor],
    name: str,
    states: Tensor,
    places: Tensor,
    *,
    training: bool,
) -> Tensor:
    """Convolve, normalise, rectify: (k, rows, input_dim) -> (k, outputs, output_dim)."""
    weight = weights[f"{name}.convolution.weight"]  # (k, output_dim, input_dim, kernel_size)
    count, channels, input_dim, size = weight.shape
    flat = weight.transpose(2, 3).reshape(count, channels, size * input_dim)
    near = functional.pad(states, (0, 0, 0, 1)).index_select(1, places)
    out = _linear(near.view(count, -1, size * input_dim), flat, weights[f"{name}.convolution.bias"])
    outputs = out.shape[1]
    # The channels of all networks side by side are the channels of one normalisation.
    side_by_side = out.transpose(0, 1).reshape(outputs, count * channels)
    mean, variance = (model.statistics[f"{name}.norm.running_{what}"] for what in ("mean", "var"))
    normal = functional.batch_norm(
        side_by_side,
        mean.view(-1),
        variance.view(-1),
        weights[f"{name}.norm.weight"].reshape(-1),
        weights[f"{name}.norm.bias"].reshape(-1),
        training and outputs > 1,  # a single position has no variance
    )
    return functional.relu(normal).view(outputs, count, channels).transpose(0, 1)
