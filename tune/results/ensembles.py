"""The best trials of a search as one classifier, beside the winner."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textcls.training.metrics import accuracy, confusion_matrix, wilson_interval
from tune.config.metrics import HELD_OUT, accuracy_name
from tune.config.search_file import SearchFile
from tune.execution.data import Corpora
from tune.results import winner
from tune.run_folder import paths
from tune.run_folder.paths import RunFolder
from tune.study.records import TrialRecord


@dataclass(frozen=True, slots=True)
class ExportedEnsemble:
    """An ensemble and how good it is on each split: accuracy and number of texts."""

    numbers: tuple[int, ...]
    """The members' trials."""
    accuracies: dict[str, tuple[float, int]]

    def as_dict(self) -> dict[str, Any]:
        """As `result.json` has it."""
        shares = {accuracy_name(split): share for split, (share, _) in self.accuracies.items()}
        return {"trials": list(self.numbers), **shares}


def form_ensemble(
    records: Sequence[TrialRecord], config: SearchFile, corpora: Corpora, folder: RunFolder
) -> ExportedEnsemble:
    """Write `ensemble/` with a classifier for each trial, and evaluate it on each split once.

    Args:
        records: The trials, best first.
        config: The search.
        corpora: The corpora of its trials.
        folder: The run folder.

    Returns:
        The trials in it, and its accuracy on each split with the number of texts.
    """
    from textcls import bundle, ensemble
    from textcls.runtime.bundle_files import replaced_folder
    from textcls.training import trainer

    sums: dict[str, np.ndarray[Any, Any]] = {}
    numbers = tuple(record.number for record in records)
    with replaced_folder(folder.ensemble) as draft:
        for record in records:
            corpus = winner.export_trial(
                record, winner.best_checkpoint(record, folder), config, corpora, folder,
                draft / str(record.number),
            )  # fmt: skip
            loaded = bundle.load_bundle(draft / str(record.number), compiled=True)
            for split in HELD_OUT:
                if split in corpus.splits:
                    logits = trainer.predict_logits(loaded.classifier, corpus.splits[split], "cpu")
                    sure = loaded.temperature.probabilities(logits.numpy()).astype(np.float32)
                    sums[split] = sums.get(split, 0.0) + sure
        ensemble.write_ensemble(draft, [str(number) for number in numbers], {"run": folder.name})
    accuracies = {}
    for split, total in sums.items():
        labels = corpus.splits[split].labels
        found = confusion_matrix(labels, total.argmax(axis=1), total.shape[1])
        accuracies[split] = (accuracy(found), len(labels))
    return ExportedEnsemble(numbers, accuracies)


def ensemble_lines(formed: ExportedEnsemble, folder: RunFolder) -> list[tuple[str, str]]:
    """Return what the terminal says of the ensemble.

    Args:
        formed: The ensemble that was exported.
        folder: The run.

    Returns:
        Pairs of a label and a text, with the accuracy on each split and its 95 % interval.
    """
    members = ", ".join(map(str, formed.numbers))
    rows = [("Ensemble", f"of trials {members}, in {paths.shown(folder.ensemble)}")]
    for split, (share, texts) in formed.accuracies.items():
        low, high = wilson_interval(share, texts)
        text = f"{split} accuracy {share:.4f}, 95 % interval {low:.4f} to {high:.4f}"
        rows.append(("", text))
    return rows
