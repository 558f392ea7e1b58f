"""Who may import whom, and that importing does nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted([*ROOT.glob("textcls/*.py"), *ROOT.glob("tune/*.py")])
NAMES = [f"{path.parent.name}.{path.stem}" for path in MODULES if path.stem != "__init__"]

MAY_IMPORT_RAY = {"tuner", "trial", "asha", "searcher", "cluster"}
# What answers before anything heavy is loaded: `--help`, checking a space, looking at a run.
LIGHT = {"tune.search", "tune.validate", "tune.config", "tune.space", "textcls.config"}


def imports(path: Path) -> set[str]:
    """Every module that a file imports, at the top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def top(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("path", sorted(ROOT.glob("textcls/*.py")), ids=lambda p: p.stem)
def test_textcls_knows_nothing_of_the_search(path: Path) -> None:
    assert not top(imports(path)) & {"ray", "optuna", "tune"}


@pytest.mark.parametrize("path", sorted(ROOT.glob("tune/*.py")), ids=lambda p: p.stem)
def test_only_the_executor_knows_ray(path: Path) -> None:
    assert path.stem in MAY_IMPORT_RAY or "ray" not in top(imports(path))


@pytest.mark.parametrize("package", ["textcls", "tune"])
def test_imports_inside_a_package_run_one_way(package: str) -> None:
    graph = {
        path.stem: {
            name.removeprefix(f"{package}.")
            for name in _modules(path, package)
        }
        for path in ROOT.glob(f"{package}/*.py")
    }  # fmt: skip
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, f"{' -> '.join(above)} -> {module}"
        if module not in done:
            for imported in sorted(graph.get(module, ())):
                visit(imported, (*above, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())


def _modules(path: Path, package: str) -> set[str]:
    """Modules of the package that a file imports when it runs; what only types need is left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == package:
            found |= {f"{package}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return {name for name in found if name.startswith(f"{package}.")}


def loaded_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return top(set(done.stdout.split()))


def test_the_light_modules_load_nothing_heavy() -> None:
    statement = "\n".join(f"import {name}" for name in sorted(LIGHT))
    assert not loaded_by(statement) & {"ray", "torch", "optuna", "datasets", "gensim", "numba"}


def test_importing_everything_prints_nothing_and_touches_no_device() -> None:
    code = "\n".join(["import torch", *(f"import {name}" for name in NAMES)])
    code += "\nassert not torch.cuda.is_initialized()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
