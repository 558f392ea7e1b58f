"""Workbooks of Excel: the first sheet with a table, or a sheet for each split.

A table begins with the first row that has two cells or more; what stands above it is a title.
"""

import csv
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from textcls.config.models import DataConfig
from textcls.data._columns import Columns
from textcls.data._faults import quoted
from textcls.data.formats.csv_files import read_csv
from textcls.exceptions import DataError

_MOST_ABOVE = 20  # rows of titles and notes above a table


def read_spreadsheet(path: Path, place: str, data: DataConfig, scratch: Path) -> Columns:
    """Read the first sheet of a workbook that has a table, else the first with rows.

    Args:
        path: The workbook.
        place: What messages call it; they add the sheet's name.
        data: The columns where they are set.
        scratch: A folder for the rows as CSV, which stays until every row is checked.

    Returns:
        Texts and labels, numbered by the sheet's rows.

    Raises:
        DataError: openpyxl is missing, the workbook is damaged or locked, or no sheet has rows.
    """
    out = scratch / f"{path.stem}.csv"
    where, numbers, said = write_sheet(path, place, out)
    columns = read_csv(out, where, data.model_copy(update={"separator": ","}))
    return _numbered(replace(columns, notices=(*said, *columns.notices)), numbers)


def write_sheet(path: Path, place: str, out: Path) -> tuple[str, list[int], list[str]]:
    """Write the first sheet with a table as CSV.

    Args:
        path: The workbook.
        place: What messages call it.
        out: The CSV file, in UTF-8, with a comma between the fields.

    Returns:
        What messages call the sheet, the numbers of its rows, and what there is to say of the rest.

    Raises:
        DataError: openpyxl is missing, the workbook is damaged or locked, or no sheet has rows.
    """
    sheet, others, numbers = _write_table(path, place, out)
    if not numbers:
        raise DataError(f"{place}: no sheet has a row; expected a text in each row")
    where = f"{place}, sheet {sheet}"
    said = [f"{where}: left aside the other sheets with rows, {quoted(others)}"] if others else []
    if numbers[0] > 1:
        said.append(f"{where}: its table begins in row {numbers[0]}")
    return where, numbers, said


def unfold_workbook(path: Path, names: Iterable[str], folder: Path) -> dict[str, Path]:
    """Write the sheets of some names to CSV files.

    Args:
        path: The workbook.
        names: The sheets that are wanted.
        folder: Where the files are written.

    Returns:
        The files by the sheets' names; sheets without rows, or that are not there, are left out.

    Raises:
        DataError: As `read_spreadsheet`.
    """
    found: dict[str, Path] = {}
    with _sheets(path, str(path)) as sheets:
        for i, sheet in enumerate(sheets):
            out = folder / f"{i}.csv"
            if sheet.title in names and _copy(sheet.iter_rows(values_only=True), out)[0]:
                found[sheet.title] = out
    return found


def sheet_names(path: Path) -> list[str]:
    """Return the names of a workbook's sheets, in their order.

    Args:
        path: The workbook.

    Raises:
        DataError: As `read_spreadsheet`.
    """
    with _sheets(path, str(path)) as sheets:
        return [sheet.title for sheet in sheets]


def _write_table(path: Path, place: str, out: Path) -> tuple[str, list[str], list[int]]:
    """Write the first sheet that has a table as CSV, else the first with rows.

    Returns its name, those of the other sheets with rows, and its rows' numbers.
    """
    beside = out.with_suffix(".other")
    name, is_table = "", False
    others: list[str] = []
    numbers: list[int] = []
    with _sheets(path, place) as sheets:
        for sheet in sheets:
            found, wide = _copy(sheet.iter_rows(values_only=True), beside)
            if found and (not numbers or (wide and not is_table)):
                others += [name] if numbers else []
                name, numbers, is_table = sheet.title, found, wide
                beside.replace(out)
            elif found:
                others.append(sheet.title)
    return name, others, numbers


@contextmanager
def _sheets(path: Path, place: str) -> Iterator[list[Any]]:
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
            yield openpyxl.load_workbook(packed, read_only=True, data_only=True).worksheets
    except Exception as error:  # whatever zipfile, XML or openpyxl make of a damaged file
        raise DataError(f"{place}: cannot be read as a workbook of Excel: {error}") from error


def _copy(rows: Iterable[tuple[Any, ...]], out: Path) -> tuple[list[int], bool]:
    """Write rows that are not empty as CSV, without the titles above a table.

    Returns their numbers, and whether they are a table: two rows with two cells or more.
    """
    numbered = ((n, row) for n, row in enumerate(rows, start=1) if _cells(row))
    above: list[tuple[int, tuple[Any, ...]]] = []
    for number, row in numbered:
        above.append((number, row))
        if _cells(row) > 1 or len(above) > _MOST_ABOVE:
            break
    is_table = bool(above) and _cells(above[-1][1]) > 1
    numbers = []
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        for number, row in chain(above[-1:] if is_table else above, numbered):
            writer.writerow([_shown(cell) for cell in row])
            numbers.append(number)
    return numbers, is_table and len(numbers) > 1


def _cells(row: tuple[Any, ...]) -> int:
    """Count the cells that hold something."""
    return sum(cell is not None for cell in row)


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
