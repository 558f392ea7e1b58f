"""Texts and labels of each split, out of a hub set, local files or the embedded corpus.

`locate` finds out where the data is and gives its content a name, without parsing it; `read` parses
it, checks every row and splits off what is missing.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from textcls.config.models import IN_MEMORY, SYNTHETIC, DataConfig
from textcls.data._assembly import Split, TextDataset, assemble, with_validation
from textcls.data._columns import Columns
from textcls.data._faults import quoted
from textcls.data._hub import ALIASES, HubSet, Unreachable, is_hub_name, load_hub_set
from textcls.data._local import find_splits
from textcls.data._reading import check_sample, read_splits, sources_of, usable_parts
from textcls.data._row_checks import CheckedRows
from textcls.data.formats.any_file import KINDS
from textcls.data.formats.compression import ZIP
from textcls.data.formats.parquet_files import typed_columns
from textcls.exceptions import DataError, HubUnreachableError

__all__ = ["Source", "Split", "TextDataset", "check_local", "locate"]

READING = 2
"""Raised with every change that makes other texts or labels of the same files."""

_LONGEST_NAME = 1_000
_DIGEST_BYTES = 16
_BLOCK = 1 << 20

Reading = tuple[dict[str, list[CheckedRows]], list[str]]
"""The rows of each split, and notices."""


@dataclass(frozen=True, slots=True)
class Source:
    """Data that was found and not yet parsed."""

    name: str
    """As shown to people."""
    fingerprint: str
    """The same for the same content read with the same settings, wherever it lies."""
    notices: tuple[str, ...]
    """What is used in place of what was asked for, and why; `read` repeats them."""
    _data: DataConfig = field(repr=False)
    _rows: Callable[[Path], Reading] = field(repr=False)
    _known: TextDataset | None = field(default=None, repr=False)

    def read(self, *, split_off: bool = True) -> TextDataset:
        """Parse and check the data.

        Args:
            split_off: Split off a test or validation split that is missing.

        Raises:
            DataError: The data cannot be used; the message lists everything that is wrong.
        """
        if self._known is not None and split_off:
            return with_validation(self._known, self._data)
        # Line numbers are looked up in what lies in the folder until every row is checked.
        with TemporaryDirectory(prefix="textcls-", ignore_cleanup_errors=True) as scratch:
            parts, said = self._rows(Path(scratch))
            notices = (*self.notices, *said)
            return assemble(self.name, parts, self._data, notices, split_off=split_off)

    def with_dataset(self, dataset: TextDataset) -> "Source":
        """Return this data so that `read` need not parse it again.

        Args:
            dataset: What `read` gave for the same data with `validation_fraction` 0.
        """
        return replace(self, _known=dataset)


def locate(data: DataConfig) -> Source:
    """Find the data: the embedded corpus, a local file or folder, or a data set of the hub.

    Args:
        data: The name of the data, and how it is read.

    Raises:
        DataError: There is no data of that name.
        HubUnreachableError: Only the hub might have it, cannot be reached, and `data.offline` names
            no substitute.
    """
    if data.name == SYNTHETIC:
        return _synthetic_source(data)
    if data.name == IN_MEMORY:
        raise DataError(
            "data.name: the texts were handed over in Python and lie in no file; hand them over "
            "again: tune.Search.run(texts, labels, name=..., resume=True)"
        )
    if not data.name.strip() or not data.name.isprintable() or len(data.name) > _LONGEST_NAME:
        name = quoted([data.name])
        raise DataError(f"data.name: {name} can be neither a file nor a data set of the hub")
    path = Path(data.name).expanduser()
    if _exists(path) or _means_a_path(data.name):
        return _local_source(path, data)
    found = load_hub_set(data.name, data.subset)
    if isinstance(found, HubSet):
        return _hub_source(found, data)
    return _substitute(found, data)


def _substitute(hub: Unreachable, data: DataConfig) -> Source:
    if data.offline is None:
        raise HubUnreachableError(
            f"{hub.trouble}. No file or folder of that name is in {Path.cwd()}. Name a local file "
            "or folder instead, or set data.offline to what may take its place, such as "
            f"{SYNTHETIC}"
        )
    source = locate(data.model_copy(update={"name": data.offline, "offline": None}))
    notice = f"{hub.trouble}; {source.name} is used in place of {data.name}"
    return replace(source, notices=(notice, *source.notices))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a part of it is too long
        return False


def _means_a_path(name: str) -> bool:
    """Tell whether a name that does not exist here was meant as a path."""
    path = Path(name)
    return (
        not is_hub_name(name)
        or name.startswith(".")
        or path.suffix.lower() in (*KINDS, ZIP)
        or ("/" in name and path.parent.is_dir())
    )


def check_local(data: DataConfig) -> None:
    """Look at some rows of local files of the kinds that are quick to look at.

    Takes some tenths of a second and imports nothing heavy, so that a search can refuse a file
    before it starts Ray. Files of other kinds, hub sets and the embedded corpus are left to
    `Source.read`.

    Args:
        data: Names the file or folder and, where they are set, its columns and its separator.

    Raises:
        DataError: Where reading the files would fail for their columns or labels.
    """
    path = Path(data.name).expanduser()
    if data.name == SYNTHETIC or not data.name.strip() or not _exists(path):
        return
    with TemporaryDirectory(prefix="textcls-", ignore_cleanup_errors=True) as scratch:
        files, _ = sources_of(path, Path(scratch))
        check_sample(files, data, Path(scratch))


def _local_source(path: Path, data: DataConfig) -> Source:
    shown = path.resolve().name
    name = shown if shown == str(path) else f"{shown} ({path})"
    if path.is_file() and path.suffix.lower() == ZIP:
        content = [(f"archive{ZIP}", path)]
    else:
        content = find_splits(path).with_classes()

    def rows(scratch: Path) -> Reading:
        files, notices = sources_of(path, scratch)
        parts, said = read_splits(files, data, scratch)
        return parts, [*notices, *said]

    return Source(name, _content(data, "local", content), (), data, rows)


def _content(data: DataConfig, kind: str, files: Sequence[tuple[str, Path]]) -> str:
    """Hash the files and the settings that change what is read of them."""
    keys = {"text_columns", "label_column", "bad_rows", "validation_fraction", "test_fraction"}
    settings = {"reading": READING, "kind": kind, **data.model_dump(include={*keys, "seed"})}
    # Keys of later days count where they are set, so that older fingerprints hold.
    later = data.model_dump(include={"separator", "encoding", "multilabel"}, exclude_defaults=True)
    settings |= later
    try:
        return _content_hash(settings, files)
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror or error}") from error


def _hub_source(found: HubSet, data: DataConfig) -> Source:
    repository = f"{found.repository}, {data.subset}" if data.subset else found.repository
    name = f"{data.name} ({repository})" if data.name in ALIASES or data.subset else data.name

    def rows(_: Path) -> Reading:
        read: dict[str, list[Columns]] = {}
        chosen = data
        for split, dataset in found.splits.items():
            columns = typed_columns(dataset, f"{found.repository}, split {split}", chosen)
            read[split] = [columns]
            chosen = chosen.model_copy(update=columns.chosen.as_settings())
        return usable_parts(read, data)

    return Source(name, _content(data, "hub", found.files()), found.notices, data, rows)


def _synthetic_source(data: DataConfig) -> Source:
    from textcls.data.synthetic import generator

    def rows(_: Path) -> Reading:
        corpus = generator.generate(data.train_size, data.test_size, data.seed)
        splits = {
            "train": (corpus.train_texts, corpus.train_labels),
            "test": (corpus.test_texts, corpus.test_labels),
        }
        return {
            split: [
                CheckedRows.flawless(f"{SYNTHETIC} {split}", texts, labels, generator.LABEL_NAMES)
            ]
            for split, (texts, labels) in splits.items()
        }, []

    settings = data.model_dump(include={"train_size", "test_size", "seed", "validation_fraction"})
    content = _content_hash({"kind": SYNTHETIC, "version": generator.VERSION, **settings})
    sizes = f"{data.train_size:,} / {data.test_size:,} embedded texts"
    return Source(f"{SYNTHETIC} ({sizes})", content, (), data, rows)


def _content_hash(settings: Mapping[str, Any], files: Iterable[tuple[str, Path]] = ()) -> str:
    """Hash JSON-able settings and files, each under a name of its role; hexadecimal, 32 digits.

    The same bytes and settings give the same, wherever they lie.
    """
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for role, path in files:
        digest.update(f"\0{role}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()
