"""Write the results of a search: a row per trial, and the result as one object."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tune.run_folder import atomic
from tune.study.front import cost_of, front_of
from tune.study.records import State, TrialRecord, current_trials, ranked

_LEADING = ("rank", "number", "name", "state")
_BEST = ("best_rung", "best_epoch")
_FRONT = "front"
_EXTENT = ("rung", "rungs", "epoch", "step", "seconds", "train_seconds")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""
_LATEST = ("epoch", "step", "seconds")


def write_leaderboard(
    path: Path,
    records: Sequence[TrialRecord],
    metric: str,
    rungs: int,
    cost: str | None = None,
    costs: Mapping[int, Mapping[str, Any]] | None = None,
) -> None:
    """Write a row per trial, best first, those without a classifier last and unranked.

    The metrics are those of the trial's best rung, which `best_rung`, counted from 1, and
    `best_epoch` name; `rung` counts the rungs that it reached, out of `rungs`; `epoch`, `step` and
    `seconds` are those of the last one, `train_seconds` the time of training up to there.
    `docs/run_folder.md` lists all columns.

    Args:
        path: The file to write, as CSV.
        records: All trials.
        metric: The metric of the search, whose column comes first.
        rungs: Number of rungs of the search.
        cost: The cost that was minimised beside the metric; its column and `front`, which is 1 for
            the trials that no other one dominates, follow the metric's.
        costs: What the classifier of a trial takes, by the trial's number: the columns after
            `train_seconds`.
    """
    standing = ranked(list(records))
    ranks = {record.number: rank for rank, record in enumerate(standing, start=1)}
    rest = [record for record in records if record.number not in ranks]
    known = costs or {}
    rows = [
        dict(known.get(record.number, {})) | _row(record, ranks.get(record.number), rungs)
        for record in [*standing, *rest]
    ]
    front = {record.number for record in front_of(records, cost)} if cost else set()
    for row in rows if cost else ():
        row[_FRONT] = int(row["number"] in front)
    taken = dict.fromkeys(name for each in known.values() for name in each)
    params = dict.fromkeys(name for record in records for name in record.params)
    scores = [key for row in rows for key in row if key not in params and key != "message"]
    second = [cost, _FRONT] if cost else []
    columns = dict.fromkeys(
        [*_LEADING, metric, *second, *_BEST, *_EXTENT, *taken, *scores, *params, "message"]
    )
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writerow({column: _defused(column) for column in columns})
    writer.writerows({key: _defused(value) for key, value in row.items()} for row in rows)
    atomic.write_text(path, text.getvalue())


def result_json(
    state: str,
    metric: str,
    records: Sequence[TrialRecord],
    best: Mapping[str, Any] | None,
    seconds: float,
    cost: str | None = None,
) -> dict[str, Any]:
    """Return the content of result.json.

    Args:
        state: State of the search: complete, interrupted or failed.
        metric: The metric of the search.
        records: All trials.
        best: The winner; None without one.
        seconds: Duration of the search.
        cost: The cost that was minimised beside the metric.
    """
    return {
        "state": state,
        "metric": metric,
        **({"cost": cost, "front": _front(records, cost)} if cost else {}),
        "best": dict(best) if best is not None else None,
        "trials": {
            "total": len(current_trials(records)),
            "records": len(records),
            **count_states(records),
        },
        "seconds": round(seconds, 3),
    }


def _front(records: Sequence[TrialRecord], cost: str) -> list[dict[str, Any]]:
    """Return the trials of the front as result.json has them, the cheapest first."""
    return [
        {"number": each.number, "value": each.value, cost: cost_of(each, cost)}
        for each in front_of(records, cost)
    ]


def count_states(records: Sequence[TrialRecord]) -> dict[str, int]:
    """Count the trials that ended in each state.

    Args:
        records: All records; a chain of interrupted ones counts as one trial.

    Returns:
        By state, 0 included; those that still run are left out.
    """
    found = Counter(record.state for record in current_trials(records))
    return {str(state): found[state] for state in State if state != State.RUNNING}


def _defused(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula: such a text gets an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _row(record: TrialRecord, rank: int | None, rungs: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "rank": rank,
        "number": record.number,
        "name": record.name,
        "state": record.state,
        "rung": len(record.curve),
        "rungs": rungs,
        **record.params,
    }
    if record.best_rung is not None:
        row |= record.curve[record.best_rung]
        row |= {key: record.curve[-1][key] for key in _LATEST if key in record.curve[-1]}
        row["best_rung"] = record.best_rung + 1
        row["best_epoch"] = record.curve[record.best_rung].get("epoch")
        if all("train_seconds" in point for point in record.curve):
            row["train_seconds"] = sum(point["train_seconds"] for point in record.curve)
    return row | {"message": record.message}
