"""A search for accuracy and a small bundle on real Ray, to its end and further after a resume."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tune import Search, status
from tune.analysis.run_data import load_run
from tune.export import __main__ as export
from tune.run_folder.paths import RunFolder

SECTIONS: dict[str, Any] = {
    "model": {"name": "gru"},
    "data": {
        "name": "synthetic", "train_size": 200, "test_size": 50, "validation_fraction": 0.25,
    },
    "embeddings": {"name": "random", "dim": 8},
    "train": {"epochs": 2.0, "batch_size": 16},
    "space": {
        "hidden_size": {"type": "int", "low": 2, "high": 32},
        "learning_rate": {"type": "float", "low": 0.003, "high": 0.1, "log": True},
    },
    "points": [{"hidden_size": 2, "learning_rate": 0.03}],
    "search": {
        "metric": ["val_accuracy", "bytes"],
        "max_concurrent": 1,
        "scheduler": {"grace_period": 0.5, "reduction_factor": 2},
    },
}  # fmt: skip


def run_to(samples: int, runs_dir: Path, *, resume: bool) -> RunFolder:
    asked = SECTIONS["search"] | {"samples": samples}
    Search(**SECTIONS | {"search": asked}).run(name="run", runs_dir=runs_dir, resume=resume)
    return RunFolder(runs_dir / "run")


def check(folder: RunFolder, samples: int) -> None:
    """Check that every place tells the same front."""
    run = load_run(folder)
    result = json.loads(folder.result.read_text())
    assert (result["state"], result["cost"]) == ("complete", "bytes")
    assert len(run.chains) == samples
    front = [each.number for each in run.front]
    assert [each["number"] for each in result["front"]] == front
    with folder.leaderboard.open(newline="") as file:
        rows = {int(row["number"]): row for row in csv.DictReader(file)}
    assert {number for number, row in rows.items() if row["front"] == "1"} == set(front)
    report = folder.report.read_text()
    for number, cost in run.costs.items():
        if run.records[number].curve:
            assert float(rows[number]["bytes"]) == cost.bytes
            assert f">{cost.parameters:,}<" in report


def check_export(folder: RunFolder) -> None:
    """Check that the cheapest trial of the front can be exported and takes what is counted."""
    run = load_run(folder)
    number, out = run.front[0].number, folder.root.parent / "cheapest"
    assert export.main([str(folder.root), "--trial", str(number), "--out", str(out)]) == 0
    files = [out / "classifier.safetensors", out / "vocabulary.json"]
    assert sum(path.stat().st_size for path in files) == run.costs[number].bytes


@pytest.mark.usefixtures("two_cpus")
def test_a_front_on_ray_grows_with_a_resume(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check(run_to(4, tmp_path, resume=False), 4)
    folder = run_to(7, tmp_path, resume=True)
    check(folder, 7)
    check_export(folder)
    capsys.readouterr()
    assert status.main([str(folder.root)]) == 0
    front = load_run(folder).front
    assert f"{len(front)} trial" in capsys.readouterr().out.partition("Front")[2]
