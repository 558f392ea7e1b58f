"""Workbooks of Excel: the first sheet that has rows, its first row the names of the columns."""

import csv
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from textcls.config.models import DataConfig
from textcls.data._columns import Columns
from textcls.data.formats.csv_files import read_csv
from textcls.exceptions import DataError


def read_spreadsheet(path: Path, place: str, data: DataConfig, scratch: Path) -> Columns:
    """Read a workbook; `scratch` is a folder for its rows as CSV.

    Raises DataError where openpyxl is missing, the workbook is damaged or locked, or no sheet has
    rows.
    """
    out = scratch / f"{path.stem}.csv"
    sheet, numbers = _write_rows(path, place, out)
    if not numbers:
        raise DataError(f"{place}: no sheet has a row; expected a text and a label in each row")
    comma = data.model_copy(update={"separator": ","})
    columns = read_csv(out, f"{place}, sheet {sheet}", comma)
    return _numbered(columns, numbers)


def _write_rows(path: Path, place: str, out: Path) -> tuple[str, list[int]]:
    """Write the first sheet that has rows as CSV; return its name and its rows' numbers."""
    try:
        import openpyxl
    except ImportError as error:
        raise DataError(
            f"{place}: openpyxl, which reads workbooks, is not installed; "
            "pip install 'textcls-tune[xlsx]', or save the sheet as CSV"
        ) from error
    try:
        with path.open("rb") as packed, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions that hold no text
            book = openpyxl.load_workbook(packed, read_only=True, data_only=True)
            for sheet in book.worksheets:
                if numbers := _copy(sheet.iter_rows(values_only=True), out):
                    return sheet.title, numbers
    except Exception as error:  # whatever zipfile, XML or openpyxl make of a damaged file
        raise DataError(f"{place}: cannot be read as a workbook of Excel: {error}") from error
    return "", []


def _copy(rows: Iterable[tuple[Any, ...]], out: Path) -> list[int]:
    """Write rows that are not empty as CSV; return their numbers."""
    numbers = []
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        for number, row in enumerate(rows, start=1):
            if any(cell is not None for cell in row):
                writer.writerow([_shown(cell) for cell in row])
                numbers.append(number)
    return numbers


def _numbered(columns: Columns, numbers: list[int]) -> Columns:
    """Return the same columns whose rows are called by their numbers in the sheet."""
    return replace(columns, unit="row", number=partial(_rows, columns, numbers))


def _rows(columns: Columns, numbers: list[int], positions: Sequence[int]) -> list[int]:
    # Cells may hold line breaks, so the CSV's lines are not the sheet's rows; its records are.
    total = len(columns.label)
    first = len(numbers) - total  # 1 where the first row is a header
    return [numbers[first + position] for position in positions]


def _shown(cell: Any) -> str:
    """Return a cell as text: whole numbers without a fraction, dates as ISO 8601 writes them."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.isoformat() if isinstance(cell, date) else str(cell)
