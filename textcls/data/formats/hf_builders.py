"""One local file through a builder of `datasets`, quietly and without a trace in its cache."""

import csv
import glob
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from logging import CRITICAL
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from textcls.data.formats.arrow_csv import read_regular_csv
from textcls.data.formats.csv_dialect import COMMA, Dialect

_REST = " rest"  # takes fields beyond the header's; no name in a header begins with a space


class BuilderError(Exception):
    """The builder gave up on the file; the message is the reason it gave, in one line."""


def load(kind: Literal["csv", "json", "parquet"], path: Path, **options: Any) -> Any:
    """Return a file as a `datasets.Dataset`.

    Its columns are mapped from a temporary file that has no name any more, so that they are paged
    in as they are used and the disk space is free again when the last of them goes.

    Args:
        kind: The builder.
        path: The file; its name may hold any character.
        options: Passed on to the builder.

    Returns:
        All rows and columns, with the types that the builder gives them.

    Raises:
        BuilderError: The builder cannot read the file; the message is the first line of its reason.
    """
    import datasets

    readers = {
        "csv": datasets.Dataset.from_csv,
        "json": datasets.Dataset.from_json,
        "parquet": datasets.Dataset.from_parquet,
    }
    pattern = glob.escape(str(path.absolute()))
    with quiet(), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as cache:
        try:
            return readers[kind](pattern, cache_dir=cache, **options)
        except Exception as error:
            raise BuilderError(reason(error)) from error


def load_csv(
    path: Path,
    names: Sequence[str],
    needed: Sequence[str],
    *,
    header: bool,
    dialect: Dialect = COMMA,
) -> tuple[pa.ChunkedArray, ...]:
    """Read some columns of a CSV file, all of them as text.

    A file whose records all have as many fields goes through Arrow, any other through the builder.

    Args:
        path: The file, in UTF-8.
        names: The names of all of its columns, whatever its header says.
        needed: The names of those to read.
        header: Whether the first record is a header, which is left out.
        dialect: How its fields are told apart.

    Returns:
        A column of strings for each name in `needed`. "NA" and "null" are words like any other.

    Raises:
        BuilderError: The builder cannot read the file, or a record has more fields than `names`.
    """
    regular = read_regular_csv(path, names, needed, header=header, dialect=dialect)
    if regular is not None:
        return regular
    import datasets

    wanted = (*needed, _REST)
    dataset = load(
        "csv",
        path,
        header=None,  # with a header, pandas refuses names for fields that no row has
        names=[*names, _REST],
        features=datasets.Features({name: datasets.Value("string") for name in wanted}),
        index_col=False,  # else pandas takes the first column for an index when fields abound
        na_filter=False,  # "NA", "null" and "None" are words
        sep=dialect.separator,
        skiprows=dialect.skipped,
        quoting=csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE,
    )
    *arrays, rest = columns_of(dataset, wanted)
    if pc.any(pc.not_equal(rest, ""), min_count=0).as_py():
        raise BuilderError("a record has more fields than there are columns")
    return tuple(array.slice(1) if header else array for array in arrays)


def columns_of(dataset: Any, names: Sequence[str]) -> tuple[pa.ChunkedArray, ...]:
    """Return Arrow columns of a `datasets.Dataset` without a copy.

    Args:
        dataset: The data set, without a selection of its rows (`select`, `shuffle`), which the
            columns would ignore.
        names: Columns that it has.

    Returns:
        The columns, in the order of `names`.
    """
    return tuple(dataset.data.column(name) for name in names)


def reason(error: BaseException) -> str:
    """Return the first line of the innermost error, which `datasets` has wrapped in its own.

    Args:
        error: The outermost one; its causes are followed.

    Returns:
        The line, or the name of the error's type where it says nothing.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@contextmanager
def quiet(*, bars: bool = False) -> Iterator[None]:
    """Hold back what `datasets` prints, warns and logs: we report in our own words.

    Args:
        bars: Whether progress bars stay, for downloads that somebody watches.

    Yields:
        Nothing; levels and bars are what they were when the block ends.
    """
    import datasets
    from huggingface_hub import utils
    from huggingface_hub.utils import logging

    levels = datasets.logging.get_verbosity(), logging.get_verbosity()
    hidden = [
        module
        for module in (datasets.utils, utils)
        if not bars and not module.are_progress_bars_disabled()
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        datasets.logging.set_verbosity(CRITICAL)
        logging.set_verbosity(CRITICAL)
        for module in hidden:
            module.disable_progress_bars()
        try:
            yield
        finally:
            datasets.logging.set_verbosity(levels[0])
            logging.set_verbosity(levels[1])
            for module in hidden:
                module.enable_progress_bars()
