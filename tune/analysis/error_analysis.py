"""Analyse the winner's errors: its confusion matrix and its most confident mistakes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textcls.analysis import mistake_words
from textcls.analysis.explanation import WordShare
from textcls.config.models import DataConfig
from textcls.exceptions import BundleError, TextclsError
from textcls.training.metrics import ClassScore, accuracy, class_scores, confusion_matrix
from tune.analysis.run_data import CUT_OFF, RUNNING, RunData
from tune.config.metrics import HELD_OUT

if TYPE_CHECKING:
    from textcls.data.dataset import Source

MISTAKES = 20
_COMPILED_FROM = 20_000  # texts: below, compiling the kernels costs more than they save


@dataclass(frozen=True, slots=True)
class Mistake:
    """A text that the winner labels wrongly with high confidence."""

    text: str
    label: str
    prediction: str
    probability: float
    """Probability of the predicted class."""
    for_label: float
    """Probability of the labelled class."""
    words: tuple[WordShare, ...] = ()
    """The words that moved the decision most, for the prediction and against the label."""


@dataclass(frozen=True)
class ErrorAnalysis:
    """The winner's predictions on a split."""

    split: str
    label_names: tuple[str, ...]
    confusion: "np.ndarray[Any, np.dtype[np.integer[Any]]]"
    """Counts (classes, classes): row = label, column = prediction."""
    mistakes: tuple[Mistake, ...]
    """The most confident first."""

    @property
    def accuracy(self) -> float:
        """Share of predictions that are right."""
        return accuracy(self.confusion)

    @property
    def wrong(self) -> int:
        """Number of predictions that are wrong."""
        return int(self.confusion.sum() - np.trace(self.confusion))

    def per_class(self) -> list[ClassScore]:
        """Return how well each class is predicted."""
        return class_scores(self.confusion, self.label_names)


def analyse_errors(run: RunData, source: "Source | None" = None) -> ErrorAnalysis | str:
    """Read the texts again and let `best/` predict them, or say in a sentence why not.

    The texts are those of the test split; where there is none, of the validation split.

    Args:
        run: The search.
        source: The texts, where they lie in memory and cannot be read again.

    Returns:
        The confusion matrix and the most confident mistakes, or the reason why there are none.
    """
    refusal = _refusal(run)
    if refusal is not None:
        return refusal
    try:
        return _analyse_errors(run, source)
    except BundleError as error:
        return f"The winner's classifier cannot be read: {error}"
    except TextclsError as error:
        return f"The texts cannot be read again: {error}"


def _refusal(run: RunData) -> str | None:
    if run.best is None:
        return "There is no winner yet."
    if run.own_objective:
        return "The objective is a function of one's own: there is no classifier to ask."
    if not run.folder.best.is_dir():
        waiting = run.state in (RUNNING, CUT_OFF)
        why = "is written when the search ends" if waiting else "is missing"
        return f"The winner's classifier ({run.folder.best.name}/) {why}."
    return None


def _analyse_errors(run: RunData, source: "Source | None") -> ErrorAnalysis | str:
    from textcls import bundle
    from textcls.data import dataset  # torch takes a second

    loaded = bundle.load_bundle(run.folder.best)
    exported = loaded.about.get("search", {}).get("trial")
    if run.best is not None and run.fallback is None and exported != run.best.number:
        return (
            f"{run.folder.best.name}/ holds trial {exported}, the winner of an earlier stop of "
            f"this search, while trial {run.best.number} leads now."
        )
    source = source or dataset.locate(data_from_here(run))
    known = run.corpus.get("data_fingerprint")
    if known is not None and known != source.fingerprint:
        return f"The texts are no longer those that the search saw: {source.name} has changed."
    data = source.read()
    name = next(name for name in HELD_OUT if name in data.splits)
    split = data.splits[name]
    if data.label_names != loaded.label_names:
        return "The texts have other classes than the winner."
    if len(split) >= _COMPILED_FROM:
        loaded = bundle.load_bundle(run.folder.best, compiled=True)
    texts = split.texts.to_pylist()
    with _one_thread():
        probabilities = loaded.probabilities(texts)
    found = summarise(name, loaded.label_names, texts, split.labels, probabilities)
    return _explained(run.folder.best, found)


def _explained(best: Path, found: ErrorAnalysis) -> ErrorAnalysis:
    """Return the analysis with the words behind its mistakes, as far as five seconds go."""
    from textcls.runtime.loading import load_predictor

    cases = [(each.text, each.label) for each in found.mistakes]
    words = mistake_words.words_behind(load_predictor(best), cases) if cases else []
    mistakes = (replace(each, words=some) for each, some in zip(found.mistakes, words, strict=True))
    return replace(found, mistakes=tuple(mistakes))


def data_from_here(run: RunData) -> DataConfig:
    """Return where the texts are: a path may be relative to where the search was started.

    Args:
        run: The search.
    """
    data = run.config.data
    there = Path(str(run.environment.get("directory", "."))) / data.name
    if Path(data.name).expanduser().exists() or not there.exists():
        return data
    return data.model_copy(update={"name": str(there)})


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run torch on one thread: small steps gain little from more, and lose much on a busy machine.

    4,000 texts, hidden size 245, two busy cores: 10.4 s with two threads, 1.7 s with one.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def summarise(
    split: str,
    label_names: tuple[str, ...],
    texts: list[str],
    labels: "np.ndarray[Any, np.dtype[np.int64]]",
    probabilities: "np.ndarray[Any, Any]",
) -> ErrorAnalysis:
    """Count right and wrong predictions, and pick the mistakes with the highest probability.

    Args:
        split: The split that the texts are of.
        label_names: The classes, in the order of the probabilities.
        texts: The texts.
        labels: Their classes, int64 (texts,).
        probabilities: float (texts, classes).

    Returns:
        The confusion matrix, row the true class, and at most `MISTAKES` mistakes, the surest first.
    """
    predicted = probabilities.argmax(axis=1)
    matrix = confusion_matrix(labels, predicted, len(label_names))
    wrong = np.flatnonzero(predicted != labels)
    surest = wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")][:MISTAKES]
    mistakes = tuple(
        Mistake(
            text=texts[at],
            label=label_names[labels[at]],
            prediction=label_names[predicted[at]],
            probability=float(probabilities[at, predicted[at]]),
            for_label=float(probabilities[at, labels[at]]),
        )
        for at in surest
    )
    return ErrorAnalysis(split, label_names, matrix, mistakes)
