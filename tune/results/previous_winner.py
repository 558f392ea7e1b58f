"""Keep the winner of the run that a search starts from, and compare the new winner with it.

`search --from RUN` copies the winner of RUN into the new run folder, so that the comparison needs
RUN no longer, whatever becomes of it, and works after a resume and on another machine. At the end
both predict the same texts of the new data, those left out that the old one was trained or chosen
on, as far as that is recorded (`RunFolder.learnt_texts`).
"""

import io
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textcls.exceptions import BundleError, DataError, TextclsError
from textcls.output import one_line
from tune.config.metrics import HELD_OUT, Metric, metric_words, parse_metric
from tune.config.search_file import SearchFile
from tune.exceptions import RunFolderError, SearchError
from tune.execution.data import Corpora
from tune.formatting import counted
from tune.results.paired_test import PairedTest, compare_predictions
from tune.run_folder import atomic, documents
from tune.run_folder.documents import PreviousRecord
from tune.run_folder.paths import RunFolder

if TYPE_CHECKING:
    from textcls.data.dataset import Source, TextDataset
    from textcls.runtime.predictor import EnsemblePredictor, Predictor

Array = np.ndarray[Any, Any]
_MOST_BYTES = 1 << 33  # a billion texts: a file that claims more is none of ours
_HEADER = 10_000  # bytes of a .npy header that are parsed
_NAMES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Comparison:
    """The new winner beside the old one, on the same texts.

    run: the earlier run. split: the texts' split. tested: the figures; None where the two could
    not be compared, and `refusal` says why. left_out: texts that the old one had learnt from.
    notes: sentences about what to consider.
    """

    run: str
    split: str = ""
    tested: PairedTest | None = None
    left_out: int = 0
    notes: tuple[str, ...] = ()
    refusal: str = ""

    @property
    def sentence(self) -> str:
        """Both scores, their difference, whether it may be chance, and what to do."""
        if self.tested is None:
            return f"The new winner could not be compared with that of {self.run}: {self.refusal}"
        found, words = self.tested, Metric(self.tested.measure, self.split).words
        advice = {
            "new": "take the new one",
            "old": "keep the old one",
            None: "the difference may be chance: keep the old one",
        }[found.better]
        return (
            f"{words[:1].upper()}{words[1:]}: new {found.new:.4f}, old ({self.run}) "
            f"{found.old:.4f} on the same {counted(found.texts, 'text')}; difference "
            f"{found.difference:+.4f}, 95 % interval {found.low:+.4f} to {found.high:+.4f}, "
            f"p = {found.p_value:.2g} ({found.test}): {advice}."
        )

    def as_dict(self) -> dict[str, Any]:
        """Return it as `result.json` has it."""
        told: dict[str, Any] = {"run": self.run, "sentence": self.sentence}
        told["notes"] = list(self.notes)
        if (found := self.tested) is None:
            return told
        return told | {
            "split": self.split,
            "measure": found.measure,
            "texts": found.texts,
            "left_out": self.left_out,
            "old": found.old,
            "new": found.new,
            "difference": found.difference,
            "interval": [found.low, found.high],
            "p_value": found.p_value,
            "test": found.test,
            "only_old": found.only_old,
            "only_new": found.only_new,
            "better": found.better,
        }

    def lines(self) -> list[tuple[str, str]]:
        """Return the last lines on the terminal, each with its label."""
        return [("Old winner", self.sentence), *(("", note) for note in self.notes)]


def keep_previous(old: RunFolder, new: RunFolder) -> None:
    """Copy the winner of an earlier run, and what it learnt from, into a new run folder.

    Args:
        old: The earlier run.
        new: The new one.

    Raises:
        BundleError: The earlier run has no classifier, or a damaged one.
        OSError: It cannot be copied.
    """
    from textcls.runtime.bundle_files import read_bundle

    read_bundle(old.best)
    kept = new.previous
    shutil.rmtree(kept.root, ignore_errors=True)  # of a search that was killed amid its start
    kept.best.mkdir(parents=True)
    for path in sorted(old.best.iterdir()):
        if path.is_file() and not path.is_symlink():
            shutil.copyfile(path, kept.best / path.name)
    learnt = old.local(old.learnt_texts)
    if learnt.is_file():
        shutil.copyfile(learnt, kept.learnt_texts)
    try:
        corpora = documents.read_environment(old.environment).get("corpora") or [{}]
    except (OSError, RunFolderError):
        corpora = [{}]
    told = PreviousRecord(
        run=old.name,
        data=corpora[0].get("data"),
        data_fingerprint=corpora[0].get("data_fingerprint"),
    )
    atomic.write_json(kept.about, told.model_dump())


