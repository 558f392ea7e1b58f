"""Predicting runs where nothing is installed but `deploy/runtime-requirements.txt`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bundle_parts import TEXTS, export_small

ROOT = Path(__file__).parents[3]
REQUIREMENTS = ROOT / "deploy" / "runtime-requirements.txt"
_OFFLINE = "the packages of runtime-requirements.txt cannot be installed here"


@pytest.mark.timeout(600)
def test_a_new_environment_predicts(tmp_path: Path) -> None:
    folder = export_small(tmp_path, linear_weight=2.0)
    (tmp_path / "in.csv").write_text("id,text\n1,goal match\n2,stock été\n", encoding="utf-8")
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    pip = [sys.executable, "-m", "pip", "--python", python]
    pip += ["install", "-q", "--no-compile", "--retries", "0", "--timeout", "10"]
    done = subprocess.run([*pip, "-r", REQUIREMENTS], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{_OFFLINE}: {done.stderr.strip().splitlines()[-1]}")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "TEXTCLS_KERNEL_CACHE": str(tmp_path / "kernels"),
    }

    def run(*arguments: object) -> str:
        command = [python, *map(str, arguments)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = run("-m", "textcls.predict", folder, *[t for t in TEXTS if t.isprintable()])
    assert said.count("\n") > 5
    run(
        "-m",
        "textcls.predict",
        folder,
        "--input",
        tmp_path / "in.csv",
        "--output",
        tmp_path / "out.csv",
    )
    assert (tmp_path / "out.csv").read_text().startswith("id,text,label,probability\n1,goal match,")
    load = f"TextClassifier.load({str(folder)!r})"
    code = f"from textcls import TextClassifier; print({load}.predict(['goal']))"
    assert run("-c", code).startswith("['")
    installed = {path.name for path in (tmp_path / "env").glob("lib/*/site-packages/*")}
    assert "numba" in installed
    assert not {"torch", "ray", "optuna", "datasets", "pyarrow"} & installed
