"""`python -m tune.report RUN`: write RUN/report.html, at any time, from the run folder alone."""

import sys
from collections.abc import Sequence
from pathlib import Path

from textcls.command_line import CommandParser
from textcls.output import printable


def main(argv: Sequence[str] | None = None) -> int:
    """Write the report and print where it is; return the exit code."""
    options = make_parser().parse(argv)

    from textcls.exceptions import TextclsError
    from tune.report.writer import write_report
    from tune.run_folder import paths
    from tune.study import databases

    try:
        databases.allow_named(options.storage)
        folder = paths.find(paths.runs_dir(options.runs_dir), options.run)
        target = write_report(folder, options.out, with_texts=not options.without_texts)
    except TextclsError as error:
        print(printable(str(error)), file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename}: cannot be written ({error.strerror})", file=sys.stderr)
        return 1
    print(paths.shown(target.absolute()))
    return 0


def make_parser() -> CommandParser:
    """Return the parser of this command's options."""
    parser = CommandParser(
        "tune.report", "Write the report of a search that has ended, was killed or still runs."
    )
    parser.add_argument("run", metavar="RUN", help="a run folder, or the name of a run")
    parser.add_argument(
        "--runs-dir", default="runs", metavar="DIR", help="by default runs; or s3://BUCKET/PATH"
    )
    parser.add_argument(
        "--storage", metavar="URL", help="open this database where the run names it, from now on"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="by default RUN/report.html")
    parser.add_argument(
        "--without-texts",
        action="store_true",
        help="leave out the winner's mistakes and with them every text of the data",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
