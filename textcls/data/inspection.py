"""Look at a data set before anything is trained on it: what is there, and what may be wrong.

Each finding says what it means and what to do. A search notes them in its run folder and prints
them; `python -m textcls.inspect` prints them with the figures of the data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from textcls.data._assembly import Split, TextDataset
from textcls.data._faults import counted, quoted
from textcls.data._row_checks import mask_of, numbers_of
from textcls.data._splits import text_codes

_LEAST_SHARE = 0.01
"""Of the texts: fewer that are shared or repeated change no figure worth a warning."""
_IMBALANCED = 0.75
_SMALL_CLASS = 2  # rows: no split can do without them
_GIVEAWAY = 0.9  # of the texts that hold the name of their class
_READ = 20_000  # texts in which such names are looked for


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that may be wrong with the data."""

    what: str
    """What was found, with its figures."""
    meaning: str
    """What follows from it."""
    advice: str
    """What to do."""

    def __str__(self) -> str:
        return f"{self.what}: {self.meaning}; {self.advice}"


@dataclass(frozen=True, slots=True)
class SplitFigures:
    """The number of texts of each class in a split, and their lengths in characters."""

    texts: int
    per_class: Mapping[str, int]
    shortest: int
    median: int
    longest: int


def figures_of(dataset: TextDataset) -> dict[str, SplitFigures]:
    """Count each split's texts, its classes and the lengths of its texts.

    Args:
        dataset: A data set whose splits each have a text at least.

    Returns:
        By the split's name: the number of texts, of texts of each class, and the shortest, median
        and longest text in characters.
    """
    found = {}
    for name, split in dataset.splits.items():
        counts = np.bincount(split.labels, minlength=len(dataset.label_names)).tolist()
        lengths = numbers_of(pc.utf8_length(split.texts))
        found[name] = SplitFigures(
            len(split),
            dict(zip(dataset.label_names, counts, strict=True)),
            int(lengths.min()),
            int(np.median(lengths)),
            int(lengths.max()),
        )
    return found


def inspect_dataset(dataset: TextDataset) -> tuple[Finding, ...]:
    """Return what may be wrong with a data set, what spoils the figures first.

    Looked for are texts in two splits, one text with two labels, repeated texts, spellings of one
    label, small classes, imbalance, and words that give the label away.

    Args:
        dataset: All splits of it; what concerns classes is counted on train.

    Returns:
        The findings, each with what it means and what to do; empty where nothing was found.

    Example::

        for finding in inspect_dataset(locate(DataConfig(name="tickets.csv")).read()):
            print(finding)
    """
    codes = _text_codes(dataset.splits)
    found = [
        *_shared(dataset, codes),
        _contradictions(dataset, codes["train"]),
        _repeated(dataset, codes["train"]),
        *_spellings(dataset.label_names),
        _small_classes(dataset),
        _imbalance(dataset),
        _giveaway(dataset),
    ]
    return tuple(finding for finding in found if finding is not None)


def _text_codes(splits: Mapping[str, Split]) -> dict[str, npt.NDArray[np.int64]]:
    """Number texts so that equal ones have the same number in all splits."""
    chunks = [chunk for split in splits.values() for chunk in split.texts.chunks]
    codes = text_codes(pa.chunked_array(chunks, pa.string()))
    ends = np.cumsum([len(split) for split in splits.values()])[:-1]
    return dict(zip(splits, np.split(codes, ends), strict=True))


def _shared(dataset: TextDataset, codes: Mapping[str, npt.NDArray[np.int64]]) -> list[Finding]:
    """Texts of validation or test that train holds as well."""
    found = []
    for name, own in codes.items():
        if name == "train":
            continue
        known = np.isin(own, codes["train"])
        if known.mean() > _LEAST_SHARE:
            text = _example(dataset.splits[name].texts, int(known.argmax()))
            found.append(
                Finding(
                    f"{known.sum():,} of {counted(len(own), 'text')} of {name} ({known.mean():.0%})"
                    f" are in train as well, such as {text}",
                    f"the score on {name} says too little about texts that nobody has seen",
                    f"take them out of one of the two, or give one file and let {name} be split "
                    "off, which keeps equal texts together",
                )
            )
    return found


