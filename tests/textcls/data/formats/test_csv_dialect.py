"""Separators and quotes are read off the file."""

from pathlib import Path

import pytest
from dataset_parts import ROWS, lines, read_data, rows_of

from textcls.data.formats.csv_dialect import detect_dialect
from textcls.exceptions import DataError

NAMES = {"\t": "a tab", ";": "a semicolon", "|": "a vertical bar"}


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("suffix", ["csv", "tsv", "txt"])
def test_any_separator_under_any_name(
    tmp_path: Path, separator: str, header: bool, suffix: str
) -> None:
    file = tmp_path / f"rows.{suffix}"
    file.write_text(lines(separator, header=f"text{separator}label\n" if header else ""))
    data = read_data(file)
    assert rows_of(data) == sorted(ROWS)
    spoken = [notice for notice in data.notices if "between the columns" in notice]
    assert spoken == (
        [] if separator == "," else [f"{file}: read with {NAMES[separator]} between the columns"]
    )


def test_a_separator_that_is_named(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(lines("~", header="text~label\n"))
    assert rows_of(read_data(file, separator="~")) == sorted(ROWS)
    with pytest.raises(DataError, match=r"'\^' \(data.separator\) makes one column"):
        read_data(file, separator="^")


def test_commas_in_texts_do_not_hide_the_separator(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    rows = [(f"well, {i}, yes, no", "ab"[i % 2]) for i in range(30)]
    file.write_text("kommentar;klasse\n" + "".join(f"{text};{label}\n" for text, label in rows))
    assert rows_of(read_data(file)) == sorted(rows)


def test_a_lone_quote_between_tabs_is_a_character(tmp_path: Path) -> None:
    file = tmp_path / "rows.tsv"
    rows = [(f'"no {i}', "a") if i % 3 else (f'6" of snow {i}', "b") for i in range(30)]
    file.write_text("sentence\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows))
    data = read_data(file)
    assert rows_of(data) == sorted(rows)
    assert f"{file}: read with a tab between the columns, quotes are part of the text" in (
        data.notices
    )


def test_quotes_between_tabs_enclose_where_they_come_in_pairs(tmp_path: Path) -> None:
    file = tmp_path / "rows.tsv"
    file.write_text("sentence\tlabel\n" + '"two\nlines"\ta\n"a\ttab"\tb\n' * 10)
    found = {text for text, _ in rows_of(read_data(file))}
    assert found == {"two\nlines", "a\ttab"}


def test_a_bad_row_is_named_by_its_line(tmp_path: Path) -> None:
    file = tmp_path / "rows.tsv"
    file.write_text("sentence\tlabel\n" + "x y\ta\nz\tb\n" * 10 + "one\ttwo\tthree\n\tb\n")
    with pytest.raises(DataError) as caught:
        read_data(file)
    assert "too many fields, 3 in the first (line 22); expected 2 (a text with a tab in it" in str(
        caught.value
    )
    assert "an empty text (line 23)" in str(caught.value)


def test_a_comma_is_taken_where_nothing_speaks_for_another(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("text,label\na; b | c,x\nd,y\n")
    assert detect_dialect(file, {"text", "label"}, None).separator == ","


def test_the_line_that_excel_puts_first_is_skipped(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("sep=;\n" + lines(";", header="text;label\n"))
    assert rows_of(read_data(file)) == sorted(ROWS)
    file.write_text("sep=;\n" + lines(";", header="text;label\n") + ";pos\n")
    with pytest.raises(DataError, match=r"1 row has an empty text \(line 43\)"):
        read_data(file)
