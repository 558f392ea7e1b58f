"""`python -m tune.compare RUN RUN ...`: compare searches at the terminal and as a page."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textcls.command_line import CommandParser, add_runs_dir
from textcls.output import make_console, printable, run_command

if TYPE_CHECKING:
    from tune.analysis.comparison import Contender


def main(argv: Sequence[str] | None = None) -> int:
    """Print the comparison of searches, and write it as a page if asked to.

    Args:
        argv: The arguments without the program's name; by default those of this process.

    Returns:
        The exit code: 0, or 1 where a run cannot be read or the page not written, which standard
        error explains.

    Raises:
        SystemExit: With code 2 where an argument is wrong or fewer than two runs are named.
    """
    parser = make_parser()
    options = parser.parse(argv)
    if len(options.runs) < 2:
        parser.error("name at least two runs")

    from textcls.exceptions import TextclsError
    from tune.analysis import comparison, run_data
    from tune.report import comparison_page
    from tune.run_folder import atomic, paths
    from tune.study import databases

    try:
        databases.allow_named(options.storage)
        folders = [paths.find(paths.runs_dir(options.runs_dir), run) for run in options.runs]
        found = comparison.contenders([run_data.load_run(folder) for folder in folders])
        show(found)
        if options.html is not None:
            atomic.write_text(options.html, comparison_page.render_comparison(found))
            print(options.html)
    except TextclsError as error:
        print(printable(str(error)), file=sys.stderr)
        return 1
    except OSError as error:
        print(printable(f"{error.filename}: cannot be written: {error.strerror}"), file=sys.stderr)
        return 1
    return 0


def show(found: "Sequence[Contender]") -> None:
    """Print the comparison as a table, one column for each search, and what to consider below it.

    Args:
        found: The searches, two or more.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from tune.analysis import comparison

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("")
    for each in found:
        table.add_column(Text(printable(each.name)), overflow="fold")
    for title, rows in comparison.comparison_sections(found):
        if rows:
            table.add_row(Text(title, style="bold"))
        for label, cells in rows:
            table.add_row(*(Text(printable(cell)) for cell in (f"  {label}", *cells)))
    console = make_console(30 + 50 * len(found))
    console.print(table)
    for remark in comparison.comparison_remarks(found):
        console.print(Text(printable(remark)))


def make_parser() -> CommandParser:
    """Return the parser of this command's options."""
    parser = CommandParser(
        "tune.compare", "Compare searches: space, best with its interval, best over time, cost."
    )
    parser.add_argument("runs", metavar="RUN", nargs="+", help="run folders, or names of runs")
    add_runs_dir(parser)
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="a database that a run names and that may be opened, now and later",
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the page to this file")
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