def _contradictions(dataset: TextDataset, codes: npt.NDArray[np.int64]) -> Finding | None:
    """Equal texts of train whose labels differ."""
    train = dataset.splits["train"]
    classes = len(dataset.label_names)
    again = np.flatnonzero(np.bincount(codes)[codes] > 1)  # few: sorting all takes a while
    texts, labels = np.divmod(np.unique(codes[again] * classes + train.labels[again]), classes)
    rows = (np.bincount(texts, minlength=codes.max() + 1) > 1)[codes]
    if not rows.any() or rows.mean() <= _LEAST_SHARE / 10:
        return None
    first = int(rows.argmax())
    names = [dataset.label_names[i] for i in labels[texts == codes[first]].tolist()]
    return Finding(
        f"{counted(int(rows.sum()), 'row')} of train have a text that also occurs with another "
        f"label, such as {_example(train.texts, first)} with {quoted(names)}",
        "no classifier can be right about all of them",
        "look at them and keep the right label",
    )


def _repeated(dataset: TextDataset, codes: npt.NDArray[np.int64]) -> Finding | None:
    counts = np.bincount(codes)
    again = len(codes) - int((counts > 0).sum())
    if again <= _LEAST_SHARE * len(codes):
        return None
    most = int(counts.argmax())
    text = _example(dataset.splits["train"].texts, int((codes == most).argmax()))
    return Finding(
        f"{counted(again, 'row')} of train ({again / len(codes):.0%}) repeat the text of another "
        f"row, {text} occurs {counts[most]:,} times",
        "a text counts more the more often it is there",
        "remove the copies, unless such texts really do come that often",
    )


def _spellings(names: Sequence[str]) -> list[Finding]:
    """Labels that differ by case or blanks alone."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault("".join(name.lower().split()), []).append(name)
    return [
        Finding(
            f"the labels {quoted(group)} differ by case or blanks alone",
            "they count as different classes",
            "write them alike if they are one",
        )
        for group in groups.values()
        if len(group) > 1
    ]


def _small_classes(dataset: TextDataset) -> Finding | None:
    counts = np.bincount(dataset.splits["train"].labels, minlength=len(dataset.label_names))
    small = [
        name
        for name, count in zip(dataset.label_names, counts.tolist(), strict=True)
        if count <= _SMALL_CLASS
    ]
    if not small:
        return None
    noun = "class has" if len(small) == 1 else "classes have"
    return Finding(
        f"{len(small):,} {noun} one or two texts in train, or none: {quoted(small)}",
        "nothing can be learnt of so few, nor measured",
        "gather more of them, join them with others, or leave them out",
    )


def _imbalance(dataset: TextDataset) -> Finding | None:
    labels = dataset.splits["train"].labels
    counts = np.bincount(labels, minlength=len(dataset.label_names))
    share = counts.max() / len(labels)
    if share < _IMBALANCED:
        return None
    name = dataset.label_names[int(counts.argmax())]
    return Finding(
        f"{share:.0%} of train have the label {quoted([name])}",
        f"who always answers that has an accuracy of {share:.0%}",
        "judge a classifier by each class, not by accuracy alone",
    )


def _giveaway(dataset: TextDataset) -> Finding | None:
    """Texts that hold the name of their label."""
    train, told = dataset.splits["train"], 0
    names = [name for name in dataset.label_names if len(name) > 2]
    step = -(-len(train) // _READ)
    labels = train.labels[::step]
    lower = pc.utf8_lower(train.every(step))
    for i, name in enumerate(dataset.label_names):
        own = labels == i
        if name in names and own.any():
            texts = lower.filter(mask_of(own))
            told += int(pc.sum(pc.match_substring(texts, name.lower()), min_count=0).as_py())
    if not names or told < _GIVEAWAY * len(labels):
        return None
    return Finding(
        f"{told / len(labels):.0%} of the texts of train hold the name of their label",
        "a classifier will look for that name, which new texts may not have",
        "check that the text's columns do not give the label away",
    )


def _example(texts: Any, row: int) -> str:
    return quoted([" ".join(texts[row].as_py().split())])
