"""`textcls-tune completion bash|zsh|fish`: print a script that completes the commands' options.

The script is written from the commands' own parsers, so that it knows every option, and it starts
no Python while one types. What can follow an option is told by its choices or, as `--help` shows
it, by its metavar: SPACE, RUN, FILE, DIR.
"""

import sys
from argparse import SUPPRESS, Action, ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from textcls.command_line import DISTRIBUTION, CommandParser
from textcls.output import run_command
from tune import cli
from tune.config import spaces

_KINDS = {
    "SPACE": "spaces",
    "RUN": "runs",
    "FILE": "files",
    "DATA": "files",
    "VECTORS": "files",
    "DIR": "folders",
    "FOLDER": "folders",
}
"""What stands for a metavar; after any other metavar nothing is offered."""

_DESCRIPTION = f"""Print a script that completes {DISTRIBUTION}'s commands and options.

bash: add to ~/.bashrc                    eval "$({DISTRIBUTION} completion bash)"
zsh:  add to ~/.zshrc, after compinit     eval "$({DISTRIBUTION} completion zsh)"
fish: add to ~/.config/fish/config.fish   {DISTRIBUTION} completion fish | source"""


@dataclass(frozen=True, slots=True)
class Argument:
    """An option or a positional argument, and what can be offered for its value."""

    names: tuple[str, ...]
    """Such as "-h", "--help"; none of a positional argument."""
    help: str
    metavar: str
    words: tuple[str, ...] = ()
    """The choices, where there are some."""
    kind: str = ""
    """Else spaces, runs, files or folders; empty where nothing can be offered."""
    takes_value: bool = True
    repeatable: bool = False


def main(argv: Sequence[str] | None = None) -> int:
    """Print the completion script of a shell.

    Args:
        argv: The arguments without the program's name; by default those of this process.

    Returns:
        The exit code, 0.
    """
    options = make_parser().parse(argv)
    print(completion_script(options.shell, cli.command_parsers()), end="")
    return 0


def make_parser() -> CommandParser:
    """Return the parser of this command's options."""
    from argparse import RawDescriptionHelpFormatter

    parser = CommandParser("tune.completion", _DESCRIPTION)
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.add_argument("shell", choices=tuple(_WRITERS), help="the shell that is to complete")
    return parser


def completion_script(shell: str, parsers: Mapping[str, ArgumentParser]) -> str:
    """Return the script that completes the commands with these parsers in a shell.

    Args:
        shell: "bash", "zsh" or "fish".
        parsers: The parser of each command, by its name, in the order in which they are offered.
    """
    commands = {name: list(_arguments(parser)) for name, parser in parsers.items()}
    return "\n".join(_WRITERS[shell](commands)) + "\n"


_Commands = Mapping[str, Sequence[Argument]]


def _arguments(parser: ArgumentParser) -> Iterator[Argument]:
    for action in parser._actions:  # argparse offers no other way; `shtab` reads them as well
        if action.help != SUPPRESS:
            yield _argument(action)


def _argument(action: Action) -> Argument:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    return Argument(
        names=tuple(action.option_strings),
        help=(action.help or "").replace("%%", "%"),
        metavar=metavar,
        words=tuple(map(str, action.choices or ())),
        kind=_KINDS.get(metavar, ""),
        takes_value=action.nargs != 0,
        repeatable=type(action).__name__ == "_AppendAction" or action.nargs in ("*", "+"),
    )


def _shipped() -> str:
    return " ".join(each.name for each in spaces.shipped_spaces())


def _bash(commands: _Commands) -> Iterator[str]:
    """Write for bash 3.2 (macOS) and newer: no `mapfile`, and `compopt` only where there is one."""
    yield f"""\
_textcls_tune() {{
    local IFS=$'\\n' current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
    local options= kind= words=
    # bash takes --space=gru for three words
    if [[ $current == = ]]; then
        current=
    elif [[ $previous == = ]]; then
        previous=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    COMPREPLY=()
    if (( COMP_CWORD == 1 )); then
        COMPREPLY=($(IFS=' '; compgen -W '{" ".join(commands)} --help --version' -- "$current"))
        return
    fi
    case ${{COMP_WORDS[1]}} in"""
    for name, arguments in commands.items():
        yield f"    {name})"
        yield from _bash_case(arguments)
        yield "        ;;"
    yield f"""\
    esac
    if [[ -z $kind && $current == -* ]]; then
        kind=words words=$options
    elif [[ -z $kind ]]; then
        kind=$argument words=$choices
    fi
    case $kind in
    words) COMPREPLY=($(IFS=' '; compgen -W "$words" -- "$current")) ;;
    spaces)
        compopt -o filenames 2>/dev/null
        COMPREPLY=(
            $(IFS=' '; compgen -W '{_shipped()}' -- "$current")
            $(compgen -f -X '!*.yaml' -- "$current"; compgen -f -X '!*.yml' -- "$current")
            $(compgen -d -- "$current")
        )
        ;;
    runs)
        compopt -o filenames 2>/dev/null
        COMPREPLY=(
            $(cd runs 2>/dev/null && compgen -d -- "$current")
            $(compgen -d -- "$current")
        )
        ;;
    files)
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -f -- "$current"))
        ;;
    folders)
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -d -- "$current"))
        ;;
    esac
}}
complete -F _textcls_tune {DISTRIBUTION}"""


