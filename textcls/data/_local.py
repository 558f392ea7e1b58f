"""A local file or folder: which of its files are which split."""

import csv
import gzip
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from textcls.data._faults import listed, quoted
from textcls.data.formats.any_file import SUFFIXES, TABLES, is_data_file
from textcls.data.formats.class_folders import find_class_folders
from textcls.data.formats.compression import GZIP, inner_name
from textcls.data.formats.csv_files import CLASSES_FILE
from textcls.data.formats.saved_datasets import is_saved, saved_splits
from textcls.exceptions import DataError

SPLIT_WORDS = {
    **dict.fromkeys(("train", "training", "trainset", "traindata", "trn"), "train"),
    **dict.fromkeys(("test", "testing", "testset", "testdata", "tst"), "test"),
    **dict.fromkeys(
        ("valid", "validation", "validate", "val", "dev", "devel", "development", "devset", "eval"),
        "validation",
    ),
}

ORDER = ("train", "validation", "test")

_AS_TABLE = "save its rows as .csv or .parquet"
_PICKLE = f"a pickle, which runs code when it is loaded and so is never read; {_AS_TABLE}"
_DATABASE = f"a database; {_AS_TABLE}"
_ARCHIVE = "an archive of a kind that is not unpacked here; unpack it, or make it a .zip"
_DOCUMENT = f"a document without columns; {_AS_TABLE}"
_OTHER_KINDS = {
    ".xls": "a workbook of Excel before 2007; save it as .xlsx or .csv",
    ".xlsb": "a binary workbook of Excel; save it as .xlsx or .csv",
    ".ods": "a sheet of LibreOffice; save it as .xlsx or .csv",
    ".numbers": "a sheet of Numbers; export it as .xlsx or .csv",
    **dict.fromkeys((".pkl", ".pickle", ".joblib", ".pt"), _PICKLE),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3", ".sql", ".mdb"), _DATABASE),
    **dict.fromkeys((".7z", ".rar", ".tar", ".tgz", ".bz2", ".xz", ".zst"), _ARCHIVE),
    **dict.fromkeys((".docx", ".doc", ".pdf", ".html", ".htm", ".xml", ".md"), _DOCUMENT),
    **dict.fromkeys(
        (".feather", ".arrow", ".dta", ".sav", ".rds", ".rdata", ".npy", ".npz", ".h5"),
        f"a file of another program; {_AS_TABLE}",
    ),
}
"""What files of other kinds are, and what to do with them."""

_LONGEST_LINE = 65_536  # bytes of a first row
_SEPARATORS = ",;\t|"
_LINES_OF_OBJECTS = (".jsonl", ".ndjson")
_LINES_OF_FIELDS = (".csv", ".tsv", ".tab")


@dataclass(frozen=True, slots=True)
class SplitFiles:
    """The files or folders of each split, in the order of reading, and what was left aside."""

    splits: dict[str, tuple[Path, ...]]
    notices: tuple[str, ...] = ()

    def with_classes(self) -> list[tuple[str, Path]]:
        """Return every file whose content is read, each with its role."""
        files = [
            file for split, paths in self.splits.items() for p in paths for file in _roles(split, p)
        ]
        whole = [path for paths in self.splits.values() for path in paths if path.is_file()]
        beside = [folder / CLASSES_FILE for folder in dict.fromkeys(p.parent for p in whole)]
        return files + [(CLASSES_FILE, path) for path in beside if path.is_file()]


def split_of(name: str) -> str | None:
    """Tell which split a file or hub split is by the word in its name, or None without one."""
    apart = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)  # labeledTrainData
    words = re.findall(r"[a-z]+", apart.lower())
    found = {SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS}
    return found.pop() if len(found) == 1 else None


