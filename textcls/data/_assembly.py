"""From the rows of all files to a data set: one list of labels, bad rows out, splits made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from textcls.config.models import LONGEST_LABEL, SYNTHETIC, DataConfig
from textcls.data._class_loss import uneven_loss
from textcls.data._faults import complain, counted, left_out, listed, quoted
from textcls.data._row_checks import CheckedRows, in_order, is_class_name, mask_of, places_of, seen
from textcls.data._splits import kept_together, stratified
from textcls.exceptions import DataError

_TEST_STREAM, _VALIDATION_STREAM = 0, 1
_NUMBERS, _TRUTH = ("0", "1"), ("false", "true")


@dataclass(frozen=True, slots=True)
class Split:
    """Texts and their labels, in the order of the source."""

    texts: pa.ChunkedArray
    """Arrow strings, possibly mapped from disk."""
    labels: npt.NDArray[np.int64]
    """(texts,): positions among the label names."""

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, mask: npt.NDArray[np.bool_]) -> "Split":
        """Return the texts under `mask` (texts,)."""
        return Split(self.texts.filter(mask_of(mask)), self.labels[mask])

    def every(self, step: int) -> pa.ChunkedArray:
        """Return every `step`-th text, the first included.

        A chunk at a time: Arrow copies all chunks into one before it takes anything from them.
        """
        found, at = [], 0
        for chunk in self.texts.chunks:
            places = np.arange(-at % step, len(chunk), step)
            found.append(chunk.take(places_of(places)))
            at += len(chunk)
        return pa.chunked_array(found, self.texts.type)

    def hashes(self) -> npt.NDArray[np.int64]:
        """Return a hash of each text (texts,): equal texts have equal ones in every run.

        Case and blanks at the ends do not count.
        """
        from textcls.data._text_hashes import hash_texts  # late: numba takes half a second

        return hash_texts(self.texts)


@dataclass(frozen=True, slots=True)
class TextDataset:
    """A data set ready to be tokenised."""

    name: str
    """As shown to people."""
    splits: dict[str, Split]
    """"train" and "test", and "validation" when there is one."""
    label_names: tuple[str, ...]
    notices: tuple[str, ...]
    """Sentences to print and record: what was substituted, split off or left out."""


def assemble(
    name: str,
    parts: Mapping[str, Sequence[CheckedRows]],
    data: DataConfig,
    notices: Sequence[str] = (),
    *,
    split_off: bool = True,
) -> TextDataset:
    """Make a data set of the rows read for each split.

    Args:
        name: What messages call the data.
        parts: The files' rows by split; "train" is among them. Their labels are changed in place.
        data: How much is split off, and what becomes of bad rows.
        notices: What there is to say of the reading.
        split_off: Whether a test split that is missing, and a validation split that `data` asks
            for, are taken out of train.

    Raises:
        DataError: Rows are bad, all named in one message, unless they are to be skipped; a split is
            left without rows; train has a single class, or is too small to split.
    """
    label_names, trained = _label_names(parts["train"])
    if strange := [each for each in label_names if not is_class_name(each)]:
        raise DataError(
            f"{name}: {quoted(strange)} cannot be the name of a class; expected 1 to "
            f"{LONGEST_LABEL:,} characters that can be shown"
        )
    everything = [rows for files in parts.values() for rows in files]
    said = [*notices, *(told for rows in everything if (told := _as_trained(rows, trained)))]
    if len(trained) == 1 and not any(rows.faults for rows in everything):
        raise DataError(
            f"{name}: every row of train has the label {quoted(list(trained))}; "
            "expected at least two classes"
        )
    for rows in everything:
        _align(rows, label_names, trained)
    faulty = [file for rows in everything if (file := rows.as_faulty_file())]
    if faulty and data.bad_rows == "error":
        raise complain(faulty, uneven_loss(label_names, parts["train"]))
    splits = {split: _usable(name, split, files) for split, files in parts.items()}
    if len(trained) == 1:
        raise DataError(
            f"{name}: the rows of train that can be used all have the label "
            f"{quoted(list(trained))}; expected at least two classes"
        )
    said += [left_out(file) for file in faulty]
    if faulty and (uneven := uneven_loss(label_names, parts["train"])):
        said.append(f"{name}: {uneven}")
    if split_off:
        said += _split_off(name, splits, data)
    return TextDataset(name, splits, label_names, tuple(said))


def with_validation(dataset: TextDataset, data: DataConfig) -> TextDataset:
    """Split a validation split off a data set that was read without one.

    The result is that of reading it with `data.validation_fraction` at once.

    Args:
        dataset: Has no validation split.
        data: How much is split off, and the seed; with a fraction of 0 nothing is.

    Raises:
        DataError: Train is too small for that.
    """
    if not data.validation_fraction:
        return dataset
    splits = dict(dataset.splits)
    said = _split_off(dataset.name, splits, data)
    return replace(dataset, splits=splits, notices=(*dataset.notices, *said))


def _label_names(train: Sequence[CheckedRows]) -> tuple[tuple[str, ...], set[str]]:
    """Return all label names in their order, and those that usable rows of train have."""
    trained = {
        rows.values[code]
        for rows in train
        for code in np.unique(rows.labels[~rows.bad & (rows.labels >= 0)])
    }
    listed_classes = next((rows.values for rows in train if rows.closed), None)
    return listed_classes or in_order(list(trained)), trained


def _as_trained(rows: CheckedRows, trained: set[str]) -> str:
    """Write labels as train does where they differ by case or blanks, or are 0 and 1 for truth.

    Returns what there is to say about it; "" where nothing is changed.
    """
    written = {value for value in rows.values if value}
    meant: dict[str, str] = {}
    for known, other in ((_NUMBERS, _TRUTH), (_TRUTH, _NUMBERS)):
        if trained == set(known) and written and written <= set(other):
            meant = {old: new for old, new in zip(other, known, strict=True) if old in written}
    alike: dict[str, list[str]] = {}
    for label in trained:
        alike.setdefault(_folded(label), []).append(label)
    for value in written - trained:
        if len(found := alike.get(_folded(value), [])) == 1:
            meant.setdefault(value, found[0])
    if not meant:
        return ""
    rows.values = tuple(meant.get(value, value) for value in rows.values)
    pairs = listed([f"{old!r} as {new!r}" for old, new in sorted(meant.items())])
    return f"{rows.place}: its labels are read as train writes them, {pairs}"


def _folded(label: str) -> str:
    return " ".join(label.casefold().split())


def _align(rows: CheckedRows, names: tuple[str, ...], trained: set[str]) -> None:
    """Turn the codes of one file into positions among `names`; blame labels that train lacks."""
    position = {label: i for i, label in enumerate(names) if label in trained}
    known = np.array([position.get(v, -1) for v in rows.values] + [-1], dtype=np.int64)
    unknown = (rows.labels >= 0) & (known[rows.labels] < 0)
    # A row of train that is bad anyway may be the only one with its label: say what is wrong once.
    unknown &= ~rows.bad
    labels = quoted([label for label in names if label in trained])
    rows.add_fault(
        unknown, f"a label that train lacks ({quoted(seen(rows, unknown))})", f"one of {labels}"
    )
    rows.labels, rows.values = known[rows.labels], names


def _usable(name: str, split: str, files: Sequence[CheckedRows]) -> Split:
    """Put the good rows of a split's files together."""
    parts = [Split(rows.texts, rows.labels) for rows in files]
    for i, rows in enumerate(files):
        if rows.bad.any():
            parts[i] = parts[i].where(~rows.bad)
    chunks = [chunk for part in parts for chunk in part.texts.chunks]
    labels = np.concatenate([part.labels for part in parts])
    if not len(labels):
        places = ", ".join(rows.place for rows in files)
        left = "no row can be used" if any(rows.faults for rows in files) else "no rows"
        raise DataError(f"{name}: {left} in the {split} split ({places}); expected at least one")
    return Split(pa.chunked_array(chunks, pa.string()), labels)


