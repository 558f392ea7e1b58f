"""Two searches that are started with one name: the second one harms nothing of the first."""

import subprocess
import sys
from pathlib import Path

import pytest

from tune import search
from tune.run_folder import paths

SPACE = "train: {epochs: 1}\nspace: {dropout: {type: float, low: 0.0, high: 0.5}}\n"
HOLD = """
import sys
from pathlib import Path
from tune.run_folder import paths
with paths.create(Path(sys.argv[1]), "run").held():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("how", [["--name", "run"], ["--name", "run", "--resume", "auto"]])
def test_while_the_first_prepares_its_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], how: list[str]
) -> None:
    space = tmp_path / "space.yaml"
    space.write_text(SPACE)
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        first.stdout.readline()
        assert search.main(["--space", str(space), "--runs-dir", str(tmp_path), *how]) == 1
        assert f"in use by process {first.pid}" in capsys.readouterr().err
        assert (paths.named(tmp_path, "run").root / "trials").is_dir()
        first.kill()
