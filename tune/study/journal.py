"""Open the place of a study: a journal file in the run folder or, where asked for, a database."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, get_storage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from tune.exceptions import SearchError
from tune.formatting import without_password

Place = Path | str
"""The path of a journal file, or the URL of a database."""


class Storage:
    """An open storage; `secure` waits until all that was written would survive a loss of power."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._journal = None if isinstance(place, str) else _Journal(place)

    def open(self) -> BaseStorage:
        """Open the storage for Optuna.

        Raises:
            SearchError: The database cannot be opened.
        """
        if self._journal is not None:
            return JournalStorage(self._journal)
        with _answering(str(self.place)):
            return get_storage(str(self.place))

    def mend(self) -> None:
        """Remove a record that was cut off in the middle: it never counted."""
        if self._journal is not None:
            self._journal.drop_cut_off_line()

    def secure(self) -> None:
        """Wait for the disk; a database does so by itself."""
        if self._journal is not None:
            self._journal.secure()


def check_url(url: str) -> str:
    """Return the URL of a database as it is to be kept.

    Args:
        url: As SQLAlchemy reads it, such as `sqlite:///study.db`.

    Returns:
        The URL; of SQLite with the whole path of its file.

    Raises:
        SearchError: It is no URL, has a password, or is forgotten when the process ends.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        found = make_url(url)
    except ArgumentError:
        raise SearchError(
            f"--storage{'' if ':' in url else f' {url}'}: no URL of a database, such as "
            "sqlite:///study.db or postgresql+psycopg://user@host/name"
        ) from None
    secret = found.password is not None or any("pass" in key.lower() for key in found.query)
    if secret:  # without the URL: what is printed may be kept
        raise SearchError(
            "--storage: the URL holds a password, which would be kept in the run folder; leave it "
            "to ~/.pgpass or PGPASSWORD"
        )
    if found.get_backend_name() != "sqlite":
        return url
    if not found.database or found.database == ":memory:":
        raise SearchError(f"--storage {url}: such a database is gone when the search ends")
    file = Path(found.database).absolute()
    return found.set(database=str(file)).render_as_string()


def check_file(url: str) -> None:
    """Check that the file of an SQLite database is there: opening it would make one.

    Args:
        url: From a run folder; of another database nothing is checked.

    Raises:
        SearchError: There is no such file, or it is no URL of a database.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        found = make_url(url)
    except ArgumentError:
        raise SearchError(f"{without_password(url)!r}: no URL of a database") from None
    if found.get_backend_name() == "sqlite" and not Path(found.database or "").is_file():
        raise SearchError(f"{url}: no such file; it holds the trials, so restore it there")


@contextmanager
def _answering(url: str) -> Iterator[None]:
    """Turn whatever a database says into `SearchError`."""
    from sqlalchemy.exc import SQLAlchemyError

    url = without_password(url)
    try:
        yield
    except ImportError as error:
        raise SearchError(f"{url}: its driver is missing ({error}); install it with pip") from error
    except (SQLAlchemyError, StorageInternalError, RuntimeError) as error:
        cause = getattr(error, "orig", None) or error.__cause__ or error
        reason = (str(cause).strip().splitlines() or [type(error).__name__])[0]
        raise SearchError(f"{url}: cannot be used ({without_password(reason)})") from error


class _Journal(JournalFileBackend):
    """Records reach the file as they are written, and the disk when `secure` is called.

    A record that never got there was followed by none that did.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), lock_obj=_NoLock(str(path)))
        self._path = path
        self._broken: OSError | None = None
        """The error that kept records from the file: none that follows may be in it."""

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write a line per record, for other processes to read.

        Raises:
            OSError: They cannot be written; none of them is then in the file.
            SearchError: The file was deleted.
        """
        if self._broken is not None:
            raise self._broken
        lines = [json.dumps(log, separators=(",", ":")) + "\n" for log in logs]
        size = None
        try:
            with self._path.open("r+b") as file:  # "ab" would make a file anew that was deleted
                size = file.seek(0, os.SEEK_END)
                file.write("".join(lines).encode())
        except FileNotFoundError:
            raise self._gone() from None
        except OSError as error:
            self._broken = error
            if size is not None:
                with suppress(OSError):  # else the next process removes the part of a line
                    os.truncate(self._path, size)
            raise

    def secure(self) -> None:
        try:
            with self._path.open("r+b") as file:
                os.fsync(file.fileno())
        except FileNotFoundError:
            raise self._gone() from None

    def _gone(self) -> SearchError:
        return SearchError(
            f"{self._path}: the journal was deleted or moved while the search ran; restore it "
            f"and go on with --resume {self._path.parent.name}, or begin a new search"
        )

    def drop_cut_off_line(self) -> None:
        with self._path.open("rb+") as file:
            content = file.read()
            whole = content.rfind(b"\n") + 1
            if content[whole:]:
                file.truncate(whole)
                os.fsync(file.fileno())


class _NoLock(JournalFileOpenLock):
    """The run folder is held by one process, so a lock per record would only cost time."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass
