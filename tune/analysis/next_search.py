"""Write `next.yaml`: the search that this one suggests, ready to run.

The ranges at whose edges the best trials lie are widened, and the best parameters found so far
are tried first. Everything else stays as it was.
"""

from textcls.command_line import typed
from tune.analysis.boundaries import boundary_hits
from tune.analysis.run_data import RunData
from tune.config import search_file
from tune.config.search_file import SearchFile
from tune.run_folder import atomic, paths

POINTS = 3
"""As many of the best trials are tried first."""


def suggest_next_search(run: RunData) -> SearchFile | None:
    """Return the search that a search suggests to run next.

    Args:
        run: A search, ended or not.

    Returns:
        The same search over wider ranges, with the best parameters found so far as its first
        points; None where nothing was searched or no trial has a value.
    """
    if not run.config.space or not run.ranked:
        return None
    space = dict(run.config.space)
    for hit in boundary_hits(run):
        space[hit.name] = hit.wider
    points = [run.params(record) for record in run.ranked[:POINTS]]
    return run.config.model_copy(update={"space": space, "points": tuple(points)})


def write_next_search(run: RunData) -> bool:
    """Write the next search to `next.yaml` in the run folder.

    Args:
        run: A search, ended or not.

    Returns:
        Whether there was one to write (`suggest_next_search`).

    Raises:
        OSError: The file cannot be written.
    """
    search = suggest_next_search(run)
    if search is None:
        return False
    widened = [f"{hit.name} ({hit.side})" for hit in boundary_hits(run)]
    why = f"Ranges widened: {', '.join(widened)}." if widened else "No range was widened."
    head = (
        f"# What the search {run.folder.name} suggests next. {why}\n"
        f"# Its best {len(search.points)} trials are tried first.\n#\n"
        f"#   {typed('tune.search')} --space {paths.shown(run.folder.next)}\n\n"
    )
    atomic.write_text(run.folder.next, head + search_file.dump_search(search))
    return True
