"""Whether there is a header is told by content, and the columns are found without one."""

from pathlib import Path

import pytest
from dataset_parts import ROWS, lines, read_data, rows_of

from textcls.data.formats.csv_dialect import SAMPLE, has_header, take_sample
from textcls.exceptions import DataError

KNOWN = frozenset({"text", "label", "comment"})
BODY = [["the food was fine", "pos"], ["never again", "neg"], ["all good here", "pos"]]


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (["Text", "Label"], True),
        (["what they said", "verdict"], True),
        (["we loved every dish", "neg"], False),
        (["It was late and cold , so we sent all of it back again .", "mixed"], False),
        (["4", "mixed"], False),
        (["", ""], False),
        (["same", "same"], False),
    ],
)
def test_a_header_is_told_from_a_row(first: list[str], expected: bool) -> None:
    assert has_header(first, BODY, KNOWN) == expected


def test_a_label_may_be_called_like_a_column() -> None:
    assert not has_header(["why is it so", "comment"], [["a b", "comment"]] * 3, KNOWN)


@pytest.mark.parametrize("turned", [True, False])
def test_without_a_header_the_columns_are_found(tmp_path: Path, turned: bool) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(lines(",", turned=turned))
    data = read_data(file)
    assert rows_of(data) == sorted(ROWS)
    text, label = ("2", "1") if turned else ("1", "2")
    assert f"{file}: no header; the columns are called 1 to 2, in their order" in data.notices
    (said,) = [notice for notice in data.notices if "is used as the text" in notice]
    assert f"'{text}' is used as the text and '{label}' (2 values) as the label" in said
    assert rows_of(read_data(file, text_columns=int(text), label_column=int(label))) == sorted(ROWS)


def test_two_numbered_classes_keep_their_names(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("1,bad food\n2,good food\n" * 10)
    data = read_data(file)
    assert data.label_names == ("1", "2")
    assert "no header; the first column is used as the label" in data.notices[0]


@pytest.mark.parametrize("classes", [3, 5])
def test_other_numbers_of_classes_are_not_those_of_ag_news(tmp_path: Path, classes: int) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("".join(f'"{i % classes + 1}","t","text {i}"\n' for i in range(60)))
    assert read_data(file).label_names == tuple(str(i + 1) for i in range(classes))


def test_the_sample_is_from_all_over_the_file() -> None:
    rows = take_sample((i, [str(i)]) for i in range(10 * SAMPLE))
    assert SAMPLE // 2 < len(rows) <= SAMPLE
    assert int(rows[-1][0]) > 9 * SAMPLE


def test_titles_above_the_columns_are_left_out_and_lines_keep_their_numbers(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    titled = "Report of 2026\n\n" + lines(",", header="text,label\n")
    file.write_text(titled)
    data = read_data(file)
    assert rows_of(data) == sorted(ROWS)
    said = f"{file}: left out the 2 lines above its columns, such as 'Report of 2026'"
    assert said in data.notices
    file.write_text(titled + ",pos\n")
    with pytest.raises(DataError, match=r"1 row has an empty text \(line 44\)"):
        read_data(file)
    file.write_text("Report\n" * 30 + lines(",", header="text,label\n"))
    with pytest.raises(DataError, match="one column, the first line is 'Report'"):
        read_data(file)