def _bash_case(arguments: Sequence[Argument]) -> Iterator[str]:
    """Set what one command takes: its options, and what follows the previous one of them."""
    names = [name for each in arguments for name in each.names]
    positional = next((each for each in arguments if not each.names), None)
    kind, words = _offered(positional) if positional else ("", "")
    yield f"        options='{' '.join(names)}'"
    yield f"        local argument={kind or 'none'} choices='{words}'"
    yield "        case $previous in"
    offers: dict[tuple[str, str], list[str]] = {}
    for each in arguments:
        if each.names and each.takes_value:
            offers.setdefault(_offered(each), []).extend(each.names)
    for (kind, words), after in offers.items():
        yield f"        {'|'.join(after)}) kind={kind or 'none'} words='{words}' ;;"
    yield "        esac"


def _offered(argument: Argument) -> tuple[str, str]:
    """Return what is offered for a value: the kind, and the words where it is words."""
    return ("words", " ".join(argument.words)) if argument.words else (argument.kind, "")


def _zsh(commands: _Commands) -> Iterator[str]:
    """Write for zsh's `_arguments`; the script also works as a file named _textcls-tune."""
    yield f"""\
#compdef {DISTRIBUTION}
_textcls_tune_spaces() {{
    _alternative 'spaces:search space:({_shipped()})' 'files:file:_files -g "*.(yaml|yml)"'
}}
_textcls_tune_runs() {{
    local -a runs
    runs=(runs/*(N/:t))
    _alternative 'runs:run:($runs)' 'folders:folder:_files -/'
}}
_textcls_tune() {{
    local context state state_descr line
    typeset -A opt_args
    local -a commands
    commands=("""
    for name in commands:
        yield f"        {_quoted_zsh(f'{name}:{cli.COMMANDS[name][1]}')}"
    yield """\
    )
    _arguments -C '(- *)'{-h,--help}'[show the help]' '(- *)--version[print the version]' \\
        '1:command:->command' '*::argument:->arguments'
    case $state in
    command) _describe command commands ;;
    arguments)
        case $line[1] in"""
    for name, arguments in commands.items():
        yield f"        {name})"
        yield "            _arguments \\"
        specs = [spec for each in arguments for spec in _zsh_specs(each)]
        yield " \\\n".join(f"                {_quoted_zsh(spec)}" for spec in specs)
        yield "            ;;"
    yield f"""\
        esac
        ;;
    esac
}}
if [[ $funcstack[1] == _textcls_tune ]]; then
    _textcls_tune "$@"
else
    compdef _textcls_tune {DISTRIBUTION}
fi"""


_ZSH_ACTIONS = {
    "spaces": "_textcls_tune_spaces",
    "runs": "_textcls_tune_runs",
    "files": "_files",
    "folders": "_files -/",
}


def _zsh_specs(argument: Argument) -> Iterator[str]:
    """Return an argument as `_arguments` wants it: `--space[help]:SPACE:action`."""
    words = f"({' '.join(argument.words)})" if argument.words else ""
    value = f":{argument.metavar}:{words or _ZSH_ACTIONS.get(argument.kind, ' ')}"
    if not argument.names:
        yield ("*" if argument.repeatable else "") + value
    for name in argument.names:
        text = argument.help
        for special in "\\[]:":
            text = text.replace(special, f"\\{special}")
        option = f"{name}[{text}]" + (value if argument.takes_value else "")
        yield ("*" if argument.repeatable else "") + option


def _quoted_zsh(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish(commands: _Commands) -> Iterator[str]:
    """Write for fish 3 and newer."""
    yield f"""\
function __textcls_tune_is
    set -l typed (commandline -opc)
    test "$typed[2]" = "$argv[1]"
end
function __textcls_tune_spaces
    printf '%s\\n' {_shipped()}
    __fish_complete_path (commandline -ct) | string match -r '^.*(?:\\.ya?ml|/)(?:\\t.*)?$'
end
function __textcls_tune_runs
    for run in runs/*/
        basename $run
    end
    __fish_complete_directories
end
complete -c {DISTRIBUTION} -f
complete -c {DISTRIBUTION} -n __fish_use_subcommand -l help -d 'Show the help'
complete -c {DISTRIBUTION} -n __fish_use_subcommand -l version -d 'Print the version'"""
    for name, arguments in commands.items():
        about = _quoted_fish(cli.COMMANDS[name][1])
        yield f"complete -c {DISTRIBUTION} -n __fish_use_subcommand -a {name} -d {about}"
        for each in arguments:
            yield f"complete -c {DISTRIBUTION} -n '__textcls_tune_is {name}' {_fish_flags(each)}"


_FISH_FLAGS = {
    "spaces": "-x -a '(__textcls_tune_spaces)'",
    "runs": "-x -a '(__textcls_tune_runs)'",
    "files": "-r -F",
    "folders": "-x -a '(__fish_complete_directories)'",
    "": "-x",
}


def _fish_flags(argument: Argument) -> str:
    """Return the part of a `complete` line that tells an argument's names, value and help."""
    names = [
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in argument.names
    ]
    value = []
    if argument.takes_value:
        words = f"-x -a '{' '.join(argument.words)}'" if argument.words else ""
        value = [words or _FISH_FLAGS[argument.kind]]
    if not names:  # a positional argument: "-x" and "-r" speak of an option's value
        value = [each.removeprefix("-x").removeprefix("-r").strip() for each in value]
    return " ".join([*names, *value, "-d", _quoted_fish(argument.help)])


def _quoted_fish(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


_WRITERS = {"bash": _bash, "zsh": _zsh, "fish": _fish}


if __name__ == "__main__":
    sys.exit(run_command(main))
