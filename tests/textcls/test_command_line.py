"""The arguments that all commands share: --version, suggestions, Windows."""

import importlib
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from textcls import command_line
from textcls.command_line import CommandParser, typed, version

MODULES = [
    "textcls.predict",
    "textcls.train",
    "tune.compare",
    "tune.completion",
    "tune.report.__main__",
    "tune.search",
    "tune.status",
    "tune.validate",
]
DECLARED = re.search(
    r'^version = "(.+)"$', (Path(__file__).parents[2] / "pyproject.toml").read_text(), re.MULTILINE
)


def ended(argv: list[str], parser: CommandParser) -> int:
    """The exit code of a parser that ends the process."""
    with pytest.raises(SystemExit) as caught:
        parser.parse(argv)
    assert isinstance(caught.value.code, int)
    return caught.value.code


def make_parser() -> CommandParser:
    parser = CommandParser("tune.status", "Show something.")
    parser.add_argument("run", nargs="?")
    parser.add_argument("--runs-dir", "-r")
    return parser


@pytest.mark.parametrize("module", MODULES)
def test_every_command_tells_the_version(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        importlib.import_module(module).main(["--version"])
    assert caught.value.code == 0
    assert DECLARED is not None
    assert capsys.readouterr().out == f"textcls-tune {DECLARED[1]}\n"


def test_away_from_a_checkout_the_installed_version_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_line, "__file__", str(tmp_path / "textcls" / "command_line.py"))
    assert version() == metadata.version("textcls-tune")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "another"\nversion = "9"\n')
    assert version() == metadata.version("textcls-tune")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "textcls-tune"\nversion = "9"\n')
    assert version() == "9"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["x", "--run-dirs", "y"], "unknown option --run-dirs; did you mean --runs-dir?"),
        (["x", "--run-dirs=y"], "unknown option --run-dirs; did you mean --runs-dir?"),
        (["x", "--zebra"], "unknown option --zebra"),
        (["x", "--versoin", "--zebra"], "--versoin; did you mean --version?, unknown option --zeb"),
        (["x", "y"], "unexpected arguments: y"),
    ],
)
def test_what_no_option_takes_is_named_with_the_nearest_option(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(argv, make_parser()) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("usage: python -m tune.status")


def test_the_console_script_is_named_where_it_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert typed("tune.status") == "python -m tune.status"
    monkeypatch.setattr(sys, "argv", ["/home/me/.local/bin/textcls-tune", "status"])
    assert typed("tune.status") == "textcls-tune status"
    assert make_parser().format_usage().startswith("usage: textcls-tune status ")


ON_WINDOWS = """
import importlib, sys
command = importlib.import_module(sys.argv[1])
sys.platform = "win32"
sys.modules["fcntl"] = None
sys.exit(command.main(sys.argv[2:]))
"""
"""A command's module on a machine that calls itself Windows and has no fcntl, as Windows does."""


@pytest.mark.parametrize(
    ("module", "argv"),
    [
        ("textcls.predict", ["best", "a text"]),
        ("textcls.train", ["--model", "gru"]),
        ("tune.validate", ["gru"]),
        ("tune.search", ["--space", "gru"]),
        ("tune.status", ["a-run"]),
    ],
)
def test_windows_is_refused_with_one_message(module: str, argv: list[str]) -> None:
    command = [sys.executable, "-c", ON_WINDOWS, module, *argv]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("textcls-tune runs on Linux and macOS, but this is Windows")
