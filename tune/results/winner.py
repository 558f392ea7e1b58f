"""Export the winner of a search as a classifier, and describe it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textcls.command_line import typed
from textcls.text.encoding import EncodedSplit
from textcls.training.metrics import (
    IntArray,
    confusion_matrix,
    measures_of,
    wilson_interval,
)
from tune.config import optuna_space
from tune.config.metrics import (
    HELD_OUT,
    MEASURES,
    Metric,
    accuracy_name,
    cost_words,
    parse_metric,
)
from tune.config.search_file import ObjectiveSearchFile, SearchFile
from tune.execution.data import Corpora, substituted_vectors
from tune.formatting import counted, format_params, params_as_used
from tune.results import _rerun_stats
from tune.results._rerun_stats import Confirmation
from tune.run_folder import paths
from tune.run_folder.paths import RunFolder
from tune.study.front import cost_of, front_of
from tune.study.records import TrialRecord, chains_of

if TYPE_CHECKING:
    from textcls.corpus import Corpus
    from tune.results.fallback import Fallback
    from tune.results.preference import Preference


@dataclass(frozen=True, slots=True)
class Winner:
    """The best trial and how good it is on each split: accuracy and number of texts."""

    record: TrialRecord | None
    """None where the linear classifier wins alone."""
    params: dict[str, Any]
    accuracies: dict[str, tuple[float, int]]
    confirmation: Confirmation | None = None
    measures: dict[str, float] = field(default_factory=dict)
    """Its macro F1 and balanced accuracy on each split, by their metrics' names."""
    used_vectors: dict[str, str] = field(default_factory=dict)
    """The vectors that took the place of others, by the name of those."""
    linear: dict[str, float] = field(default_factory=dict)
    """What the linear classifier beside its encoder reaches alone: accuracy on each split."""
    fallback: "Fallback | None" = None
    """Why it wins without having reached a rung, where that is so."""

    preference: "Preference | None" = None
    """Why it wins in place of the best trial, where a cheaper one was asked for."""

    @property
    def value(self) -> float | None:
        """The metric of the search."""
        if self.fallback is not None:
            return self.fallback.value
        return self.record.value if self.record is not None else None

    def as_dict(self) -> dict[str, Any]:
        """Return the winner as `result.json` has it."""
        shares = {accuracy_name(split): share for split, (share, _) in self.accuracies.items()}
        confirmed = {"confirmation": self.confirmation.as_dict()} if self.confirmation else {}
        linear = {accuracy_name(split): share for split, share in self.linear.items()}
        return {
            "number": self.record.number if self.record is not None else None,
            "name": self.record.name if self.record is not None else None,
            "value": self.value,
            **shares,
            **self.measures,
            "params": self.params,
            **confirmed,
            **({"preference": self.preference.as_dict()} if self.preference is not None else {}),
            **({"linear_alone": linear} if linear else {}),
            **({"fallback": self.fallback.as_dict()} if self.fallback is not None else {}),
        }


@dataclass(frozen=True, slots=True)
class Trained:
    """The run whose weights are exported."""

    checkpoint: Path
    metrics: Mapping[str, float]
    seed: int | None = None
    """The fresh seed of a confirmed winner; None for the trial's own."""
    everything: bool = False
    """Whether it was trained on the validation texts as well."""


def best_checkpoint(record: TrialRecord, folder: RunFolder) -> Trained:
    """Return a trial as the search left it, at its best rung.

    Args:
        record: A trial that may win.
        folder: The run; from a store the checkpoint is fetched.

    Returns:
        The checkpoint and the metrics of that rung.
    """
    rung = record.best_rung or 0
    checkpoint = folder.local(folder.trial(record.number).checkpoint(rung))
    return Trained(checkpoint, record.curve[rung])


def export_best(
    record: TrialRecord,
    trained: Trained,
    config: SearchFile,
    corpora: Corpora,
    folder: RunFolder,
    confirmed: Confirmation | None = None,
    fallback: "Fallback | None" = None,
) -> Winner:
    """Write the best trial's classifier to `best/` and evaluate it on the test split.

    The test split is not read again where the trials were compared on it.

    Args:
        record: The best trial.
        trained: The run whose weights are exported.
        config: The search.
        corpora: The corpora of its trials.
        folder: The run folder.
        confirmed: The results with fresh seeds, where there are any.
        fallback: Why this trial wins without having reached a rung, where that is so.

    Returns:
        The trial, its scores on each split, and the linear classifier's alone.
    """
    params = optuna_space.decode_params(optuna_space.searched(config), record.params)
    corpus = export_trial(record, trained, config, corpora, folder, folder.best)
    accuracies, measures = _scores(trained, corpus, folder)
    model, _, _ = config.configuration(params)
    alone = _linear_alone(corpus, accuracies) if model.linear_weight > 0 else {}
    used = substituted_vectors(corpora)
    return Winner(record, params, accuracies, confirmed, measures, used, alone, fallback)


