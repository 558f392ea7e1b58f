import sys
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from dataset_parts import ROWS, read_data, rows_of

from textcls.exceptions import DataError


def workbook(path: Path, *rows: Any, empty_first: bool = False) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    if empty_first:
        sheet = book.create_sheet("data")
    for row in rows:
        sheet.append(row)
    book.save(path)
    return path


@pytest.mark.parametrize("header", [[("text", "label")], []])
@pytest.mark.parametrize("empty_first", [True, False])
def test_a_workbook(tmp_path: Path, header: list[Any], empty_first: bool) -> None:
    file = workbook(tmp_path / "rows.xlsx", *header, *ROWS, empty_first=empty_first)
    assert rows_of(read_data(file)) == sorted(ROWS)


def test_numbers_and_truth_are_labels(tmp_path: Path) -> None:
    rows = [(text, label == "pos") for text, label in ROWS]
    file = workbook(tmp_path / "a.xlsx", ("text", "label"), *rows)
    assert read_data(file).label_names == ("false", "true")
    rows = [(text, float(label == "pos")) for text, label in ROWS]
    file = workbook(tmp_path / "b.xlsx", ("text", "label"), *rows)
    assert read_data(file).label_names == ("0", "1")


def test_a_bad_row_is_named_as_the_sheet_numbers_it(tmp_path: Path) -> None:
    rows = [("two\nlines", "pos"), (None, None), *ROWS, (None, "neg")]
    file = workbook(tmp_path / "rows.xlsx", ("text", "label"), *rows)
    with pytest.raises(DataError, match=r"sheet Sheet: 1 of 42 rows .*\n.*\(row 44\)"):
        read_data(file)


def test_without_openpyxl_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = workbook(tmp_path / "rows.xlsx", ("text", "label"), *ROWS)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(DataError, match=r"pip install 'textcls-tune\[xlsx\]', or save the sheet"):
        read_data(file)


def with_sheets(path: Path, **sheets: list[Any]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_the_first_sheet_with_a_table_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    notes, table = [("Exported today",), ("Ask Ann",)], [("text", "label"), *ROWS]
    more = [("label", "owner"), ("pos", "Ann")]
    file = with_sheets(tmp_path / "rows.xlsx", notes=notes, empty=[], rows=table, owners=more)
    data = read_data(file)
    assert rows_of(data) == sorted(ROWS)
    said = f"{file}, sheet rows: left aside the other sheets with rows, 'notes', 'owners'"
    assert said in data.notices


def test_titles_above_a_table_are_left_out_and_rows_keep_their_numbers(tmp_path: Path) -> None:
    rows = [("Feedback",), (), ("text", "label"), *ROWS]
    file = with_sheets(tmp_path / "rows.xlsx", rows=rows)
    data = read_data(file)
    assert rows_of(data) == sorted(ROWS)
    assert f"{file}, sheet rows: its table begins in row 3" in data.notices
    file = with_sheets(tmp_path / "bad.xlsx", rows=[*rows, (None, "pos")])
    with pytest.raises(DataError, match=r"\(row 44\)"):
        read_data(file)


def test_sheets_that_are_called_like_splits_are_splits(tmp_path: Path) -> None:
    table = [("text", "label"), *ROWS]
    file = with_sheets(tmp_path / "rows.xlsx", Train=table, Test=table[:9], notes=[("a", "b")])
    data = read_data(file)
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 40, "test": 8}
