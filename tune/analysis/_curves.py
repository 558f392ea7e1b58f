"""Judge the length of training from the learning curves of the best trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tune.analysis.run_data import RunData
from tune.analysis.winner_score import error_of_difference
from tune.config.metrics import Metric, loss_name, parse_metric
from tune.study.records import State, TrialRecord

BEST = 5
"""Curves that are looked at: those of the best complete trials."""
_LOSS_RISES = 1.05  # of its lowest value; less is the noise of a rung
_FLAT = 0.0005
_ABOVE_GUESSING = 0.1
"""Of the way from guessing to a perfect score: a trial that has come so far does not guess.

With few texts and one large class two standard errors are more than that: with 123 texts, 92 % of
them of one class, no score at all would lie beyond them.
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """The average course of the best complete trials' curves."""

    trials: int
    from_epoch: float
    to_epoch: float
    last_gain: float
    """From the rung before the last to the last."""
    later_gain: float
    """From the first rung to the best one."""
    fall: float
    """From the best rung to the last."""
    noise: float
    """A difference as large as this may be chance."""
    loss_rises: int
    """Trials whose held-out loss rose again while their training loss fell."""

    @property
    def rising(self) -> bool:
        """Whether training longer would probably give more."""
        return self.last_gain > self.noise and not self.overfitting

    @property
    def overfitting(self) -> bool:
        """Whether the end is worse than an earlier rung."""
        return self.fall > self.noise or 2 * self.loss_rises > self.trials

    @property
    def saturated(self) -> bool:
        """Whether the first rung is already as good as the last one."""
        return self.later_gain < max(self.noise / 2, _FLAT)


def shape(run: RunData) -> Shape | None:
    """Describe the best complete curves; None where none has two rungs."""
    curves = [
        record for record in run.ranked if record.state == State.COMPLETE and len(record.values) > 1
    ][:BEST]
    if not curves:
        return None
    first, last = curves[0].curve[-2:]
    texts = run.texts(run.chosen_on)
    loss = loss_name(run.chosen_on) if run.chosen_on else ""  # an own objective may have none
    value = _mean([record.values[-1] for record in curves])
    error = error_of_difference(value, texts) if texts else 0.01
    return Shape(
        trials=len(curves),
        from_epoch=first["epoch"],
        to_epoch=last["epoch"],
        last_gain=_mean([record.values[-1] - record.values[-2] for record in curves]),
        later_gain=_mean([max(record.values) - record.values[0] for record in curves]),
        fall=_mean([max(record.values) - record.values[-1] for record in curves]),
        noise=error * 2 / len(curves) ** 0.5,
        loss_rises=sum(_loss_rises(record, loss) for record in curves) if loss else 0,
    )


def at_chance(run: RunData) -> tuple[list[TrialRecord], float] | None:
    """Return the trials that are no better than guessing, and what guessing gives.

    Guessing means always naming the most frequent class, or any class at random: whichever is right
    more often. A trial guesses where none of what was measured of it (accuracy, macro F1, balanced
    accuracy) is clearly above that. None where the classes are not known, or the metric is none of
    these.
    """
    per_class = run.corpus.get("texts_per_class", {})
    counts: Sequence[int] = list(per_class.get(run.chosen_on, {}).values())
    metric = parse_metric(run.metric)
    if sum(counts) == 0 or not metric.is_share:
        return None
    guessed = _guessed(counts)
    limits = {
        Metric(measure, run.chosen_on).name: _limit(measure, value, sum(counts))
        for measure, value in guessed.items()
    }
    stuck = [
        record
        for record in run.ranked
        if record.best_rung is not None and _guesses(record.curve[record.best_rung], limits)
    ]
    return stuck, guessed[metric.measure]


def _guessed(counts: Sequence[int]) -> dict[str, float]:
    """Return what guessing reaches by each measure; `counts` are the texts of each class."""
    classes, texts = len(counts), sum(counts)
    shares = [count / texts for count in counts]
    always = 2 * max(shares) / (1 + max(shares)) / classes
    at_random = _mean([2 * share / (1 + classes * share) for share in shares])
    return {
        "accuracy": max(shares),
        "macro_f1": max(always, at_random),
        "balanced_accuracy": 1 / max(1, sum(count > 0 for count in counts)),
    }


def _limit(measure: str, guessed: float, texts: int) -> float:
    """Return the score from which a trial is better than guessing."""
    clearly = _ABOVE_GUESSING * (1 - guessed)
    if measure == "accuracy":
        clearly = min(clearly, 2 * error_of_difference(guessed, texts))
    return guessed + clearly


def _guesses(point: Mapping[str, float], limits: Mapping[str, float]) -> bool:
    measured = [(point[name], limit) for name, limit in limits.items() if name in point]
    return bool(measured) and all(score < limit for score, limit in measured)


def _loss_rises(record: TrialRecord, key: str) -> bool:
    losses = [point[key] for point in record.curve if key in point]
    if len(losses) < 2:
        return False
    lowest = losses.index(min(losses))
    trained = [point.get(loss_name("train"), 0.0) for point in record.curve]
    return losses[-1] > _LOSS_RISES * losses[lowest] and trained[-1] < trained[lowest]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
