"""Read one file of a split, whatever its kind, its encoding and its packing."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from textcls.config.models import DataConfig
from textcls.data._column_choice import Sample
from textcls.data._columns import Chosen, Columns
from textcls.data.formats.class_folders import read_class_folders
from textcls.data.formats.compression import GZIP, inner_name, unpack_gzip
from textcls.data.formats.csv_files import CLASSES_FILE, read_csv, sample_csv
from textcls.data.formats.encodings import UTF8, detect_encoding, rewrite_as_utf8
from textcls.data.formats.fasttext import is_fasttext, read_fasttext
from textcls.data.formats.json_files import read_json
from textcls.data.formats.json_objects import WHOLE, unfold_object
from textcls.data.formats.parquet_files import read_parquet
from textcls.data.formats.saved_datasets import is_saved, read_saved
from textcls.data.formats.spreadsheets import read_spreadsheet, sheet_names, unfold_workbook
from textcls.exceptions import DataError

T = TypeVar("T")

_LOOKED_AT = 200  # bytes

_WITH_COLUMNS = (".csv", ".tsv", ".tab", ".txt", ".ft", ".train", ".valid", ".test")
_JSON = (".jsonl", ".ndjson", ".json")
_WORKBOOKS = (".xlsx", ".xlsm")
KINDS = (*_WITH_COLUMNS, *_JSON, ".parquet", *_WORKBOOKS)
TABLES = tuple(kind for kind in KINDS if kind != ".txt")
"""The kinds of files that hold many texts whatever they are called."""
SUFFIXES = ", ".join(
    (*_WITH_COLUMNS[:4], *_JSON, ".parquet", _WORKBOOKS[0]),
)
"""As messages list them; each but the last two also with .gz behind it."""
_NO_DATA = frozenset({"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"})


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file as its reader wants it: unpacked and, where it holds text, in UTF-8."""

    path: Path
    kind: str
    notices: tuple[str, ...] = ()


def is_data_file(path: Path) -> bool:
    """Tell by its name whether a file may hold texts and labels.

    Args:
        path: Need not exist; of `train.csv.gz`, the ending before `.gz` counts.

    Returns:
        False also for the descriptions that lie beside data, such as `dataset_info.json`.
    """
    return path.name not in _NO_DATA and _kind(path) in KINDS


def read_file(path: Path, place: str, data: DataConfig, scratch: Path) -> Columns:
    """Read a data file, or a folder of one split.

    Args:
        path: A file of one of the `KINDS`, packed by gzip or not; a folder that `datasets` saved,
            or one with a folder for each class.
        place: What messages call it.
        data: The columns, the separator and the encoding where they are set; what is not set is
            told by the content.
        scratch: A folder for unpacked and re-encoded copies. It stays until every row is checked,
            since rows at fault are looked up in it.

    Returns:
        The columns of texts and labels, not yet checked, and what there is to say of how they were
        read.

    Raises:
        DataError: It is empty, damaged, lacks a column, or is a web page or a pointer of Git LFS in
            the data's place.
    """
    return _guarded(path, place, lambda: _read(path, place, data, scratch))


def sample_file(
    path: Path, place: str, data: DataConfig, scratch: Path
) -> tuple[Chosen, Sample] | None:
    """Look at the rows of a file that is quick to look at.

    Args:
        path: The file.
        place: What messages call it.
        data: The columns, the separator and the encoding where they are set.
        scratch: A folder for unpacked and re-encoded copies.

    Returns:
        The columns that would be read, and rows from all over the file; None for folders, for lines
        in fastText's layout and for kinds without fields, such as JSON and Parquet.

    Raises:
        DataError: As `read_file`.
    """
    if path.is_dir() or _kind(path) not in _WITH_COLUMNS:
        return None

    def look() -> tuple[Chosen, Sample] | None:
        opened = _open(path, place, data, scratch)
        return None if is_fasttext(opened.path) else sample_csv(opened.path, place, data)

    return _guarded(path, place, look)


