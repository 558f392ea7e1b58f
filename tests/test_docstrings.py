"""Docstrings are imperative (PEP 257), describe every argument, and have examples that are true."""

import ast
import doctest
import functools
import re
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(path for tree in ("textcls", "tune") for path in (ROOT / tree).rglob("*.py"))

NOT_IMPERATIVE = re.compile(
    r"(What|Who|Whose|Whether|How|Where|Why|When|Which|The|A|An|Every|All|Each)\b"
)
"""First words of riddles ("Who may win.") and of noun phrases ("The trials that may win.")."""

TRAINING_EXAMPLES = {"textcls.estimator"}
"""Modules whose examples take seconds; the tests of the module run them."""

SECTIONS = ("Args:", "Returns:", "Yields:", "Raises:", "Example:", "Example::", "Attributes:")


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


WITH_EXAMPLES = sorted(
    {module_name(path) for path in FILES if ">>> " in path.read_text(encoding="utf-8")}
    - TRAINING_EXAMPLES
)


def is_property(function: ast.FunctionDef) -> bool:
    return any("property" in ast.unparse(each) for each in function.decorator_list)


def functions(node: ast.AST) -> Iterator[ast.FunctionDef]:
    """Functions and methods, but for properties and for functions within functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            if not is_property(child):
                yield child
        else:
            yield from functions(child)


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_docstrings_are_imperative() -> None:
    found = [
        f"{shown(path)}:{function.lineno}, {function.name}: {docstring.splitlines()[0]}"
        for path in FILES
        for function in functions(parsed(path))
        if (docstring := ast.get_docstring(function)) and NOT_IMPERATIVE.match(docstring)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("docstring", "fine"),
    [
        ("Return the trials that may win, best first.", True),
        ("Who may win.", False),
        ("The trials that may win.", False),
        ("Whether a trial may win.", False),
        ("A trial begins.", False),
        ("Add a trial.", True),
        ("Theorise.", True),
    ],
)
def test_the_rule_tells_good_from_bad(docstring: str, fine: bool) -> None:
    assert (NOT_IMPERATIVE.match(docstring) is None) == fine


def parameters(function: ast.FunctionDef) -> list[str]:
    given = function.args
    found = [*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg]
    return [each.arg for each in found if each is not None and each.arg not in ("self", "cls")]


def described(docstring: str) -> list[str] | None:
    """The arguments that an Args section describes; None without such a section."""
    lines = docstring.splitlines()
    if "Args:" not in lines:
        return None
    found = []
    for line in lines[lines.index("Args:") + 1 :]:
        if line and not line.startswith(" "):
            break
        if entry := re.match(r"    (\w+): \S", line):
            found.append(entry[1])
    return found


def argument_faults(tree: ast.Module, *, public: bool) -> list[str]:
    """Functions whose Args section is missing or describes other arguments than they have.

    A private function or module may leave it out, and so may a function of one argument that has an
    example; an Args section that is there names all arguments, in their order.
    """
    found = []

    def look(node: ast.AST, inside: str, *, public: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                open_to_all = public and not child.name.startswith("_")
                look(child, f"{inside}{child.name}.", public=open_to_all)
            elif isinstance(child, ast.FunctionDef) and not is_property(child):
                docstring, names = ast.get_docstring(child) or "", parameters(child)
                told = described(docstring)
                alone = len(names) == 1 and ">>> " in docstring
                wanted = public and names and not child.name.startswith("_") and not alone
                place = f"line {child.lineno}, {inside}{child.name}"
                if told is None and wanted:
                    found.append(f"{place}: no Args section")
                elif told is not None and told != names:
                    found.append(f"{place}: describes {told}, has {names}")

    look(tree, "", public=public)
    return found


def test_every_argument_of_a_public_function_is_described() -> None:
    found = []
    for path in FILES:
        public = not path.name.startswith("_") or path.name == "__main__.py"
        faults = argument_faults(parsed(path), public=public)
        found += [f"{shown(path)}, {fault}" for fault in faults]
    assert not found, "\n".join(found)


METHOD = '''
class Loader:
    def {name}(self, path, limit=None):
        """Load a file.

        Args:
            path: A file: any.
                limit: this is not an argument.
            {last}: Bytes.

        Returns:
            content: All of it.
        """
'''


@pytest.mark.parametrize(
    ("name", "last", "fault"),
    [
        ("load", "limit", None),
        ("load", "most", "describes ['path', 'most'], has ['path', 'limit']"),
        ("_load", "most", "describes ['path', 'most'], has ['path', 'limit']"),
    ],
)
def test_the_rule_of_arguments_compares_names(name: str, last: str, fault: str | None) -> None:
    found = argument_faults(ast.parse(METHOD.format(name=name, last=last)), public=True)
    assert (fault in found[0]) if fault else not found


@pytest.mark.parametrize(
    ("source", "fine"),
    [
        ("def load(path): 'Load.'", False),
        ("def load(path): 'Load.\\n\\nExample:\\n    >>> load(1)'", True),
        ("def load(path, limit): 'Load.\\n\\nExample:\\n    >>> load(1, 2)'", False),
        ("def load(): 'Load.'", True),
        ("def _load(path, limit): 'Load.'", True),
        ("class _Loader:\n    def load(self, path): 'Load.'", True),
        ("class Loader:\n    def load(self, path): 'Load.'", False),
        ("class Loader:\n    @property\n    def content(self): 'All of it.'", True),
    ],
)
def test_the_rule_of_arguments_tells_who_needs_them(source: str, fine: bool) -> None:
    assert (not argument_faults(ast.parse(source), public=True)) == fine
    assert not argument_faults(ast.parse(source), public=False)


def test_a_section_begins_alone_on_its_line_after_a_blank_one() -> None:
    """So the documentation site finds it."""
    found = []
    for path in FILES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                lines = (ast.get_docstring(node) or "").splitlines()
                found += [
                    f"{shown(path)}:{node.lineno}, {node.name}: {line}"
                    for before, line in pairwise(lines)
                    if f"{line.partition(':')[0]}:" in SECTIONS and (before or line not in SECTIONS)
                ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_the_examples_are_true(module: str) -> None:
    result = doctest.testmod(import_module(module))
    assert result.attempted > 0
    assert result.failed == 0
