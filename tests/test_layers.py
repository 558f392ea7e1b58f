"""Which package may import which, and which files may import ray."""

import ast
import functools
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FLOORS = {
    "textcls": [
        ["textcls.exceptions", "textcls.cache"],
        ["textcls._kernel_files"],
        ["textcls.config", "textcls.compilation"],
        ["textcls.command_line", "textcls.output"],
        ["textcls.hub"],
        ["textcls.data.synthetic"],
        ["textcls.data"],
        ["textcls.text"],
        ["textcls.vectors", "textcls.models"],
        ["textcls.runtime"],
        ["textcls.calibration"],
        ["textcls.training"],
        ["textcls.analysis"],
        ["textcls._corpus_entries"],
        ["textcls.corpus"],
        ["textcls.bundle"],
        ["textcls.ensemble", "textcls.linear_bundle", "textcls.push"],
        ["textcls.estimator"],
        [
            "textcls.train",
            "textcls.predict",
            "textcls.check",
            "textcls.export",
            "textcls.inspect",
            "textcls.serve",
        ],
    ],
    "tune": [
        ["tune.exceptions", "tune.formatting", "tune.pareto"],
        ["tune.serving", "tune.schedulers"],
        ["tune.config"],
        ["tune.study"],
        ["tune.run_folder"],
        ["tune.samplers", "tune.analysis"],
        ["tune.execution"],
        ["tune.results", "tune.monitor"],
        ["tune.report"],
        ["tune.warm_start"],
        ["tune.setup"],
        ["tune.run_search", "tune.own_data"],
        ["tune.api"],
        ["tune.search", "tune.status", "tune.compare", "tune.validate", "tune.export"],
        ["tune.watch"],
        ["tune.cli"],
        ["tune.completion"],
    ],
}
"""From the ground up: a package imports from its own and from floors below, never beside it."""

MAY_IMPORT_RAY = {
    "tune/execution/_ray_private.py",
    "tune/execution/_ray_adapters.py",
    "tune/execution/groups/ray_groups.py",
    "tune/execution/ray_cluster.py",
    "tune/execution/ray_runner.py",
    "tune/execution/worker.py",
    "tune/results/rerun.py",
    "tune/serving/ray_serve.py",
}
LIGHT = (
    "textcls",
    "textcls.analysis.explanation",
    "textcls.analysis.mistake_words",
    "textcls.check",
    "textcls.command_line",
    "textcls.config.models",
    "textcls.data.tables.prediction",
    "textcls.hub.repositories",
    "textcls.predict",
    "textcls.push.__main__",
    "textcls.runtime.predictor",
    "textcls.serve.__main__",
    "textcls.serve.application",
    "textcls.serve.pyfunc",
    "textcls.train",
    "tune",
    "tune.cli",
    "tune.compare",
    "tune.completion",
    "tune.config.optuna_space",
    "tune.config.search_file",
    "tune.export.__main__",
    "tune.report.writer",
    "tune.search",
    "tune.status",
    "tune.validate",
    "tune.watch.__main__",
)
HEAVY = ("ray", "torch", "optuna", "datasets", "gensim")
MOST_FILES = 15

FILES = sorted(path for name in FLOORS for path in (ROOT / name).rglob("*.py"))


def name_of(path: Path) -> str:
    """The module of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {name_of(path) for path in FILES}
PACKAGES = {name_of(path) for path in FILES if path.name == "__init__.py"}


@functools.cache
def imported(path: Path) -> tuple[str, ...]:
    """Every module that a file imports, also within its functions."""
    return tuple(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            names = {f"{base}.{alias.name}" for alias in node.names}
            yield from (names & MODULES) or {base}


def floor_of(module: str) -> tuple[int, str] | None:
    """On which floor a module stands, and in which package of that floor."""
    for number, packages in enumerate(FLOORS[module.partition(".")[0]]):
        for package in packages:
            if module == package or module.startswith(f"{package}."):
                deeper = [each for floor in FLOORS[module.partition(".")[0]] for each in floor]
                longest = max(
                    (each for each in deeper if module == each or module.startswith(f"{each}.")),
                    key=len,
                )
                if longest == package:
                    return number, package
    return None


def package_of(module: str) -> str:
    """The package that a module is in; a package's own name for its `__init__`."""
    return module if module in PACKAGES else module.rpartition(".")[0]


def test_imports_run_down() -> None:
    assert [fault for path in FILES for fault in upward_imports(path)] == []


def upward_imports(path: Path) -> Iterator[str]:
    module = name_of(path)
    here = floor_of(module)
    if module in FLOORS:  # the front door may reach everything, and nothing reaches it
        return
    if here is None:
        yield f"{module} stands on no floor of FLOORS"
        return
    for other in imported(path):
        if other not in MODULES or other.partition(".")[0] != module.partition(".")[0]:
            continue
        there = floor_of(other)
        if there is None:
            yield f"{module} imports {other}, which stands on no floor"
        elif there[1] != here[1] and there[0] >= here[0]:
            yield f"{module} imports {other}"


def test_a_private_file_is_imported_by_its_own_package_only() -> None:
    wrong = []
    for path in FILES:
        own = package_of(name_of(path))
        for other in imported(path):
            if other in MODULES and other.rpartition(".")[2].startswith("_"):
                inside = own == package_of(other) or own.startswith(f"{package_of(other)}.")
                wrong += [] if inside else [f"{name_of(path)} imports {other}"]
    assert wrong == []


@pytest.mark.parametrize("package", sorted(PACKAGES - set(FLOORS)))
def test_a_package_names_the_modules_that_others_may_use(package: str) -> None:
    folder = ROOT / package.replace(".", "/")
    inside = {path.stem for path in folder.glob("*.py")}
    inside |= {path.parent.name for path in folder.glob("*/__init__.py")}
    public = sorted(name for name in inside if not name.startswith("_"))
    assert import_module(package).__all__ == public


def test_no_folder_is_a_heap() -> None:
    folders = Counter(path.parent for path in FILES if path.name != "__init__.py")
    assert {name_of(each): n for each, n in folders.items() if n > MOST_FILES} == {}


def test_the_library_has_never_heard_of_a_search() -> None:
    files = [each for each in FILES if name_of(each).partition(".")[0] == "textcls"]
    assert len(files) > 100
    found = {name_of(each): known(each, "ray", "optuna", "tune") for each in files}
    assert {name: names for name, names in found.items() if names} == {}


def test_few_files_know_ray() -> None:
    knowing = {path.relative_to(ROOT).as_posix() for path in FILES if known(path, "ray")}
    assert knowing == set(MAY_IMPORT_RAY)


def known(path: Path, *names: str) -> set[str]:
    """Those of some packages that a file imports."""
    return {name.partition(".")[0] for name in imported(path)} & set(names)


@pytest.mark.parametrize("module", LIGHT)
def test_importing_a_light_module_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
