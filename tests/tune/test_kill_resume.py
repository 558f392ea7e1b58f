"""One kill of a real search amid its trials; the benchmark of that name makes many."""

import importlib.util
from pathlib import Path

from tune.run_folder.paths import RunFolder

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kill_resume.py"


def amid_the_trials(folder: RunFolder) -> bool:
    """When a trial has reported its first rung."""
    return folder.journal.exists() and b'"rung 0"' in folder.journal.read_bytes()


def test_nothing_is_lost_when_a_search_is_killed(ray_address: str, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("kill_resume", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    where, wrong = script.one(tmp_path, "run", amid_the_trials, 3, ray_address)
    assert wrong == []
    assert "running" in where
