"""The completion scripts, in the shells themselves."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tune import cli
from tune.completion import completion_script

SPACES = {"all", "cnn", "gru", "reference", "rnn", "strong"}
LINES = [
    (["se"], {"search", "serve"}),
    (["val"], {"validate"}),
    (["search", "--sam"], {"--samples"}),
    (["search", "--ru"], {"--runs-dir"}),
    (["search", "--space", ""], {*SPACES, "mine.yaml"}),
    (["search", "--space", "st"], {"strong"}),
    (["search", "--quiet", "--space", "mi"], {"mine.yaml"}),
    (["search", "--track", ""], {"tensorboard", "mlflow", "wandb"}),
    (["search", "--resume", "first"], {"first-gru"}),
    (["search", "--samples", ""], set()),
    (["train", "--model", ""], {"cnn", "rnn", "gru"}),
    (["status", "first"], {"first-gru"}),
    (["watch", "first"], {"first-gru"}),
    (["compare", "first-gru", "second"], {"second-cnn"}),
    (["validate", "gru", "c"], {"cnn"}),
    (["report", "first-gru", "--out", "no"], {"notes.txt"}),
    (["completion", ""], {"bash", "zsh", "fish"}),
]
"""What is typed after `textcls-tune`, and what has to be offered for the last word."""


def name(words: list[str] | set[str]) -> str:
    """Name a case alike in every process: sets have no order."""
    return " ".join(sorted(words) if isinstance(words, set) else words)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("completion")
    for name in ("first-gru", "second-cnn"):
        (made / "runs" / name).mkdir(parents=True)
    for name in ("mine.yaml", "notes.txt"):
        (made / name).touch()
    for shell in ("bash", "zsh", "fish"):
        (made / f"script.{shell}").write_text(completion_script(shell, cli.command_parsers()))
    return made


def printed(shell: str, program: str, folder: Path, *arguments: str) -> set[str]:
    """The lines that a program of a shell prints in the folder, without blanks and slashes."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    plain = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    done = subprocess.run(
        [shell, *plain, "-c", program, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return {line.strip().rstrip("/") for line in done.stdout.splitlines() if line.strip()}


IN_BASH = r"""
source script.bash
COMP_WORDS=(textcls-tune "$@") COMP_CWORD=$#
$(complete -p textcls-tune | sed 's/.*-F \([^ ]*\).*/echo \1/' | bash)
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(("typed", "offered"), LINES, ids=name)
def test_bash(typed: list[str], offered: set[str], folder: Path) -> None:
    found = printed("bash", IN_BASH, folder, "bash", *typed)
    assert found - {"runs"} == offered


def test_bash_takes_an_equals_sign_for_a_word(folder: Path) -> None:
    for typed in (["search", "--space", "="], ["search", "--space", "=", "st"]):
        assert "strong" in printed("bash", IN_BASH, folder, "bash", *typed)


@pytest.mark.parametrize(("typed", "offered"), LINES, ids=name)
def test_fish(typed: list[str], offered: set[str], folder: Path) -> None:
    program = "source script.fish; complete -C (string join -- ' ' textcls-tune $argv)"
    found = {
        line.partition("\t")[0].rstrip("/") for line in printed("fish", program, folder, *typed)
    }
    assert found - {"runs"} == offered


IN_ZSH = r"""
zmodload zsh/zpty
print -r -- '
PROMPT=
autoload -U compinit; compinit -u -D
source script.zsh
bindkey "^I" complete-word
zstyle ":completion:*" insert-tab false
compadd() {
    if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return; fi
    local -a hits
    builtin compadd -A hits "$@"
    print -rl -- $hits >> '$1'
    builtin compadd "$@"
}
comppostfuncs=(exit)
print READY' > $1.setup
zpty shell zsh -f -i
zpty -w shell "source $1.setup"
while zpty -r shell said && [[ $said != READY* ]]; do :; done
zpty -w -n shell "textcls-tune ${(j: :)@[2,-1]}"$'\t'
while zpty -r shell said; do :; done
cat $1 2>/dev/null; true
"""
"""A zsh with a terminal of its own, whose `compadd` also writes what it adds to the file $1."""


@pytest.mark.parametrize(("typed", "offered"), LINES, ids=name)
def test_zsh(typed: list[str], offered: set[str], folder: Path, tmp_path: Path) -> None:
    found = printed("zsh", IN_ZSH, folder, "zsh", str(tmp_path / "offers"), *typed)
    assert found - {"runs"} == offered


def test_zsh_says_nothing_where_it_is_installed_as_a_function(folder: Path) -> None:
    """The first line makes compinit load the script as the function _textcls_tune."""
    assert (folder / "script.zsh").read_text().startswith("#compdef textcls-tune\n")
    assert printed("zsh", "zsh -n script.zsh", folder) == set()
