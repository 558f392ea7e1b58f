"""An exported classifier: a folder that predicts, in any process, without the data it came from.

`textcls.runtime.bundle_files` knows the files, checks them and writes them; this module makes them
of a training's checkpoint and of a classifier in memory, and makes a torch classifier of them. Who
only predicts needs no torch: `textcls.runtime`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from operator import ne
from pathlib import Path
from typing import Any

import numpy as np
import torch

from textcls.analysis import drift
from textcls.analysis.model_card import write_card
from textcls.calibration.conformal import measure_scores
from textcls.calibration.temperature import Temperature, calibrate, cross_calibrated
from textcls.config.models import DataConfig, ModelConfig
from textcls.corpus import Corpus
from textcls.models.classifier import Classifier
from textcls.models.linear import LinearClassifier
from textcls.runtime.bundle_files import (
    BUNDLE_FORMAT,
    About,
    BundleFiles,
    Calibration,
    Conformal,
    Description,
    Reference,
    read_bundle,
    write_bundle,
)
from textcls.text.encoding import TRAIN, WHOLE_LENGTH, EncodedSplit, selected
from textcls.text.tokenizer import WORDPUNCT, lower_case, tokenize_cased
from textcls.text.vocabulary import UNK, UNK_ID, Vocabulary
from textcls.training import trainer
from textcls.training.metrics import accuracy, confusion_matrix, macro_f1

_HELD_OUT = ("validation", "test")
"""Splits on which a temperature is sought, the first that there is."""
MOST_MEASURED = 20_000
"""Texts of a split that are measured for later comparisons: more change no verdict."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A classifier with everything that it needs to read a text."""

    classifier: Classifier
    vocabulary: Vocabulary
    label_names: tuple[str, ...]
    max_length: int
    about: dict[str, Any]
    linear: LinearClassifier | None = None
    tokenizer: str = WORDPUNCT
    linear_length: int | None = None
    """Tokens that the linear classifier reads; as many as the encoder where that is not known."""
    linear_vocabulary: Vocabulary | None = None
    """Its words, where they are others."""
    calibration: Calibration | None = None
    """The temperature of the probabilities, where one was found on held-out texts."""
    conformal: Conformal | None = None
    """Scores of held-out texts, where there were any."""
    reference: Reference | None = None
    """Statistics of held-out texts, where there were any."""

    @property
    def temperature(self) -> Temperature:
        """What logits are divided by before they become probabilities; 1 without a calibration."""
        return Temperature.of(self.calibration)

    def encode(self, texts: Sequence[str]) -> EncodedSplit:
        """Turn texts into word ids, and add the scores of the linear classifier where there is one.

        Args:
            texts: At least one; a text without a token becomes one unknown word.

        Returns:
            A split whose labels, which are unknown, are all 0.
        """
        split = self._ids(texts, self.max_length, self.vocabulary)
        if self.linear is None:
            return split
        length = self.linear_length or self.max_length
        known = self.linear_vocabulary or self.vocabulary
        unknown: dict[str, int] = {}
        whole = self._ids(texts, length, known, unknown)
        words = (*known.words, *unknown) if self.linear.has_characters else None
        return replace(split, scores=self.linear.scores(whole, words))

    def _ids(
        self,
        texts: Sequence[str],
        length: int,
        vocabulary: Vocabulary,
        unknown: dict[str, int] | None = None,
    ) -> EncodedSplit:
        """Return word ids; words outside of the vocabulary are numbered on in `unknown`, if any."""
        words = [tokenize_cased(text, length, self.tokenizer) or [UNK] for text in texts]
        lower = [lower_case(text) for text in words]
        ids = [word for text in lower for word in vocabulary.encode(text)]
        if unknown is not None:
            first = len(vocabulary)
            for at, word in enumerate(chain(*lower)):
                if ids[at] == UNK_ID and word != UNK:
                    ids[at] = unknown.setdefault(word, first + len(unknown))
        return EncodedSplit(
            np.array(ids, np.int32),
            np.cumsum([0, *map(len, words)], dtype=np.int64),
            np.zeros(len(words), np.int64),
            capitals=np.fromiter(map(ne, chain(*words), chain(*lower)), np.bool_),
        )

    def logits(self, texts: Sequence[str]) -> torch.Tensor:
        """Return the logits of some texts, not divided by the temperature.

        Args:
            texts: Any number of texts, also none.

        Returns:
            float32 (texts, classes), on the CPU, in the order of `label_names`.
        """
        if not texts:
            return torch.zeros(0, len(self.label_names))
        return trainer.predict_logits(self.classifier, self.encode(texts), "cpu")

    def probabilities(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        """Return the probability of each class for each text, calibrated where the bundle is.

        Args:
            texts: Any number of texts, also none.

        Returns:
            float32 (texts, classes), in the order of `label_names`; each row sums to 1.
        """
        return self.temperature.probabilities(self.logits(texts).numpy()).astype(np.float32)


def export_bundle(
    checkpoint: Path,
    model: ModelConfig,
    corpus: Corpus,
    data: DataConfig,
    out: Path,
    about: Mapping[str, Any],
    *,
    trained_on: Sequence[str] = ("train",),
) -> None:
    """Make a bundle of a training's checkpoint; a bundle that is already at `out` is replaced.

    Its probabilities are calibrated on the validation split, else on the test split, where the
    corpus has one that it was not trained on.

    Args:
        checkpoint: The file that `Training.save` wrote.
        model: The settings of the classifier in it.
        corpus: The corpus that it was trained on.
        data: How texts become tokens.
        out: The folder to write.
        about: Facts to keep with the bundle (JSON-able).
        trained_on: The splits that it was trained on.

    Raises:
        BundleError: The checkpoint is damaged.
    """
    _, tensors = trainer.read_checkpoint(checkpoint)
    weights = {
        name.removeprefix("classifier."): tensor
        for name, tensor in tensors.items()
        if name.startswith("classifier.")
    }
    if model.linear_weight > 0 and corpus.linear is None:
        raise ValueError("the corpus has no linear classifier, but the model wants one")
    calibration, conformal = _calibrated(weights, model, corpus, trained_on)
    description = Description(
        format=BUNDLE_FORMAT,
        model=model,
        label_names=corpus.label_names,
        max_length=data.max_length,
        tokenizer=corpus.tokenizer,
        linear_length=WHOLE_LENGTH,
        calibration=calibration,
        conformal=conformal,
        reference=_measured(weights, model, corpus, trained_on, calibration),
        about=About.model_validate(dict(about)),
    )
    linear = corpus.linear if model.linear_weight > 0 else None
    whole = None if corpus.whole is None else corpus.whole.vocabulary
    write_bundle(_files(description, weights, corpus.vocabulary, linear, whole), out)
    write_card(out, description)


def save_bundle(bundle: Bundle, model: ModelConfig, out: Path) -> None:
    """Write a bundle and its model card to a folder; a bundle that stands there is replaced.

    Args:
        bundle: The classifier.
        model: The settings of the encoder in it.
        out: The folder, made with its parents where it is missing.

    Raises:
        OSError: The folder cannot be written.
    """
    files = files_of(bundle, model)
    write_bundle(files, out)
    write_card(out, files.description)


def files_of(bundle: Bundle, model: ModelConfig) -> BundleFiles:
    """Return what a bundle's files hold, without writing them.

    Args:
        bundle: The classifier.
        model: The settings of the encoder in it.

    Returns:
        The files, which `textcls.runtime` predicts with and `write_bundle` writes.
    """
    description = Description(
        format=BUNDLE_FORMAT,
        model=model,
        label_names=bundle.label_names,
        max_length=bundle.max_length,
        tokenizer=bundle.tokenizer,
        linear_length=bundle.linear_length,
        calibration=bundle.calibration,
        conformal=bundle.conformal,
        reference=bundle.reference,
        about=About.model_validate(dict(bundle.about)),
    )
    weights = bundle.classifier.state_dict()
    return _files(description, weights, bundle.vocabulary, bundle.linear, bundle.linear_vocabulary)


def _files(
    description: Description,
    weights: Mapping[str, torch.Tensor],
    vocabulary: Vocabulary,
    linear: LinearClassifier | None,
    linear_vocabulary: Vocabulary | None,
) -> BundleFiles:
    return BundleFiles(
        description,
        {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in weights.items()},
        vocabulary.words,
        None if linear is None else linear.arrays(),
        None if linear is None or linear_vocabulary is None else linear_vocabulary.words,
    )


def held_out(corpus: Corpus, trained_on: Sequence[str] = ("train",)) -> str | None:
    """Return the split on which a temperature is sought.

    Args:
        corpus: Its splits are looked at.
        trained_on: The splits that the classifier has learnt from.

    Returns:
        "validation", else "test"; None where the classifier has learnt from all there are.
    """
    return next((s for s in _HELD_OUT if s in corpus.splits and s not in trained_on), None)


def _calibrated(
    weights: Mapping[str, torch.Tensor],
    model: ModelConfig,
    corpus: Corpus,
    trained_on: Sequence[str],
) -> tuple[Calibration | None, Conformal | None]:
    """Find a temperature and scores on the first held-out split that the corpus has."""
    split = held_out(corpus, trained_on)
    if split is None:
        return None, None
    encoded, classes = corpus.splits[split], len(corpus.label_names)
    built = _build(dict(weights), classes, model, compiled=True)
    logits = trainer.predict_logits(built, encoded, "cpu").numpy()
    return calibrated(logits, np.asarray(encoded.labels), split)


def calibrated(
    logits: np.ndarray[Any, Any], labels: np.ndarray[Any, Any], split: str
) -> tuple[Calibration | None, Conformal | None]:
    """Find the temperature of held-out texts, and their scores for sets of labels.

    Args:
        logits: (texts, classes).
        labels: Of those texts, (texts,).
        split: The name of the split that they are from.

    Returns:
        Either is None where the texts are too few; the temperature also where it betters nothing.
    """
    found = calibrate(logits, labels, split)
    return found, measure_scores(cross_calibrated(logits, labels, found), labels, split)


def _measured(
    weights: Mapping[str, torch.Tensor],
    model: ModelConfig,
    corpus: Corpus,
    trained_on: Sequence[str],
    calibration: Calibration | None,
) -> Reference | None:
    """Measure the test split, else the validation split, for comparisons with later texts."""
    split = reference_split(corpus, trained_on)
    if split is None:
        return None
    encoded = thinned(corpus.splits[split])
    built = _build(dict(weights), len(corpus.label_names), model, compiled=True)
    logits = trainer.predict_logits(built, encoded, "cpu").numpy()
    sure = Temperature.of(calibration).probabilities(logits)
    return measure_reference(corpus, split, sure, has_linear=model.linear_weight > 0)


def reference_split(corpus: Corpus, trained_on: Sequence[str] = ("train",)) -> str | None:
    """Return the split that later texts are compared with.

    Args:
        corpus: Its splits are looked at.
        trained_on: The splits that the classifier has learnt from.

    Returns:
        "test", else "validation"; None where the classifier has learnt from all there are.
    """
    held = ("test", "validation")
    return next((s for s in held if s in corpus.splits and s not in trained_on), None)


def thinned(split: EncodedSplit) -> EncodedSplit:
    """Return at most `MOST_MEASURED` texts of a split, spread over all of it.

    Args:
        split: The encoded texts.

    Returns:
        Every second text, every third, ..., with their scores; the split itself where it is small
        enough.
    """
    step = -(-len(split) // MOST_MEASURED)
    if step < 2:
        return split
    rows = np.arange(0, len(split), step)
    scores = None if split.scores is None else split.scores[rows]
    return replace(selected(split, rows), scores=scores)


def measure_reference(
    corpus: Corpus,
    split: str,
    probabilities: np.ndarray[Any, Any],
    *,
    has_linear: bool,
) -> Reference:
    """Return the statistics of a held-out split.

    Args:
        corpus: The corpus.
        split: The name of the split.
        probabilities: The classifier's predictions (texts, classes) for the `thinned` split.
        has_linear: Whether the classifier has a linear classifier, whose words and whole texts are
            then measured.
    """
    read, vocabulary = corpus.splits, corpus.vocabulary
    if has_linear and corpus.whole is not None:
        read, vocabulary = corpus.whole.splits, corpus.whole.vocabulary
    seen = np.zeros(len(vocabulary), bool)
    seen[read[TRAIN].tokens] = True
    seen[: UNK_ID + 1] = False
    known_words = max(2, int(np.flatnonzero(seen).max(initial=1)) + 1)
    texts = thinned(read[split])
    outside = (texts.tokens <= UNK_ID) | (texts.tokens >= known_words)
    lengths = np.diff(texts.offsets)
    unseen = np.add.reduceat(outside.astype(np.float64), texts.offsets[:-1]) / lengths
    found = drift.Measured(lengths, unseen, *drift.summed_up(probabilities))
    confusion = confusion_matrix(
        np.asarray(texts.labels), probabilities.argmax(axis=1), len(corpus.label_names)
    )
    return drift.make_reference(
        found,
        split=split,
        known_words=known_words,
        accuracy=accuracy(confusion),
        macro_f1=macro_f1(confusion),
    )


def load_bundle(folder: Path, *, compiled: bool = False) -> Bundle:
    """Load a bundle as a torch classifier, ready to predict on the CPU.

    Args:
        folder: The folder that `export_bundle` wrote.
        compiled: Use the compiled kernels, which pays from some thousand texts; plain torch starts
            at once.

    Returns:
        The classifier in evaluation mode, with its vocabulary and everything that the folder tells.

    Raises:
        BundleError: The folder is missing, damaged, of another format, or makes no sense.
    """
    files = read_bundle(folder)
    description = files.description
    weights = {name: torch.from_numpy(values) for name, values in files.weights.items()}
    classifier = _build(weights, len(description.label_names), description.model, compiled=compiled)
    return Bundle(
        classifier,
        Vocabulary(files.words),
        description.label_names,
        description.max_length,
        description.about.model_dump(exclude_unset=True),
        None if files.linear is None else LinearClassifier.of(files.linear),
        description.tokenizer,
        description.linear_length,
        None if files.linear_words is None else Vocabulary(files.linear_words),
        description.calibration,
        description.conformal,
        description.reference,
    )


def _build(
    weights: dict[str, torch.Tensor], classes: int, model: ModelConfig, *, compiled: bool
) -> Classifier:
    built = Classifier(weights["embeddings"], classes, model, compiled=compiled)
    built.load_state_dict(weights)
    return built.eval()
