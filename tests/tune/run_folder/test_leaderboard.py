import csv
from pathlib import Path

from record_parts import record

from tune.run_folder import leaderboard
from tune.study.records import State

RECORDS = [
    record(0, State.PRUNED, 0.8),
    record(1, State.COMPLETE, 0.7, 0.9, 0.85),
    record(2, State.FAILED, 0.95, message="KeyError: 'x, y'"),
    record(3, State.INTERRUPTED, 0.7),
    record(4, State.COMPLETE, 0.7, 0.7, 0.8, continues=3, params={"hidden_size": 3, "layers": 2}),
    record(5, State.DIVERGED),
]


def rows(path: Path) -> list[dict[str, str]]:
    leaderboard.write_leaderboard(path, RECORDS, "test_accuracy", rungs=3)
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_per_trial_best_first(tmp_path: Path) -> None:
    found = rows(tmp_path / "leaderboard.csv")
    assert [(row["rank"], row["number"]) for row in found] == [
        ("1", "1"), ("2", "4"), ("3", "0"), ("", "2"), ("", "3"), ("", "5"),
    ]  # fmt: skip
    assert list(found[0])[:6] == ["rank", "number", "name", "state", "test_accuracy", "rung"]


def test_the_metrics_are_those_of_the_best_rung_and_the_extent_that_of_the_last(
    tmp_path: Path,
) -> None:
    best = rows(tmp_path / "leaderboard.csv")[0]
    assert (best["test_accuracy"], best["epoch"], best["seconds"]) == ("0.9", "3.0", "20.0")
    assert (best["rung"], best["rungs"], best["hidden_size"]) == ("3", "3", "1")


def test_messages_and_missing_values_survive(tmp_path: Path) -> None:
    found = {row["number"]: row for row in rows(tmp_path / "leaderboard.csv")}
    assert found["2"]["message"] == "KeyError: 'x, y'"
    assert found["5"]["test_accuracy"] == ""
    assert found["4"]["layers"] == "2"
    assert found["1"]["layers"] == ""


def test_the_result_counts_every_end() -> None:
    result = leaderboard.result_json("complete", "test_accuracy", RECORDS, {"number": 1}, 1.23456)
    assert result == {
        "state": "complete",
        "metric": "test_accuracy",
        "best": {"number": 1},
        "trials": {
            "total": 5, "records": 6,
            "complete": 2, "pruned": 1, "diverged": 1, "failed": 1, "interrupted": 0,
        },
        "seconds": 1.235,
    }  # fmt: skip


def test_no_cell_is_a_formula_and_numbers_stay_numbers(tmp_path: Path) -> None:
    params = {"rate": -0.5, "=1+1": "@SUM(A1)", "plain": "gru-1"}
    made = [record(0, State.FAILED, message="=HYPERLINK(1)", params=params)]
    path = tmp_path / "leaderboard.csv"
    leaderboard.write_leaderboard(path, made, "test_accuracy", rungs=1)
    with path.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["message"] == "'=HYPERLINK(1)"
    assert (row["rate"], row["'=1+1"], row["plain"]) == ("-0.5", "'@SUM(A1)", "gru-1")