def winner_without_classifier(
    record: TrialRecord, config: SearchFile, confirmed: Confirmation | None = None
) -> Winner:
    """Return the best trial of an objective of one's own, which leaves no classifier.

    Args:
        record: The trial.
        config: The search.
        confirmed: What training the best trials again came to; None where that was not asked for.
    """
    params = optuna_space.decode_params(optuna_space.searched(config), record.params)
    return Winner(record, params, {}, confirmed)


def export_trial(
    record: TrialRecord,
    trained: Trained,
    config: SearchFile,
    corpora: Corpora,
    folder: RunFolder,
    out: Path,
) -> "Corpus":
    """Write a trial's classifier to a folder.

    Args:
        record: The trial.
        trained: Its checkpoint and metrics, or those of a rerun with a fresh seed.
        config: The search.
        corpora: The prepared corpora.
        folder: The run, which the classifier's description names.
        out: The folder to write; a classifier that is there is replaced.

    Returns:
        The corpus that it was trained on; where validation texts were trained on too, with the
        linear classifier that was trained on them as well.

    Raises:
        BundleError: The checkpoint is damaged.
    """
    from textcls import bundle

    params = optuna_space.decode_params(optuna_space.searched(config), record.params)
    model, embeddings, train = config.configuration(params)
    corpus = corpora[embeddings]
    if trained.everything:
        from textcls.corpus import with_all_learnt

        corpus = with_all_learnt(corpus)
    about = {
        "configuration": {
            "model": model.model_dump(mode="json"),
            "data": config.data.model_dump(mode="json"),
            "embeddings": embeddings.model_dump(mode="json"),
            "train": train.model_dump(mode="json"),
        },
        "result": dict(trained.metrics),
        "search": {
            "run": folder.name,
            "trial": record.number,
            "seed": trained.seed,
            "metric": config.search.metric,
            "trained_on_validation": trained.everything,
        },
        "provenance": corpus.provenance,
    }
    learnt = ("train", "validation") if trained.everything else ("train",)
    bundle.export_bundle(
        trained.checkpoint, model, corpus, config.data, out, about, trained_on=learnt
    )
    return corpus


def winner_lines(winner: Winner, config: SearchFile, folder: RunFolder) -> list[tuple[str, str]]:
    """Return the last lines on the terminal.

    Args:
        winner: What the search came to.
        config: The search.
        folder: The run.

    Returns:
        Pairs of a label and a text: the trial, its scores with their intervals, where it lies and
        how to predict with it.
    """
    rows = [*_who(winner)]
    if winner.fallback is not None:
        rows.append(("", winner.fallback.reason))
    if winner.preference is not None:
        rows.append(("Preferred", winner.preference.reason))
    chosen_on = parse_metric(config.search.metric).split
    for split, (share, texts) in winner.accuracies.items():
        rows += _other_measure(winner, config, split)
        low, high = wilson_interval(share, texts)
        basis = ", on which the trials were compared" if split == chosen_on else ""
        text = (
            f"{share:.4f}, 95 % interval {low:.4f} to {high:.4f} ({counted(texts, 'text')}{basis})"
        )
        label = f"{split.capitalize()} accuracy"
        if config.search.metric == accuracy_name(split) and (mean := _mean_of_seeds(winner)):
            rows += [(label, mean), ("", f"of its best seed, which is in best/: {text}")]
        else:
            rows.append((label, text))
    if winner.linear:
        shares = [f"{split} {share:.4f}" for split, share in winner.linear.items()]
        rows.append(("", f"the linear classifier in it alone: {', '.join(shares)}"))
    rows += _rerun_stats.confirmation_lines(winner.confirmation) if winner.confirmation else []
    where = paths.shown(folder.root)
    rows.append(("Folder", where))
    if isinstance(config, ObjectiveSearchFile):
        rows.insert(2, (config.search.metric, f"{winner.value:.6g}"))
        return rows
    rows.append(("Predict", f'{typed("textcls.predict")} {where}/best "your text"'))
    return rows


def _who(winner: Winner) -> Iterator[tuple[str, str]]:
    record = winner.record
    if record is None:
        yield "Winner", "the linear classifier alone"
        return
    yield "Winner", f"trial {record.number}" + (f", {record.name}" if record.name else "")
    params = format_params(params_as_used(winner.params, winner.used_vectors))
    yield "", params or "the fixed configuration"


def _other_measure(winner: Winner, config: SearchFile, split: str) -> list[tuple[str, str]]:
    """Return a line with what the trials were compared by on a split, where not by accuracy."""
    measure = parse_metric(config.search.metric).measure
    metric = Metric(measure, split)
    if measure == "accuracy" or metric.name not in winner.measures:
        return []
    text = f"{winner.measures[metric.name]:.4f}"
    if metric.name == config.search.metric and (mean := _mean_of_seeds(winner)):
        text = f"{mean}; its best seed, which is in best/, has {text}"
    return [(metric.words[:1].upper() + metric.words[1:], text)]


