"""Read every file of local data: train first, whose columns and classes hold for the others."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from textcls.config.models import DataConfig
from textcls.data._column_choice import NoLabelColumnError
from textcls.data._columns import Classes, Columns
from textcls.data._faults import counted, quoted
from textcls.data._label_kinds import check_labels, separator_of, split_cell
from textcls.data._local import ORDER, find_splits, split_of
from textcls.data._row_checks import CheckedRows, check_rows
from textcls.data.formats.any_file import read_file, sample_file, unfolded
from textcls.data.formats.compression import ZIP, unpack_zip
from textcls.data.formats.csv_files import AG_CLASSES
from textcls.exceptions import DataError

TRAIN = "train"
_AG_LABELS = frozenset(str(i + 1) for i in range(len(AG_CLASSES)))
_TEXTS_LOOKED_AT = 2_000
_MOSTLY = 0.99  # of the rows: a stray label among them is a fault of its row, not another layout


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file or folder to read, and what messages call it."""

    path: Path
    place: str


SourceFiles = Mapping[str, Sequence[SourceFile]]


def sources_of(path: Path, scratch: Path) -> tuple[SourceFiles, list[str]]:
    """Find the files of each split, those of an archive, a JSON file or a workbook unpacked.

    Args:
        path: A file, a folder or a zip archive.
        scratch: A folder for what is unpacked, which stays until every row is checked.

    Returns:
        The files by split, each with the name that messages give it, and what there is to say.

    Raises:
        DataError: As `find_splits`, or the archive is damaged.
    """
    if path.is_file() and path.suffix.lower() == ZIP:
        folder = scratch / "archive"
        folder.mkdir()
        unpack_zip(path, folder, str(path))
        inside = _only_file(folder)
        found = find_splits(inside or folder)
        places = {p: f"{path}/{p.relative_to(folder).as_posix()}" for p in _paths(found.splits)}
        said = [notice.replace(str(folder), str(path)) for notice in found.notices]
    else:
        found = find_splits(path)
        places = {p: str(p) for p in _paths(found.splits)}
        said = list(found.notices)
    files = {
        split: [SourceFile(p, places[p]) for p in paths] for split, paths in found.splits.items()
    }
    if list(files) == [TRAIN] and len(files[TRAIN]) == 1:
        return _inner_splits(files[TRAIN][0], scratch, said) or (files, said)
    return files, said


def read_splits(
    files: SourceFiles, data: DataConfig, scratch: Path
) -> tuple[dict[str, list[CheckedRows]], list[str]]:
    """Read and check the files; splits without labels are left aside, which the notices say.

    Args:
        files: By split; train is read first, and its columns hold for the others.
        data: The columns, the separator and the encoding where they are set.
        scratch: A folder for copies, which stays until every row is checked.

    Returns:
        The checked rows of each file by split, and what there is to say.

    Raises:
        DataError: A file cannot be read, or the labels of train cannot be classes.
    """
    read: dict[str, list[Columns]] = {}
    said: list[str] = []
    chosen = data
    for split in (split for split in ORDER if split in files):
        try:
            for file in files[split]:
                columns = read_file(file.path, file.place, chosen, scratch)
                read.setdefault(split, []).append(columns)
                if not columns.bare:  # there the names are ours: a test file may have others
                    chosen = chosen.model_copy(update=columns.chosen.as_settings())
        except NoLabelColumnError as error:
            if split == TRAIN:
                raise
            read.pop(split, None)
            said.append(f"{error.place}: left aside as {split}, it has no column of labels")
    said += _name_ag_classes(read)
    parts, more = usable_parts(read, data)
    return parts, said + more


def usable_parts(
    read: Mapping[str, Sequence[Columns]], data: DataConfig
) -> tuple[dict[str, list[CheckedRows]], list[str]]:
    """Check the rows of each split; leave aside splits besides train that have no labels.

    Args:
        read: The files' columns by split, train first.
        data: What becomes of several labels in a cell.

    Returns:
        The checked rows of each file by split, and what there is to say.

    Raises:
        DataError: The labels of train cannot be classes.
    """
    parts: dict[str, list[CheckedRows]] = {}
    notices = [notice for files in read.values() for c in files for notice in c.notices]
    for split, files in read.items():
        checked = [check_rows(columns) for columns in files]
        if split != TRAIN and all(_unlabelled(rows, parts.get(TRAIN, ())) for rows in checked):
            # Competitions keep the labels of their test split to themselves.
            places = ", ".join(rows.place for rows in checked)
            notices.append(f"{places}: left aside as {split}, its rows have no labels")
        else:
            parts[split] = checked
    for columns, rows in zip(read[TRAIN], parts[TRAIN], strict=True):
        _check_labels(columns, rows, data)
    if data.multilabel == "first":
        notices += _take_first(parts)
    return parts, notices


