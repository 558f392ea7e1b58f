"""One kill of a real search at a random moment; the benchmark of that name makes many."""

import importlib.util
import random
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kill_resume.py"


def test_nothing_is_lost_when_a_search_is_killed(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("kill_resume", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    after_s = random.Random(0).uniform(8, 20)
    _where, wrong = script.one(tmp_path, "run", after_s, samples=3)
    assert wrong == []
