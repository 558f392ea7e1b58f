"""Tell whether the first record of a file names the columns or is a row like the others."""

from collections.abc import Collection, Iterator, Sequence

Record = tuple[int, list[str]]

SAMPLE = 4_000
"""Rows that are kept to look at, from all over what is read."""
_CHARACTERS = 1 << 25  # read at most for the sample: some tenths of a second
_LONGEST_NAME = 60
_MOST_WORDS = 6


def take_sample(records: Iterator[Record]) -> list[list[str]]:
    """Keep every row, then every second, every fourth, ... of the first 32 MB.

    A file that is sorted by label shows all of its labels that way.
    """
    kept: list[list[str]] = []
    step, read = 1, 0
    for i, (_, fields) in enumerate(records):
        read += sum(map(len, fields))
        if read > _CHARACTERS:
            break
        if i % step == 0:
            kept.append(fields)
            if len(kept) > SAMPLE:
                kept, step = kept[::2], 2 * step
    return kept


def has_header(first: Sequence[str], rows: Sequence[Sequence[str]], known: Collection[str]) -> bool:
    """Tell whether `first` names columns whose values are in `rows`.

    `known`: column names in lower case that speak for a header.
    """
    names = [name.strip() for name in first]
    columns = [[row[i].strip() for row in rows if i < len(row)] for i in range(len(names))]
    if any(
        name.lower() in known and name not in column
        for name, column in zip(names, columns, strict=True)
    ):
        return True
    filled = [name for name in names if name]
    if not filled or len(set(filled)) < len(filled):
        return False
    if any(_is_number(name) or _is_long(name) for name in filled):
        return False
    return not any(
        name in column and len(set(column)) <= max(2, len(column) // 2)
        for name, column in zip(names, columns, strict=True)
        if name
    )


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _is_long(name: str) -> bool:
    return (
        len(name) > _LONGEST_NAME or len(name.split()) > _MOST_WORDS or name.endswith((".", "。"))
    )
