"""The winner of a search that is no trial that reached a rung.

Where no trial is better than the linear classifier beside the encoders, that wins alone; of equals
it wins, since the best of many trials was lucky as well. The rest is about a search whose time
budget ended before any trial had reached its first rung.

Of the trials that had begun to train, each was evaluated once where it stood
(`tune.execution.objective`), and the best of them wins. Where there is none, the linear classifier
of words and pairs of words is trained, which takes seconds, and wins alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textcls.exceptions import TextclsError
from tune.config import optuna_space
from tune.config.metrics import HELD_OUT, Metric, metric_words, parse_metric
from tune.config.search_file import SearchFile
from tune.execution.data import Corpora
from tune.results import winner
from tune.results._rerun_stats import Confirmation
from tune.results.winner import Trained, Winner
from tune.run_folder import documents
from tune.run_folder.paths import RunFolder
from tune.study.records import State, TrialRecord

if TYPE_CHECKING:
    from textcls.corpus import Corpus

UNFINISHED, LINEAR = "unfinished trial", "linear classifier"


@dataclass(frozen=True, slots=True)
class Fallback:
    """What wins instead of a trial that reached a rung."""

    kind: str
    """UNFINISHED or LINEAR."""
    reason: str
    """A sentence for people."""
    value: float
    """The metric of the search."""
    epoch: float | None = None
    """Epochs that the unfinished trial was trained for."""

    def as_dict(self) -> dict[str, Any]:
        """As `result.json` has it."""
        found: dict[str, Any] = {"kind": self.kind, "reason": self.reason}
        return found if self.epoch is None else {**found, "epoch": self.epoch}


def fallback_winner(
    records: Sequence[TrialRecord], config: SearchFile, corpora: Corpora, folder: RunFolder
) -> Winner:
    """Export the best of what the time budget left, and describe it.

    Args:
        records: The trials, none of which has a value.
        config: The search.
        corpora: The corpora of its trials.
        folder: The run folder; what was evaluated before its first rung is deleted from it.

    Returns:
        The winner, with the reason why it is one: a trial that was evaluated where it stood, or the
        linear classifier alone.
    """
    found = sorted(
        _unfinished(records, config.search.metric, folder),
        key=lambda each: (-each[1].metrics[config.search.metric], each[0].number),
    )
    for record, trained in found:
        try:
            alone = linear_if_no_worse(record, trained, config, corpora, folder)
            won = alone or _unfinished_winner(record, trained, config, corpora, folder)
        except TextclsError:  # a damaged checkpoint: the next one may be whole
            continue
        break
    else:
        won = _linear_winner(config, next(iter(corpora.values())), folder)
    for record in records:
        folder.remove(folder.trial(record.number).unfinished)
        folder.remove(folder.trial(record.number).unfinished_checkpoint)
    return won


def linear_if_no_worse(
    record: TrialRecord,
    trained: Trained,
    config: SearchFile,
    corpora: Corpora,
    folder: RunFolder,
    confirmed: Confirmation | None = None,
) -> Winner | None:
    """Export the linear classifier alone where the best trial is no better than it.

    Args:
        record: The best trial.
        trained: The run whose weights would be exported.
        config: The search.
        corpora: The corpora of its trials.
        folder: The run folder.
        confirmed: The results with fresh seeds, where there are any.

    Returns:
        The winner; None where the trial is better, or has no linear classifier beside it.
    """
    params = optuna_space.decode_params(optuna_space.searched(config), record.params)
    model, embeddings, _ = config.configuration(params)
    corpus, metric = corpora[embeddings], config.search.metric
    split = corpus.splits.get(parse_metric(metric).split or "")
    if model.linear_weight <= 0 or split is None:
        return None
    value = trained.metrics.get(metric, record.value or 0.0)
    alone = winner.linear_value(split, metric, len(corpus.label_names))
    if confirmed is not None:
        value = confirmed.standing(record.number).mean
        alone = alone if confirmed.linear is None else confirmed.linear
    if alone is None or alone < value:
        return None
    reason = (
        f"No trial is better than the linear classifier alone: its {metric_words(metric)} is "
        f"{alone:.4f}, and that of the best trial, number {record.number}, is {value:.4f}."
    )
    made = Fallback(LINEAR, reason, alone)
    return _export_linear(corpus, config, folder, made, confirmed, everything=trained.everything)


def _unfinished(
    records: Sequence[TrialRecord], metric: str, folder: RunFolder
) -> Iterator[tuple[TrialRecord, Trained]]:
    """Yield the interrupted trials that were trained, with the best that they had come to."""
    for record in records:
        if record.state != State.INTERRUPTED:
            continue
        trial = folder.trial(record.number)
        curve = trial.read_curve()
        rungs = [rung for rung in trial.checkpoints() if rung < len(curve)]
        if rungs:  # it had reached a rung, of which the search has not heard any more
            best = max(rungs, key=lambda rung: curve[rung][metric])
            yield record, Trained(trial.checkpoint(best), curve[best])
        elif folder.local(trial.unfinished).exists():
            metrics = documents.read_metrics(trial.unfinished)
            yield record, Trained(folder.local(trial.unfinished_checkpoint), metrics)


def _unfinished_winner(
    record: TrialRecord, trained: Trained, config: SearchFile, corpora: Corpora, folder: RunFolder
) -> Winner:
    epoch = trained.metrics["epoch"]
    reason = (
        "The time budget ended before the search had heard of a rung, so the trial that was best "
        f"by then wins: trial {record.number}, trained for {epoch:.2g} epochs."
    )
    value = trained.metrics[config.search.metric]
    fallback = Fallback(UNFINISHED, reason, value, epoch)
    return winner.export_best(record, trained, config, corpora, folder, fallback=fallback)


def _linear_winner(config: SearchFile, corpus: "Corpus", folder: RunFolder) -> Winner:
    from textcls import linear_bundle

    reason = (
        "The time budget ended before any trial was trained, so the linear classifier wins alone."
    )
    corpus = linear_bundle.with_linear(corpus)
    metric = config.search.metric
    split = corpus.splits[parse_metric(metric).split or "test"]
    value = winner.linear_value(split, metric, len(corpus.label_names)) or 0.0
    asked = config.search.confirm
    everything = asked.top > 0 and asked.retrain and "validation" in corpus.splits
    everything = everything and corpus.linear_texts is not None
    made = Fallback(LINEAR, reason, value)
    return _export_linear(corpus, config, folder, made, everything=everything)


def _export_linear(
    corpus: "Corpus",
    config: SearchFile,
    folder: RunFolder,
    made: Fallback,
    confirmed: Confirmation | None = None,
    *,
    everything: bool,
) -> Winner:
    """Write the linear classifier to `best/`, trained on validation as well with `everything`."""
    from textcls import linear_bundle
    from textcls.corpus import with_all_learnt

    if everything:
        corpus = with_all_learnt(corpus)
    about = {
        "configuration": {"data": config.data.model_dump(mode="json")},
        "search": {
            "run": folder.name,
            "trial": None,
            "metric": config.search.metric,
            "trained_on_validation": everything,
        },
        "provenance": corpus.provenance,
    }
    linear_bundle.export_linear(corpus, config.data, folder.best, about)
    accuracies: dict[str, tuple[float, int]] = {}
    measures: dict[str, float] = {}
    for name in HELD_OUT:
        split = corpus.splits.get(name)
        if split is None or (everything and name == "validation"):
            continue
        found = winner.linear_measures(split, len(corpus.label_names))
        if found is None:
            continue
        accuracies[name] = (found.pop("accuracy"), len(split))
        measures |= {Metric(measure, name).name: value for measure, value in found.items()}
    return Winner(None, {}, accuracies, confirmed, measures, fallback=made)
