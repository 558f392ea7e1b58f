import pyarrow as pa
import pytest

from textcls.config.models import DataConfig
from textcls.data._assembly import assemble
from textcls.data._columns import Chosen, Columns, row_numbers
from textcls.data._row_checks import check_rows, codes_of, in_order, is_class_name, text_of
from textcls.exceptions import DataError


def chunked(*chunks: list[str | None]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(chunk, pa.string()) for chunk in chunks])


def test_text_columns_are_joined_row_by_row() -> None:
    columns: list[list[str | None]] = [
        ["a", None, "", None, "x", " ", None],
        ["b", None, None, "", "", "y", "z"],
        ["c", None, "", None, None, None, "w"],
    ]
    texts = text_of([chunked(column) for column in columns])
    expected = [" ".join(part for part in row if part) for row in zip(*columns, strict=True)]
    assert texts.to_pylist() == expected == ["a b c", "", "", "", "x", "  y", "z w"]


def test_columns_whose_chunks_differ() -> None:
    texts = text_of([chunked(["a", "b"], ["c"]), chunked(["d"], ["e", None])])
    assert texts.to_pylist() == ["a d", "b e", "c"]


def test_a_single_column_stays_where_it_is() -> None:
    column = chunked(["a", "b"])
    assert text_of([column]).chunk(0).buffers()[2].address == column.chunk(0).buffers()[2].address
    assert text_of([chunked(["a", None])]).to_pylist() == ["a", ""]


@pytest.mark.parametrize(
    ("column", "codes", "values"),
    [
        (chunked([" a", "b", None], ["b ", "", "a"]), [0, 1, -1, 1, -1, 0], {"a", "b", ""}),
        (pa.chunked_array([[3, None, 3]]), [0, -1, 0], {"3"}),
        (pa.chunked_array([[3.0, None, float("nan"), 1.0]]), [0, -1, -1, 1], {"3", "1"}),
        (pa.chunked_array([[0.5, 1.0]]), [0, 1], {"0.5", "1"}),
        (pa.chunked_array([[True, False]]), [0, 1], {"true", "false"}),
        (pa.chunked_array([pa.nulls(2)]), [-1, -1], set()),
        (pa.chunked_array([], pa.string()), [], set()),
    ],
)
def test_labels_become_codes(column: pa.ChunkedArray, codes: list[int], values: set[str]) -> None:
    found, meant = codes_of(column)
    assert found.tolist() == codes
    assert set(meant) == values


def test_integers_are_ordered_by_value_and_texts_by_letter() -> None:
    assert in_order(["10", "9", "-1", "09"]) == ("-1", "09", "9", "10")
    assert in_order(["10", "9", "b", "a"]) == ("10", "9", "a", "b")
    assert in_order(["1" * 5_000, "2"]) == ("1" * 5_000, "2")


def test_a_label_with_a_control_character_is_a_fault_of_its_row() -> None:
    texts, labels = chunked(["one", "two", "three", "four"]), ["a", "b\x1b[31m", "c" * 1_001, "b"]
    columns = Columns(
        "in.csv", "line", Chosen(("text",), "label"), (texts,), chunked(labels), row_numbers
    )
    with pytest.raises(DataError, match=r"2 rows have a label with a control.*\(lines 2, 3\)"):
        assemble("in.csv", {"train": [check_rows(columns)]}, DataConfig(), split_off=False)
    skip = DataConfig(bad_rows="skip")
    made = assemble("in.csv", {"train": [check_rows(columns)]}, skip, split_off=False)
    assert made.label_names == ("a", "b")


@pytest.mark.parametrize(
    ("label", "fits"),
    [
        ("a b", True),
        ("été 好", True),
        ("", False),
        ("a\tb", False),
        ("\x9b", False),
        ("a" * 1_001, False),
    ],
)
def test_what_can_name_a_class(label: str, fits: bool) -> None:
    assert is_class_name(label) == fits
