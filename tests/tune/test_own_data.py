"""A search without a space of its own fits the one that comes with the package to the data."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from textcls.config.models import DataConfig
from textcls.data import dataset
from tune import own_data, search
from tune.config import search_file
from tune.config.spaces import find_space

SPORT = ["the striker scored", "a late goal", "the coach won the cup", "an own goal"]
MONEY = ["shares fell", "profits rose", "the bank cut its rates", "a bond of the bank"]


def write(path: Path, texts: list[str], labels: list[str], split: str = "all") -> DataConfig:
    path.mkdir(exist_ok=True)
    with (path / f"{split}.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *zip(texts, labels, strict=True)])
    return DataConfig(name=str(path / "all.csv") if split == "all" else str(path))


def suggested(data: DataConfig) -> dict[str, object]:
    return {
        each.key: each.value for each in own_data.suggest_settings(own_data.read_whole(data), data)
    }


def several(count: int, words: int = 5) -> tuple[list[str], list[str]]:
    texts = [
        " ".join(f"w{(row * 7 + i) % 50}" for i in range(words)) + f" {row}" for row in range(count)
    ]
    return texts, ["a" if row % 2 else "b" for row in range(count)]


def test_few_texts_are_repeated_within_reason_and_more_of_them_compare_trials(
    tmp_path: Path,
) -> None:
    found = suggested(write(tmp_path, *several(100)))
    assert found == {
        "data.validation_fraction": 0.25,
        "search.confirm.top": 3,
        "search.confirm.seeds": 4,
        "search.confirm.folds": True,
        "search.confirm.retrain": True,
        "model.linear_weight": 20.0,
        "train.least_texts": 20 * 80,
    }


def test_many_short_texts_need_nothing_but_a_smaller_share(tmp_path: Path) -> None:
    found = suggested(write(tmp_path, *several(25_100)))
    assert found == {"data.validation_fraction": 0.05, "model.linear_weight": 10.0}


def test_long_texts_are_read_further_and_fewer_times(tmp_path: Path) -> None:
    found = suggested(write(tmp_path, *several(4_000, words=200)))
    assert found["data.max_length"] == 201
    assert found["train.least_texts"] == pytest.approx(2_400_000 / 201, abs=1)
    found = suggested(write(tmp_path, *several(400, words=900)))
    assert found["data.max_length"] == 400


def test_one_class_in_most_texts_makes_macro_f1_the_metric(tmp_path: Path) -> None:
    texts, _ = several(100)
    found = suggested(write(tmp_path, texts, ["rare"] * 20 + ["usual"] * 80))
    assert found["search.metric"] == "val_macro_f1"
    choices = ["balanced", "sqrt", "none"]
    assert found["space.class_weights"] == {"type": "categorical", "choices": choices}
    assert [found[f"points.{point}.class_weights"] for point in range(3)] == choices
    found = suggested(write(tmp_path, texts, ["rare"] * 30 + ["usual"] * 70))
    assert not {"search.metric", "space.class_weights"} & set(found)


def test_a_validation_split_is_used_as_it_is(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        data = write(tmp_path, *several(100), split)
    assert suggested(data)["data.validation_fraction"] == 0.0


def test_every_suggestion_is_a_key_of_the_space() -> None:
    config = search_file.load_search(find_space(own_data.SPACE))
    assert config.search.metric.startswith("val_")
    for key in ("search.metric", "data.validation_fraction", "data.max_length"):
        section, _, field = key.partition(".")
        assert hasattr(getattr(config, section), field)


def test_a_time_budget_is_shared_with_the_confirmation() -> None:
    sections = {"space": {"dropout": {"type": "float", "low": 0.0, "high": 0.5}}}

    def shares(**search: object) -> dict[str, object]:
        config = search_file.make_search({**sections, "search": search})
        return {each.key: each.value for each in own_data.share_budget(config)}

    assert shares(time_budget=100, confirm={"top": 3}) == {
        "search.time_budget": 75,
        "search.confirm.time_budget": 25,
    }
    assert shares(time_budget=100) == {}
    assert shares(confirm={"top": 3}) == {}
    assert shares(time_budget=100, confirm={"top": 3, "time_budget": 9}) == {}


def test_a_file_is_searched_without_a_space(
    one_free_cpu: None,  # noqa: ARG001
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path / "cache"))
    data = tmp_path / "my tickets (2026).csv"
    write(tmp_path, (SPORT + MONEY) * 12, (["sport"] * 4 + ["money"] * 4) * 12)
    (tmp_path / "all.csv").rename(data)
    given = ["--data", str(data), "--samples", "2", "--set", "data.max_length=9"]
    given += ["--max-concurrent", "1"]
    assert search.main([*given, "--runs-dir", str(tmp_path / "runs")]) == 0
    printed = capsys.readouterr().out
    assert "No --space is given: searching strong, fitted to the data." in printed
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name.startswith("my-tickets-2026-")
    ran = search_file.load_search(run / "space.yaml")
    assert (ran.data.max_length, ran.search.samples) == (9, 2)  # what was asked for stays
    assert f"train.least_texts={ran.train.least_texts}: each trial trains on" in printed
    assert ran.search.confirm.folds
    result = json.loads((run / "result.json").read_text())
    assert len(result["best"]["confirmation"]["standings"][0]["values"]) == 4
    told = json.loads((run / "best" / "bundle.json").read_text())["about"]["search"]
    assert told["trained_on_validation"] is True
    assert 20 * 70 < ran.train.least_texts < 20 * 80  # a fifth of the 96 texts is the test split


def test_neither_a_space_nor_data_is_a_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        search.main([])
    assert (
        "one of the arguments --space --data --from --resume is required" in capsys.readouterr().err
    )


def english(count: int) -> tuple[list[str], list[str]]:
    texts = [f"the striker and the coach have seen goal {row}" for row in range(count)]
    return texts, ["a" if row % 2 else "b" for row in range(count)]


@pytest.fixture(params=[True, False], ids=["installed", "not installed"])
def installed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the package with English vectors is installed: the tests do not depend on it."""
    monkeypatch.setattr(
        "textcls.vectors.embeddings.come_with_installed_package", lambda _name: request.param
    )
    found: bool = request.param
    return found


