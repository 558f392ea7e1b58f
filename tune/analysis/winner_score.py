"""Judge the winner: its score, and how far that can be trusted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textcls.training.metrics import wilson_interval
from tune.analysis.run_data import RunData
from tune.config.metrics import HELD_OUT, accuracy_name, parse_metric
from tune.study.records import TrialRecord

DRAWS = 2_000
"""Of the bootstrap: its error is then below a fortieth of the noise of one trial's accuracy."""


@dataclass(frozen=True, slots=True)
class Score:
    """An accuracy on one split."""

    split: str
    """test or validation."""
    accuracy: float
    texts: int | None
    interval: tuple[float, float] | None
    """95 %, by the number of texts alone, or of a mean by its seeds alone; None when nobody knows
    how many there were."""
    seeds: int = 1
    """With more than one it is the mean over so many fresh seeds."""
    exported: float | None = None
    """The accuracy of the one of them that was exported."""


@dataclass(frozen=True, slots=True)
class WinnerScore:
    """The winner's scores, and the optimism that comes from choosing it among many."""

    record: TrialRecord
    value: float
    scores: tuple[Score, ...]
    """The test split first."""
    selected_on_test: bool
    candidates: int
    """Trials among which it was chosen."""
    evaluations: int
    """Rungs at which they were compared."""
    selection_bias: float | None
    """By how much the best of so many is expected to lie above its true value, at most."""
    n_within_interval: int | None
    """Other trials whose value lies within the winner's interval."""
    n_equal: int = 0
    """Other trials with the same value."""

    @property
    def headline(self) -> Score | None:
        """The accuracy to quote."""
        return self.scores[0] if self.scores else None

    def score(self, split: str) -> Score | None:
        """Return the accuracy on a split.

        Args:
            split: "validation" or "test".

        Returns:
            The accuracy with its interval; None where it was not measured.
        """
        return next((score for score in self.scores if score.split == split), None)


def score_winner(run: RunData) -> WinnerScore | None:
    """Judge the winner: its scores, and how much of them may be the luck of choosing.

    Args:
        run: A search, ended or not.

    Returns:
        None while no trial has reached a rung. Selection bias and rivals are known only where the
        metric is an accuracy on a known number of texts.
    """
    best = run.best
    if best is None or best.value is None:
        return None
    scores = tuple(_scores(run, best))
    compared = _searched_score(run, best)
    values = [record.value for record in run.ranked if record.value is not None]
    by_accuracy = parse_metric(run.metric).is_accuracy
    return WinnerScore(
        record=best,
        value=best.value,
        scores=scores,
        selected_on_test=run.chosen_on == "test",
        candidates=len(values),
        evaluations=sum(len(record.values) for record in run.ranked),
        selection_bias=selection_bias(values, compared.texts) if by_accuracy and compared else None,
        n_within_interval=_rivals(values, compared) if by_accuracy and compared else None,
        n_equal=max(0, values.count(best.value) - 1),
    )


def selection_bias(values: Sequence[float], texts: int | None) -> float | None:
    """Estimate how far the best of these accuracies lies above its own true value.

    A parametric bootstrap: the values are taken for the truth, each gets the error of an accuracy
    on `texts` texts, and the best of them is compared with its truth. The errors are drawn
    independently; trials judged on the same texts share a part of theirs, so it is an upper bound.

    Args:
        values: The accuracies among which the best was chosen.
        texts: Number of texts on which they were measured.

    Returns:
        The bias, 0 or more; None where it cannot be estimated.
    """
    if texts is None or not values:
        return None
    truth = np.asarray(sorted(values, reverse=True)[:200])  # the others never come first
    expected = (truth * texts + 2) / (texts + 4)  # so that a perfect score has an error, too
    error = np.sqrt(expected * (1 - expected) / texts)
    half = np.random.default_rng(0).standard_normal((DRAWS // 2, len(truth)))
    drawn = truth + error * np.concatenate([half, -half])  # in pairs: a lone trial comes out at 0
    chosen = drawn.argmax(axis=1)
    return float(np.mean(drawn[np.arange(len(drawn)), chosen] - truth[chosen]))


def error_of_difference(accuracy: float, texts: int) -> float:
    """Return the standard error of the difference of two such accuracies on different texts.

    Args:
        accuracy: A share, from 0 to 1.
        texts: Texts that each was measured on.

    Returns:
        A share; at 0 and 1, where the usual estimate would vanish, that of one text.
    """
    return math.sqrt(2 * max(accuracy * (1 - accuracy), 1 / texts) / texts)


def interval_of_mean(values: Sequence[float], *, share: bool) -> tuple[float, float] | None:
    """Return the 95 % interval of the mean of a few runs, by Student's t.

    Args:
        values: One result for each run.
        share: Whether they lie between 0 and 1; then so does the interval: it is that of the mean's
            logit (the delta method).

    Returns:
        The interval; None of fewer than two values.

    Example:
        >>> low, high = interval_of_mean([0.64, 0.49], share=True)
        >>> 0 < low < 0.565 < high < 1
        True
    """
    from scipy import stats

    if len(values) < 2:
        return None
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = float(stats.t.ppf(0.975, len(values) - 1)) * error
    if not share or min(values) < 0.0 or max(values) > 1.0:
        return mean - half, mean + half
    if error == 0.0:
        return mean, mean
    middle, half = math.log(mean / (1 - mean)), half / (mean * (1 - mean))
    low, high = (_from_logit(middle + side * half) for side in (-1, 1))
    return low, high


def _from_logit(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0  # beyond, exp has no number


def _scores(run: RunData, best: TrialRecord) -> list[Score]:
    at_best = best.curve[best.best_rung or 0]
    exported = run.result.get("best") or {}
    found = []
    for split in HELD_OUT:
        key = accuracy_name(split)
        accuracy = exported.get(key, at_best.get(key))
        if accuracy is not None:
            texts = run.texts(split)
            interval = wilson_interval(accuracy, texts) if texts else None
            score = Score(split, accuracy, texts, interval)
            found.append(_confirmed(run, score) if run.metric == key else score)
    return found


def _confirmed(run: RunData, score: Score) -> Score:
    """Return the mean over the fresh seeds in place of the best of them, where there are several.

    The one that was exported is the luckiest of its seeds by this very score.
    """
    if run.confirmed is None:
        return score
    values = run.confirmed["values"]
    if len(values) < 2:
        return score
    interval = interval_of_mean(values, share=True)
    mean = float(np.mean(values))
    return Score(score.split, mean, score.texts, interval, len(values), score.accuracy)


def _searched_score(run: RunData, best: TrialRecord) -> Score | None:
    """Return the accuracy by which the search compared its winner with the others."""
    texts = run.texts(run.chosen_on)
    if best.value is None or not parse_metric(run.metric).is_accuracy:
        return None
    interval = wilson_interval(best.value, texts) if texts else None
    return Score(run.chosen_on, best.value, texts, interval)


def _rivals(values: Sequence[float], chosen: Score) -> int | None:
    if chosen.interval is None:
        return None
    return sum(value >= chosen.interval[0] for value in values) - 1
