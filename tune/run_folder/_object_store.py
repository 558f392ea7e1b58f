"""A run folder in an object store, such as `s3://bucket/runs`, and the local copy beside it.

A search works on a copy below the cache. A worker stores a rung's curve and checkpoint before it
reports the rung, and the search's own process stores the journal every few seconds
(`tune.run_folder.sync`). What a record makes superfluous is deleted only once the journal with that
record is stored, so the stored journal never names a rung whose checkpoint is not there. Another
machine takes the run up from the store alone.

Each process that searches a run is a session of it, with a random word that lies in the store and
in the copies that are worked on for it. A copy of another session may hold trials that the store's
journal knows nothing of, or others of the same numbers, so it is made anew from the store; and a
process that slept while another took its run over stores and deletes nothing any more.

The stores are pyarrow's, which reads credentials where the vendor's own tools do: from the
environment, their configuration files or the machine's role, never from the address.
"""

import contextlib
import errno
import fcntl
import functools
import hashlib
import os
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tune.exceptions import RunFolderError
from tune.formatting import without_password
from tune.run_folder import atomic
from tune.study.lease import living, new_lease

LEASE = ".lease"
STOP = ".stop"
JOURNAL = "study.journal"
DATABASE = "study.json"
SESSION = ".session"
"""The word of the process that searched last, or of the one that a copy is worked on for."""
_LOOK_S = 2.0  # between two looks at whether the search has to stop

_looked: dict[str, tuple[float, bool]] = {}
_sessions: dict[str, str] = {}
"""The session that this process works for, by the address of its run."""


def is_address(text: str) -> bool:
    """Tell whether this names a place in a store and not a path."""
    return "://" in text


