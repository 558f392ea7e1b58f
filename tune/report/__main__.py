"""`python -m tune.report RUN`: write RUN/report.html, at any time, from the run folder alone."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textcls.command_line import CommandParser, add_runs_dir
from textcls.output import printable, run_command

if TYPE_CHECKING:
    from tune.analysis.error_analysis import ErrorAnalysis


def main(argv: Sequence[str] | None = None) -> int:
    """Write the report and print where it is, or print a summary.

    Args:
        argv: The arguments without the program's name; by default those of this process.

    Returns:
        The exit code: 0, or 1 where the run cannot be read, the report not be written, or there is
        no table of the classes, which standard error explains.
    """
    options = make_parser().parse(argv)

    from textcls.exceptions import TextclsError
    from tune.analysis.error_analysis import analyse_errors
    from tune.analysis.run_data import load_run
    from tune.report.writer import write_report
    from tune.run_folder import paths
    from tune.study import databases

    try:
        databases.allow_named(options.storage)
        folder = paths.find(paths.runs_dir(options.runs_dir), options.run)
        if options.summary:
            from tune.report.summary import FORMATS, summarise_run

            told = FORMATS[options.summary](summarise_run(load_run(folder)))
            print("\n".join(printable(line) for line in told.splitlines()))
            return 0
        examined = analyse_errors(load_run(folder)) if options.classes else None
        target = write_report(
            folder, options.out, with_texts=not options.without_texts, examined=examined
        )
    except TextclsError as error:
        print(printable(str(error)), file=sys.stderr)
        return 1
    except OSError as error:
        print(printable(f"{error.filename}: cannot be written: {error.strerror}"), file=sys.stderr)
        return 1
    if examined is not None:
        if isinstance(examined, str):
            print(f"There is no table of the classes: {examined}", file=sys.stderr)
            return 1
        show_classes(examined)
    print(paths.shown(target.absolute()))
    return 0


def show_classes(examined: "ErrorAnalysis") -> None:
    """Print how well each class is predicted, with 95 % intervals.

    Args:
        examined: The winner's predictions; every class is printed.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from tune.analysis.class_table import HEAD, class_rows

    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=240)
    table = Table(*HEAD, box=None, header_style="bold", pad_edge=False)
    for row in class_rows(examined.per_class()):
        table.add_row(*map(Text, row))
    console.print(table)


def make_parser() -> CommandParser:
    """Return the parser of this command's options."""
    parser = CommandParser(
        "tune.report",
        "Write the report of a search that has ended, was killed or is still running.",
    )
    parser.add_argument("run", metavar="RUN", help="a run folder, or the name of a run")
    add_runs_dir(parser)
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="a database that the run names and that may be opened, now and later",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="by default RUN/report.html")
    parser.add_argument(
        "--classes",
        action="store_true",
        help="print how well each class is predicted, with 95 %% intervals",
    )
    parser.add_argument(
        "--summary",
        choices=("markdown", "latex"),
        help="print the result in a few lines to paste, in place of writing the report",
    )
    parser.add_argument(
        "--without-texts",
        action="store_true",
        help="leave out the winner's mistakes and with them every text of the data",
    )
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
