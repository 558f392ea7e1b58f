"""Write RUN/report.html, at any time, from the run folder alone."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from textcls.command_line import typed

if TYPE_CHECKING:
    from textcls.data.dataset import Source
    from tune.run_folder.paths import RunFolder

_log = logging.getLogger(__name__)


def write_report(
    folder: "RunFolder",
    out: Path | None = None,
    *,
    with_texts: bool = True,
    source: "Source | None" = None,
) -> Path:
    """Write the report of a run, beside and renamed; returns where it lies.

    Without `out` the search that it suggests, `next.yaml`, is written as well.
    Without `with_texts` the winner is not asked about its mistakes, which needs torch and the data.
    `source`: the texts, where they lie in memory and cannot be read again.
    Raises `TextclsError` when the run cannot be read and OSError when the page cannot be written.
    """
    from tune.analysis import next_search, run_data
    from tune.analysis.error_analysis import analyse_errors
    from tune.report import _page
    from tune.run_folder import atomic

    told = run_data.load_run(folder)
    examined = (
        analyse_errors(told, source) if with_texts else "The texts were left out (--without-texts)."
    )
    target = out or folder.report
    atomic.write_text(target, _page.render_report(told, examined))
    if out is None:
        next_search.write_next_search(told)
    return target


def write_report_at_end(
    folder: "RunFolder", say: Callable[[str], None], source: "Source | None" = None
) -> None:
    """Write the report at the end of a search, which it must not cost: a fault is only told."""
    try:
        write_report(folder, source=source)
    except Exception as error:
        _log.exception("the report was not written")
        again = f"{typed('tune.report')} {folder.root}"
        say(f"The report was not written ({error}); {again} tries once more.")
