import csv
from dataclasses import replace
from pathlib import Path

from record_parts import record

from tune.run_folder import leaderboard
from tune.study.records import State, TrialRecord

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
    assert list(found[0])[:7] == [
        "rank", "number", "name", "state", "test_accuracy", "best_rung", "best_epoch",
    ]  # fmt: skip


def test_the_time_of_training_is_that_of_all_rungs(tmp_path: Path) -> None:
    curve = tuple(
        {"test_accuracy": 0.9 - at / 10, "epoch": at + 1.0, "train_seconds": 2.0} for at in range(3)
    )
    made = replace(record(0, State.COMPLETE, 0.9, 0.8, 0.7), curve=curve)
    path = tmp_path / "leaderboard.csv"
    leaderboard.write_leaderboard(path, [made], "test_accuracy", rungs=3)
    (row,) = csv.DictReader(path.read_text().splitlines())
    assert (row["best_rung"], row["train_seconds"]) == ("1", "6.0")


def test_the_page_explains_every_column(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "run_folder.md").read_text(encoding="utf-8")
    columns = set(rows(tmp_path / "leaderboard.csv")[0]) - {"hidden_size", "layers"}
    columns |= {"val_loss", "train_loss", "texts_per_second", "tokens_per_second", "train_seconds"}
    assert {name for name in columns if f"`{name}`" not in page} == set()


def test_the_metrics_are_those_of_the_best_rung_and_the_extent_that_of_the_last(
    tmp_path: Path,
) -> None:
    best = rows(tmp_path / "leaderboard.csv")[0]
    assert (best["test_accuracy"], best["epoch"], best["seconds"]) == ("0.9", "3.0", "20.0")
    assert (best["rung"], best["rungs"], best["hidden_size"]) == ("3", "3", "1")
    assert (best["best_rung"], best["best_epoch"]) == ("2", "2.0")


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


def priced(number: int, value: float, cost: float) -> TrialRecord:
    made = record(number, State.COMPLETE, value)
    return replace(made, curve=tuple({**point, "operations": cost} for point in made.curve))


def test_a_cost_stands_beside_the_metric_and_the_front_is_marked(tmp_path: Path) -> None:
    records = [priced(0, 0.9, 50.0), priced(1, 0.8, 10.0), priced(2, 0.85, 60.0)]
    path = tmp_path / "leaderboard.csv"
    leaderboard.write_leaderboard(path, records, "test_accuracy", 3, "operations")
    with path.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert list(found[0])[4:7] == ["test_accuracy", "operations", "front"]
    assert [(row["number"], row["operations"], row["front"]) for row in found] == [
        ("0", "50.0", "1"),
        ("2", "60.0", "0"),
        ("1", "10.0", "1"),
    ]
    result = leaderboard.result_json("complete", "test_accuracy", records, None, 1.0, "operations")
    assert result["front"] == [
        {"number": 1, "value": 0.8, "operations": 10.0},
        {"number": 0, "value": 0.9, "operations": 50.0},
    ]
    one = leaderboard.result_json("complete", "test_accuracy", records, None, 1.0)
    assert not {"front", "cost"} & one.keys()
