import subprocess
import sys
from pathlib import Path

import pytest

from textcls.training.warm_up import KernelKind
from tune.config import search_file
from tune.config.search_file import SearchFile
from tune.execution.kernels import ANNOUNCED, _Ahead, compile_ahead, kernel_kinds

SPACES = Path(__file__).parents[3] / "search_spaces"


def search(path: str, *overrides: str) -> SearchFile:
    return search_file.load_search(SPACES / path, overrides)


def kind(name: str, pooling: str, *, linear: bool = False) -> KernelKind:
    return KernelKind(name, pooling, ngrams=False, linear=linear)


def test_a_search_of_one_model_has_one_kind() -> None:
    assert kernel_kinds(search("strong.yaml"))[0] == kind("gru", "max", linear=True)


def test_a_searched_model_has_a_kind_for_each_choice_that_may_meet() -> None:
    found = kernel_kinds(search("all.yaml"))
    recurrent = {kind(n, p, linear=True) for n in ("gru", "rnn") for p in ("last", "max", "mean")}
    assert set(found) == recurrent | {kind("cnn", "last", linear=True)}
    assert len(found) == 7
    assert found[:3] == [kind(name, "last", linear=True) for name in ("gru", "cnn", "rnn")]


def test_named_configurations_have_their_own_kinds_only() -> None:
    found = kernel_kinds(search("reference.yaml"))
    assert 0 < len(found) <= 3


@pytest.fixture
def nothing_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for kernels that is empty, for processes that are started."""
    monkeypatch.setenv("TEXTCLS_KERNEL_CACHE", str(tmp_path / "kernels"))
    monkeypatch.setattr("textcls.training.warm_up.missing_kinds", list)
    return tmp_path / "kernels"


def test_what_is_missing_is_compiled_in_a_process_beside(nothing_compiled: Path) -> None:
    said: list[str] = []
    _Ahead(search("cnn.yaml"), said.append).run()
    assert said == [ANNOUNCED]
    assert [path.name for path in nothing_compiled.glob("*/compiled-*")] == [
        kind("cnn", "last").marker
    ]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("", []),
        ("sys.stderr.write('no place to keep them\\n')", ["no place to keep them"]),
        (
            "sys.exit('a traceback\\nImportError: no numba')",
            [
                "The kernels could not be compiled ahead (ImportError: no numba); each trial "
                "compiles its own."
            ],
        ),
    ],
)
def test_what_the_process_has_to_say_is_said(code: str, expected: list[str]) -> None:
    said: list[str] = []
    command = [sys.executable, "-c", f"import sys; {code}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        _Ahead(search("cnn.yaml"), said.append)._wait_for(process)
    assert said == expected


@pytest.mark.usefixtures("nothing_compiled")
def test_the_process_ends_with_the_search() -> None:
    said: list[str] = []
    ahead = _Ahead(search("gru.yaml"), said.append)
    ended = ahead._start("[]")
    assert ended is not None
    ahead.end()
    assert ended.wait() < 0
    ahead._wait_for(ended)
    assert said == [ANNOUNCED]  # its death is no news
    assert ahead._start("[]") is None


def test_nothing_is_said_where_all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textcls.training.warm_up.missing_kinds", lambda _: [])
    said: list[str] = []
    with compile_ahead(search("gru.yaml"), said.append):
        pass
    _Ahead(search("gru.yaml"), said.append).run()
    assert said == []