def check_sample(files: SourceFiles, data: DataConfig, scratch: Path) -> None:
    """Look at some rows of train's first file.

    Args:
        files: By split; nothing is looked at where train is not among them.
        data: The columns, the separator and the encoding where they are set.
        scratch: A folder for copies.

    Raises:
        DataError: Its columns or labels cannot be used.
    """
    if TRAIN not in files:
        return
    file = files[TRAIN][0]
    found = sample_file(file.path, file.place, data, scratch)
    if found is not None:
        chosen, sample = found
        values = [value.strip() for value in sample[chosen.label] if value.strip()]
        texts = [" ".join(parts) for parts in zip(*(sample[n] for n in chosen.texts), strict=True)]
        check_labels(file.place, chosen, Counter(values), texts, data)


def _check_labels(columns: Columns, rows: CheckedRows, data: DataConfig) -> None:
    if not rows.closed:
        texts = rows.texts.slice(0, _TEXTS_LOOKED_AT).to_pylist()
        check_labels(columns.place, columns.chosen, rows.label_counts(), texts, data)


def _take_first(parts: Mapping[str, Sequence[CheckedRows]]) -> list[str]:
    """Keep the first label of each cell; return what was said."""
    counts: Counter[str] = Counter()
    for rows in parts[TRAIN]:
        counts.update(rows.label_counts())
    separator = separator_of(counts)
    if separator is None:
        return []
    several = 0
    for files in parts.values():
        for rows in files:
            cells = [split_cell(value, separator) for value in rows.values]
            more = np.array([len(cell) > 1 for cell in cells] + [False])
            several += int(more[rows.labels].sum())
            rows.values = tuple(cell[0] if cell else "" for cell in cells)
    return [f"{counted(several, 'row')} had several labels; the first of each is taken"]


def _inner_splits(
    file: SourceFile, scratch: Path, said: list[str]
) -> tuple[SourceFiles, list[str]] | None:
    found = unfolded(file.path, scratch, split_of)
    if not found:
        return None
    splits: dict[str, list[SourceFile]] = {}
    aside = []
    for name, path in sorted(found.items(), key=lambda item: len(item[0])):
        split = split_of(name)
        if split is None or split in splits:
            aside.append(name)
        else:
            splits[split] = [SourceFile(path, f"{file.place}, {name}")]
    if TRAIN not in splits:
        raise DataError(
            f"{file.place}: an object with the keys {quoted(list(found))}; expected train among "
            "them, or the names of columns"
        )
    if aside:
        said = [*said, f"{file.place}: left aside {quoted(aside)}, no split of its own"]
    return splits, said


def _name_ag_classes(read: Mapping[str, list[Columns]]) -> list[str]:
    """Give AG's layout its classes where train has all of 1 to 4; return what was said."""
    train = read.get(TRAIN, [])
    if not train or not all(columns.bare for columns in train):
        return []
    counts: dict[str, int] = {}
    for columns in train:
        for each in pc.value_counts(pc.utf8_trim_whitespace(columns.label)).to_pylist():
            counts[each["values"]] = counts.get(each["values"], 0) + each["counts"]
    known = sum(count for label, count in counts.items() if label in _AG_LABELS)
    if not counts.keys() >= _AG_LABELS or known < _MOSTLY * sum(counts.values()):
        return [
            f"{train[0].place}: no header; the first column is used as the label, and its "
            "classes for their names (a classes.txt beside it, a name on each line, gives others)"
        ]
    for files in read.values():
        files[:] = [
            replace(columns, classes=Classes(AG_CLASSES, first=1)) if columns.bare else columns
            for columns in files
        ]
    return [
        f"{train[0].place}: no header and labels 1 to 4, AG News' layout: they are called "
        f"{', '.join(AG_CLASSES)} (a classes.txt beside it, a name on each line, gives others)"
    ]


def _unlabelled(rows: CheckedRows, train: Sequence[CheckedRows]) -> bool:
    """Tell whether no row has a label, or all have one that only marks its absence: -1, ?."""
    if (rows.labels < 0).all():
        return True
    known = {value for file in train for value in file.values}
    found = set(np.unique(rows.labels).tolist())
    return len(found) == 1 and len(rows.labels) > 1 and rows.values[found.pop()] in _ABSENT - known


_ABSENT = frozenset({"-1", "?", "-", "unknown", "none", "None", "nan", "NaN", "null", "NA"})


def _only_file(folder: Path) -> Path | None:
    inside = [each for each in folder.iterdir() if not each.name.startswith((".", "__"))]
    return inside[0] if len(inside) == 1 and inside[0].is_file() else None


def _paths(splits: Mapping[str, Sequence[Path]]) -> list[Path]:
    return [path for paths in splits.values() for path in paths]
