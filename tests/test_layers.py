"""Who may import what."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT_RAY = {"tuner", "trial", "asha", "searcher", "cluster", "confirm"}
LIGHT = (
    "tune",
    "tune.search",
    "tune.config",
    "tune.validate",
    "tune.space",
    "tune.status",
    "textcls.config",
)
HEAVY = ("ray", "torch", "optuna", "datasets", "gensim")


def imports(path: Path) -> Iterator[str]:
    """The first names of all that a file imports, also within its functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "textcls").glob("*.py")), ids=lambda path: path.stem
)
def test_the_library_has_never_heard_of_a_search(path: Path) -> None:
    assert not {"ray", "optuna", "tune"} & set(imports(path))


@pytest.mark.parametrize("path", sorted((ROOT / "tune").glob("*.py")), ids=lambda path: path.stem)
def test_few_files_know_ray(path: Path) -> None:
    assert path.stem in MAY_IMPORT_RAY or "ray" not in imports(path)


@pytest.mark.parametrize("module", LIGHT)
def test_importing_a_light_module_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
