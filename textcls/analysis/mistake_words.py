"""Say which words moved the decision for texts that a classifier labels wrongly.

The words are those of `textcls.analysis.explanation`, of the predicted class against the label: the
linear classifier's share exactly, the encoder's by occlusion.
"""

import time
from collections.abc import Sequence

from textcls.analysis.explanation import WordShare, explain_text
from textcls.output import one_line
from textcls.runtime.predictor import EnsemblePredictor, Predictor

WORDS = 6
"""Words that are named of a text."""
_LONGEST = 20_000  # characters: a longer text takes seconds
_LEAST = 0.005  # what rounds to 0.00 moved nothing


def words_behind(
    predictor: Predictor | EnsemblePredictor,
    cases: Sequence[tuple[str, str]],
    *,
    budget_s: float = 5.0,
) -> list[tuple[WordShare, ...]]:
    """Return the words that moved each decision most, the largest first.

    Args:
        predictor: The classifier.
        cases: Texts, each with its label, which is not the one that is predicted.
        budget_s: Seconds after which no further text is looked at; the first one always is.

    Returns:
        At most `WORDS` words of each text; none of one that was not looked at, because the time was
        over, it is very long, or its label is the predicted one or unknown.
    """
    end = time.monotonic() + budget_s
    found: list[tuple[WordShare, ...]] = []
    for text, label in cases:
        late = bool(found) and time.monotonic() > end
        found.append(() if late or len(text) > _LONGEST else _words(predictor, text, label))
    return found


def _words(
    predictor: Predictor | EnsemblePredictor, text: str, label: str
) -> tuple[WordShare, ...]:
    try:
        explained = explain_text(predictor, text, against=label)
    except ValueError:  # the label is the predicted one, or unknown
        return ()
    return tuple(each for each in explained.words[:WORDS] if abs(each.total) >= _LEAST)


def tell_words(words: Sequence[WordShare], prediction: str, label: str) -> str:
    """Return the words in one line: those for the prediction, then those for the label.

    Args:
        words: The words.
        prediction: The predicted class.
        label: The text's label.

    Example:
        >>> shares = [WordShare("striker", 1, 0.8, 0.4), WordShare("bank", 1, -0.3, 0.0)]
        >>> tell_words(shares, "Sports", "Business")
        'for Sports: striker +1.20; for Business: bank -0.30'
    """
    parts = []
    for name, sign in ((prediction, 1), (label, -1)):
        listed = [f"{one_line(w.word)} {w.total:+.2f}" for w in words if w.total * sign > 0]
        if listed:
            parts.append(f"for {one_line(name)}: {', '.join(listed)}")
    return "; ".join(parts)
