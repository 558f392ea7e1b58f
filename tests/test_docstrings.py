"""A function's docstring begins with what the function does, in the imperative (PEP 257)."""

import ast
import doctest
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(path for tree in ("textcls", "tune") for path in (ROOT / tree).rglob("*.py"))

NOT_IMPERATIVE = re.compile(
    r"(What|Who|Whose|Whether|How|Where|Why|When|Which|The|A|An|Every|All|Each)\b"
)
"""First words of riddles ("Who may win.") and of noun phrases ("The trials that may win.")."""

LIGHT_EXAMPLES = (
    "textcls.training.metrics",
    "tune.config.search_file",
    "tune.config.spaces",
    "tune.schedulers",
)
"""Modules whose examples run within a moment."""


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


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_are_imperative(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [
        f"line {function.lineno}, {function.name}: {docstring.splitlines()[0]}"
        for function in functions(tree)
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


@pytest.mark.parametrize("module", LIGHT_EXAMPLES)
def test_the_examples_are_true(module: str) -> None:
    result = doctest.testmod(import_module(module))
    assert result.attempted > 0
    assert result.failed == 0
