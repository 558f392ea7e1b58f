"""One kill of a real search amid its trials; the benchmark of that name makes many."""

import importlib.util
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tune.run_folder.paths import RunFolder
from tune.study.records import State

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kill_resume.py"


@pytest.fixture
def script() -> Any:
    spec = importlib.util.spec_from_file_location("kill_resume", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def amid_the_trials(folder: RunFolder) -> bool:
    """When a trial has reported its first rung."""
    return folder.journal.exists() and b'"rung 0"' in folder.journal.read_bytes()


def kill_part(search: subprocess.Popen[bytes], mark: str) -> None:
    """Kill the processes of a search's Ray whose command line contains a text."""
    for each in psutil.Process(search.pid).children(recursive=True):
        if mark in " ".join(each.cmdline()):
            each.kill()


def test_nothing_is_lost_when_a_search_is_killed(
    script: Any, ray_address: str, tmp_path: Path
) -> None:
    where, wrong = script.one(tmp_path, "run", amid_the_trials, 3, ray_address)
    assert wrong == []
    assert "running" in where


def test_nothing_is_lost_when_ray_dies(script: Any, ray_address: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "runs" / "run")
    search = script.begin(tmp_path, 3, "run")
    while search.poll() is None and not amid_the_trials(folder):
        time.sleep(0.02)
    kill_part(search, "raylet/raylet")
    _, complaint = search.communicate(timeout=script.LIMIT_S)
    before = script.at_the_kill(folder)
    assert search.returncode == 1
    assert b"Ray has died under the search: its raylet is gone" in complaint
    assert str(folder.root).encode() in complaint
    assert b"Traceback" not in complaint
    assert {State.RUNNING, State.INTERRUPTED} & {record.state for record in before}
    assert State.FAILED not in {record.state for record in before}
    assert script.resume(tmp_path, "run", 3, ray_address) == ""
    assert script.broken(folder, before, 3) == []