def _mean_of_seeds(winner: Winner) -> str | None:
    """Return the mean over fresh seeds with its interval; None where there are not several."""
    if winner.confirmation is None:
        return None
    number = None if winner.record is None else winner.record.number
    first = winner.confirmation.standing(number)
    if first.interval is None:
        return None
    low, high = first.interval
    return (
        f"{first.mean:.4f}, the mean of {len(first.values)} fresh seeds, 95 % interval {low:.4f} "
        f"to {high:.4f} by the seeds alone"
    )


def configurations_table(
    config: SearchFile, records: Sequence[TrialRecord]
) -> tuple[list[str], list[list[str]]]:
    """Return a table of the named configurations, beside their expected values.

    Args:
        config: A search with named configurations.
        records: All trials.

    Returns:
        The columns' heads, and a row for each configuration, run or not.
    """
    by_name = {chain.latest.name: chain for chain in chains_of(records)}
    rows = []
    for name, known in config.configurations.items():
        chain = by_name.get(name)
        value = max(chain.values, default=None) if chain is not None else None
        state = str(chain.latest.state) if chain is not None else "not run"
        rows.append([name, _figure(value), _figure(known.expected), state, known.note or ""])
    return ["configuration", config.search.metric, "expected", "state", "note"], rows


def front_table(
    config: SearchFile, records: Sequence[TrialRecord]
) -> tuple[list[str], list[list[str]]]:
    """Return a table of the trials that no other one dominates, the most accurate first.

    Args:
        config: The search, whose metric names a cost.
        records: All trials, in any order.

    Returns:
        The headings, and the cells of each row.
    """
    cost = config.search.cost or ""
    searched = optuna_space.searched(config)
    rows = [
        [
            str(each.number),
            _figure(each.value),
            f"{cost_of(each, cost) or 0.0:,.0f}",
            format_params(optuna_space.decode_params(searched, each.params)),
        ]
        for each in reversed(front_of(records, cost))
    ]
    return ["front: trial", config.search.metric, cost_words(cost), "hyperparameters"], rows


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _scores(
    trained: Trained, corpus: "Corpus", folder: RunFolder
) -> tuple[dict[str, tuple[float, int]], dict[str, float]]:
    """Return accuracy and number of texts of each split, and the other measures by their names."""
    accuracies, measures = {}, {}
    for split in HELD_OUT:
        if split not in corpus.splits or (trained.everything and split == "validation"):
            continue
        found = {name: trained.metrics.get(Metric(name, split).name) for name in MEASURES}
        # What was trained on everything has another linear classifier than its trial had.
        if found["accuracy"] is None or (trained.everything and corpus.linear is not None):
            found = dict(measures_of(_confusion_of_bundle(folder, corpus, split)))
        accuracies[split] = (found.pop("accuracy") or 0.0, len(corpus.splits[split]))
        for name, value in found.items():
            if value is not None:
                measures[Metric(name, split).name] = value
    return accuracies, measures


def linear_measures(split: EncodedSplit, num_classes: int) -> dict[str, float] | None:
    """Measure the linear classifier alone.

    Args:
        split: The texts, with its scores or without.
        num_classes: Number of classes.

    Returns:
        Accuracy, macro F1 and balanced accuracy by name; None where the split has no scores.
    """
    if split.scores is None:
        return None
    return measures_of(confusion_matrix(split.labels, split.scores.argmax(axis=1), num_classes))


def linear_value(split: EncodedSplit, metric: str, num_classes: int) -> float | None:
    """Measure the linear classifier alone by a search's metric.

    Args:
        split: The texts, with its scores or without.
        metric: Such as "val_macro_f1"; what it measures counts, not its split.
        num_classes: Number of classes.

    Returns:
        A share; None where the split has no scores.

    Raises:
        KeyError: The metric is none of accuracy, macro F1 and balanced accuracy.
    """
    found = linear_measures(split, num_classes)
    return None if found is None else found[parse_metric(metric).measure]


def _linear_alone(corpus: "Corpus", splits: Iterable[str]) -> dict[str, float]:
    classes = len(corpus.label_names)
    found = {split: linear_measures(corpus.splits[split], classes) for split in splits}
    return {split: each["accuracy"] for split, each in found.items() if each is not None}


def _confusion_of_bundle(folder: RunFolder, corpus: "Corpus", split: str) -> IntArray:
    from textcls import bundle
    from textcls.training import trainer

    encoded = corpus.splits[split]
    loaded = bundle.load_bundle(folder.best, compiled=True)
    predictions = trainer.predict_logits(loaded.classifier, encoded, "cpu").argmax(dim=1).numpy()
    return confusion_matrix(encoded.labels, predictions, len(loaded.label_names))
