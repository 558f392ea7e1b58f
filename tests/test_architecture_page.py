"""The architecture page names files, packages and functions that exist."""

import ast
import functools
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

QUOTED = sorted(set(re.findall(r"`([^`\n]+)`", PAGE)))
FOLDERS = ("textcls/", "tune/", "tests/", "docs/", "search_spaces/", "benchmarks/")
PATHS = [name for name in QUOTED if name.startswith(FOLDERS) and " " not in name]
MODULES = sorted(set(re.findall(r"\b(?:textcls|tune)(?:\.\w+)+", PAGE)))
NAMES = [
    name for name in QUOTED if re.fullmatch(r"[A-Z]\w+(\.\w+)?|_?[a-z]+(_[a-z]+)*|_[A-Z]+", name)
]

SOURCES = [path for name in ("textcls", "tune", "tests") for path in (ROOT / name).rglob("*.py")]


@functools.cache
def defined() -> set[str]:
    """Names that the code binds, those in a class's body as `Class.name` as well."""
    found = {path.stem for path in SOURCES} | {"textcls", "tune"}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found |= {f"{node.name}.{name}" for inner in node.body for name in bound(inner)}
            found |= bound(node)
    return found


def bound(node: ast.AST) -> set[str]:
    """The name that a definition, an import, an assignment or an argument binds, or a choice."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return {node.name}
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return {node.target.id}
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return {node.id}
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}  # such as "max" in `Literal["max", "mean"]`
    if isinstance(node, ast.alias):
        return {node.name}
    return {node.arg} if isinstance(node, ast.arg) else set()


def exists(module: str) -> bool:
    """A module, a package, or what a package names in its `__all__`, such as `tune.Search`."""
    place = ROOT / module.replace(".", "/")
    if place.is_dir() or place.with_suffix(".py").is_file():
        return True
    package, _, name = module.rpartition(".")
    return place.parent.is_dir() and name in import_module(package).__all__


def drawn_lines(column: int) -> list[str]:
    """The lines of the picture, one column of it: 0 is `tune`, 1 `textcls`."""
    lines = PAGE.split("```")[1].splitlines()
    at = lines[1].index("textcls")
    return [line[:at] if column == 0 else line[at:] for line in lines[1:]]


def drawn(root: str, column: int) -> dict[str, int]:
    """Each package's line in the picture, counted from the top."""
    tree = {path.stem for path in (ROOT / root).iterdir() if not path.name.startswith("_")}
    heads = [line.split("   ")[0].split() for line in drawn_lines(column)[1:]]
    return {name: at for at, names in enumerate(heads) for name in names if name in tree}


def imports(root: str) -> Iterator[tuple[str, str]]:
    """Pairs of a module or package right below `root` and another one that it imports."""
    for path in (ROOT / root).rglob("*.py"):
        own = path.relative_to(ROOT / root).with_suffix("").parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}".split(".") for alias in node.names]
                yield from ((own, each[1]) for each in names if each[0] == root)


def test_the_paths_modules_and_names_on_the_page_exist() -> None:
    assert min(map(len, (PATHS, MODULES, NAMES))) > 10
    assert [path for path in PATHS if not (ROOT / path).exists()] == []
    assert [module for module in MODULES if not exists(module)] == []
    nowhere = [name for name in NAMES if name not in defined()]
    assert nowhere == [], "defined nowhere in textcls, tune and tests"


@pytest.mark.parametrize(("root", "column"), [("tune", 0), ("textcls", 1)])
def test_the_picture_shows_every_module(root: str, column: int) -> None:
    inside = {path.stem for path in (ROOT / root).glob("[a-z]*.py")}
    inside |= {path.parent.name for path in (ROOT / root).glob("[a-z]*/__init__.py")}
    assert inside - set(drawn(root, column)) == set()


@pytest.mark.parametrize(("root", "column"), [("tune", 0), ("textcls", 1)])
def test_imports_run_down_the_picture(root: str, column: int) -> None:
    lines = drawn(root, column)
    seen = 0
    for one, other in imports(root):
        if one in lines and other in lines and one != other:
            seen += 1
            assert lines[one] < lines[other], f"{root}.{one} imports {root}.{other}"
    assert seen > 20


def test_the_page_names_every_package() -> None:
    packages = [
        path.parent for name in ("textcls", "tune") for path in (ROOT / name).glob("*/__init__.py")
    ]
    assert len(packages) > 10
    missing = [path.name for path in packages if not re.search(rf"\b{path.name}\b", PAGE)]
    assert missing == []


def test_the_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)", PAGE)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
