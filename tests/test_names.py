"""One name for one thing: functions are not called like modules, and no class name stands twice."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
TREES = ("textcls", "tune")
FILES = sorted(path for tree in TREES for path in (ROOT / tree).rglob("*.py"))


def bare(name: str) -> str:
    """The name without leading underscores, which do not tell two things apart."""
    return name.lstrip("_")


def defined(path: Path, kind: type[ast.AST]) -> Iterator[str]:
    """Names of the functions or classes at the top of a file."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, kind):
            yield node.name


def modules(folder: Path) -> set[str]:
    """Modules and packages right in a folder."""
    return {bare(path.stem) for path in folder.iterdir() if path.suffix in {".py", ""}}


def modules_below(tree: str) -> set[str]:
    folders = {path.parent for path in FILES if path.relative_to(ROOT).parts[0] == tree}
    return {name for folder in folders for name in modules(folder)}


IN_TREE = {tree: modules_below(tree) for tree in TREES}


def test_no_function_is_called_like_a_module() -> None:
    """A public function like no module of its tree, a private one like none beside it."""
    wrong = []
    for path in FILES:
        where = path.relative_to(ROOT)
        taken, beside = IN_TREE[where.parts[0]], modules(path.parent)
        wrong += [
            f"{where}: {name}"
            for name in defined(path, ast.FunctionDef)
            if bare(name) in (beside if name.startswith("_") else taken)
        ]
    assert wrong == []


def test_no_class_name_stands_twice() -> None:
    places = defaultdict(list)
    for path in FILES:
        for name in defined(path, ast.ClassDef):
            places[bare(name)].append(str(path.relative_to(ROOT)))
    assert len(places) > 100
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
