"""A local file or folder: which of its files are which split, and how each is read."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from textcls.config.models import DataConfig
from textcls.data._columns import Columns
from textcls.data._csv_files import CLASSES_FILE, read_csv
from textcls.data._faults import listed, quoted
from textcls.data._json_files import read_json
from textcls.data._parquet import read_parquet
from textcls.exceptions import DataError

Reader = Callable[[Path, str, DataConfig], Columns]
READERS: dict[str, Reader] = {
    ".csv": read_csv,
    ".jsonl": read_json,
    ".ndjson": read_json,
    ".json": read_json,
    ".parquet": read_parquet,
}
SUFFIXES = ", ".join(READERS)

SPLIT_WORDS = {
    "train": "train",
    "test": "test",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
    "dev": "validation",
}

ORDER = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class SplitFiles:
    """The files of each split, in the order in which they are read, and what was left aside."""

    splits: dict[str, tuple[Path, ...]]
    notices: tuple[str, ...] = ()

    def with_classes(self) -> list[tuple[str, Path]]:
        """Every file whose content is read, each with its role."""
        files = [
            (f"{split}{path.suffix}", path)
            for split, paths in self.splits.items()
            for path in paths
        ]
        folders = dict.fromkeys(path.parent for _, path in files)
        beside = [folder / CLASSES_FILE for folder in folders]
        return files + [(CLASSES_FILE, path) for path in beside if path.is_file()]


def split_of(name: str) -> str | None:
    """Tell which split a file or hub split is by the word in its name, or None without one."""
    words = re.findall(r"[a-z]+", name.lower())
    found = {SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS}
    return found.pop() if len(found) == 1 else None


def find_splits(path: Path) -> SplitFiles:
    """Find the splits of a folder by file name; a single file is all of the data.

    Raises DataError when there is no such path, no file of a known format, no train split, or more
    than one candidate for a split.
    """
    if path.is_file():
        if path.suffix.lower() not in READERS:
            raise DataError(f"{path}: a file of an unknown kind; expected one of {SUFFIXES}")
        return SplitFiles({"train": (path,)})
    if not path.is_dir():
        raise DataError(f"{path}: no such file or folder{_neighbours(path)}")
    known = (p for p in path.iterdir() if p.suffix.lower() in READERS and p.is_file())
    files = sorted(p for p in known if not p.name.startswith("."))
    if not files:
        raise DataError(
            f"{path}: no data file; expected train and test files ({SUFFIXES}), "
            f"found {_inside(path)}"
        )
    return _sort_out(path, files)


def read_file(path: Path, data: DataConfig) -> Columns:
    """Read one data file. Raises DataError when it cannot be read or lacks a column."""
    place = str(path)
    try:
        if not path.stat().st_size:
            raise DataError(f"{place}: the file is empty; expected a text and a label in each row")
        return READERS[path.suffix.lower()](path, place, data)
    except OSError as error:
        raise DataError(f"{place}: cannot be read: {error.strerror or error}") from error


def _sort_out(folder: Path, files: list[Path]) -> SplitFiles:
    by_split: dict[str, list[Path]] = {}
    aside = []
    for file in files:
        split = split_of(file.stem)
        if split is None:
            aside.append(file.name)
        else:
            by_split.setdefault(split, []).append(file)
    if not by_split and len(files) == 1:
        return SplitFiles({"train": (files[0],)})
    if "train" not in by_split:
        names = listed([file.name for file in files])
        raise DataError(f"{folder}: no train split among {names}; expected train in a file's name")
    for split, candidates in by_split.items():
        _need_shards(folder, split, candidates)
    notice = f"{folder}: left aside {listed(aside)}, named after no split"
    splits = {split: tuple(by_split[split]) for split in ORDER if split in by_split}
    return SplitFiles(splits, (notice,) if aside else ())


def _need_shards(folder: Path, split: str, files: list[Path]) -> None:
    """Several files make one split only where nothing but numbers tells their names apart."""
    if len({re.sub(r"\d+", "#", file.name.lower()) for file in files}) > 1:
        names = listed([file.name for file in files])
        raise DataError(
            f"{folder}: {names} all name the {split} split; expected one file, or parts that are "
            "told apart by numbers alone"
        )


def _inside(folder: Path) -> str:
    return quoted(sorted(p.name for p in folder.iterdir())) or "nothing"


def _neighbours(path: Path) -> str:
    """Say what lies where the missing path should be."""
    near = path.parent
    while not near.is_dir() and near != near.parent:
        near = near.parent
    return f"; {near if str(near) != '.' else 'the current folder'} holds {_inside(near)}"
