"""`python -m tune.validate search_spaces/*.yaml`: check search files without running them."""

import sys
from collections.abc import Sequence

from textcls.command_line import CommandParser
from textcls.exceptions import ConfigError
from textcls.output import printable, run_command
from tune.config import json_schema, reference
from tune.config.search_file import load_search, summarise_search
from tune.config.spaces import find_space


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each good search file and the problems of each other.

    Args:
        argv: The arguments without the program's name; by default those of this process.

    Returns:
        The exit code: 1 where a file has problems.

    Raises:
        SystemExit: With code 2 where an argument is wrong or no file is named.
    """
    parser = make_parser()
    arguments = parser.parse(argv)
    if arguments.keys:
        print(reference.keys_page(), end="")
    elif arguments.schema:
        print(json_schema.schema_text(), end="")
    elif not arguments.spaces:
        parser.error("name at least one SPACE, or --schema")
    faults = [each for each in arguments.spaces if not _is_good(each)]
    return 1 if faults else 0


def make_parser() -> CommandParser:
    """Return the parser of this command's options."""
    parser = CommandParser(
        "tune.validate", "Check search files without running them; loads neither ray nor torch."
    )
    parser.add_argument(
        "spaces",
        nargs="*",
        metavar="SPACE",
        help="a YAML file, or the name of a search space that comes with the package",
    )
    parser.add_argument(
        "--schema", action="store_true", help="print the JSON Schema that editors complete from"
    )
    parser.add_argument("--keys", action="store_true", help="print every key, as Markdown")
    return parser


def _is_good(space: str) -> bool:
    try:
        path = find_space(space)
        search = load_search(path)
    except ConfigError as error:
        print(printable(str(error)))
        return False
    print(f"{path}: {summarise_search(search)}")
    return True


if __name__ == "__main__":
    sys.exit(run_command(main))
