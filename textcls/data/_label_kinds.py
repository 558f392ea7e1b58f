"""Labels that are no classes: several in a cell, numbers on a scale, texts and labels swapped."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from textcls.config.models import DataConfig
from textcls.data._columns import Chosen
from textcls.data._faults import quoted
from textcls.exceptions import DataError

SEVERAL = (",", ";", "|")
"""What stands between the labels of one cell."""
_LIST = re.compile(r"^\[(.*)\]$", re.DOTALL)
_LEAST_ROWS = 20
_TINY_CLASSES = 20
_SMALL_SHARE = 0.5  # of the classes with one or two rows
_SEVERAL_SHARE = 0.05  # of the rows with several labels
_AGAIN = 0.7  # of the parts of such cells that occur in other combinations or alone


def check_labels(
    place: str,
    chosen: Chosen,
    counts: Mapping[str, int],
    texts: Sequence[str],
    data: DataConfig,
) -> None:
    """Raise DataError where the labels of train cannot be classes.

    Args:
        place: The file, as messages call it.
        chosen: The columns of the text and the label.
        counts: The rows of each label.
        texts: Some of the texts.
        data: The configuration.
    """
    rows = sum(counts.values())
    if rows < _LEAST_ROWS:
        return
    if data.multilabel == "error" and (separator := separator_of(counts)):
        several = [label for label in counts if separator in label]
        raise DataError(
            f"{place}: {chosen.label!r} looks like several labels in one cell, such as "
            f"{quoted(several[:3])}; a classifier here gives each text one. Set data.multilabel: "
            "first to take the first of each, whole to take each combination for a class, or name "
            "another column with --label (data.label_column)"
        )
    tiny = sum(count <= 2 for count in counts.values())
    if len(counts) <= _TINY_CLASSES or tiny < _SMALL_SHARE * len(counts):
        return
    what = f"{place}: {chosen.label!r} has {len(counts):,} different values in {rows:,} rows"
    if all(_is_number(label) for label in counts):
        raise DataError(
            f"{what}, numbers on a scale such as {quoted(list(counts)[:3])}; expected classes: "
            "make some of them (low, middle, high), or name another column with --label "
            "(data.label_column)"
        )
    swapped = _mean_length(list(counts)) > 1.5 * _mean_length(texts)
    options = f"--text {chosen.label} --label {chosen.texts[0]}"
    advice = (
        f"text and label look swapped, try {options}"
        if swapped
        else "name another column with --label (data.label_column), or leave out the rare labels"
    )
    raise DataError(f"{what}, most with one or two rows; expected several rows of each: {advice}")


def separator_of(counts: Mapping[str, int]) -> str | None:
    """Say what separates the labels in a cell; None where each cell is one label.

    Cells with several are not rare, and their parts occur again: alone or in other cells. "Trade,
    Finance" is the name of one class where neither part does.
    """
    for separator in SEVERAL:
        several = [label for label in counts if len(split_cell(label, separator)) > 1]
        if sum(counts[label] for label in several) < _SEVERAL_SHARE * sum(counts.values()):
            continue
        occurs = Counter(part for label in counts for part in set(split_cell(label, separator)))
        parts = {part for label in several for part in split_cell(label, separator)}
        long = max(len(part.split()) for part in parts)
        again = sum(occurs[part] > 1 for part in parts)
        if several and long <= 4 and again >= _AGAIN * len(parts):
            return separator
    return None


def split_cell(label: str, separator: str) -> list[str]:
    """Return the labels of a cell.

    Args:
        label: What stands in the cell, with brackets and quotes around it or without.
        separator: What stands between two labels.

    Example:
        >>> split_cell("4,27", ","), split_cell("['a', 'b']", ",")
        (['4', '27'], ['a', 'b'])
    """
    inner = _LIST.match(label)
    parts = (inner[1] if inner else label).split(separator)
    return [part.strip().strip("'\"") for part in parts if part.strip()]


def _is_number(label: str) -> bool:
    try:
        float(label.replace(",", "."))
    except ValueError:
        return False
    return True


def _mean_length(values: Sequence[str]) -> float:
    return sum(map(len, values)) / max(1, len(values))
