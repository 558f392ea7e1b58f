"""`python -m tune.validate search_spaces/*.yaml`: checks search files without running them."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from textcls.exceptions import ConfigError
from tune.config import json_schema, reference
from tune.config.search_file import load_search, summarise_search


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each good file and the problems of each other; 1 if there is any problem."""
    parser = argparse.ArgumentParser(
        prog="python -m tune.validate",
        description="Check search files without running them; loads neither ray nor torch.",
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="a search as YAML")
    parser.add_argument(
        "--schema", action="store_true", help="print the JSON Schema that editors complete from"
    )
    parser.add_argument("--keys", action="store_true", help="print every key, as Markdown")
    arguments = parser.parse_args(argv)
    if arguments.keys:
        print(reference.keys_page(), end="")
    elif arguments.schema:
        print(json_schema.schema_text(), end="")
    elif not arguments.files:
        parser.error("name at least one FILE, or --schema")
    faults = [path for path in arguments.files if not _is_good(path)]
    return 1 if faults else 0


def _is_good(path: Path) -> bool:
    try:
        search = load_search(path)
    except ConfigError as error:
        print(error)
        return False
    print(f"{path}: {summarise_search(search)}")
    return True


if __name__ == "__main__":
    sys.exit(main())
