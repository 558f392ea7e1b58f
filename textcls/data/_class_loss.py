"""Count what leaving out the bad rows of train would take from each class."""

from collections.abc import Sequence

import numpy as np

from textcls.data._faults import quoted
from textcls.data._row_checks import CheckedRows

_MUCH = 0.05  # of a class's rows: less is nothing to speak of
_LEAST_ROWS = 3
_TIMES = 3  # as much of one class as of the others


def uneven_loss(names: Sequence[str], train: Sequence[CheckedRows]) -> str:
    """Say where one class loses a much larger share of its rows than the others.

    Args:
        names: The classes.
        train: The files of train, whose labels are positions among `names`, with what is wrong with
            their rows.

    Returns:
        The end of a sentence; "" where no class stands out.
    """
    if len(names) < 2:
        return ""
    total, lost = (np.zeros(len(names), np.int64) for _ in range(2))
    position = {name: i for i, name in enumerate(names)}
    for rows in train:
        known = rows.labels >= 0
        total += np.bincount(rows.labels[known], minlength=len(names))
        lost += np.bincount(rows.labels[known & rows.bad], minlength=len(names))
        for label, count in rows.screened_labels.items():
            if label in position:
                total[position[label]] += count
                lost[position[label]] += count
    shares = lost / np.maximum(total, 1)
    worst = int(shares.argmax())
    others = np.delete(total, worst).sum()
    rest = float((lost.sum() - lost[worst]) / max(1, others))
    few = lost[worst] < _LEAST_ROWS or shares[worst] < _MUCH
    if few or shares[worst] < _TIMES * rest:
        return ""
    return (
        f"{quoted([names[worst]])} loses {lost[worst]:,} of its {total[worst]:,} rows "
        f"({shares[worst]:.0%}), the other classes {rest:.0%} of theirs"
    )
