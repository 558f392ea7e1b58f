"""The notebooks of the documentation run from top to bottom.

In this process and its Ray, which saves starting a kernel and a Ray for each of them;
`tests/tune/test_notebook.py` has a kernel of its own and looks at what a notebook displays.
"""

import ast
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from page_parts import ROOT

NOTEBOOKS = ROOT / "docs" / "notebooks"


def run_cells(name: str) -> list[Any]:
    """Run a notebook's cells; return the value of each one's last line, None where it has none."""
    names: dict[str, Any] = {"__name__": "__main__"}
    found = []
    for cell in json.loads((NOTEBOOKS / name).read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        assert cell["outputs"] == [], "notebooks are kept without outputs"
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec"), names)  # noqa: S102
        found.append(
            eval(compile(ast.Expression(last.value), name, "eval"), names) if last else None  # noqa: S307
        )
    return found


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_free_cpu: None) -> None:  # noqa: ARG001
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path / "cache"))


def test_a_first_search() -> None:
    _, _, result, best, labels = run_cells("first_search.ipynb")
    shown = result._repr_html_()
    assert "complete, 3 trials" in shown
    assert "95 % interval" in shown
    assert "report.html" in shown
    assert set(best[0]) == {"hidden_size", "learning_rate", "max_grad_norm", "freeze_iters"}
    assert labels.shape == (1,)


def test_own_texts() -> None:
    with warnings.catch_warnings():  # the linear classifier may win alone, which is said
        warnings.simplefilter("ignore", UserWarning)
        _, score, result, labels, notices = run_cells("own_texts.ipynb")
    assert score > 0.8
    assert "tickets.csv" in result._repr_html_()
    assert labels.tolist() == ["delivery"]
    assert any("split off train as test" in notice for notice in notices)


def test_reading_a_study() -> None:
    result, table, shares, curve, (best, count) = run_cells("reading_a_study.ipynb")
    assert "complete, 12 trials" in result._repr_html_()
    assert table["accuracy"].is_monotonic_decreasing
    assert next(iter(shares)) == "rate"
    assert curve[0][0] == 1.0
    assert 1e-4 <= best["rate"] <= 1.0
    assert count == 12
