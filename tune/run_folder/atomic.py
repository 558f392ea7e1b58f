"""Write a file so that a reader sees the old content or the new content, never a part of it.

The new content goes to a temporary file in the same folder, which is then renamed into place. The
temporary file has a random name and must not exist yet: a run folder may come from somebody else,
and a link under a name that can be guessed would lead the write to any file of the reader's.
"""

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

_MODE = 0o666  # less the process's umask, as `open` has it
_REPLACED = re.compile(r"\.(.+)\.[0-9a-f]{16}\.old")
"""What a folder is called while it is replaced: `textcls.runtime.bundle_files.replaced_folder`."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write_text(path: Path, text: str) -> None:
    """Replace a file's content by a text in UTF-8; it is on disk when the call returns.

    Args:
        path: The file, in a folder that exists. A link there is replaced, not followed.
        text: The whole content.

    Raises:
        OSError: The file cannot be written; the old content then stays, and no temporary file does.
    """
    write_bytes(path, text.encode())


def write_json(path: Path, content: Any) -> None:
    """Replace a file's content by readable JSON, as `write_text` does.

    Args:
        path: The file, in a folder that exists.
        content: What JSON can write.

    Raises:
        ValueError: A number is infinite or not a number, which JSON does not have.
        OSError: As `write_text`.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_bytes(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Replace a file's content by these bytes, as `write_text` does.

    Args:
        path: The file; its folder must exist.
        content: All that it is to hold.
        sync: Whether to wait for the disk. Without it, a loss of power may lose the file.

    Raises:
        OSError: As `write_text`; its file is `path`, not the temporary one.
    """
    try:
        _write(path, content, sync=sync)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def _write(path: Path, content: bytes, *, sync: bool) -> None:
    with _temporary(path.parent) as (temporary, file):
        file.write(content)
        file.flush()
        if sync:
            os.fsync(file.fileno())
        temporary.replace(path)


def is_temporary(path: Path) -> bool:
    """Tell by a file's name whether a killed process may have left it here.

    Args:
        path: Need not exist.
    """
    return path.name.startswith(".") and path.name.endswith(".tmp")


def remove_temporaries(folder: Path) -> None:
    """Delete what killed processes have left half written in a folder.

    A folder `.X.WORD.old` was about to be replaced: it becomes `X` again where there is no newer
    one.

    Args:
        folder: A folder of a run, in which no other process is writing; one that does not exist has
            nothing to delete.
    """
    for path in folder.glob("*"):
        if (found := _REPLACED.fullmatch(path.name)) and path.is_dir():
            replaced = path.with_name(found[1])
            if not replaced.exists():
                path.rename(replaced)
                continue
        elif not is_temporary(path):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def _temporary(folder: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Open a new file under a random name; delete it if the block raises."""
    path = folder / f".{secrets.token_hex(8)}.tmp"
    descriptor = os.open(path, _NEW, _MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield path, file
    except BaseException:
        path.unlink(missing_ok=True)
        raise
