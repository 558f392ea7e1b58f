"""Export another trial of a search than its winner, from the checkpoint that it has kept.

A search keeps the checkpoint of its best trial; with `search.prefer` those of the best ten, with
`search.ensemble` those of its members, and with a cost beside the metric those of the whole front.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tune.analysis import run_data
from tune.analysis.run_data import RunData
from tune.config.search_file import ObjectiveSearchFile, Preferred, SearchFile
from tune.exceptions import SearchError
from tune.execution import data
from tune.execution.data import Corpora
from tune.formatting import counted
from tune.results import winner
from tune.results.manifest import RunManifest
from tune.results.preference import KEPT, Preference, choose_cheapest
from tune.study.records import TrialRecord

_NUMBERS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class KeptTrial:
    """A trial whose checkpoint is kept, and why it was chosen."""

    record: TrialRecord
    reason: str
    """A sentence; empty where the trial was asked for by its number."""


def kept_trials(run: RunData) -> list[TrialRecord]:
    """Return the trials of a run that can be exported, best first.

    Args:
        run: The search; from an object store their checkpoints are fetched.
    """
    return [
        record
        for record in run.ranked
        if winner.best_checkpoint(record, run.folder).checkpoint.is_file()
    ]


def prepare_again(run: RunData, say: Callable[[str], None]) -> Corpora:
    """Prepare the corpora that the trials of a run were trained on.

    Args:
        run: The search.
        say: Gets notices.

    Raises:
        SearchError: The run still searches, trains no text classifiers, or its texts or vectors
            have changed since.
        TextclsError: Texts or vectors cannot be read.
    """
    folder = run.folder
    if isinstance(run.config, ObjectiveSearchFile):
        raise SearchError(
            f"{folder.root}: searches an objective of one's own: there is no classifier"
        )
    if run.state == run_data.RUNNING:
        raise SearchError(
            f"{folder.root}: is still searching, and which trials keep their checkpoints changes; "
            "export from it when it has ended"
        )
    corpora = data.prepare_corpora(run.config, say)
    changes = RunManifest(folder, run.config, ()).changes(corpora)
    if changes:
        raise SearchError(
            f"{folder.root}: its trials cannot be exported, because something has changed since "
            f"they were trained: {'; '.join(changes)}; bring back what it began with"
        )
    return corpora


def trial_of(run: RunData, number: int) -> KeptTrial:
    """Return a trial by its number.

    Args:
        run: The search.
        number: The trial's, as the leaderboard has it.

    Raises:
        SearchError: There is no such trial, or its checkpoint is not kept; the message names those
            that are.
    """
    kept = kept_trials(run)
    found = next((record for record in kept if record.number == number), None)
    if found is not None:
        return KeptTrial(found, "")
    if all(record.number != number for record in run.records):
        raise SearchError(
            f"{run.folder.root}: has no trial {number}; its {counted(len(run.records), 'trial')} "
            f"are numbered from 0 to {len(run.records) - 1}"
        )
    raise SearchError(
        f"{run.folder.root}: the checkpoint of trial {number} is not kept, so it cannot be "
        f"exported; {_kept_sentence(kept)}"
    )


def preferred_trial(run: RunData, prefer: Preferred, corpora: Corpora) -> KeptTrial:
    """Return the trial that wins by a preference, of those whose checkpoints are kept.

    Args:
        run: The search.
        prefer: accurate, small or fast, as `search.prefer`. Values are those of the search, not of
            a confirmation with fresh seeds.
        corpora: The corpora of the trials.

    Raises:
        SearchError: No trial has kept its checkpoint.
    """
    kept = kept_trials(run)
    if not kept:
        raise SearchError(f"{run.folder.root}: no trial has kept its checkpoint")
    config = _preferring(run.config, prefer)
    found, of_all = (choose_cheapest(config, corpora, each) for each in (kept, run.ranked))
    if found is None:
        best = run.ranked[0]
        reason = f"trial {kept[0].number} is the best of the search"
        if kept[0].number != best.number:
            reason = (
                f"trial {kept[0].number} is the best that kept its checkpoint; that of trial "
                f"{best.number}, the best of the search, is not kept"
            )
        return KeptTrial(kept[0], reason)
    record = next(each for each in kept if each.number == found.chosen)
    return KeptTrial(record, _reason(found, of_all))


def export_kept(run: RunData, chosen: KeptTrial, corpora: Corpora, out: Path) -> None:
    """Write a trial's classifier to a folder; a classifier that stands there is replaced.

    Args:
        run: The search.
        chosen: The trial.
        corpora: The corpora of the trials (`prepare_again`).
        out: The folder.

    Raises:
        BundleError: The checkpoint is damaged, or `out` holds something else.
    """
    trained = winner.best_checkpoint(chosen.record, run.folder)
    winner.export_trial(chosen.record, trained, run.config, corpora, run.folder, out)


def _preferring(config: SearchFile, prefer: Preferred) -> SearchFile:
    search = config.search.model_copy(update={"prefer": prefer})
    return config.model_copy(update={"search": search})


def _reason(found: Preference, of_all: Preference | None) -> str:
    if of_all is None or of_all.chosen == found.chosen:
        return found.reason
    what = {"small": "smaller", "fast": "faster"}[found.prefer]
    return (
        f"{found.reason}; trial {of_all.chosen} would be {what} still, but has not kept its "
        f"checkpoint: a search with --prefer {found.prefer} keeps those of the {KEPT} best"
    )


def _kept_sentence(kept: list[TrialRecord]) -> str:
    if not kept:
        return "no trial of the run has kept its own"
    numbers = [str(record.number) for record in kept[:_NUMBERS_SHOWN]]
    more = len(kept) - len(numbers)
    return (
        f"kept are those of {'trial' if len(kept) == 1 else 'trials'} {', '.join(numbers)}"
        + (f" and {more} more" if more else "")
        + f" (with --prefer small or fast a search keeps its {KEPT} best, with --ensemble K its "
        "K best, with a cost its front)"
    )
