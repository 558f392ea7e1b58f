"""JSON files that hold one object: of splits, of columns, or of one list of rows.

`{"train": [...], "test": [...]}`, `{"text": [...], "label": [...]}`, `{"data": [...]}`. A row may
be an object or a list, whose places are then called 1, 2, ... They are rewritten as JSON lines.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

WHOLE = ""
"""Stands for a file that holds no splits."""


def unfold_object(path: Path, folder: Path) -> dict[str, Path]:
    """Write the rows of each split to a file of JSON lines in `folder`; by split name, or `WHOLE`.

    Nothing where the file is no single object of those kinds: its reader says what is wrong.
    """
    found = _single_object(path)
    if found is None:
        return {}
    rows = _rows(found)
    if rows is not None:
        return {WHOLE: _write(rows, folder / "rows.jsonl")}
    splits = {name: _rows(part) for name, part in found.items()}
    return {
        name: _write(part, folder / f"{i}.jsonl")
        for i, (name, part) in enumerate(splits.items())
        if part
    }


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
