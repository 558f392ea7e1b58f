"""`textcls-tune COMMAND`: one name for every command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tune import cli, search


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_under_its_name(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["textcls-tune"])
    with pytest.raises(SystemExit) as caught:
        cli.main([name, "--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: textcls-tune {name} ")


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_help_names_every_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])
    assert caught.value.code == 0
    assert f"  {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "name a command: search, status"),
        (["serch"], "unknown command 'serch'; did you mean search?"),
        (["zebra"], "unknown command 'zebra' ("),
        (["--versoin"], "unknown option --versoin; did you mean --version?"),
    ],
)
def test_a_wrong_command_is_a_usage_error(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(argv)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_a_command_gets_its_arguments_and_gives_its_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["validate", "gru"]) == 0
    assert "gru: 16 trials" in capsys.readouterr().out
    assert cli.main(["validate", "gur"]) == 1


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["search", "--list"], 0, ""),
        (["search", "--space", "gur"], 1, "did you mean gru?"),
        (["search", "--sampels", "4"], 2, "did you mean --samples?"),
        (["status", "none"], 1, "no run at none"),
    ],
)
def test_the_entry_point_ends_with_the_commands_exit_code(
    argv: list[str], code: int, said: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tune.cli", *argv]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_list_names_each_search_space_and_its_duration(capsys: pytest.CaptureFixture[str]) -> None:
    assert search.main(["--list"]) == 0
    printed = capsys.readouterr().out
    starts = [line.split()[0] for line in printed.splitlines() if not line.startswith(" ")]
    assert starts == ["all", "cnn", "gru", "reference", "rnn", "strong"]
    assert printed.count("Takes ") == len(starts)


def test_list_loads_nothing_heavy() -> None:
    code = (
        "import sys; from tune import search; search.main(['--list']); "
        "print([name for name in ('ray', 'torch', 'optuna') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("options", "run"), [([], "gru-20"), (["--resume", "auto", "--name", "mine"], "mine")]
)
def test_a_shipped_name_begins_a_run_from_any_folder(
    options: list[str], run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["--space", "gru", *options]
    request = search._request(search.make_parser().parse(given), given)
    assert request.folder.root.parent == tmp_path / "runs"
    assert request.folder.name.startswith(run)
    assert request.command == ("python", "-m", "tune.search", *given)
    assert not request.resumed


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "argv",
    [["validate", "--keys"], ["validate", "gru"], ["completion", "bash"], ["status", "--help"]],
)
def test_a_command_ends_quietly_where_nobody_reads_on(argv: list[str], unbuffered: str) -> None:
    command = [sys.executable, "-m", "tune.cli", *argv]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()  # before it has begun, so that each of its writes fails
        assert running.stderr.read() == ""
    assert running.returncode == 0
