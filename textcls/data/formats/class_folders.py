"""A folder for each class, a file for each text: the layout of `sklearn.datasets.load_files`."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa

from textcls.config.models import DataConfig
from textcls.data._columns import Chosen, Columns
from textcls.data._faults import counted, listed
from textcls.data.formats.encodings import guess_encoding

UNLABELLED = frozenset({"unsup", "unlabeled", "unlabelled", "unsupervised"})
"""Folders of texts that have no class, such as aclImdb's."""
_CHOSEN = Chosen(("text",), "label")


def find_class_folders(folder: Path, kinds: Sequence[str]) -> list[Path]:
    """Return the folders of classes in a folder.

    Args:
        folder: Where they are sought; hidden folders and those for texts without a label, such as
            `unsup`, are passed over.
        kinds: Suffixes of tables, such as ".csv": where a folder holds one, this is another layout.

    Returns:
        The folders, sorted; none where fewer than two hold files, or the layout is another.
    """
    inside = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    if any(_holds(path, kinds) for path in inside):
        return []
    found = sorted(path for path in inside if texts_in(path))
    named = [path for path in found if path.name.lower() not in UNLABELLED]
    return named if len(named) > 1 else []


def _holds(folder: Path, kinds: Sequence[str]) -> bool:
    return any(path.suffix.lower() in kinds for path in folder.iterdir() if path.is_file())


def texts_in(folder: Path) -> list[Path]:
    """Return the files of a class.

    Args:
        folder: The folder of one class; folders within it are passed over.

    Returns:
        The files; those whose names begin with a number come last, in the order of these numbers:
        `2.txt` before `10.txt`.
    """
    files = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted((path for path in files if path.is_file()), key=_by_number)


def read_class_folders(folder: Path, place: str, data: DataConfig) -> Columns:
    """Read the text of every file; its folder's name is the label.

    Args:
        folder: Holds a folder for each class.
        place: What messages call it.
        data: `encoding` is that of all files; by default it is told by their content.

    Returns:
        A row for each file, called by its path within `folder` where it is at fault.

    Raises:
        OSError: A file cannot be read; `read_file` makes a `DataError` of it.
    """
    paths, labels = [], []
    for each in find_class_folders(folder, ()):
        for path in texts_in(each):
            paths.append(path)
            labels.append(each.name)
    texts, said = _decoded([path.read_bytes() for path in paths], data.encoding, place)
    of = counted(len(set(labels)), "folder")
    notices = [f"{place}: {counted(len(paths), 'text')} in {of}, a class each", *said]
    aside = [path.name for path in folder.iterdir() if path.name.lower() in UNLABELLED]
    if aside:
        notices.append(f"{place}: left aside {listed(aside)}, texts without a class")
    shown = [path.relative_to(folder).as_posix() for path in paths]
    return Columns(
        place,
        "file",
        _CHOSEN,
        (pa.chunked_array([pa.array(texts, pa.string())]),),
        pa.chunked_array([pa.array(labels, pa.string())]),
        partial(_names, shown),
        notices=tuple(notices),
    )


def _decoded(
    contents: Sequence[bytes], asked: str | None, place: str
) -> tuple[list[str], list[str]]:
    """Return the texts, and what was said; those that are not UTF-8 share one other encoding."""
    texts = [_utf8(content) if asked is None else None for content in contents]
    odd = [content for content, text in zip(contents, texts, strict=True) if text is None]
    if not odd:
        return [text or "" for text in texts], []
    name = asked or guess_encoding(b"\n".join(odd)) or "latin-1"
    notices = []
    if asked is None:
        files = counted(len(odd), "file")
        notices.append(f"{place}: {files} read as {name}, not UTF-8; data.encoding names another")
    lost = sum(not _fits(content, name) for content in odd)
    if lost:
        files = counted(lost, "file")
        notices.append(f"{place}: {files} with bytes that are not {name}, shown as \ufffd")
    return [
        content.decode(name, errors="replace") if text is None else text
        for content, text in zip(contents, texts, strict=True)
    ], notices


def _utf8(content: bytes) -> str | None:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _fits(content: bytes, name: str) -> bool:
    try:
        content.decode(name)
    except UnicodeDecodeError:
        return False
    return True


def _names(shown: Sequence[str], positions: Sequence[int]) -> list[str]:
    return [shown[position] for position in positions]


def _by_number(path: Path) -> tuple[int, str]:
    number = re.match(r"\d{1,18}", path.name)
    return (int(number[0]) if number else -1), path.name
