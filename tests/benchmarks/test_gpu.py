"""The benchmark for a card, small and on the CPU: the same code, without Ray."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"
WITHOUT_RAY = """
import runpy, sys
sys.modules["ray"] = None  # an import of it fails
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def benchmark(path: Path, *parts: str) -> str:
    command = [sys.executable, "-c", WITHOUT_RAY, str(SCRIPT), "--device", "cpu", "--small"]
    command += ["--json", str(path), *(["--only", *parts] if parts else [])]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, str]:
    path = tmp_path_factory.mktemp("gpu") / "gpu.json"
    printed = benchmark(path)
    return json.loads(path.read_text()), printed


def rows(found: tuple[dict, str], part: str) -> list[dict]:
    return found[0][part]["rows"]


def test_every_part_is_measured_and_stands_in_a_table(found: tuple[dict, str]) -> None:
    known, printed = found
    for part, measured in known.items():
        if part != "machine":
            assert measured["rows"]
            assert f"### {part.replace('_', ' ')}" in printed
    assert [(row["model"], row["hidden"]) for row in rows(found, "steps")][:3] == [
        ("gru", 4), ("gru", 5), ("gru", 6),
    ]  # fmt: skip
    assert all(row["ms_a_step"] > 0 for row in rows(found, "steps"))
    assert all(row["texts_a_second"] > 0 for row in rows(found, "prediction"))


def test_the_plain_path_has_the_losses_of_the_kernels(found: tuple[dict, str]) -> None:
    assert [row["equal"] for row in rows(found, "equality")] == [True] * 3


def test_processes_side_by_side_all_come_to_their_end(found: tuple[dict, str]) -> None:
    counted = [(row["processes"], row["failed"]) for row in rows(found, "processes")]
    assert counted == [(1, 0), (2, 0)]
    assert all(row["trials_an_hour"] > 0 for row in rows(found, "processes"))


def test_trials_in_one_set_of_operations_dispatch_as_many_whatever_their_number(
    found: tuple[dict, str],
) -> None:
    one, three = rows(found, "fused")
    assert (one["trials"], three["trials"]) == (1, 3)
    # The steps that are counted are not the same, and texts differ in length.
    assert one["dispatched_a_step"] == pytest.approx(three["dispatched_a_step"], rel=0.1)


def test_what_needs_a_card_says_so(found: tuple[dict, str]) -> None:
    for part in ("memory", "processes_with_mps"):
        (row,) = rows(found, part)
        assert row["left_out"] in found[1]


def test_a_second_start_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "gpu.json"
    benchmark(path, "memory")
    known = json.loads(path.read_text())
    known["memory"]["rows"] = [{"left_out": "measured before"}]
    path.write_text(json.dumps(known))
    printed = benchmark(path, "memory", "prediction")
    assert "measured before" in printed
    assert "### prediction" in printed
