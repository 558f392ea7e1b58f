"""`python -m tune.report RUN`: writes RUN/report.html, at any time, from the run folder alone."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tune.run_folder.paths import RunFolder

_log = logging.getLogger(__name__)


def write(folder: "RunFolder", out: Path | None = None, *, with_texts: bool = True) -> Path:
    """Write the report of a run, beside and renamed; returns where it lies.

    Without `out` the search that it suggests, `next.yaml`, is written as well.
    Without `with_texts` the winner is not asked about its mistakes, which needs torch and the data.
    Raises `TextclsError` when the run cannot be read and OSError when the page cannot be written.
    """
    from tune.analysis import next_search, run_data
    from tune.analysis.error_analysis import examine
    from tune.report import _page
    from tune.run_folder import paths

    told = run_data.read(folder)
    examined = examine(told) if with_texts else "The texts were left out (--without-texts)."
    target = out or folder.report
    paths.write_text(target, _page.render(told, examined))
    if out is None:
        next_search.write(told)
    return target


def leave(folder: "RunFolder", say: Callable[[str], None]) -> None:
    """Write the report at the end of a search, which it must not cost: a fault is only told."""
    try:
        write(folder)
    except Exception as error:
        _log.exception("the report was not written")
        again = f"python -m tune.report {folder.root}"
        say(f"The report was not written ({error}); {again} tries once more.")


def main(argv: Sequence[str] | None = None) -> int:
    """Write the report and say where it lies; returns the exit code."""
    options = _parser().parse_args(argv)

    from textcls.exceptions import TextclsError
    from tune.run_folder import paths

    try:
        folder = paths.find(paths.runs_dir(options.runs_dir), options.run)
        target = write(folder, options.out, with_texts=not options.without_texts)
    except TextclsError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename}: cannot be written ({error.strerror})", file=sys.stderr)
        return 1
    print(paths.shown(target.absolute()))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tune.report",
        description="Write the report of a search that has ended, was killed or still runs.",
    )
    parser.add_argument("run", metavar="RUN", help="a run folder, or the name of a run")
    parser.add_argument(
        "--runs-dir", default="runs", metavar="DIR", help="by default runs; or s3://BUCKET/PATH"
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