def find_splits(path: Path) -> SplitFiles:
    """Find the splits of a folder by file name; a single file is all of the data.

    Args:
        path: A file or folder.

    Raises:
        DataError: There is no such path, no file of a known format, no train split, or more than
            one candidate for a split.
    """
    if path.is_file():
        if not is_data_file(path):
            kind = Path(inner_name(path)).suffix.lower()
            if kind in _OTHER_KINDS:
                raise DataError(f"{path}: {_OTHER_KINDS[kind]}")
            raise DataError(f"{path}: a file of an unknown kind; expected one of {SUFFIXES}")
        return SplitFiles({"train": (path,)})
    if not path.is_dir():
        raise DataError(f"{path}: no such file or folder{_neighbours(path)}")
    for find in (_saved, _files, _class_folders, _split_folders):
        if (found := find(path)) is not None:
            return found
    inside = [each for each in _folders(path) if not each.name.startswith("__")]
    inner = [each for each in inside if each.name == "data"] or inside
    if len(inner) == 1 and not (path / CLASSES_FILE).exists():
        return find_splits(inner[0])  # of an archive, or of a clone from the hub
    raise DataError(
        f"{path}: no data file; expected train and test files ({SUFFIXES}) or a folder for each "
        f"class, found {_inside(path)}"
    )


def _saved(folder: Path) -> SplitFiles | None:
    """Return the splits of a folder that `save_to_disk` wrote."""
    if not is_saved(folder):
        return None
    parts = saved_splits(folder)
    if parts == [folder]:
        return SplitFiles({"train": (folder,)})
    return _sort_out(folder, parts)


def _files(folder: Path) -> SplitFiles | None:
    files = sorted(path for path in folder.iterdir() if path.is_file() and is_data_file(path))
    # A text file beside others may be anything; named after a split it is one.
    files = [p for p in files if not _is_plain_text(p) or split_of(_stem(p)) is not None]
    files = [path for path in files if not path.name.startswith(".") and path.name != CLASSES_FILE]
    if not files or (find_class_folders(folder, TABLES) and all(map(_is_plain_text, files))):
        return None
    if any(split_of(each.name) for each in _folders(folder)) and all(
        split_of(_stem(path)) is None for path in files
    ):
        return None
    return _sort_out(folder, files)


def _class_folders(folder: Path) -> SplitFiles | None:
    """Return a folder for each class, with train and test above them or without."""
    splits = {split: each for each in _folders(folder) if (split := split_of(each.name))}
    parts = [each for each in splits.values() if find_class_folders(each, TABLES)]
    if parts:
        return _sort_out(folder, parts)
    return SplitFiles({"train": (folder,)}) if find_class_folders(folder, TABLES) else None


def _split_folders(folder: Path) -> SplitFiles | None:
    """Folders called train and test with data files in them."""
    by_split: dict[str, tuple[Path, ...]] = {}
    for each in _folders(folder):
        files = sorted(path for path in each.iterdir() if path.is_file() and is_data_file(path))
        split = split_of(each.name)
        if split and files:
            by_split[split] = (*by_split.get(split, ()), *files)
    if "train" not in by_split:
        return None
    for split, parts in by_split.items():
        _need_shards(folder, split, list(parts))
    return SplitFiles({split: by_split[split] for split in ORDER if split in by_split})


def _sort_out(folder: Path, files: Sequence[Path]) -> SplitFiles:
    by_split: dict[str, list[Path]] = {}
    aside = []
    for file in files:
        split = split_of(_stem(file))
        if split is None:
            aside.append(file.name)
        else:
            by_split.setdefault(split, []).append(file)
    if not by_split and len(files) == 1:
        return SplitFiles({"train": (files[0],)})
    if "train" not in by_split and (found := _unnamed_train(folder, files, by_split)):
        return found
    if "train" not in by_split:
        names = listed([file.name for file in files])
        raise DataError(
            f"{folder}: no train split among {names}; expected train in a file's name, or files "
            "with the same columns, which are read together"
        )
    for split, candidates in by_split.items():
        _need_shards(folder, split, candidates)
    notice = f"{folder}: left aside {listed(aside)}, named after no split"
    splits = {split: tuple(by_split[split]) for split in ORDER if split in by_split}
    return SplitFiles(splits, (notice,) if aside else ())


