"""The classifier: word vectors, an encoder, dropout, a linear layer; beside it n-gram scores."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from textcls.config.models import ModelConfig
from textcls.models import _encoders
from textcls.models._ngrams import NgramScores
from textcls.text.batching import Batch, Layout, Packed, Part, places_of
from textcls.text.encoding import EncodedSplit


class Classifier(nn.Module):
    """Turn texts into logits.

    The embedding matrix is a buffer, not a parameter: a batch's distinct rows are taken out of it
    as a small matrix of their own, which alone gets a gradient (`textcls.training._optimizer`). So
    neither a step's time nor its memory depends on the size of the vocabulary.
    """

    embeddings: Tensor

    def __init__(
        self, embeddings: Tensor, num_classes: int, model: ModelConfig, *, compiled: bool
    ) -> None:
        super().__init__()
        self.register_buffer("embeddings", embeddings)
        self.embedding_dropout = model.embedding_dropout
        self.word_dropout = model.word_dropout
        self.linear_weight = model.linear_weight
        self.encoder = _encoders.build_encoder(embeddings.shape[1], model, compiled=compiled)
        self.dropout = nn.Dropout(model.dropout)
        self.output = nn.Linear(self.encoder.output_dim, num_classes)
        self.ngrams = (
            NgramScores(model.ngrams, model.ngram_dropout, num_classes, compiled=compiled)
            if model.ngrams
            else None
        )

    @property
    def layout(self) -> Layout | None:
        """What batches are to hold for this classifier; None on the compiled path."""
        return None if self.encoder.compiled else self._plain_layout

    def _plain_layout(self, packed: Packed) -> list[Part]:
        parts = self.encoder.plain_layout(packed)
        return parts if self.ngrams is None else parts + self.ngrams.layout(packed)

    def look_up(self, batch: Batch) -> Tensor:
        """Return a copy of the vectors of a batch's distinct words.

        Args:
            batch: Its `rows` are ids in the vocabulary of `embeddings`.

        Returns:
            float32 (distinct, dim), in the order of `batch.rows`. The gradient of this copy is that
            of the embeddings' rows, summed over the batch.
        """
        return self.embeddings.index_select(0, batch.rows)

    def forward(self, rows: Tensor, batch: Batch) -> Tensor:
        """Score a batch.

        Dropout on words and on their vectors drops a word everywhere in the batch (Gal and
        Ghahramani 2016); it happens in training mode only.

        Args:
            rows: The vectors of the batch's distinct words, float32 (distinct, dim), as `look_up`
                gives them.
            batch: The texts. Where kernels are not compiled, those without places are on the CPU.

        Returns:
            Logits, float32 (batch, classes), those of the n-grams included; in the order of the
            packed batch, longest text first.
        """
        if self.training and self.word_dropout:
            kept = torch.rand(len(rows), 1, device=rows.device) >= self.word_dropout
            rows = rows * kept
        rows = functional.dropout(rows, self.embedding_dropout, self.training)
        if self.ngrams is None:
            return self._scores(rows, batch)
        if self.encoder.compiled:
            return self._scores(rows, batch) + self.ngrams(batch)
        places = places_of(batch, self._plain_layout)  # those of the n-grams come last
        ours, theirs = (replace(batch, places=each) for each in (places[:-2], places[-2:]))
        return self._scores(rows, ours) + self.ngrams(theirs)

    def _scores(self, rows: Tensor, batch: Batch) -> Tensor:
        """Return the encoder's logits."""
        logits: Tensor = self.output(self.dropout(self.encoder(rows, batch)))
        return logits


def create_classifier(
    embeddings: np.ndarray,
    num_classes: int,
    model: ModelConfig,
    *,
    seed: int,
    device: str,
    compiled: bool,
) -> Classifier:
    """Create a classifier with new weights.

    Args:
        embeddings: float32 (vocabulary, dim); copied.
        num_classes: Number of classes.
        model: The classifier's settings.
        seed: The same seed gives the same weights.
        device: "cpu" or a torch device such as "cuda".
        compiled: Use the compiled kernels, which run on the CPU only.

    Returns:
        The classifier on the device, in training mode; torch's random numbers are left as they
        were.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        matrix = torch.from_numpy(np.array(embeddings, dtype=np.float32))
        return Classifier(matrix, num_classes, model, compiled=compiled).to(device)


def with_linear_scores(logits: Tensor, split: EncodedSplit, weight: float) -> Tensor:
    """Add a linear classifier's scores to the logits of a split's texts.

    A product of experts (Hinton 2002): the log-probabilities of one and the weighted scores of the
    other are summed.

    Args:
        logits: float32 (texts, classes), on the CPU, in the split's order.
        split: Its `scores` are those of the linear classifier, (texts, classes).
        weight: What the scores are multiplied by; 0 leaves the logits as they are.

    Returns:
        float32 (texts, classes), whose softmax gives probabilities.

    Raises:
        ValueError: There is a weight and the split has no scores.
    """
    if weight == 0.0:
        return logits
    if split.scores is None:
        raise ValueError("the split has no scores of a linear classifier")
    return logits.log_softmax(dim=1) + weight * torch.from_numpy(np.array(split.scores))