def unfolded(path: Path, scratch: Path, split_of: Callable[[str], str | None]) -> dict[str, Path]:
    """Return the splits that one file holds: a JSON object of them, or a workbook's sheets.

    Args:
        path: The file.
        scratch: A folder for their rows.
        split_of: Tells which split a name means.

    Returns:
        The files of the splits by the names they have in it; none where it holds no splits.
    """
    kind = _kind(path)
    try:
        if kind in _WORKBOOKS:
            opened = _open(path, str(path), DataConfig(), scratch)
            splits = [name for name in sheet_names(opened.path) if split_of(name)]
            if "train" not in map(split_of, splits):
                return {}
            return unfold_workbook(opened.path, splits, _fresh(scratch))
        if kind != ".json":
            return {}
        opened = _open(path, str(path), DataConfig(), scratch)
        found = unfold_object(opened.path, _fresh(scratch)).files
    except (OSError, DataError):
        return {}  # reading it says what is wrong
    return found if WHOLE not in found else {}


def _guarded(path: Path, place: str, read: Callable[[], T]) -> T:
    try:
        if path.is_file() and not path.stat().st_size:
            raise DataError(f"{place}: the file is empty; expected a text and a label in each row")
        if path.is_file() and (instead := _stands_for(path)):
            raise DataError(f"{place}: {instead}")
        return read()
    except OSError as error:
        raise DataError(f"{place}: cannot be read: {error.strerror or error}") from error


def _stands_for(path: Path) -> str:
    """Say what a file is that came in the place of the data; "" for any other file."""
    with path.open("rb") as file:
        begins = file.read(_LOOKED_AT).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if begins.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS, not the data; fetch that with git lfs pull"
    if begins.startswith((b"<!doctype html", b"<html")):
        return "a web page, not data; perhaps the download wants a login"
    return ""


def _read(path: Path, place: str, data: DataConfig, scratch: Path) -> Columns:
    if path.is_dir():
        read = read_saved if is_saved(path) else read_class_folders
        return read(path, place, data)
    opened = _open(path, place, data, scratch)
    columns = _columns(opened, place, data, scratch)
    return replace(columns, notices=(*opened.notices, *columns.notices))


def _columns(opened: _Opened, place: str, data: DataConfig, scratch: Path) -> Columns:
    if opened.kind in _WORKBOOKS:
        return read_spreadsheet(opened.path, place, data, _fresh(scratch))
    if opened.kind == ".parquet":
        return read_parquet(opened.path, place, data)
    if opened.kind in _JSON:
        return _json(opened, place, data, scratch)
    if is_fasttext(opened.path):
        return read_fasttext(opened.path, place)
    return read_csv(opened.path, place, data)


def _json(opened: _Opened, place: str, data: DataConfig, scratch: Path) -> Columns:
    if opened.kind == ".json":
        found = unfold_object(opened.path, _fresh(scratch))
        if WHOLE in found.files:
            columns = read_json(found.files[WHOLE], place, data)
            said = (f"{place}: {found.notice}",) if found.notice else ()
            return replace(columns, unit="row", notices=(*said, *columns.notices))
    return read_json(opened.path, place, data)


def _open(path: Path, place: str, data: DataConfig, scratch: Path) -> _Opened:
    kind, beside = _kind(path), path.with_name(CLASSES_FILE)
    if path.suffix.lower() == GZIP:
        path = unpack_gzip(path, _fresh(scratch), place)
    if kind == ".parquet" or kind in _WORKBOOKS:
        return _Opened(path, kind)
    found = detect_encoding(path)
    name = data.encoding or found.name
    notices: tuple[str, ...] = ()
    if name != UTF8 and data.encoding is None:
        example = f", such as {found.example!r}" if found.example else ""
        notices = (f"{place}: read as {name}{example}; data.encoding names another",)
    if name.replace("_", "-").lower() not in (UTF8, "utf8", "utf-8-sig"):
        out = _fresh(scratch) / path.name
        rewrite_as_utf8(path, name, out, place)
        path = out
    if path.parent != beside.parent and beside.is_file():
        shutil.copyfile(beside, path.with_name(CLASSES_FILE))
    return _Opened(path, kind, notices)


def _kind(path: Path) -> str:
    return Path(inner_name(path)).suffix.lower()


def _fresh(scratch: Path) -> Path:
    """Return a new folder inside the scratch folder, so that equal names do not meet."""
    for i in range(1_000_000):
        folder = scratch / str(i)
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise OSError("no folder left")