def _unnamed_train(
    folder: Path, files: Sequence[Path], by_split: dict[str, list[Path]]
) -> SplitFiles | None:
    """Take the files that are named after no split for train, such as one for each month.

    None unless they have the same columns, among them all that the named files have.
    """
    named = [file for some in by_split.values() for file in some]
    train = [file for file in files if file not in named]
    columns = [_column_names(file) for file in train]
    if not columns or not columns[0] or len(set(columns)) > 1:
        return None
    for file in named:
        others = set(_column_names(file))
        if not others or not others <= set(columns[0]):
            return None
    for split, candidates in by_split.items():
        _need_shards(folder, split, candidates)
    names = listed([file.name for file in train])
    are = "are read together" if len(train) > 1 else "is read"
    notice = f"{folder}: {names} {are} as train, named after no split and with the same columns"
    by_split = {**by_split, "train": train}
    return SplitFiles(
        {each: tuple(by_split[each]) for each in ORDER if each in by_split}, (notice,)
    )


def _need_shards(folder: Path, split: str, files: list[Path]) -> None:
    """Several files make one split only where nothing but numbers tells their names apart."""
    if len({re.sub(r"\d+", "#", file.name.lower()) for file in files}) > 1:
        names = listed([file.name for file in files])
        raise DataError(
            f"{folder}: {names} all name the {split} split; expected one file, or parts that are "
            "told apart by numbers alone"
        )


def _roles(split: str, path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_file():
        yield f"{split}{path.suffix}", path
        return
    for file in sorted(path.rglob("*")):
        if file.is_file():
            yield f"{split}/{file.relative_to(path).as_posix()}", file


def _stem(path: Path) -> str:
    """Return a name without its suffix, but with one that names a split: `cooking.train`."""
    if path.is_dir():
        return path.name
    inner = Path(inner_name(path))
    return inner.name if split_of(inner.suffix) else inner.stem


def _is_plain_text(path: Path) -> bool:
    return Path(inner_name(path)).suffix.lower() == ".txt"


def _folders(folder: Path) -> list[Path]:
    found = (path for path in folder.iterdir() if path.is_dir())
    return sorted(path for path in found if not path.name.startswith("."))


def _inside(folder: Path) -> str:
    return quoted(sorted(p.name for p in folder.iterdir())) or "nothing"


def _neighbours(path: Path) -> str:
    """Say what lies where the missing path should be."""
    near = path.parent
    while not near.is_dir() and near != near.parent:
        near = near.parent
    return f"; {near if str(near) != '.' else 'the current folder'} holds {_inside(near)}"


def _column_names(path: Path) -> tuple[str, ...]:
    """Return the names of the columns; none where the first row does not tell them.

    The fields of the first row of CSV and TSV, whether it is a header or not; the keys of the first
    object of JSON lines; the schema of Parquet.
    """
    kind = Path(inner_name(path)).suffix.lower()
    try:
        if kind == ".parquet":
            import pyarrow.parquet as pq

            return tuple(pq.read_schema(path).names)
        return _of_line(_first_line(path), kind)
    except (OSError, EOFError, ValueError, RecursionError, csv.Error):
        return ()  # reading it says what is wrong


def _first_line(path: Path) -> str:
    with gzip.open(path) if path.suffix.lower() == GZIP else path.open("rb") as file:
        line: bytes = file.readline(_LONGEST_LINE)
        while line and not line.strip():
            line = file.readline(_LONGEST_LINE)
    return line.decode("utf-8-sig").strip()


def _of_line(line: str, kind: str) -> tuple[str, ...]:
    if kind in _LINES_OF_OBJECTS:
        found = json.loads(line)
        return tuple(found) if isinstance(found, dict) else ()
    if kind not in _LINES_OF_FIELDS:
        return ()
    separator = max(_SEPARATORS, key=line.count)
    fields = next(csv.reader([line], delimiter=separator), [])
    return tuple(field.strip() for field in fields) if len(fields) > 1 else ()
