import json
from pathlib import Path

import pytest
from report_runs import SPACE, make_search, trial, write_run

from tune import setup, warm_start
from tune.config.search_file import SearchFile
from tune.exceptions import SearchError
from tune.run_folder.paths import RunFolder
from tune.study.records import State

WHOLE = {"hidden_size": 64, "learning_rate": 1e-3, "dropout": 0.1, "pooling": "max"}


def earlier_run(tmp_path: Path) -> RunFolder:
    search = make_search()
    made = [
        trial(search, State.COMPLETE, [0.7, 0.8, 0.9], WHOLE),
        trial(search, State.PRUNED, [0.6], WHOLE | {"hidden_size": 200}),
        trial(search, State.FAILED, [], WHOLE),
        trial(search, State.DIVERGED, [0.3], WHOLE),
    ]
    return recorded(write_run(tmp_path / "earlier", search, made))


def new_run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "new")
    folder.root.mkdir()
    return recorded(folder)


def recorded(folder: RunFolder, fingerprint: str = "abc") -> RunFolder:
    known = json.loads(folder.environment.read_text()) if folder.environment.exists() else {}
    known["corpora"] = [{**(known.get("corpora") or [{}])[0], "data_fingerprint": fingerprint}]
    folder.environment.write_text(json.dumps(known))
    return folder


def inherited(tmp_path: Path, search: SearchFile) -> warm_start.WarmStart:
    return warm_start.read_warm_start(earlier_run(tmp_path), search, new_run(tmp_path))


def test_the_sampler_sees_them_and_nobody_else_does(tmp_path: Path) -> None:
    search = make_search(points=({"hidden_size": 100},))
    found = inherited(tmp_path, search)
    assert [record.number for record in found.records] == [0, 1]
    made = setup.new_study(search, RunFolder(tmp_path / "new"), 100, found)
    assert made.records() == []
    assert made.cut_off() == []
    told = made._study.trials
    assert [each.state.name for each in told] == ["COMPLETE", "PRUNED", "WAITING"]
    assert told[0].value == 0.9
    assert told[0].intermediate_values == {250: 0.7, 750: 0.8, 2000: 0.9}
    assert told[1].params["hidden_size"] == 200
    proposal = made.ask(setup.suggester(search))
    assert proposal.params["hidden_size"] == 100  # its own point comes first
    again = setup.reopen_study(search, RunFolder(tmp_path / "new"))
    assert [record.number for record in again.records()] == [2]
    assert again.waiting() == 1


def test_what_lies_outside_is_left_out_and_counted(tmp_path: Path) -> None:
    narrow = SPACE | {"hidden_size": {"type": "int", "low": 32, "high": 100}}
    found = inherited(tmp_path, make_search(space=narrow))
    assert len(found.records) == 1
    assert str(found) == (
        "Warm start from earlier: 1 trial; 1 lie outside of this space and were left out."
    )


def test_other_parameters_are_another_space(tmp_path: Path) -> None:
    more = SPACE | {"word_dropout": {"type": "float", "low": 0.0, "high": 0.3}}
    assert inherited(tmp_path, make_search(space=more)).left_out == 2


def test_other_fixed_values_are_named(tmp_path: Path) -> None:
    found = inherited(tmp_path, make_search(train={"epochs": 3.0}))
    assert found.differing == ("train.epochs",)
    assert str(found).endswith("it differs in train.epochs.")


def test_another_metric_or_other_data_are_refused(tmp_path: Path) -> None:
    other = make_search(search={"metric": "test_macro_f1"})
    folder = new_run(tmp_path)
    run = earlier_run(tmp_path)
    with pytest.raises(SearchError, match="its metric is test_accuracy, but this"):
        warm_start.read_warm_start(run, other, folder)
    with pytest.raises(SearchError, match="it ran on other data"):
        warm_start.read_warm_start(recorded(run, "xyz"), make_search(), folder)
