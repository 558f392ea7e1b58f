"""A linear classifier alone, in the folder format of every other exported classifier.

The format has an encoder in it. Here it has one unit, is untrained, and its output layer is zero:
it gives every class the same score, so that the linear classifier decides alone.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from textcls import bundle
from textcls.analysis.model_card import LINEAR_ALONE
from textcls.bundle import Bundle
from textcls.calibration.temperature import Temperature
from textcls.config.models import DataConfig, ModelConfig
from textcls.corpus import Corpus
from textcls.models.classifier import create_classifier
from textcls.models.linear import train_linear
from textcls.text.encoding import TRAIN, WHOLE_LENGTH
from textcls.text.vocabulary import PAD, UNK, Vocabulary

WEIGHT = 2.0
"""Factor on the scores, which are about 1 and -1, before the softmax. It changes no prediction."""


def with_linear(corpus: Corpus) -> Corpus:
    """Return a corpus that has a linear classifier.

    Args:
        corpus: One without it gets one of words and pairs of words, trained on its train split at
            the usual penalty: there is no time to choose.

    Returns:
        The corpus itself where it has one already; else a new one whose splits besides train have
        the scores.
    """
    if corpus.linear is not None:
        return corpus
    read = corpus.splits if corpus.whole is None else corpus.whole.splits
    linear = train_linear(read[TRAIN], len(corpus.label_names))  # words alone: it is in haste
    splits = {
        name: split if name == TRAIN else replace(split, scores=linear.scores(read[name]))
        for name, split in corpus.splits.items()
    }
    return replace(corpus, splits=splits, linear=linear)


def export_linear(corpus: Corpus, data: DataConfig, out: Path, about: Mapping[str, Any]) -> None:
    """Write a corpus's linear classifier as a bundle; one that stands at `out` is replaced.

    Args:
        corpus: A corpus with a linear classifier (`with_linear`).
        data: How texts become tokens.
        out: The folder to write.
        about: Facts to keep with the bundle (JSON-able).

    Raises:
        ValueError: The corpus has none.
    """
    if corpus.linear is None:
        raise ValueError("the corpus has no linear classifier")
    model = ModelConfig(name="gru", hidden_size=1, linear_weight=WEIGHT)
    nothing = Vocabulary((PAD, UNK))
    vectors = np.zeros((len(nothing), 1), np.float32)
    classes = len(corpus.label_names)
    classifier = create_classifier(vectors, classes, model, seed=0, device="cpu", compiled=False)
    torch.nn.init.zeros_(classifier.output.weight)
    torch.nn.init.zeros_(classifier.output.bias)
    split = bundle.held_out(corpus)
    calibration = conformal = None
    if split is not None and (scores := corpus.splits[split].scores) is not None:
        labels = np.asarray(corpus.splits[split].labels)
        calibration, conformal = bundle.calibrated(WEIGHT * scores, labels, split)
    measured, reference = bundle.reference_split(corpus), None
    if (
        measured is not None
        and (scores := bundle.thinned(corpus.splits[measured]).scores) is not None
    ):
        sure = Temperature.of(calibration).probabilities(WEIGHT * scores)
        reference = bundle.measure_reference(corpus, measured, sure, has_linear=True)
    words = corpus.vocabulary if corpus.whole is None else corpus.whole.vocabulary
    made = Bundle(
        classifier,
        nothing,
        corpus.label_names,
        data.max_length,
        {**about, LINEAR_ALONE: True},
        corpus.linear,
        corpus.tokenizer,
        WHOLE_LENGTH,
        words,
        calibration,
        conformal,
        reference,
    )
    bundle.save_bundle(made, model, out)
