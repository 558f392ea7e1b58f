"""Measure held-out texts with a classifier that was trained without any."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from textcls.analysis import drift
from textcls.exceptions import DataError
from textcls.output import one_line
from textcls.runtime.bundle_files import Reference
from textcls.runtime.predictor import Predictor
from textcls.training.metrics import accuracy, confusion_matrix, macro_f1

SPLIT = "held out"
"""What the texts are called in the reference."""


def measure_held_out(
    predictor: Predictor, texts: Sequence[str], labels: Sequence[str]
) -> Reference:
    """Return the statistics of texts that a classifier has not learnt from.

    Args:
        predictor: The classifier; all words of its vocabulary count as words that it knows.
        texts: The texts.
        labels: Their labels by name, as many.

    Raises:
        DataError: There is no text, the numbers differ, or a label is none of the classifier's.
    """
    if not len(texts) or len(texts) != len(labels):
        raise DataError(
            f"held_out: {len(texts):,} texts and {len(labels):,} labels; expected at least one "
            "text, and a label for each"
        )
    place = {name: at for at, name in enumerate(predictor.label_names)}
    if unknown := [label for label in labels if label not in place]:
        raise DataError(
            f"held_out: the label {one_line(unknown[0])!r} is none of the classifier's; expected "
            f"one of {', '.join(map(one_line, predictor.label_names[:5]))}"
        )
    rows = predictor.probabilities(texts)
    numbers: np.ndarray[Any, Any] = np.array([place[label] for label in labels], np.int64)
    confusion = confusion_matrix(numbers, rows.argmax(axis=1), len(place))
    own = predictor.files.linear_words or predictor.files.words
    return drift.make_reference(
        drift.measure_words(predictor.files, texts, rows, len(own)),
        split=SPLIT,
        known_words=len(own),
        accuracy=accuracy(confusion),
        macro_f1=macro_f1(confusion),
    )
