"""The winner of a search whose time budget ended before any trial had reached its first rung.

Of the trials that had begun to train, each was evaluated once where it stood
(`tune.execution.objective`), and the best of them wins. Where there is none, the linear classifier
of words and pairs of words is trained, which takes seconds, and wins alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textcls.exceptions import TextclsError
from textcls.training.metrics import accuracy, confusion_matrix, macro_f1
from tune.config.metrics import HELD_OUT, parse_metric
from tune.config.search_file import SearchFile
from tune.execution.data import Corpora
from tune.results import winner
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
    """
    found = sorted(
        _unfinished(records, config.search.metric, folder),
        key=lambda each: (-each[1].metrics[config.search.metric], each[0].number),
    )
    for record, trained in found:
        try:
            won = _unfinished_winner(record, trained, config, corpora, folder)
        except TextclsError:  # a damaged checkpoint: the next one may be whole
            continue
        break
    else:
        won = _linear_winner(config, next(iter(corpora.values())), folder)
    for record in records:
        folder.remove(folder.trial(record.number).unfinished)
        folder.remove(folder.trial(record.number).unfinished_checkpoint)
    return won


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
        "The time budget ended before any trial was trained, so the linear classifier of words and "
        "pairs of words wins alone."
    )
    corpus = linear_bundle.with_linear(corpus)
    about = {
        "search": {"run": folder.name, "trial": None, "metric": config.search.metric},
        "provenance": corpus.provenance,
    }
    linear_bundle.export_linear(corpus, config.data, folder.best, about)
    accuracies = {
        split: (_score(corpus, split, "accuracy"), len(corpus.splits[split]))
        for split in HELD_OUT
        if split in corpus.splits
    }
    metric = parse_metric(config.search.metric)
    value = _score(corpus, metric.split or "test", metric.measure)
    return Winner(None, {}, accuracies, fallback=Fallback(LINEAR, reason, value))


def _score(corpus: "Corpus", split: str, measure: str) -> float:
    encoded = corpus.splits[split]
    if encoded.scores is None:
        raise ValueError(f"the split {split} has no scores of a linear classifier")
    guessed = encoded.scores.argmax(axis=1)
    confusion = confusion_matrix(encoded.labels, guessed, len(corpus.label_names))
    return {"accuracy": accuracy, "macro_f1": macro_f1}[measure](confusion)
