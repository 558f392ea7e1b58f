"""Write RUN/report.html, at any time, from the run folder alone."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from textcls.command_line import typed

if TYPE_CHECKING:
    from textcls.data.dataset import Source
    from tune.analysis.error_analysis import ErrorAnalysis
    from tune.run_folder.paths import RunFolder

_log = logging.getLogger(__name__)


def write_report(
    folder: "RunFolder",
    out: Path | None = None,
    *,
    with_texts: bool = True,
    examined: "ErrorAnalysis | str | None" = None,
) -> Path:
    """Write the report of a run, beside and renamed; return its path.

    Args:
        folder: The run, finished or not.
        out: The file to write, by default report.html in the run folder; `next.yaml`, the search
            that this one suggests, is then written as well.
        with_texts: Show the winner's mistakes, which needs torch and the data.
        examined: The winner's predictions, or why there are none; by default they are made here.

    Returns:
        The path of the page.

    Raises:
        TextclsError: The run cannot be read.
        OSError: The page cannot be written.
    """
    from tune.analysis import next_search, run_data
    from tune.analysis.error_analysis import analyse_errors
    from tune.report import page
    from tune.run_folder import atomic

    told = run_data.load_run(folder)
    if not with_texts:
        examined = "The texts were left out (--without-texts)."
    elif examined is None:
        examined = analyse_errors(told)
    target = out or folder.report
    atomic.write_text(target, page.render_report(told, examined))
    if out is None:
        next_search.write_next_search(told)
    return target


def write_report_at_end(
    folder: "RunFolder", say: Callable[[str], None], source: "Source | None" = None
) -> "ErrorAnalysis | None":
    """Write the report at the end of a search; an error is printed and does not fail the search.

    Args:
        folder: The run.
        say: Called with a sentence where the report could not be written.
        source: The texts, where they lie in memory and cannot be read again.

    Returns:
        The winner's predictions; None where there are none.
    """
    from tune.analysis import run_data
    from tune.analysis.error_analysis import analyse_errors

    examined: ErrorAnalysis | str | None = None
    try:
        examined = analyse_errors(run_data.load_run(folder), source)
        write_report(folder, examined=examined)
    except Exception as error:
        _log.exception("the report was not written")
        again = f"{typed('tune.report')} {folder.root}"
        say(f"The report was not written ({error}); {again} tries once more.")
    return None if isinstance(examined, str) else examined
