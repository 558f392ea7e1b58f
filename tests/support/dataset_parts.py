"""Reading a data set and looking at its rows, which the tests of each kind of file share."""

from pathlib import Path
from typing import Any

from textcls.config.models import DataConfig
from textcls.data.dataset import TextDataset, locate

GOOD = [f"a good film {i}" for i in range(20)]
BAD = [f"a bad film {i}" for i in range(20)]
ROWS = [row for i in range(20) for row in ((GOOD[i], "pos"), (BAD[i], "neg"))]
"""40 texts with their labels, in turn."""


def read_data(path: Path, **settings: Any) -> TextDataset:
    return locate(DataConfig.model_validate({"name": str(path), **settings})).read()


def rows_of(data: TextDataset) -> list[tuple[str, str]]:
    """The texts of every split with the names of their labels, sorted."""
    return sorted(
        (text, data.label_names[label])
        for split in data.splits.values()
        for text, label in zip(split.texts.to_pylist(), split.labels, strict=True)
    )


def lines(separator: str, *, header: str = "", turned: bool = False) -> str:
    """The rows as lines, the label first where `turned`."""
    pairs = [row[::-1] if turned else row for row in ROWS]
    return header + "".join(separator.join(pair) + "\n" for pair in pairs)