def test_english_texts_try_the_vectors_of_an_installed_package(
    tmp_path: Path, installed: bool
) -> None:
    found = suggested(write(tmp_path, *english(100)))
    assert ("space.embeddings" in found) == installed
    assert found.get("points.0.embeddings") == ("glove-6b-50d" if installed else None)
    overrides = [search_file.loader.Override(*each, "--data") for each in found.items()]
    config = search_file.load_search(find_space(own_data.SPACE), overrides)
    tried = [point.get("embeddings") for point in config.points]
    assert tried == (["glove-6b-50d", "corpus", "glove-6b-50d"] if installed else [None] * 3)


@pytest.mark.usefixtures("installed")
def test_other_texts_keep_their_own_vectors(tmp_path: Path) -> None:
    found = suggested(write(tmp_path, *several(100)))
    assert not [key for key in found if "embeddings" in key]


@pytest.mark.parametrize("asked", ["embeddings=corpus", "embeddings.name=corpus"])
def test_vectors_that_the_user_names_are_the_only_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    monkeypatch.setattr(
        "textcls.vectors.embeddings.come_with_installed_package", lambda _name: True
    )
    data = write(tmp_path, *english(100))
    space = find_space(own_data.SPACE)
    config = search_file.load_search(space, [f"data.name={data.name}"])
    fitted, _ = search._fitted(config, space, [f"data.name={data.name}", asked], quiet=True)
    assert "embeddings" not in fitted.space
    free, _ = search._fitted(config, space, [f"data.name={data.name}"], quiet=True)
    assert "embeddings" in free.space


def test_the_data_is_parsed_once_and_gives_what_parsing_it_again_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, labels = several(300)
    data = write(tmp_path, [*texts, *texts[:40]], [*labels, *labels[:40]])
    space = find_space(own_data.SPACE)
    config = search_file.load_search(space, [f"data.name={data.name}"])
    fitted, source = search._fitted(config, space, [f"data.name={data.name}"], quiet=True)
    assert source is not None
    again = dataset.locate(fitted.data)
    assert source.fingerprint == again.fingerprint
    expected = again.read()
    monkeypatch.setattr("textcls.data.dataset.read_splits", None)  # parsing would fail
    found = source.read()
    assert (found.label_names, found.notices) == (expected.label_names, expected.notices)
    assert found.splits.keys() == expected.splits.keys() == {"train", "validation", "test"}
    for name, split in expected.splits.items():
        assert found.splits[name].texts.to_pylist() == split.texts.to_pylist()
        assert found.splits[name].labels.tolist() == split.labels.tolist()


@pytest.mark.parametrize("content", ["text,label\nhello,\n,b\n", "text,label\na,b,c\nhello,b\n"])
def test_a_file_is_refused_before_anything_heavy_is_imported(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(content)
    program = (
        "import sys; from tune import search\n"
        f"code = search.main(['--data', {str(path)!r}])\n"
        "print(code, [m for m in ('ray', 'torch', 'optuna', 'datasets', 'gensim', 'numba') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split(maxsplit=1) == ["1", "[]\n"]
    assert done.stderr.startswith(str(path))
    assert not (tmp_path / "runs").exists()
