"""`next.yaml`: the search that this one suggests, ready to run.

The ranges at whose edges the best trials crowd are widened, and the best parameters found so far
are tried first. Everything else stays as it was.
"""

from tune.analysis.boundaries import crowds
from tune.analysis.run_data import History
from tune.config import search_file
from tune.config.search_file import SearchFile
from tune.run_folder import paths

POINTS = 3
"""As many of the best trials are tried first."""


def suggested(history: History) -> SearchFile | None:
    """The next search; None where nothing was searched or no trial has a value."""
    if not history.search.space or not history.ranked:
        return None
    space = dict(history.search.space)
    for crowd in crowds(history):
        space[crowd.name] = crowd.wider
    points = [history.params(record) for record in history.ranked[:POINTS]]
    return history.search.model_copy(update={"space": space, "points": tuple(points)})


def write(history: History) -> bool:
    """Write it into the run folder; returns whether there was one to write."""
    search = suggested(history)
    if search is None:
        return False
    widened = [f"{crowd.name} ({crowd.side})" for crowd in crowds(history)]
    why = f"Ranges widened: {', '.join(widened)}." if widened else "No range was widened."
    head = (
        f"# What the search {history.folder.name} suggests next. {why}\n"
        f"# Its best {len(search.points)} trials are tried first.\n#\n"
        f"#   python -m tune.search --space {paths.shown(history.folder.next)}\n\n"
    )
    paths.write_text(history.folder.next, head + search_file.dump(search))
    return True
