"""Errors of the disk under a run folder: which they are, and the one message that tells of each."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tune.exceptions import RunFolderError, SearchError

if TYPE_CHECKING:
    from tune.run_folder.paths import RunFolder

CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
"""Errors of the disk: what failed with one fails again."""
_NOT_ALLOWED = (errno.EACCES, errno.EPERM)


def forbids_writing(error: OSError, root: Path) -> bool:
    """Tell whether an error means that a run folder cannot be written, whoever tries next.

    Args:
        error: What an objective or the search itself has met.
        root: The run folder.
    """
    inside = str(root) in str(error.filename)
    return (
        error.errno in CANNOT_WRITE
        or (inside and error.errno in _NOT_ALLOWED)
        or (inside and not root.exists())
    )


@contextmanager
def told_in_a_message(folder: "RunFolder") -> Iterator[None]:
    """Turn a failure to write a run, or to reach its database, into one message.

    Args:
        folder: The run; an error about a file elsewhere passes, unless it says that a disk is full
            or not writable.

    Yields:
        Nothing.

    Raises:
        SearchError: The database no longer answers.
        RunFolderError: The folder cannot be written, or is gone.
    """
    from optuna.exceptions import StorageInternalError  # late: reading a folder needs no Optuna

    root = folder.root
    try:
        yield
    except StorageInternalError as error:
        raise SearchError(
            f"{root}: the database of its study no longer answers "
            f"({error.__cause__ or error}); --resume {root.name} goes on once it does"
        ) from error
    except OSError as error:
        if not root.exists():
            raise RunFolderError(
                f"{root}: the run folder was deleted while the search ran, and what the search had "
                "found with it; begin a new search"
            ) from error
        inside = str(root) in str(error.filename)
        if error.errno in CANNOT_WRITE or inside:
            where = root if inside or error.filename is None else error.filename
            raise RunFolderError(
                f"{where}: cannot be written ({error.strerror or error}); "
                f"what is there stays readable, and --resume {root.name} goes on from it"
            ) from error
        raise
