from pathlib import Path

from report_runs import make_search, trial, write_run

from tune.analysis import next_search, run_data
from tune.config import search_file
from tune.report import writer
from tune.study.records import State

RATE = {"type": "float", "low": 1e-4, "high": 1e-2, "log": True}
POOLING = {"type": "categorical", "choices": ["last", "max"]}


def run(tmp_path: Path, towards: float) -> run_data.RunData:
    search = make_search(space={"learning_rate": RATE, "pooling": POOLING})
    made = []
    for at in range(40):
        share = (at + 0.5) / 40
        params = {"learning_rate": 1e-4 * 100**share, "pooling": ["last", "max"][at % 2]}
        made.append(trial(search, State.COMPLETE, [0.9 - 0.2 * abs(share - towards)], params))
    return run_data.load_run(write_run(tmp_path / "run", search, made))


def test_it_is_a_search_that_loads_wider_and_begins_with_the_best(tmp_path: Path) -> None:
    told = run(tmp_path, towards=1.0)
    assert next_search.write_next_search(told)
    loaded = search_file.load_search(told.folder.next)
    assert loaded.space["learning_rate"].high > 1e-2
    assert loaded.space["pooling"] == told.config.space["pooling"]
    best = [told.params(record) for record in told.ranked[:3]]
    assert [dict(point) for point in loaded.points] == best
    assert loaded.train == told.config.train
    assert "Ranges widened: learning_rate (high)." in told.folder.next.read_text()


def test_without_a_boundary_hit_the_ranges_stay(tmp_path: Path) -> None:
    told = run(tmp_path, towards=0.5)
    found = next_search.suggest_next_search(told)
    assert found is not None
    assert found.space == told.config.space


def test_a_table_of_configurations_suggests_nothing(tmp_path: Path) -> None:
    search = make_search(configurations={"one": {"params": {"hidden_size": 8}}})
    made = [trial(search, State.COMPLETE, [0.8], {"hidden_size": 8}, name="one")]
    told = run_data.load_run(write_run(tmp_path / "run", search, made))
    assert next_search.suggest_next_search(told) is None
    assert not next_search.write_next_search(told)


def test_a_report_in_its_own_place_leaves_the_run_folder_alone(tmp_path: Path) -> None:
    told = run(tmp_path, towards=0.5)
    writer.write_report(told.folder, tmp_path / "elsewhere.html", with_texts=False)
    assert not told.folder.next.exists()
    writer.write_report(told.folder, with_texts=False)
    assert told.folder.next.exists()
