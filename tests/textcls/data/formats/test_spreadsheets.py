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