def _split_off(name: str, splits: dict[str, Split], data: DataConfig) -> list[str]:
    """Take the splits that are missing out of train; return what was done."""
    notices = []
    if "test" not in splits:
        notices.append(f"no test split; {_carve(name, splits, 'test', data.test_fraction, data)}")
    if data.validation_fraction:
        if "validation" in splits:
            notices.append("it has a validation split; data.validation_fraction takes no other")
        else:
            notices.append(_carve(name, splits, "validation", data.validation_fraction, data))
    return [f"{name}: {notice}" for notice in notices]


def _carve(
    name: str, splits: dict[str, Split], split: str, fraction: float, data: DataConfig
) -> str:
    train = splits["train"]
    stream = _TEST_STREAM if split == "test" else _VALIDATION_STREAM
    chosen = stratified(train.labels, fraction, data.seed, stream=stream)
    moved = 0
    if data.name != SYNTHETIC:  # whose texts are drawn one by one
        chosen, moved = kept_together(train.texts, train.labels, chosen)
    count = int(chosen.sum())
    if not count:
        raise DataError(
            f"{name}: {counted(len(train), 'row')} in train, too few to split off "
            f"{fraction:.3g} of each class as {split}; expected more rows or a {split} file"
        )
    splits[split], splits["train"] = train.where(chosen), train.where(~chosen)
    of = f"{count:,} of {counted(len(train), 'row')}"
    said = f"{of} were split off train as {split}, stratified by label, seed {data.seed}"
    if not moved:
        return said
    return f"{said}; equal texts are on one side, for which {counted(moved, 'row')} changed it"
