"""How a search space is found by its name or path."""

from pathlib import Path

import pytest

from textcls.exceptions import ConfigError
from tune.config.search_file import load_search
from tune.config.spaces import find_space, shipped_spaces

SHIPPED = Path(__file__).parents[3] / "search_spaces"
NAMES = ["all", "cnn", "gru", "reference", "rnn", "strong"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_means_the_shipped_file_from_any_folder(name: str) -> None:
    assert find_space(name) == SHIPPED / f"{name}.yaml"
    load_search(find_space(name))


@pytest.mark.parametrize(
    "path", ["mine.yaml", "mine.yml", "./mine", "spaces/mine", "/nowhere/x.yaml"]
)
def test_a_slash_or_an_ending_means_a_file_of_ones_own(path: str) -> None:
    assert find_space(path) == Path(path)


def test_a_path_object_is_taken_as_well(tmp_path: Path) -> None:
    assert find_space(tmp_path / "mine.yaml") == tmp_path / "mine.yaml"
    assert find_space(Path("gru")) == SHIPPED / "gru.yaml"


def test_a_file_of_exactly_that_name_comes_before_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "gru").write_text("model: gru\n")
    assert find_space("gru") == Path("gru")


def test_a_folder_of_that_name_is_no_search_space(tmp_path: Path) -> None:
    (tmp_path / "gru").mkdir()
    assert find_space("gru") == SHIPPED / "gru.yaml"


@pytest.mark.parametrize("ending", ["yaml", "yml"])
def test_a_file_whose_name_is_a_shipped_one_comes_first_and_is_not_replaced(
    tmp_path: Path, ending: str
) -> None:
    for path in (f"gru.{ending}", f"search_spaces/gru.{ending}", "./gru"):
        with pytest.raises(ConfigError, match=r"no such file; .* is called gru, without"):
            find_space(path)
    (tmp_path / f"gru.{ending}").write_text("model: gru\n")
    assert find_space(f"gru.{ending}") == Path(f"gru.{ending}")


@pytest.mark.parametrize("name", ["gur", "stron", "referense"])
def test_a_name_nearly_right_gets_a_suggestion_and_the_list(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_space(name)
    near = {"gur": "gru", "stron": "strong", "referense": "reference"}[name]
    assert str(caught.value) == (
        f"{name}: neither a file nor a search space that comes with the package; "
        f"did you mean {near}?; those are {', '.join(NAMES)}"
    )


@pytest.mark.parametrize("name", ["", " ", "\0", "x" * 5000, "..", "-", "zebra"])
def test_anything_else_is_refused_with_the_list(name: str) -> None:
    with pytest.raises(ConfigError, match="those are all, cnn, gru") as caught:
        find_space(name)
    assert "\0" not in str(caught.value)


def test_every_shipped_space_says_what_it_is_for_and_how_long_it_takes() -> None:
    found = shipped_spaces()
    assert [each.name for each in found] == NAMES
    for each in found:
        assert each.purpose.endswith(".")
        assert len(each.purpose) > 20
        assert each.duration.startswith("Takes ")
        assert each.duration.endswith(".")
