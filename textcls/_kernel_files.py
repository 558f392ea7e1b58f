"""Compiled kernels as files: where they lie, whether they can be trusted, who compiles.

A file holds one compiled kernel behind a checksum. A file that is cut off, altered or of another
format counts as absent and is written anew. Loading one runs code, so a file that belongs to
another user, or that others may write, counts as absent as well.

Deleting the files is always safe.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from textcls.cache import default_cache_dir

PLACE_VARIABLE = "TEXTCLS_KERNEL_CACHE"
"""The environment variable that names another folder for compiled kernels."""
LOCK_WAIT_S = 120.0
"""How long a process waits for another one that compiles the same kernel: ten times what the
longest takes on a busy machine. After that it compiles the kernel itself."""

_log = logging.getLogger(__name__)
_MAGIC = b"textcls kernel 1\n"
_POLL_S = 0.02
_UNUSED_S = 30 * 24 * 3600
_LEFTOVER_S = 24 * 3600


def kernel_roots() -> tuple[Path, ...]:
    """Return the folders that may hold compiled kernels, the preferred one first.

    $TEXTCLS_KERNEL_CACHE alone where it is set; else `kernels` in the cache folder, and a folder
    of this user's in the system's temporary folder for where that cannot be written.
    """
    if own := os.environ.get(PLACE_VARIABLE):
        return (Path(own),)
    roots = [default_cache_dir() / "kernels"]
    with contextlib.suppress(FileNotFoundError):  # a machine without any temporary folder
        roots.append(Path(tempfile.gettempdir()) / f"textcls-{os.geteuid()}" / "kernels")
    return tuple(dict.fromkeys(roots))


class KernelFiles:
    """The files of one set of kernels: same sources, same compiler, same processor.

    Args:
        roots: Folders that hold sets of kernels, the preferred one first. A kernel is read from
            the first that has it, and written to the first that can be written.
        key: The set's name, a folder in each of the roots.
        lock_wait_s: How long to wait for another process that compiles the same kernel.
    """

    def __init__(
        self, roots: Sequence[Path], key: str, *, lock_wait_s: float = LOCK_WAIT_S
    ) -> None:
        self.folders = tuple(root / key for root in roots)
        self.lock_wait_s = lock_wait_s
        self._swept = False
        self._told = False

    def read(self, name: str) -> bytes | None:
        """Return what was stored under a name, or None where there is nothing to be trusted."""
        for folder in self.folders:
            try:
                with (folder / name).open("rb") as file:
                    if not _trusted(os.fstat(file.fileno())):
                        continue
                    stored = file.read()
            except OSError:
                continue
            payload = stored[len(_MAGIC) + hashlib.sha256().digest_size :]
            if stored == _stamped(payload):
                return payload
        return None

    def write(self, name: str, payload: bytes) -> None:
        """Store a compiled kernel; where no folder can be written, say so once."""
        failures = []
        for folder in self.folders:
            try:
                self._sweep(folder)
                _replace(folder / name, _stamped(payload))
            except OSError as error:
                failures.append(f"{folder}: {error.strerror or error}")
            else:
                return
        if not self._told:
            self._told = True
            _log.warning(
                "Compiled kernels cannot be kept (%s), so every process compiles them again, "
                "which takes about 20 s; set %s to a folder that can be written.",
                "; ".join(failures),
                PLACE_VARIABLE,
            )

    def discard(self, name: str) -> None:
        """Remove what is stored under a name."""
        for folder in self.folders:
            with contextlib.suppress(OSError):
                (folder / name).unlink()

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold a kernel's lock, so that one process compiles it and the others wait and read.

        The wait ends early when the kernel is there, and after `lock_wait_s` at the latest. Where
        nothing can be locked, nobody waits. A process that is killed lets go of its locks.
        """
        file = self._open_lock(name)
        if file is None:
            yield
            return
        try:
            self._wait_for(file, name)
            yield
        finally:
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_UN)  # a forked child would go on holding it
            os.close(file)

    def _open_lock(self, name: str) -> int | None:
        for folder in self.folders:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                return os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o644)
            except OSError:
                continue
        return None

    def _wait_for(self, file: int, name: str) -> None:
        deadline = time.monotonic() + self.lock_wait_s
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self.read(name) is not None or time.monotonic() >= deadline:
                    return
                time.sleep(_POLL_S)
            except OSError:  # a file system without locks
                return
            else:
                return

    def _sweep(self, folder: Path) -> None:
        """Remove sets that were not added to for a month, and what killed processes left."""
        folder.mkdir(parents=True, exist_ok=True)
        if self._swept:
            return
        self._swept = True
        for other in folder.parent.iterdir():
            if other != folder and _older(other, _UNUSED_S):
                shutil.rmtree(other, ignore_errors=True)
        for leftover in folder.glob("*.part"):
            if _older(leftover, _LEFTOVER_S):
                leftover.unlink(missing_ok=True)


def _stamped(payload: bytes) -> bytes:
    return _MAGIC + hashlib.sha256(payload).digest() + payload


def _trusted(found: os.stat_result) -> bool:
    mine = found.st_uid in {0, os.geteuid()}
    return mine and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _replace(path: Path, content: bytes) -> None:
    """Write a file beside and rename it; leave nothing where that fails."""
    beside = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(content)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def _older(path: Path, age_s: float) -> bool:
    try:
        return time.time() - path.stat().st_mtime > age_s
    except OSError:
        return False  # another process was quicker
