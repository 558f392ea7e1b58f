from pathlib import Path

import pytest
from report_runs import make_search, write_run

from textcls.exceptions import ConfigError
from tune import Search, setup
from tune.config import grid, search_file
from tune.run_folder import paths
from tune.run_folder.paths import RunFolder


def search(scheduler: str, tmp_path: Path) -> search_file.SearchFile:
    path = tmp_path / "space.yaml"
    text = "train: {epochs: 4}\nspace: {dropout: {type: float, low: 0.0, high: 0.5}}\n"
    path.write_text(f"{text}search: {{scheduler: {scheduler}}}\n")
    return search_file.load_search(path)


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        ("{grace_period: 0.5, reduction_factor: 2}", (0.5, 1, 2, 4)),
        ("{grace_texts: 500, reduction_factor: 2}", (0.5, 1, 2, 4)),
        ("{grace_texts: 500, grace_period: 3, reduction_factor: 2}", (0.5, 1, 2, 4)),
        ("{grace_texts: 9000}", (4,)),
    ],
)
def test_the_first_rung_is_counted_in_epochs_or_in_texts(
    scheduler: str, expected: tuple[float, ...], tmp_path: Path
) -> None:
    assert setup.rung_epochs(search(scheduler, tmp_path), texts=1000) == expected


def test_the_last_rung_lies_where_small_data_ends(tmp_path: Path) -> None:
    asked = search("{grace_period: 0.5, reduction_factor: 2}", tmp_path)
    train = asked.train.model_copy(update={"least_texts": 5_001})
    assert setup.rung_epochs(asked.model_copy(update={"train": train}), 1000) == (0.5, 1, 2, 4, 6)


@pytest.mark.parametrize(
    ("scheduler", "texts"),
    [("{grace_period: 0.0004}", 1000), ("{grace_texts: 20, reduction_factor: 2}", 100_000)],
)
def test_rungs_that_are_one_step_of_the_study_are_refused(
    scheduler: str, texts: int, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"search\.scheduler: the rungs lie at .*raise grace"):
        setup.rung_epochs(search(scheduler, tmp_path), texts)


def test_a_grid_gives_as_many_points_as_are_asked_for(tmp_path: Path) -> None:
    folder = paths.create(tmp_path, "run")
    (tmp_path / "space.yaml").write_text(
        "space:\n  dropout: {type: float, low: 0.0, high: 0.5}\n"
        "  layers: {type: int, low: 1, high: 2}\n"
        "points: [{dropout: 0.1, layers: 1}]\n"
        "search: {sampler: grid, samples: 4}\n"
    )
    config = search_file.load_search(tmp_path / "space.yaml")
    made = setup.new_study(config, folder, texts=1000)
    assert made.waiting() == 4
    made.ask(setup.suggester(config))
    assert setup.reopen_study(config, folder).waiting() == 4  # the one that was cut off and three
    more = search_file.load_search(tmp_path / "space.yaml", ["search.samples=99"])
    found = setup.reopen_study(more, folder)
    assert found.waiting() == grid.trial_count(more) == 10
    points = [found.ask(setup.suggester(more)).params for _ in range(10)]
    assert len({tuple(sorted(point.items())) for point in points}) == 10


def test_a_run_folder_that_was_renamed_goes_on(tmp_path: Path) -> None:
    config = search("{name: none}", tmp_path)
    setup.new_study(config, paths.create(tmp_path, "run"), texts=1000)
    renamed = RunFolder((tmp_path / "run").rename(tmp_path / "renamed"))
    assert (renamed.name, renamed.study_name) == ("renamed", "run")
    assert setup.reopen_study(config, renamed).records() == []


def test_the_best_so_many_pass_where_the_file_says_so(tmp_path: Path) -> None:
    rungs = setup.scheduler_of(search("{name: top_k, keep: 1}", tmp_path), 2)
    assert rungs is not None
    assert [rungs.should_continue(trial, 0, value) for trial, value in enumerate([3, 2, 4])] == [
        True,
        False,
        True,
    ]


def test_a_run_goes_on_in_the_database_that_it_began_in_only(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", make_search(), [], state=None)
    asked = Search.load(folder.space)
    elsewhere = f"sqlite:///{tmp_path / 'other.db'}"
    with pytest.raises(ConfigError, match=r"other\.db: but the run's study lies at .*journal"):
        asked.run(name="run", runs_dir=tmp_path, resume=True, storage=elsewhere)
    assert not (tmp_path / "other.db").exists()


@pytest.mark.parametrize("key", ["search.seed", "train.seed", "data.seed", "embeddings.seed"])
def test_a_seed_that_numpy_does_not_take_is_refused(key: str) -> None:
    largest = 2**31 - 1
    asked = Search.load("gru", {key: largest}).config
    section, name = key.split(".")
    assert getattr(getattr(asked, section), name) == largest
    with pytest.raises(ConfigError, match=f"{key}: must be at most {largest}"):
        Search.load("gru", {key: largest + 1})