def keep_learnt_texts(folder: RunFolder, dataset: "TextDataset") -> None:
    """Write the hashes of the texts of train and validation, sorted, each once.

    A later search that starts from this run leaves these texts out where it compares.

    Args:
        folder: The run folder.
        dataset: The texts of its search.
    """
    splits = [dataset.splits[name] for name in ("train", "validation") if name in dataset.splits]
    hashes = np.unique(np.concatenate([split.hashes() for split in splits]))
    content = io.BytesIO()
    np.save(content, hashes, allow_pickle=False)
    atomic.write_bytes(folder.learnt_texts, content.getvalue())


def look_back(
    config: SearchFile, corpora: Corpora, folder: RunFolder, source: "Source | None"
) -> "tuple[Source | None, Comparison | None]":
    """Read the texts again: note what the winner learnt from, compare it with an earlier one.

    Args:
        config: The search.
        corpora: What its trials were trained on.
        folder: The run folder, with the new winner in `best/`.
        source: The texts, where they lie in memory; None for those that the search names.

    Returns:
        The texts, so that nobody need parse them once more (`source` where they cannot be read),
        and the comparison; None where the search did not start from another.
    """
    known = next(iter(corpora.values())).provenance["data_fingerprint"]
    try:
        found, dataset = _texts_again(config, source, known)
    except TextclsError as error:
        if not folder.previous.about.exists():
            return source, None  # the report says it as well
        return source, Comparison("the earlier run", refusal=one_line(str(error)))
    keep_learnt_texts(folder, dataset)
    return found.with_dataset(dataset), compare_with_previous(
        folder, dataset, known, config.search.metric
    )


def _texts_again(
    config: SearchFile, source: "Source | None", fingerprint: str
) -> "tuple[Source, TextDataset]":
    from textcls.data.dataset import locate

    found = source or locate(config.data)
    if found.fingerprint != fingerprint:
        raise DataError(f"{found.name} has changed since the search began")
    return found, found.read()


def compare_with_previous(
    folder: RunFolder, dataset: "TextDataset", fingerprint: str, metric: str
) -> Comparison | None:
    """Let the new winner and the old one predict the same held-out texts.

    Args:
        folder: The run folder, with the new winner in `best/`.
        dataset: The texts of the new search.
        fingerprint: The fingerprint of its source.
        metric: The metric of the new search; its measure is compared.

    Returns:
        The comparison; None where the search did not start from another.
    """
    kept = folder.previous
    if not kept.about.exists():
        return None
    run = "the earlier run"
    try:
        record = documents.read_previous(kept.about)
        run = one_line(record.run)
        return _compared(folder, record, run, dataset, fingerprint, metric)
    except TextclsError as error:
        return Comparison(run, refusal=one_line(str(error)))


def _compared(
    folder: RunFolder,
    record: PreviousRecord,
    run: str,
    dataset: "TextDataset",
    fingerprint: str,
    metric: str,
) -> Comparison:
    from textcls.runtime.loading import load_predictor

    old, new = load_predictor(folder.previous.best), load_predictor(folder.best)
    if new.label_names != dataset.label_names:
        raise BundleError(f"{folder.best}: its classes are not those of the texts")
    shared = [name for name in new.label_names if name in old.label_names]
    if not shared:
        raise SearchError(
            f"the new data has none of its labels: it knows {_listed(old.label_names)}, "
            f"the data has {_listed(new.label_names)}"
        )
    name = next(name for name in HELD_OUT if name in dataset.splits)
    split = dataset.splits[name]
    learnt = _read_hashes(folder.previous.learnt_texts)
    fresh = np.ones(len(split), np.bool_)
    if learnt is not None:
        fresh = ~np.isin(split.hashes(), learnt)
    if not fresh.any():
        raise SearchError(f"it was trained or chosen on every text of {name}")
    texts, labels = split.where(fresh).texts.to_pylist(), split.labels[fresh]
    everything = (*new.label_names, *(n for n in old.label_names if n not in new.label_names))
    measure, is_same = parse_metric(metric).measure, record.data_fingerprint == fingerprint
    before, now = (_predicted(each, texts, everything) for each in (old, new))
    guesses = _Guesses(labels, before, now, len(new.label_names), everything, measure)
    notes = [
        *_unseen_notes(run, name, len(split) - len(texts)),
        *_unknown_notes(run, name, known=learnt is not None or is_same),
        *_class_notes(run, old.label_names, guesses),
        *_choice_notes(run, name, metric),
    ]
    return Comparison(run, name, guesses.test(), len(split) - len(texts), tuple(notes))


