"""Labels that cannot be classes stop with one sentence, before anything is trained."""

from pathlib import Path

import pytest
from dataset_parts import read_data

from textcls.config.models import DataConfig
from textcls.data._label_kinds import separator_of, split_cell
from textcls.data.dataset import check_local
from textcls.exceptions import DataError

MULTI = ["27", "4,27", "0", "0,4"]


def write(folder: Path, labels: list[str], text: str = "comment number") -> Path:
    file = folder / "rows.csv"
    rows = "".join(f'{text} {i},"{label}"\n' for i, label in enumerate(labels))
    file.write_text("text,label\n" + rows)
    return file


def refusals(file: Path, **settings: object) -> set[str]:
    """What the quick look says, and what reading says."""
    data = DataConfig.model_validate({"name": str(file), **settings})
    found = set()
    for look in (lambda: check_local(data), lambda: read_data(file, **settings)):
        with pytest.raises(DataError) as caught:
            look()
        found.add(str(caught.value))
    return found


def test_several_labels_in_a_cell(tmp_path: Path) -> None:
    file = write(tmp_path, MULTI * 10)
    (said,) = refusals(file)
    assert "'label' looks like several labels in one cell, such as '4,27', '0,4'" in said
    data = read_data(file, multilabel="first")
    assert data.label_names == ("0", "4", "27")
    assert "20 rows had several labels; the first of each is taken" in data.notices
    assert read_data(file, multilabel="whole").label_names == ("0", "0,4", "27", "4,27")


@pytest.mark.parametrize(
    ("cells", "separator"),
    [
        (["a", "b", "a|b"], "|"),
        (["a;b", "b;c", "a;c"], ";"),
        (["['joy']", "['joy', 'anger']", "['anger']"], ","),
        (["Trade, Finance", "Sports", "Art, Music"], None),
        (["yes", "no"], None),
        (["Sci/Tech", "World"], None),
    ],
)
def test_what_separates_labels(cells: list[str], separator: str | None) -> None:
    assert separator_of(dict.fromkeys(cells, 10)) == separator


def test_a_cell_is_taken_apart() -> None:
    assert split_cell("['joy', \"anger\"]", ",") == ["joy", "anger"]
    assert split_cell("a; b ;", ";") == ["a", "b"]


@pytest.mark.parametrize("labels", [[f"{i * 37 % 101 / 100}" for i in range(200)]])
def test_numbers_on_a_scale(tmp_path: Path, labels: list[str]) -> None:
    (said,) = refusals(write(tmp_path, labels))
    assert "'label' has 101 different values in 200 rows, numbers on a scale such as" in said
    assert "make some of them (low, middle, high), or name another column with --label" in said


def test_text_and_label_swapped(tmp_path: Path) -> None:
    file = write(tmp_path, [f"a long text about the thing {i}" for i in range(60)], "x")
    (said,) = refusals(file)
    assert "text and label look swapped, try --text label --label text" in said


@pytest.mark.parametrize("classes", [77, 150])
def test_many_classes_are_classes(tmp_path: Path, classes: int) -> None:
    labels = [f"intent {i % classes}" for i in range(classes * 10)]
    assert len(read_data(write(tmp_path, labels)).label_names) == classes


def test_five_stars_are_classes(tmp_path: Path) -> None:
    assert len(read_data(write(tmp_path, [str(i % 5) for i in range(50)])).label_names) == 5
