"""JSON files that hold one object: of splits, of columns, or of one list of rows.

`{"train": [...], "test": [...]}`, `{"text": [...], "label": [...]}`, `{"data": [...]}`. A row may
be an object or a list, whose places are then called 1, 2, ... A list of rows may stand beside
single values (`{"version": 1, "data": [...]}`). An object may also name a label for each text
(`{"good": "pos", "bad": "neg"}`) or list the texts of each label (`{"pos": [...], "neg": [...]}`).
All are rewritten as JSON lines.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textcls.data._column_choice import KNOWN_NAMES

WHOLE = ""
"""Stands for a file that holds no splits."""

_LEAST_TEXTS = 10  # in an object of texts and labels: fewer may be one row
_LONGEST_LABEL = 60  # characters
_DEEPEST = 5  # objects within objects
_SPLITS = frozenset({"train", "training", "test", "testing", "validation", "valid", "val", "dev"})


@dataclass(frozen=True, slots=True)
class Unfolded:
    """Files of JSON lines by split name, or `WHOLE`, and what there is to say of them."""

    files: dict[str, Path]
    notice: str = ""


def unfold_object(path: Path, folder: Path) -> Unfolded:
    """Write the rows of each split in a JSON object to a file of JSON lines.

    Args:
        path: The JSON file.
        folder: Where the files are written.

    Returns:
        The files by the names that the splits have in the object, or one file under `WHOLE`. No
        file where this is no single object of those kinds: its reader then says what is wrong.
    """
    found = _single_object(path)
    if found is None:
        return Unfolded({})
    for rows, notice in (
        (_texts_of_labels(found), "an object whose keys are used as the labels of their texts"),
        (
            _labels_of_texts(found),
            "an object whose keys are used as texts and whose values as labels",
        ),
        (_rows(found), ""),
    ):
        if rows is not None:
            return Unfolded({WHOLE: _write(rows, folder / "rows.jsonl")}, notice)
    splits = {name: _rows(part) for name, part in found.items()}
    files = {
        name: _write(part, folder / f"{i}.jsonl")
        for i, (name, part) in enumerate(splits.items())
        if part
    }
    alone = len(files) == 1 and not any(
        isinstance(part, list | dict) for name, part in found.items() if name not in files
    )
    if alone and next(iter(files)).lower() not in _SPLITS:
        return Unfolded({WHOLE: next(iter(files.values()))})
    return Unfolded(files)


def flat(found: Any, depth: int = 0) -> Any:
    """Return an object whose inner objects are fields of its own.

    Args:
        found: A value as `json.loads` gives it.
        depth: How many objects it lies within; the innermost of very deep ones stay objects.

    Returns:
        The object with fields such as `meta.label`; a field that is called so already stays. What
        is no object is returned as it is.

    Example:
        >>> flat({"text": "a late goal", "meta": {"label": "sport"}})
        {'text': 'a late goal', 'meta.label': 'sport'}
    """
    if not isinstance(found, dict) or not any(isinstance(each, dict) for each in found.values()):
        return found
    fields: dict[str, Any] = {}
    for name, value in found.items():
        inner = flat(value, depth + 1) if depth < _DEEPEST else value
        if isinstance(inner, dict) and inner:
            fields |= {
                f"{name}.{key}": each for key, each in inner.items() if f"{name}.{key}" not in found
            }
        else:
            fields[name] = inner
    return fields


def written_label(value: str | bool | int | float | None) -> str:
    """Write a label of a JSON file as Arrow would.

    Args:
        value: What stands in the label's field.

    Returns:
        "1" for 1.0 and "true" for true; "" where the label is missing: null, or not a number.

    Example:
        >>> written_label(1.0), written_label(True), written_label(None)
        ('1', 'true', '')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _texts_of_labels(found: Mapping[str, Any]) -> list[Any] | None:
    """Return the rows of an object of labels, each with a list of its texts."""
    if len(found) < 2 or any(name.lower() in KNOWN_NAMES | _SPLITS for name in found):
        return None
    for name, texts in found.items():
        if len(name) > _LONGEST_LABEL or not isinstance(texts, list) or not texts:
            return None
        if not all(isinstance(text, str) for text in texts):
            return None
        if len(set(texts)) < len(texts) / 2 or not any(" " in text for text in texts):
            return None  # a column of labels
    return [{"text": text, "label": name} for name, texts in found.items() for text in texts]


def _labels_of_texts(found: Mapping[str, Any]) -> list[Any] | None:
    """Return the rows of an object of texts, each with its label."""
    labels = list(found.values())
    if len(found) < _LEAST_TEXTS or not all(isinstance(label, str | int) for label in labels):
        return None
    longest = max(len(str(label)) for label in labels)
    if len(set(labels)) > len(labels) / 2 or longest > _LONGEST_LABEL:
        return None
    if sum(" " in text for text in found) < len(found) / 2:
        return None  # names and their values
    return [{"text": text, "label": label} for text, label in found.items()]


def _single_object(path: Path) -> dict[str, Any] | None:
    """Return the object that the whole file is; None for JSON lines and anything else."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        first = next((line for line in file if not line.isspace()), "")
        if not first.lstrip().startswith("{"):
            return None
        try:
            alone = json.loads(first)
        except (ValueError, RecursionError):
            pass  # an object of several lines, or damaged lines
        else:
            single = not any(not line.isspace() for line in file)
            return alone if single and isinstance(alone, dict) else None
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig", errors="surrogateescape"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _rows(part: Any) -> list[Any] | None:
    """Return the rows that a value stands for, where it stands for rows."""
    if isinstance(part, list):
        return (
            [_row(row) for row in part] if all(isinstance(r, dict | list) for r in part) else None
        )
    if not isinstance(part, Mapping):
        return None
    columns = list(part.values())
    if len(columns) == 1 and isinstance(columns[0], list):
        return _rows(columns[0])
    if len(columns) > 1 and all(isinstance(column, Mapping) for column in columns):
        # As pandas writes a frame: each column an object of its index.
        if len({tuple(column) for column in columns}) != 1:
            return None
        columns = [list(column.values()) for column in columns]
    if not columns or not all(isinstance(column, list) for column in columns):
        return None
    if len({len(column) for column in columns}) != 1 or _holds_rows(columns):
        return None
    return [dict(zip(part, values, strict=True)) for values in zip(*columns, strict=True)]


def _holds_rows(columns: Iterable[list[Any]]) -> bool:
    return any(isinstance(value, dict | list) for column in columns for value in column[:1])


def _row(row: Any) -> Any:
    return {str(i + 1): value for i, value in enumerate(row)} if isinstance(row, list) else row


def _write(rows: list[Any], path: Path) -> Path:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path