@dataclass(frozen=True, slots=True)
class _Guesses:
    """Labels and both classifiers' predictions (texts,), as positions among all classes.

    The first `new_classes` of `names` are the new data's, the others the old classifier's alone.
    """

    labels: Array
    old: Array
    new: Array
    new_classes: int
    names: tuple[str, ...]
    measure: str

    def test(self, rows: Array | None = None) -> PairedTest:
        at = slice(None) if rows is None else rows
        return compare_predictions(
            self.labels[at], self.old[at], self.new[at], len(self.names), self.measure
        )


def _predicted(
    predictor: "Predictor | EnsemblePredictor", texts: Sequence[str], names: Sequence[str]
) -> Array:
    place = {name: at for at, name in enumerate(names)}
    own = np.array([place[name] for name in predictor.label_names])
    found: Array = own[predictor.probabilities(texts).argmax(axis=1)]
    return found


def _unseen_notes(run: str, split: str, left_out: int) -> Iterator[str]:
    if left_out:
        yield (
            f"{counted(left_out, 'text')} of {split} left out of this comparison: {run} was "
            "trained or chosen on equal ones."
        )


def _unknown_notes(run: str, split: str, *, known: bool) -> Iterator[str]:
    if not known:
        yield (
            f"Nothing is recorded of which texts {run} was trained on; those of {split} that it "
            "had seen, if there are any, favour it."
        )


def _class_notes(run: str, old_names: Sequence[str], found: _Guesses) -> Iterator[str]:
    known = np.array([name in old_names for name in found.names])
    added = [name for name in found.names if name not in old_names]
    if added:
        within = known[found.labels]
        text = (
            f"{run} does not know {_listed(added)}: all {counted(int((~within).sum()), 'text')} "
            "of that count as its mistakes."
        )
        if within.any():
            rest = found.test(within)
            text += (
                f" On the other {counted(rest.texts, 'text')}: new {rest.new:.4f}, old "
                f"{rest.old:.4f}, p = {rest.p_value:.2g}."
            )
        yield text
    gone = found.names[found.new_classes :]
    if gone:
        count = int((found.old >= found.new_classes).sum())
        yield (
            f"The new data has no text of {_listed(gone)}, which {run} predicts for "
            f"{counted(count, 'text')} of these; the new one cannot predict it."
        )


def _choice_notes(run: str, split: str, metric: str) -> Iterator[str]:
    if parse_metric(metric).split == split:
        yield (
            f"The new trials were compared by {metric_words(metric)}, on these texts or more, so "
            f"its score here is optimistic and that of {run} less so."
        )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(one_line(name) for name in names[:_NAMES_SHOWN])
    return shown + (f" and {len(names) - _NAMES_SHOWN:,} more" if len(names) > _NAMES_SHOWN else "")


def _read_hashes(path: Path) -> Array | None:
    """Return the hashes in a file, which may be anybody's; None where there is none."""
    if not path.exists():
        return None
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("it is too large")
        found = np.load(path, mmap_mode="r", allow_pickle=False, max_header_size=_HEADER)
        if not isinstance(found, np.ndarray) or found.dtype != np.int64 or found.ndim != 1:
            raise ValueError("it holds no list of hashes")
    except (OSError, ValueError, EOFError) as error:
        raise RunFolderError(f"{path}: damaged ({error})") from error
    return found
