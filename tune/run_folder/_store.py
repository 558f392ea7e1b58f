"""Where else a run folder is kept: nowhere, or in an object store that other machines reach.

Everything works on files of this machine. A store is told what has changed and asked for what this
machine lacks; `LocalStore` has nothing to do, `tune.run_folder._object_store` has the other one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Store(Protocol):
    """What a run folder asks of its store. Methods raise OSError when it does not answer.

    Paths are those of the files on this machine.
    """

    def here(self, root: Path) -> "tuple[Path, Store]":
        """Return the folder on the machine that asks, and its store there."""
        ...

    def describe(self, where: str) -> str:
        """Return where the run lies, for people; `where` is the folder on this machine."""
        ...

    def publish(self, *paths: Path) -> None:
        """Store these files, in this order."""
        ...

    def fetch(self, path: Path) -> bool:
        """Bring a file that this machine lacks; return whether it is here now."""
        ...

    def read(self, path: Path) -> bytes | None:
        """Return what is stored of a file, which may be newer; None if nothing."""
        ...

    def stored_below(self, folder: Path) -> list[Path]:
        """Return the stored files of a folder and all within it."""
        ...

    def remove(self, path: Path) -> None:
        """Delete a stored file at once."""
        ...

    def remove_later(self, path: Path) -> None:
        """Delete a stored file in the background."""
        ...

    def prune_later(self, folder: Path, keep: Callable[[str], bool]) -> None:
        """Delete in the background a folder's stored files whose last name is not to be kept."""
        ...

    def begin_session(self, study: Path) -> str:
        """Take the run for this process, before its first trial; return a word for its workers."""
        ...

    def join_session(self, word: str) -> None:
        """Work for such a process, with nothing of another one in this machine's copy."""
        ...

    def asked_to_stop(self) -> bool:
        """Return whether another machine has asked the running trials to end."""
        ...

    def held_by_another(self) -> bool:
        """Return whether another process searches there, on whatever machine."""
        ...


@dataclass(frozen=True, slots=True)
class LocalStore:
    """The store of a run that lies on this machine alone: nothing is stored, nothing is missing."""

    def here(self, root: Path) -> tuple[Path, Store]:
        """Return the same folder: machines that share it see it at the same place."""
        return root, self

    def describe(self, where: str) -> str:
        """Return the folder."""
        return where

    def publish(self, *paths: Path) -> None:
        """Do nothing: whoever looks sees the files themselves."""

    def fetch(self, path: Path) -> bool:
        """Return whether a file is there; there is nowhere to bring it from."""
        return path.exists()

    def read(self, path: Path) -> None:  # noqa: ARG002
        """Return None: nothing is stored elsewhere."""
        return

    def stored_below(self, folder: Path) -> list[Path]:  # noqa: ARG002
        """Return no file."""
        return []

    def remove(self, path: Path) -> None:
        """Do nothing."""

    def remove_later(self, path: Path) -> None:
        """Do nothing."""

    def prune_later(self, folder: Path, keep: Callable[[str], bool]) -> None:
        """Do nothing."""

    def begin_session(self, study: Path) -> str:  # noqa: ARG002
        """Return no word: there are no copies."""
        return ""

    def join_session(self, word: str) -> None:
        """Do nothing: there is no copy."""

    def asked_to_stop(self) -> bool:
        """Return False: a stop is a file of the folder."""
        return False

    def held_by_another(self) -> bool:
        """Return False: the folder's own lock says it."""
        return False


LOCAL: Store = LocalStore()
"""The store of every run folder that is in no object store."""