@dataclass(frozen=True, slots=True)
class RemoteStore:
    """A run in a store and its copy on this machine.

    Methods raise OSError when the store does not answer; a path is one of the copy.
    """

    root: Path
    address: str

    def __str__(self) -> str:
        return self.address.partition("?")[0]

    def here(self, root: Path) -> "tuple[Path, RemoteStore]":  # noqa: ARG002
        """Return the copy of the machine that asks, and the store with it."""
        mine = remote_store(self.address)
        return mine.root, mine

    def describe(self, where: str) -> str:
        """Return the address and where its copy is worked on."""
        return f"{self}, worked on in {where}"

    def publish(self, *paths: Path) -> None:
        """Store these files."""
        with self._told():
            self._check_session()
            for path in paths:
                self.put(self._name(path), path.read_bytes())

    def fetch(self, path: Path) -> bool:
        """Bring a file that this machine lacks; return whether it is there now."""
        if path.exists():
            return True
        content = self.read(path)
        if content is None:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(path, content, sync=False)  # the store has it
        return True

    def read(self, path: Path) -> bytes | None:
        """Return what is stored of a file, which may be newer than the copy; None if nothing."""
        with self._told():
            return self.get(self._name(path))

    def stored_below(self, folder: Path) -> list[Path]:
        """Return the stored files of a folder and all within it."""
        with self._told():
            return [self.root / name for name in self.names(self._name(folder))]

    def remove(self, path: Path) -> None:
        """Delete a stored file at once."""
        with self._told():
            self._check_session()
            self.delete(self._name(path))

    def remove_later(self, path: Path) -> None:
        """Delete a stored file in the background, once the journal as it is now is stored."""
        name = self._name(path)
        self._delete_later(lambda: self.delete(name))

    def prune_later(self, folder: Path, keep: Callable[[str], bool]) -> None:
        """Delete in the background a folder's stored files whose last name is not to be kept.

        That is done once the journal as it is now is stored.
        """
        below = self._name(folder)
        self._delete_later(lambda: self.prune(below, lambda name: keep(name.rpartition("/")[2])))

    def hold_deletions(self) -> None:
        """Let deletions wait until somebody who stores the journal asks for them."""
        _held[self.address] = []

    def take_deletions(self) -> list[Callable[[], None]]:
        """Return the deletions that wait; what they rely on is in the journal of this moment."""
        found = _held.get(self.address, [])
        if found:
            _held[self.address] = []
        return found

    def put_back(self, deletions: list[Callable[[], None]]) -> None:
        """Let deletions wait again, since the journal could not be stored."""
        if self.address in _held:
            _held[self.address][:0] = deletions

    def end_holding(self) -> None:
        """Delete at once from now on."""
        _held.pop(self.address, None)

    def _delete_later(self, work: Callable[[], None]) -> None:
        if self.address in _held:
            _held[self.address].append(work)
        else:
            self.later(work)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Give an error of the store, which has none, the number of a disk that does not answer."""
        try:
            yield
        except OSError as error:
            if error.errno is None:
                raise OSError(errno.EIO, str(error), str(self)) from error
            raise

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def put(self, name: str, content: bytes) -> None:
        """Store a file; a reader sees the old one or the new one.

        Args:
            name: Within the run, with "/" between folders.
            content: All of it.

        Raises:
            OSError: The store does not answer or does not allow it.
        """
        from pyarrow import fs

        store, base = _open_store(self.address)
        target = f"{base}/{name}"
        folder = target.rpartition("/")[0]
        if not isinstance(store, fs.LocalFileSystem):  # an object appears when it is whole
            with store.open_output_stream(target) as stream:
                stream.write(content)
            return
        store.create_dir(folder, recursive=True)
        temporary = f"{folder}/.{secrets.token_hex(8)}.tmp"
        with store.open_output_stream(temporary) as stream:
            stream.write(content)
        store.move(temporary, target)

    def get(self, name: str) -> bytes | None:
        """Return what a stored file holds; None where there is none."""
        store, base = _open_store(self.address)
        try:
            with store.open_input_file(f"{base}/{name}") as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None

    def names(self, below: str = "") -> list[str]:
        """Return the stored files of a folder and all within it, relative to the run.

        A key that would lie outside of the copy, such as `../x`, is no file of a run: it is neither
        fetched nor deleted, here or in the store.
        """
        from pyarrow import fs

        store, base = _open_store(self.address)
        folder = f"{base}/{below}".rstrip("/")
        found = store.get_file_info(fs.FileSelector(folder, recursive=True, allow_not_found=True))
        names = [
            each.path.removeprefix(base).removeprefix("/")
            for each in found
            if each.type == fs.FileType.File
        ]
        return sorted(filter(_is_inside, names))

    def delete(self, name: str) -> None:
        """Delete a stored file, if it is there."""
        store, base = _open_store(self.address)
        with contextlib.suppress(FileNotFoundError):
            store.delete_file(f"{base}/{name}")

    def prune(self, below: str, keep: Callable[[str], bool]) -> None:
        """Delete the stored files of a folder that are not to be kept, the last by name first.

        A worker that fetches a trial amid this then finds earlier checkpoints: one of which only
        later ones are left would look as if it were whole.

        Args:
            below: The folder within the run.
            keep: Told a file's name within the run, says whether it stays.
        """
        for name in reversed(self.names(below)):
            if not keep(name):
                self.delete(name)

    def exists(self) -> bool:
        """Tell whether a search has begun there."""
        return any(self.get(name) is not None for name in (JOURNAL, DATABASE))

    def begin_session(self, study: Path) -> str:
        """Take the run for this process, before its first trial, and take back an earlier stop.

        Args:
            study: The journal, or the file that names the database; it is stored first.

        Returns:
            The session's word, for its workers (`join_session`).
        """
        word = secrets.token_hex(16)
        with self._told():
            _sessions.pop(self.address, None)
            self.publish(study)
            self.put(SESSION, word.encode())
            self.delete(STOP)
        _looked.pop(self.address, None)
        atomic.write_text(self.root / SESSION, word)
        _sessions[self.address] = word
        return word

    def join_session(self, word: str) -> None:
        """Work for a session, with nothing of another one in this machine's copy.

        All that a worker leaves is in the store before it counts, so the copy's trials may go.
        """
        _sessions[self.address] = word
        marker = self.root / SESSION
        if _content(marker) == word:
            return
        self.root.parent.mkdir(parents=True, exist_ok=True)
        beside = self.root.with_name(f".{self.root.name}.lock")
        with beside.open("w") as lock:  # the machine has several workers
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _content(marker) == word:
                return
            self._leave_copy()
            (self.root / "trials").mkdir(parents=True, exist_ok=True)
            atomic.write_text(marker, word)

    def end_session(self) -> None:
        """Work for no session any more."""
        _sessions.pop(self.address, None)

    def _check_session(self) -> None:
        """Raise OSError where another process has taken the run over."""
        mine = _sessions.get(self.address)
        if mine is not None and self.get(SESSION) != mine.encode():
            raise OSError(errno.ESTALE, "another process has taken this run over", str(self))

    def asked_to_stop(self) -> bool:
        """Tell whether the running trials have to end; the store is asked now and then."""
        at, said = _looked.get(self.address, (float("-inf"), False))
        if time.monotonic() - at >= _LOOK_S:
            said = self.get(STOP) is not None
            _looked[self.address] = (time.monotonic(), said)
        return said

    def holder(self) -> dict[str, Any] | None:
        """Return who searches there, if seen within the last minute: `holder`, `since`, `seen`."""
        content = self.get(LEASE)
        if content is None:
            return None
        return living(content, f"{self}/{LEASE}")

    def held_by_another(self) -> bool:
        """Tell whether another process searches there, on whatever machine."""
        holder = self.holder()
        mine = (os.getpid(), socket.gethostname())
        return holder is not None and (holder["pid"], holder["host"]) != mine

    def claim(self, since: float) -> None:
        """Renew the lease that other machines see. It cannot keep two apart that start at once."""
        self._check_session()
        self.put(LEASE, new_lease(since))

    def take(self) -> None:
        """Update the copy from the store, without checkpoints, which are fetched when needed.

        The copy of the latest session stays where it is further, because its machine died before it
        had stored everything. A copy that went another way is put aside, which is printed; any
        other is made anew.
        """
        if not self.exists():
            self.clear_copy()
            return
        stored, own, said = self.get(JOURNAL), _read(self.root / JOURNAL), self.get(SESSION)
        latest = _content(self.root / SESSION) == (None if said is None else said.decode())
        if latest and own is not None and stored is not None and own.startswith(stored):
            return
        if not latest or not (stored or b"").startswith(own or b""):
            self._leave_copy()
        for name in self.names():
            if not _fetched_later(name):
                path = self.root / name
                path.unlink(missing_ok=True)
                self.fetch(path)
        (self.root / "trials").mkdir(parents=True, exist_ok=True)
        if (lease := self.holder()) is not None:
            lock = self.root / ".lock"
            lock.write_text(lease["holder"])
            os.utime(lock, (lease["since"], lease["since"]))

    def clear_copy(self) -> None:
        """Make room for a run that is not in the store.

        A search stores its study before it trains, so a copy with a study is of a run that was
        deleted from the store: it is put aside. What is left of a worker's copy goes.
        """
        if any((self.root / name).exists() for name in (JOURNAL, DATABASE)):
            self._put_aside("is no longer there")
        elif (self.root / SESSION).exists():
            shutil.rmtree(self.root, ignore_errors=True)

    def _leave_copy(self) -> None:
        """Make room for another copy; this one is put aside if the store lacks its records."""
        own = _read(self.root / JOURNAL)
        if own is not None and not (self.get(JOURNAL) or b"").startswith(own):
            self._put_aside("went on elsewhere")
        else:
            shutil.rmtree(self.root, ignore_errors=True)

    def _put_aside(self, why: str) -> None:
        now = time.strftime("%Y%m%d-%H%M%S")
        aside = self.root.with_name(f"{self.root.name}.{now}-{secrets.token_hex(2)}")
        self.root.rename(aside)
        print(f"{self} {why}; the copy here is kept in {aside}", file=sys.stderr)

    def later(self, work: Callable[[], None]) -> None:
        """Do something in the background; if it fails, a file too many is left, nothing worse."""
        _pending[:] = [each for each in _pending if not each.done()]
        _pending.append(_background().submit(work))

    def settle(self) -> None:
        """Wait for the work in the background."""
        for each in _pending:
            each.exception()


def remote_store(address: str) -> RemoteStore:
    """Return the store of a run by its address."""
    from textcls.cache import default_cache_dir

    parent, _, name = address.partition("?")[0].rstrip("/").rpartition("/")
    key = hashlib.sha256(parent.encode()).hexdigest()[:12]
    return RemoteStore(default_cache_dir() / "runs" / key / name, address)


def joined(parent: str, name: str) -> str:
    """Return the address of a run in a folder of a store.

    Args:
        parent: The address of the folder; options behind a "?" stay at the end.
        name: The run's name.
    """
    place, mark, options = parent.partition("?")
    return f"{place.rstrip('/')}/{name}{mark}{options}"


def check_store(address: str) -> None:
    """Raise `RunFolderError` for an address that is none, holds a secret or does not answer."""
    parts = urlsplit(address)
    if parts.password or "secret" in parts.query.lower():
        raise RunFolderError(  # without the address: what is printed may be kept
            "the address of a store holds a secret, which would be kept; leave it to the "
            "environment or to the configuration of the store's own tools"
        )
    try:
        store, base = _open_store(address)
        store.get_file_info(base)
    except Exception as error:  # pyarrow has an exception for each layer
        reason = str(error).strip().splitlines()[0]
        message = f"{address}: cannot be reached ({reason})"
        raise RunFolderError(without_password(message)) from error


@functools.lru_cache
def _open_store(address: str) -> tuple[Any, str]:
    from pyarrow import fs

    store, path = fs.FileSystem.from_uri(address)
    return store, path.rstrip("/")


_pending: list[Future[None]] = []
_held: dict[str, list[Callable[[], None]]] = {}
"""Deletions that wait for the journal to be stored, by the address of their run."""


@functools.lru_cache
def _background() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2, thread_name_prefix="store")


def _content(path: Path) -> str | None:
    content = _read(path)
    return None if content is None else content.decode()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _fetched_later(name: str) -> bool:
    return name.startswith(("trials/", "ensemble/", "track/", ".")) or (
        name.startswith("confirm/") and name.endswith(".safetensors")
    )


def _is_inside(name: str) -> bool:
    """Return whether a stored name stays in its folder when it is a path of this machine."""
    return bool(name) and not any(
        part in ("", ".", "..") or "\0" in part or "\\" in part for part in name.split("/")
    )


def discard(remote: RemoteStore) -> None:
    """Delete a run from the store and its copy here."""
    remote.prune("", lambda _name: False)
    shutil.rmtree(remote.root, ignore_errors=True)
