"""Which databases may be opened because a run folder names them.

A run folder may come from somebody else, and its `study.json` may name any server, which would be
sent the reader's password, or any SQLite file, in which tables would be made. So a database is
opened only when the user has named it to `--storage`, now or at an earlier time on this machine.
"""

from contextlib import suppress
from pathlib import Path

from tune.exceptions import SearchError
from tune.formatting import without_password

_allowed: set[str] = set()


def allow(url: str) -> None:
    """Let run folders name this database, from now on and in later commands of this user.

    Args:
        url: As `tune.study.journal.check_url` returns it: without a password.
    """
    if url in _allowed or url in _remembered():
        return
    _allowed.add(url)
    path = _file()
    with suppress(OSError):  # without a place to write, each command has to be told
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{url}\n")


def allow_named(storage: str | None) -> str | None:
    """Let run folders name the database that `--storage` says.

    Args:
        storage: The URL; None where there is no `--storage`, and nothing is to be done.

    Returns:
        The URL as a run folder keeps it; None without one.

    Raises:
        SearchError: It is no URL of a database, or holds a password.
    """
    if storage is None:
        return None
    from tune.study.journal import check_url  # late: a module of Optuna's

    url = check_url(storage)
    allow(url)
    return url


def check_allowed(url: str, named_by: Path) -> None:
    """Raise `SearchError` for a database that the user has never named.

    Args:
        url: The database.
        named_by: The file that names it.
    """
    if url not in _allowed and url not in _remembered():
        shown = without_password(url)
        raise SearchError(
            f"{named_by}: names the database {shown!r}, which has not been named to --storage on "
            f"this machine, so it is not opened; if you trust it, add --storage {shown!r}"
        )


def _remembered() -> set[str]:
    try:
        return set(_file().read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError):
        return set()


def _file() -> Path:
    from textcls.cache import default_cache_dir

    return default_cache_dir() / "databases.txt"
