"""Write a classifier as a small bundle: fewer words and features, a byte for each number.

What is left out is what is used least. The vocabulary is ordered by frequency, so the encoder
loses the rarest words, which become `<unk>`. A feature of the linear classifier moves the scores of
a share of the texts (which its IDF tells) by its weights, so the features with the least expected
square of that move go. Both are measured: the small bundle is read again and predicts held-out
texts beside the whole one, and the smallest of `LEVELS` that changes few enough of their labels is
written.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from textcls.analysis.model_card import CARD, card_text
from textcls.exceptions import BundleError
from textcls.runtime.bundle_files import BundleFiles, Reduction, read_bundle, write_bundle
from textcls.runtime.predictor import Predictor

Array = np.ndarray[Any, Any]

LEVELS = ((0.6, 0.5), (0.8, 0.75), (1.0, 1.0))
"""Shares of words and of features that are kept, the smallest bundle first."""
MOST_LOST = 0.001
"""Accuracy that may be lost on the held-out texts."""
MOST_CHANGED = 0.005
"""Share of their labels that may change. It bounds what is lost on other texts, and says more than
the accuracy of some thousand texts, of which one in a thousand is three."""
_LEAST_WORDS = 1_000
"""A smaller vocabulary is kept whole: it takes less than its file's description."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Texts that a classifier was not trained on.

    labels: int64 (texts,), places in the classifier's `label_names`; None where nobody knows them.
    """

    split: str
    texts: Sequence[str]
    labels: Array | None = None


def write_small(files: BundleFiles, held_out: HeldOut, out: Path) -> Reduction:
    """Write a small bundle, with a model card; one that stands at `out` is replaced.

    Args:
        files: The classifier.
        held_out: The texts on which the small bundle is compared with it.
        out: The folder to write.

    Returns:
        What was left out and what it changes; the bundle and its model card have it too.

    Raises:
        BundleError: Even with all words and features too many labels change.
        OSError: The folder cannot be written.
    """
    whole = Predictor(files).probabilities(held_out.texts).argmax(axis=1)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        for words, features in LEVELS:
            made = reduced(files, words, features)
            write_bundle(made, Path(scratch) / "small", small=True)
            again = Predictor(read_bundle(Path(scratch) / "small"))
            now = again.probabilities(held_out.texts).argmax(axis=1)
            found = _compare(files, made, held_out, whole, now)
            if _is_good(found):
                described = made.description.model_copy(update={"reduction": found})
                write_bundle(replace(made, description=described), out, small=True)
                (out / CARD).write_text(card_text(described), encoding="utf-8")
                return found
    raise BundleError(
        f"{out}: not written: a byte for each number changes the labels of {found.changed:,} of "
        f"{found.texts:,} texts of {found.split}{_accuracies(found)}, more than "
        f"{MOST_CHANGED:.1%}; keep the classifier as it is"
    )


def reduced(files: BundleFiles, words: float, features: float) -> BundleFiles:
    """Return a classifier that knows only a share of its words and features.

    A classifier of words alone, and one that was trained with scores of n-grams, keep all words:
    the statistics of the one and the table of the other count on their ids.

    Args:
        files: The classifier.
        words: The share of the encoder's words that is kept, the most frequent ones.
        features: The share of the linear classifier's features that is kept, the most used ones.
    """
    if files.linear is None:
        return files
    made = replace(files, linear=_without_the_least_used(files.linear, features))
    kept = max(_LEAST_WORDS, round(words * len(files.words)))
    if files.description.model.ngrams or kept >= len(files.words):
        return made
    weights = {**files.weights, "embeddings": files.weights["embeddings"][:kept]}
    known = files.words if files.linear_words is None else files.linear_words
    return replace(made, weights=weights, words=files.words[:kept], linear_words=known)


def feature_use(idf: Array, weights: Array) -> Array:
    """Return how much each feature moves the scores, up to a common factor.

    That is the expected square: the share of texts that have it, which is exp(-IDF) up to a factor,
    times its weights' square, less what moves all classes alike.

    Args:
        idf: (features,).
        weights: (features, classes).
    """
    centred = weights - weights.mean(axis=1, keepdims=True)
    found: Array = np.exp(-idf) * np.square(idf) * np.square(centred).sum(axis=1)
    return found


def _without_the_least_used(linear: Any, share: float) -> dict[str, Array]:
    idf, weights = linear["idf"], linear["weights"]
    count = round(share * len(idf))
    most = np.sort(np.argsort(-feature_use(idf, weights[:-1]), kind="stable")[:count])
    rows = np.append(most, len(idf))
    return {**linear, "keys": linear["keys"][most], "idf": idf[most], "weights": weights[rows]}


def _compare(
    files: BundleFiles, made: BundleFiles, held_out: HeldOut, whole: Array, now: Array
) -> Reduction:
    accuracy = None
    if (labels := held_out.labels) is not None:
        accuracy = float(np.mean(whole == labels)), float(np.mean(now == labels))
    features = None
    if files.linear is not None and made.linear is not None:
        features = len(files.linear["keys"]), len(made.linear["keys"])
    return Reduction(
        words=(len(files.words), len(made.words)),
        features=features,
        split=held_out.split,
        texts=len(held_out.texts),
        changed=int((whole != now).sum()),
        accuracy=accuracy,
    )


def _is_good(found: Reduction) -> bool:
    before, after = found.accuracy or (0.0, 0.0)
    return found.changed <= MOST_CHANGED * found.texts and before - after <= MOST_LOST


def _accuracies(found: Reduction) -> str:
    if found.accuracy is None:
        return ""
    before, after = found.accuracy
    return f", accuracy {before:.4f} before and {after:.4f} after"
