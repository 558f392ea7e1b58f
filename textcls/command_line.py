"""Parse a command's arguments: `--version`, short errors, suggestions for misspelt options.

Loads nothing heavy, so that `--help` and a mistyped option are answered at once.
"""

import argparse
import sys
import tomllib
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import NoReturn

DISTRIBUTION = "textcls-tune"
"""The name under which both packages are installed, and that of the console script."""


def add_runs_dir(container: "argparse._ActionsContainer") -> None:
    """Add `--runs-dir` for a command that reads runs also from an object store.

    Args:
        container: A parser or a group of its options.
    """
    container.add_argument(
        "--runs-dir",
        default="runs",
        metavar="DIR",
        help="where runs lie: runs by default, or s3://BUCKET/PATH",
    )


class CommandParser(argparse.ArgumentParser):
    """Parse the arguments of one command.

    Beyond `argparse.ArgumentParser` it has `--version`, refuses Windows with one message, and
    names the nearest option where one is misspelt.

    Args:
        module: The module that `python -m` runs, such as "tune.status".
        description: What the command does, for `--help`.
        usage: The usage line in place of argparse's own; `%(prog)s` stands for the command.
        epilog: What `--help` ends with, its lines as they are, such as examples.
        intermixed: Whether positional arguments that may be many can stand behind options.

    Example:
        >>> parser = CommandParser("textcls.predict", "Predict labels.")
        >>> _ = parser.add_argument("text")
        >>> parser.parse(["a goal in the last minute"]).text
        'a goal in the last minute'
    """

    def __init__(
        self,
        module: str,
        description: str,
        usage: str | None = None,
        *,
        epilog: str | None = None,
        intermixed: bool = False,
    ) -> None:
        super().__init__(prog=typed(module), description=description, usage=usage, epilog=epilog)
        if epilog is not None:
            self.formatter_class = argparse.RawDescriptionHelpFormatter
        self._intermixed = intermixed
        self.add_argument(
            "--version", action=_ShowVersion, nargs=0, help="print the version and exit"
        )

    def add_bundle_arguments(self) -> None:
        """Add RUN and `--runs-dir`, as `textcls.runtime.loading.find_bundle` takes them."""
        self.add_argument(
            "run",
            metavar="RUN",
            help="a run's name below ./runs, a run folder, a classifier's folder such as "
            "runs/NAME/best, or hf://USER/NAME on the Hugging Face hub",
        )
        self.add_argument(
            "--runs-dir", default="runs", metavar="DIR", help="where runs lie; by default runs"
        )

    def parse(self, argv: Sequence[str] | None = None) -> argparse.Namespace:
        """Return the options of a command line.

        Args:
            argv: The arguments without the program's name; by default those of this process.

        Raises:
            SystemExit: With code 2 after a message on standard error where an argument is wrong;
                with code 1 on Windows; with code 0 after `--help` or `--version`.
        """
        parse = self.parse_known_intermixed_args if self._intermixed else self.parse_known_args
        options, unknown = parse(argv)
        if unknown:
            self.error(self._unknown(unknown))
        if sys.platform == "win32":
            self.exit(
                1,
                f"{DISTRIBUTION} runs on Linux and macOS, but this is Windows, which lacks the "
                "file locks that it needs (fcntl.flock); install it in WSL 2\n",
            )
        return options

    def error(self, message: str) -> NoReturn:
        """Print the usage and a message to standard error, and exit with code 2.

        Args:
            message: What is wrong; that `--help` lists the options is added.

        Raises:
            SystemExit: Always.
        """
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {message} (--help lists the options)\n")

    def _unknown(self, arguments: Sequence[str]) -> str:
        """Name the arguments that no option takes, each option with the nearest known one."""
        from textcls.config.messages import did_you_mean

        options = [text.partition("=")[0] for text in arguments if text.startswith("-")]
        if not options:
            return f"unexpected arguments: {' '.join(arguments)}"
        known = [name for name in self._option_string_actions if name.startswith("--")]
        return ", ".join(f"unknown option {name}{did_you_mean(name, known)}" for name in options)


class _ShowVersion(argparse.Action):
    """Print the version and exit; it is looked up only when asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Do so."""
        print(f"{DISTRIBUTION} {version()}")
        parser.exit()


def version() -> str:
    """Return the version of the code that runs: of its checkout, else of the installed wheel.

    A checkout's own `pyproject.toml` comes first, because another version may be installed beside.
    """
    file = Path(__file__).parents[1] / "pyproject.toml"
    if file.is_file():
        project = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {})
        if project.get("name") == DISTRIBUTION:
            return str(project["version"])
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "unknown: neither installed nor beside its pyproject.toml"


def typed(module: str) -> str:
    """Return what to type to run a command, in the form in which this process was started.

    Args:
        module: The module that is the command, such as "tune.status".

    Returns:
        `textcls-tune status` where the console script runs, since with pipx no `python` on the path
        knows the package; `python -m tune.status` everywhere else.
    """
    if Path(sys.argv[0]).name == DISTRIBUTION:
        return f"{DISTRIBUTION} {module.rpartition('.')[2]}"
    return f"python -m {module}"
