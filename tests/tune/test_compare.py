from pathlib import Path

import pytest
from html_parts import Seen
from report_runs import about, make_search, many_trials, trial, write_run

from tune import compare
from tune.analysis import comparison, run_data
from tune.analysis.comparison import Contender
from tune.run_folder.paths import RunFolder
from tune.study.records import State

WIDE = {"hidden_size": {"type": "int", "low": 32, "high": 512, "log": True}}
RATE = {"learning_rate": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True}}


@pytest.fixture
def folders(tmp_path: Path) -> list[RunFolder]:
    usual, wide = make_search(), make_search(space=WIDE, train={"epochs": 2.0, "batch_size": 64})
    made = [trial(wide, State.COMPLETE, [0.8, 0.85, value], {"hidden_size": 40}, begin_s=35.0 * at)
            for at, value in enumerate([0.86, 0.88])]  # fmt: skip
    return [
        write_run(tmp_path / "usual", usual, many_trials(usual, 30)),
        write_run(tmp_path / "wide", wide, made),
    ]


def found(folders: list[RunFolder]) -> list[Contender]:
    return comparison.contenders([run_data.load_run(folder) for folder in folders])


def rows(folders: list[RunFolder], title: str) -> dict[str, tuple[str, ...]]:
    return dict(dict(comparison.comparison_sections(found(folders)))[title])


def test_spaces_stand_side_by_side_with_what_the_other_fixed(folders: list[RunFolder]) -> None:
    space = rows(folders, "Space")
    assert space["hidden_size"] == ("32 to 256, log", "32 to 512, log")
    assert space["pooling"] == ("last, max, mean", "fixed: last")
    assert rows(folders, "Search")["train.batch_size"] == ("32", "64")
    assert "train.label_smoothing" not in rows(folders, "Search")


def test_the_best_comes_with_its_interval(folders: list[RunFolder]) -> None:
    best = rows(folders, "Best")
    usual, wide = found(folders)
    assert wide.judged is not None
    low, high = wide.judged.scores[0].interval or (0, 0)
    assert best["test accuracy"][1] == f"0.8800 ({low:.4f} to {high:.4f})"
    assert best["hidden_size"][1] == "40"
    assert best["dropout"][1] == comparison.NONE
    assert usual.judged is not None
    assert best["trial"][0] == str(usual.judged.record.number)


def test_the_best_so_far_is_compared_at_the_same_time_and_the_same_texts(
    folders: list[RunFolder],
) -> None:
    so_far = rows(folders, "Best so far")
    usual, wide = found(folders)
    least = min(usual.line.epochs, wide.line.epochs) * 20_000
    assert f"after {least:,.0f} texts" in so_far
    for label, cells in so_far.items():
        if label.startswith("after"):
            assert len(cells) == 2
    reached = so_far["0.8800 reached"]
    assert reached[1] == "after 1m06s, 80,000 texts"
    first = next(report for report in usual.leaders if report.value >= 0.88)
    assert reached[0].endswith(f"{first.epochs * 20_000:,.0f} texts")


def test_cost_counts_trials_time_and_texts(folders: list[RunFolder]) -> None:
    cost = rows(folders, "Cost")
    assert cost["trials"][1] == "2 (2 complete)"
    assert cost["trained"][1] == "80,000 texts"
    assert cost["time of all trials"][1] == "1m00s"


def test_a_lead_is_weighed_against_chance(folders: list[RunFolder], tmp_path: Path) -> None:
    (sure,) = comparison.comparison_remarks(found(folders))
    assert sure.startswith("usual is ahead of wide by 0.0")
    assert "is more than chance" in sure
    search = make_search(space=WIDE)
    made = [trial(search, State.COMPLETE, [0.8, 0.85, 0.881], {"hidden_size": 40})]
    near = write_run(tmp_path / "near", search, made)
    assert "may be chance" in comparison.comparison_remarks(found([folders[1], near]))[0]


def test_what_does_not_compare_is_said(folders: list[RunFolder], tmp_path: Path) -> None:
    search = make_search(space=WIDE, search={"metric": "test_macro_f1"})
    corpora = [about()["corpora"][0] | {"data_fingerprint": "1", "texts": {}}]
    made = [trial(search, State.PRUNED, [0.8], {"hidden_size": 40})]
    other = write_run(tmp_path / "other", search, made, environment={"corpora": corpora})
    metrics, texts, unknown = comparison.comparison_remarks(found([folders[0], other]))
    assert "different metrics" in metrics
    assert "different texts" in texts
    assert "epochs stand for texts" in unknown
    assert rows([folders[0], other], "Cost")["trained"][1] == "0.25 epochs"


def test_runs_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    search = make_search()
    folders = [write_run(tmp_path / place / "same", search, []) for place in ("a", "b")]
    assert [each.name for each in found(folders)] == [str(folder.root) for folder in folders]


def test_the_command_prints_a_table_and_writes_a_page(
    folders: list[RunFolder], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    arguments = [str(folder.root) for folder in folders]
    lost = tmp_path / "no" / "page.html"
    assert compare.main([*arguments, "--html", str(lost)]) == 1
    told = capsys.readouterr().err
    assert told == f"{lost}: cannot be written: No such file or directory\n"
    assert compare.main([*arguments, "--html", str(page)]) == 0
    printed = capsys.readouterr().out
    assert "32 to 512, log" in printed
    assert "\x1b" not in printed
    seen = Seen(page.read_text())
    assert "32 to 512, log" in seen.text
    figures = [attributes["id"] for name, attributes in seen.elements if name == "figure"]
    assert figures == ["over-time", "over-texts"]
    tips = [attributes["data-tips"] for _, attributes in seen.elements if "data-tips" in attributes]
    assert len(tips) == 4
    assert "after 1m06s and 80,000 texts" in str(tips[1])


def test_searches_without_results_compare_as_well(tmp_path: Path) -> None:
    search = make_search(space=RATE)
    folders = [write_run(tmp_path / name, search, [], state=None) for name in ("a", "b")]
    page = tmp_path / "page.html"
    assert compare.main([*(str(each.root) for each in folders), "--html", str(page)]) == 0
    assert "No trial has reached its first rung" in page.read_text()


def test_bad_input_is_one_message(
    folders: list[RunFolder], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare.main([str(folders[0].root), str(tmp_path)]) == 1
    assert "a run folder holds a study.journal" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        compare.main([str(folders[0].root)])
    assert "at least two" in capsys.readouterr().err
