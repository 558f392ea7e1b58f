"""`textcls-tune COMMAND ...`: every command of the package under one name, for pipx and uvx."""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import import_module

from textcls.command_line import DISTRIBUTION, CommandParser
from textcls.output import run_command

COMMANDS = {
    "search": ("tune.search", "search for a good text classifier"),
    "status": ("tune.status", "show how a running, finished or killed search stands"),
    "watch": ("tune.watch.__main__", "show a running search in the browser"),
    "report": ("tune.report.__main__", "write the report of a search"),
    "compare": ("tune.compare", "show searches side by side"),
    "validate": ("tune.validate", "check search spaces without running them"),
    "train": ("textcls.train", "train one configuration, without a search"),
    "inspect": ("textcls.inspect", "print what is in a file of texts, and what may be wrong"),
    "predict": ("textcls.predict", "print the label of each text and its probability"),
    "check": ("textcls.check.__main__", "tell whether a classifier still suits new texts"),
    "push": ("textcls.push.__main__", "publish a classifier on the Hugging Face hub"),
    "export": ("textcls.export.__main__", "make a classifier smaller, or an ONNX model of it"),
    "serve": ("textcls.serve.__main__", "answer requests for predictions over HTTP"),
    "completion": ("tune.completion", "print the completion script of a shell"),
}
"""Each command with the module whose `main` runs it and `make_parser` reads it, and its summary."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names; returns its exit code.

    Args:
        argv: The command and its arguments, by default those of this process.

    Raises:
        SystemExit: As `CommandParser.parse` does, and with code 2 where there is no such command.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    name = _checked_name(given)
    code: int = import_module(COMMANDS[name][0]).main(given[1:])
    return code


def entry_point() -> int:
    """Run the command in this process's arguments, for the console script.

    A search ends the process by itself: see `tune.search.run_and_exit`.
    """
    if sys.argv[1:2] == ["search"]:
        from tune.search import run_and_exit

        run_and_exit(sys.argv[2:])
    return run_command(main)


def make_parser() -> CommandParser:
    """Return the parser of what stands before a command's own arguments."""
    parser = CommandParser("tune.cli", _description(), usage="%(prog)s COMMAND [ARGUMENT ...]")
    parser.prog = DISTRIBUTION
    parser.formatter_class = RawDescriptionHelpFormatter
    return parser


def command_parsers() -> dict[str, ArgumentParser]:
    """Return the parser of each command, by its name."""
    return {name: import_module(module).make_parser() for name, (module, _) in COMMANDS.items()}


def _checked_name(given: Sequence[str]) -> str:
    """Return the command's name; exits with a message where there is none or no such command."""
    parser = make_parser()
    if not given:
        parser.error(f"name a command: {', '.join(COMMANDS)}")
    if given[0].startswith("-"):
        parser.parse(given[:1])
        parser.error("a command's own options come after its name")
    if given[0] not in COMMANDS:
        from textcls.config.messages import did_you_mean

        parser.error(f"unknown command {given[0]!r}{did_you_mean(given[0], COMMANDS)}")
    return given[0]


def _description() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name.ljust(width)}{summary}" for name, (_, summary) in COMMANDS.items()]
    return "\n".join(
        [
            "Search for good text classifiers, train them and predict with them.",
            "",
            "commands (each has its own --help):",
            *lines,
        ]
    )


if __name__ == "__main__":
    sys.exit(entry_point())
