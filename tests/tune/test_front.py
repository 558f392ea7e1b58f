"""A search for accuracy and few operations from its first line to its last, and after kills."""

import csv
import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import whole_search
from faulty_disk import FaultyDisk, Killed

from textcls.analysis.model_card import CARD
from textcls.models.operations import operations_per_token
from tune.analysis.run_data import load_run
from tune.config.search_file import SearchFile
from tune.report.summary import summarise_run
from tune.run_folder.paths import RunFolder
from tune.study import study

SIZES = (4, 16, 8, 2, 12)
SEARCH: dict[str, Any] = {
    **whole_search.SEARCH,
    "space": {"hidden_size": {"type": "int", "low": 2, "high": 16}},
    "points": [{"hidden_size": size} for size in SIZES],
    "search": {
        "samples": len(SIZES) + 3,
        "metric": ["val_accuracy", "operations"],
        "scheduler": {"grace_period": 1.0, "reduction_factor": 2},
    },
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path / "cache"))
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def check(folder: RunFolder) -> None:
    """Check what must hold of the front, wherever it is told."""
    config = SearchFile.model_validate(SEARCH)
    run = load_run(folder)
    result = json.loads(folder.result.read_text())
    assert (result["state"], result["cost"]) == ("complete", "operations")
    for record in run.records:
        model, embeddings, _ = config.configuration(run.params(record))
        expected = operations_per_token(model, embeddings.dim)
        assert all(point["operations"] == expected for point in record.curve)
    front = [each.number for each in run.front]
    assert [each["number"] for each in result["front"]] == front
    values = [each["value"] for each in result["front"]]
    costs = [each["operations"] for each in result["front"]]
    assert values == sorted(set(values))
    assert costs == sorted(set(costs))
    assert result["best"]["value"] == values[-1]
    with folder.leaderboard.open(newline="") as file:
        marked = {int(row["number"]) for row in csv.DictReader(file) if row["front"] == "1"}
    assert marked == set(front)
    kept = {
        int(path.name)
        for path in (folder.root / "trials").iterdir()
        if list(folder.trial(int(path.name)).checkpoints())
    }
    assert kept == {*front, result["best"]["number"]}
    assert 'id="front-plot"' in folder.report.read_text()
    assert dict(summarise_run(run).rows)["Front"].startswith(f"{len(front)} trial")
    assert len(run.chains) == len(SIZES) + 3


def test_a_search_ends_with_a_front_and_a_seed_repeats_it(tmp_path: Path) -> None:
    boards = []
    for name in ("one", "two"):
        assert whole_search.run_once(tmp_path / name, search=SEARCH).message == ""
        folder = RunFolder(tmp_path / name / "run")
        check(folder)
        records = study.read_study(folder.study, "run").records()
        boards.append([(each.params, each.values) for each in records])
    assert boards[0] == boards[1]


def test_tpe_searches_for_a_front_and_a_seed_repeats_it(tmp_path: Path) -> None:
    asked = {**SEARCH, "search": {**SEARCH["search"], "sampler": "tpe", "samples": 16}}
    fronts = []
    for name in ("one", "two"):
        assert whole_search.run_once(tmp_path / name, search=asked).message == ""
        run = load_run(RunFolder(tmp_path / name / "run"))
        assert len(run.chains) == 16  # six more than it draws at random
        fronts.append([(each.params, each.value) for each in run.front])
    assert fronts[0] == fronts[1]


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_a_killed_search_goes_on_to_its_front(tmp_path: Path, share: float) -> None:
    root = tmp_path / "play"
    at = round(share * whole_search.count_operations(root, SEARCH))
    shutil.rmtree(root)
    root.mkdir()
    with suppress(Killed):
        whole_search.run_once(root, FaultyDisk(root, "kill", at), search=SEARCH)
    assert not (root / "run" / "result.json").exists()
    assert whole_search.run_once(root, search=SEARCH).message == ""
    check(RunFolder(root / "run"))


@pytest.mark.parametrize("cost", ["parameters", "bytes"])
@pytest.mark.parametrize("linear_weight", [0.0, 2.0])
def test_a_cost_is_what_the_leaderboard_and_the_files_say(
    cost: str, linear_weight: float, tmp_path: Path
) -> None:
    asked = {
        **SEARCH,
        "model": {**SEARCH["model"], "linear_weight": linear_weight},
        "search": {**SEARCH["search"], "metric": ["val_accuracy", cost]},
    }
    assert whole_search.run_once(tmp_path, search=asked).message == ""
    folder = RunFolder(tmp_path / "run")
    run = load_run(folder)
    assert run.cost == cost
    with folder.leaderboard.open(newline="") as file:
        rows = {int(row["number"]): row for row in csv.DictReader(file)}
    report = folder.report.read_text()
    for record in run.records:
        counted = {point[cost] for point in record.curve}
        cells = (
            f">{run.costs[record.number].parameters:,}<",
            f">{run.costs[record.number].bytes / 1e6:.2f}<",
        )
        assert all(cell in report for cell in cells)
        assert counted == {run.costs[record.number].of(cost)} == {float(rows[record.number][cost])}
    number = run.result["best"]["number"]
    if number is None:  # the linear classifier alone
        return
    files = [path for path in folder.best.iterdir() if path.name not in ("bundle.json", CARD)]
    assert run.costs[number].bytes == sum(path.stat().st_size for path in files)
