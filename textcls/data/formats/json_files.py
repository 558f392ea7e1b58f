"""JSON files: an object on each line, one array of objects, or an object of columns.

Objects within objects are columns of their own, called `meta.label`. The builder of `datasets`
reads the others. What it stops at, and columns whose type it had to guess
(numbers among texts, dates, integers beyond 64 bits), are screened object by object instead.
"""

import json
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from textcls.config.models import DataConfig
from textcls.data._column_choice import choose_columns, usual_columns
from textcls.data._columns import Chosen, Columns, row_numbers
from textcls.data._faults import Unit
from textcls.data.formats.encodings import is_utf8
from textcls.data.formats.hf_builders import BuilderError, columns_of, load
from textcls.data.formats.json_objects import flat, written_label
from textcls.data.formats.parquet_files import sample_rows
from textcls.data.formats.screening import Reason, screen, unencodable
from textcls.exceptions import DataError

_SAMPLE = 2_000  # objects
_TEXT_TYPES = {"string", "null"}
_LABEL_TYPES = {"string", "null", "int64", "bool"}

_NULL = re.compile(rb"(?:\xef\xbb\xbf)?\s*null")
_NO_OBJECT = Reason("no valid JSON object", 'an object such as {"text": "...", "label": "..."}')
_KINDS = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
}


def read_json(path: Path, place: str, data: DataConfig) -> Columns:
    """Read a JSON file: an object on each line, an array of objects, or an object of columns.

    Args:
        path: A file in UTF-8 or one with damaged bytes.
        place: What messages call it.
        data: The columns where they are set; a field within an object is called `meta.label`.

    Returns:
        Texts and labels, numbered by line or, in an array, by row.

    Raises:
        DataError: The file is empty, lacks a column or is an array that is no valid JSON.
    """
    clean = is_utf8(path)
    is_array = _is_array(path, place)
    if clean and not _has_null_line(path):
        try:
            dataset = load("json", path)
        except BuilderError:
            pass  # the screening finds out where
        else:
            nested = any(isinstance(feature, dict) for feature in dataset.features.values())
            chosen = None
            if not nested:
                chosen = choose_columns(place, dataset.column_names, data, sample_rows(dataset))
            if chosen is not None and _is_plain(dataset, chosen):
                *texts, label = columns_of(dataset, chosen.all)
                number = row_numbers if is_array else partial(_line_numbers, path)
                unit: Unit = "row" if is_array else "line"
                return Columns(
                    place, unit, chosen, tuple(texts), label, number, notices=chosen.notices
                )
    return _read_screened(path, place, data, is_array)


def _read_screened(path: Path, place: str, data: DataConfig, is_array: bool) -> Columns:
    def objects() -> Iterator[tuple[int, Any]]:
        return _elements(path, place) if is_array else _lines(path)

    names: dict[str, list[str]] = {}
    for rows_before, (_, found) in enumerate(objects()):
        if isinstance(found, dict):
            for key in found:
                names.setdefault(key, [""] * min(rows_before, _SAMPLE))
            if rows_before < _SAMPLE:
                for key, values in names.items():
                    values.append(_shown(found.get(key)))
    chosen = choose_columns(place, tuple(names), data, names) if names else usual_columns((), data)
    rows = ((number, _fields(found, chosen)) for number, found in objects())
    passed, (*texts, label) = screen(place, chosen, rows)
    unit: Unit = "row" if is_array else "line"
    faults = passed.faults()
    return Columns(
        place,
        unit,
        chosen,
        tuple(texts),
        label,
        passed.number,
        None,
        faults,
        passed.labels,
        chosen.notices,
    )


def _is_array(path: Path, place: str) -> bool:
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        first = next((line.strip() for line in file if not line.isspace()), None)
    if first is None:
        raise DataError(f"{place}: the file is empty; expected a JSON object on each line")
    return first.startswith("[")


def _has_null_line(path: Path) -> bool:
    """Tell whether a line begins with null: Arrow's reader crashes where a block does."""
    with path.open("rb") as file:
        return any(map(_NULL.match, file))


def _is_plain(dataset: Any, chosen: Chosen) -> bool:
    """Tell whether the builder took the columns as they are, without guessing at their type."""
    types = [getattr(dataset.features[name], "dtype", None) for name in chosen.all]
    return set(types[:-1]) <= _TEXT_TYPES and types[-1] in _LABEL_TYPES


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield each line's number and what it holds, a Reason where that cannot be parsed."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if not line.isspace():
                yield number, unencodable(line) or flat(_parse(line))


def _parse(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return _NO_OBJECT


def _elements(path: Path, place: str) -> Iterator[tuple[int, Any]]:
    text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    try:
        elements = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise DataError(
            f"{place}: {where}: no valid JSON ({error.msg}); expected an array of objects"
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: no JSON that can be read ({error})") from error
    if not elements:
        raise DataError(f"{place}: an empty array; expected an object for each text")
    return iter(enumerate(map(flat, elements), start=1))


def _fields(found: Any, chosen: Chosen) -> list[str] | Reason:
    """Return the texts and the label of an object as CSV fields, or what is wrong with it."""
    if isinstance(found, Reason):
        return found
    if not isinstance(found, dict):
        return _NO_OBJECT
    for name in chosen.texts:
        value = found.get(name)
        if value is not None and not isinstance(value, str):
            return Reason(f"{_KINDS[type(value)]} in {name!r}", "a text")
    label = found.get(chosen.label)
    if isinstance(label, list | dict):
        return Reason(f"{_KINDS[type(label)]} in {chosen.label!r}", "a text or an integer")
    fields = [found.get(name) or "" for name in chosen.texts] + [written_label(label)]
    return unencodable("".join(fields)) or fields


def _shown(value: Any) -> str:
    """Write a value as the choice of columns sees it; lists and objects are as if missing."""
    return "" if isinstance(value, list | dict) else written_label(value)


def _line_numbers(path: Path, positions: Sequence[int]) -> list[int]:
    """Find the lines of the objects at `positions` (ascending); blank lines hold none."""
    wanted, found = set(positions), []
    position = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.isspace():
                continue
            if position in wanted:
                found.append(number)
            position += 1
    return found
