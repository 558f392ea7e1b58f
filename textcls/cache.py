"""Keep numpy arrays in a folder under a key, checked before they are trusted.

An entry is a folder of `.npy` files and a manifest with the size and CRC-32 of each. It is written
under another name and renamed. An entry that is cut off, altered or of another format counts as
absent, and storing puts a new one in its place. Two processes may store the same entry at once: the
second finds the first's and keeps it. Deleting the cache is always safe.
"""

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FORMAT = 1
_MANIFEST = "manifest.json"
_BLOCK = 1 << 20
_LEFTOVER_AGE_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Entry:
    """The content of an entry: arrays (once loaded, read-only maps of their files) and JSON."""

    arrays: dict[str, NDArray[Any]]
    meta: dict[str, Any]

    def frozen(self) -> "Entry":
        """Return the entry with its arrays made read-only, as loading does."""
        for values in self.arrays.values():
            values.flags.writeable = False
        return self


def default_cache_dir() -> Path:
    """Return the cache folder: $TEXTCLS_CACHE, else $XDG_CACHE_HOME/textcls, else ~/.cache/textcls.

    A user without a home, as in some containers, gets a folder in the system's temporary folder.
    """
    if own := os.environ.get("TEXTCLS_CACHE"):
        return Path(own)
    if above := os.environ.get("XDG_CACHE_HOME"):
        return Path(above) / "textcls"
    home = _home()
    if home is None:
        return Path(tempfile.gettempdir()) / f"textcls-{os.geteuid()}"
    return home / ".cache" / "textcls"


def _home() -> Path | None:
    """Return the user's home; None without one, or where it is the root folder and not writable."""
    try:
        home = Path.home()
    except RuntimeError:  # neither $HOME nor an entry among the system's users
        return None
    return None if home == Path("/") and not os.access(home, os.W_OK) else home


def key(*parts: Any) -> str:
    """Return a name for what is made from some parts.

    Args:
        parts: Whatever decides the content, as JSON can write it; the order counts.

    Returns:
        32 hexadecimal digits: equal parts have equal names, and the cache's format is one of them.

    Example:
        >>> key("vectors", 100) == key("vectors", 100), key("vectors", 100) == key("vectors", 50)
        (True, False)
    """
    return hashlib.sha256(_json([_FORMAT, *parts])).hexdigest()[:32]


def fetch(folder: Path, make: Callable[[], Entry], say: Callable[[str], None]) -> Entry:
    """Return the entry in `folder`; make and store it first where no good one is there.

    Args:
        folder: Where the entry is or will be.
        make: Computes the entry.
        say: Called with a sentence where the entry cannot be stored; it is then returned from
            memory.

    Returns:
        The entry as it was loaded, its arrays read-only.
    """
    if entry := load(folder):
        return entry
    made = make()
    try:
        store(folder, made)
    except OSError as error:
        say(f"The cache cannot be written, so the next start will take as long: {error}")
    return load(folder) or made.frozen()


def load(folder: Path) -> Entry | None:
    """Return the entry in a folder.

    Args:
        folder: Where `store` has put it.

    Returns:
        Its arrays, as read-only maps of their files, and its JSON; None where there is no entry, or
        a file of it has another size or checksum than it was stored with.
    """
    try:
        manifest = _read_manifest(folder / _MANIFEST)
        arrays = {
            name: _read_array(folder / f"{name}.npy", size, checksum)
            for name, (size, checksum) in manifest["files"].items()
        }
    except (OSError, ValueError):
        return None
    return Entry(arrays, manifest["meta"])


def store(folder: Path, entry: Entry) -> None:
    """Write an entry.

    What other processes left half-written beside it, more than a day ago, is deleted.

    Args:
        folder: Where it is written; its parents are made. A good entry that is there already is
            kept.
        entry: Arrays whose names become files, and JSON.

    Raises:
        OSError: The folder cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    draft = _beside(folder)
    draft.mkdir()
    try:
        _write(draft, entry)
        _put_in_place(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write(folder: Path, entry: Entry) -> None:
    files = {}
    for name, values in entry.arrays.items():
        path = folder / f"{name}.npy"
        with path.open("wb") as file:
            np.save(file, values, allow_pickle=False)
        files[name] = (path.stat().st_size, _checksum(path))
    body = {"format": _FORMAT, "files": files, "meta": entry.meta}
    manifest = {**body, "checksum": zlib.crc32(_json(body))}
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def _put_in_place(draft: Path, folder: Path) -> None:
    """Rename `draft` to `folder`, replacing a damaged entry and keeping a good one."""
    while True:
        try:
            draft.rename(folder)
        except OSError as error:
            # By the error and not by a look: another process may have moved the folder meanwhile.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            if load(folder) is not None:
                return
            _discard(folder)
        else:
            return


def _discard(folder: Path) -> None:
    """Remove a damaged entry; another process may have done so already."""
    trash = _beside(folder)
    with contextlib.suppress(FileNotFoundError):
        folder.rename(trash)
    shutil.rmtree(trash, ignore_errors=True)


def _beside(folder: Path) -> Path:
    """Return a name that no other process, on this machine or another, chooses."""
    return folder.with_name(f".{folder.name}.{secrets.token_hex(8)}.tmp")


def _sweep(parent: Path) -> None:
    """Remove what killed processes left half-written."""
    for leftover in parent.glob(".*.tmp"):
        try:
            if time.time() - leftover.stat().st_mtime > _LEFTOVER_AGE_S:
                shutil.rmtree(leftover, ignore_errors=True)
        except FileNotFoundError:
            continue  # its owner was quicker


def _read_manifest(path: Path) -> dict[str, Any]:
    manifest = json.loads(path.read_bytes())
    if not isinstance(manifest, dict):
        raise ValueError("not a manifest")
    checksum = manifest.pop("checksum", None)
    if manifest.get("format") != _FORMAT or checksum != zlib.crc32(_json(manifest)):
        raise ValueError("a manifest of another format, or damaged")
    return manifest


def _read_array(path: Path, size: int, checksum: int) -> NDArray[Any]:
    if path.stat().st_size != size or _checksum(path) != checksum:
        raise ValueError("damaged")
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    return np.asarray(mapped)  # a plain array over the map: np.memmap is slow to slice


def _checksum(path: Path) -> int:
    """Return the CRC-32 of a file: about 1 GB/s, and it finds accidents, which is all it is for."""
    checksum = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
