"""A folder on which one operation goes wrong: a kill, a torn write, an error of the disk.

Counts every open for writing, write, wait for the disk, rename, link, deletion, new folder and
truncation below a folder, whoever asks for it: this program, Optuna, the standard library, and
safetensors' files as one write each.
"""

import builtins
import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from textcls.training import tensor_files

KILL, TEAR = "kill", "tear"
ERRORS = {"full": errno.ENOSPC, "broken": errno.EIO, "forbidden": errno.EACCES}
FAULTS = (KILL, TEAR, *ERRORS)
"""The process is gone before an operation, or amid it; or the disk refuses it."""
_TAKES_SPACE = ("open", "write", "fsync", "mkdir", "link", "rename")
_WRITING = set("wax+")


class Killed(BaseException):
    """The search's process is gone."""


@dataclass
class FaultyDisk:
    """Counts the operations below a folder and spoils the one of a number, and what follows."""

    root: Path
    fault: str = ""
    at: int = -1
    """The operation that is spoilt, counted from 0."""
    operations: list[str] = field(default_factory=list)
    """What was done so far, such as "rename result.json"."""
    secured: bytes = b""
    """The journal as the program has last waited for it to be on the disk."""
    _open: dict[int, tuple[str, tuple[int, int]]] = field(default_factory=dict)
    """By descriptor: the name of an open file and what tells it from a later one there."""

    def __call__(self, kind: str, path: object, do: Callable[[], Any], half: Any = None) -> Any:
        """Do an operation, or spoil it; `half` does a part of it."""
        name = self._inside(path)
        if name is None:
            return do()
        number = len(self.operations)
        self.operations.append(f"{kind} {name}")
        if number < self.at or self.at < 0:
            return do()
        if self.fault in (KILL, TEAR):  # nothing is done by a process that is gone
            if number == self.at and self.fault == TEAR and half is not None:
                half()
            raise Killed
        if self.fault == "full" and kind not in _TAKES_SPACE:
            return do()
        if self.fault == "forbidden" and kind in ("write", "fsync"):  # of a file that is open
            return do()
        if self.fault == "full" and half is not None:
            half()
        code = ERRORS[self.fault]
        if kind in ("write", "fsync"):  # of a file that is open: the system names none
            raise OSError(code, os.strerror(code))
        raise OSError(code, os.strerror(code), str(path))

    def _inside(self, path: object) -> str | None:
        if isinstance(path, int):
            return self._name(path)
        try:
            found = Path(os.fsdecode(path))  # type: ignore[arg-type]
        except TypeError:
            return None
        if found.is_absolute() and found.is_relative_to(self.root):
            return found.relative_to(self.root).as_posix()
        return None

    def _note(self, descriptor: int, name: str) -> None:
        self._open[descriptor] = (name, _identity(descriptor))

    def _name(self, descriptor: int) -> str | None:
        """Return the name of an open file; a descriptor that was closed may be another file's."""
        name, identity = self._open.get(descriptor, (None, None))
        return name if name is not None and _identity(descriptor) == identity else None

    @contextmanager
    def mounted(self) -> Iterator["FaultyDisk"]:
        """Watch all operations of this process."""
        real = {
            name: getattr(os, name)
            for name in ("open", "fsync", "replace", "rename", "link", "unlink", "mkdir", "rmdir")
        }

        def simple(kind: str, name: str) -> Callable[..., Any]:
            def operate(path: Any, *rest: Any, **options: Any) -> Any:
                # `shutil.rmtree` names files by a descriptor of their folder and their last name.
                folder = options.get("dir_fd")
                full = path
                if folder is not None and (known := self._name(folder)) is not None:
                    full = self.root / known / os.fsdecode(path)
                if name in ("replace", "rename"):
                    full = rest[0]
                done = self(kind, full, lambda: real[name](path, *rest, **options))
                if name == "fsync" and self._inside(path) == "run/study.journal":
                    self.secured = (self.root / "run" / "study.journal").read_bytes()
                return done

            return operate

        def open_descriptor(path: Any, flags: int, *rest: Any, **options: Any) -> int:
            folder = options.get("dir_fd")
            full = path
            if folder is not None and (known := self._name(folder)) is not None:
                full = self.root / known / os.fsdecode(path)

            def do() -> int:
                descriptor: int = real["open"](path, flags, *rest, **options)
                name = self._inside(full)
                if name is not None:
                    self._note(descriptor, name)
                return descriptor

            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                descriptor: int = self("open", full, do)
                return descriptor
            return do()

        real_open = io.open

        def open_file(file: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
            if not _WRITING & set(mode) or self._inside(file) is None:
                return real_open(file, mode, *rest, **options)
            name = self._inside(file)
            assert name is not None
            if isinstance(file, int):
                made = real_open(file, mode, *rest, **options)
            else:
                made = self("open", file, lambda: real_open(file, mode, *rest, **options))
                self._note(made.fileno(), name)
            return _File(made, self.root / name, self)

        def truncate(path: Any, length: int) -> None:
            self("truncate", path, lambda: real_truncate(path, length))

        def save_file(tensors: Any, path: Path, metadata: Any = None) -> None:
            def half() -> None:
                real_save(tensors, path, metadata)
                real_truncate(path, path.stat().st_size // 2)

            self("write", path, lambda: real_save(tensors, path, metadata), half)

        real_truncate, real_save = os.truncate, tensor_files.save_file
        patched = {
            "fsync": simple("fsync", "fsync"),
            "replace": simple("rename", "replace"),
            "rename": simple("rename", "rename"),
            "link": simple("link", "link"),
            "unlink": simple("unlink", "unlink"),
            "mkdir": simple("mkdir", "mkdir"),
            "rmdir": simple("rmdir", "rmdir"),
            "truncate": truncate,
            "open": open_descriptor,
        }
        with ExitStack() as stack:
            stack.enter_context(mock.patch.multiple(os, **patched))
            stack.enter_context(mock.patch.object(io, "open", open_file))
            stack.enter_context(mock.patch.object(builtins, "open", open_file))
            stack.enter_context(mock.patch.object(tensor_files, "save_file", save_file))
            yield self


def _identity(descriptor: int) -> tuple[int, int]:
    try:
        about = os.fstat(descriptor)
    except OSError:
        return 0, 0
    return about.st_dev, about.st_ino


class _File:
    """An open file whose writes are operations."""

    def __init__(self, file: Any, path: Path, disk: FaultyDisk) -> None:
        self._file, self._path, self._disk = file, path, disk

    def write(self, content: Any) -> int:
        def half() -> None:
            self._file.write(content[: len(content) // 2])
            self._file.flush()

        def whole() -> int:
            written: int = self._file.write(content)
            self._file.flush()  # or the order of writes would be another than the program's
            return written

        written: int = self._disk("write", self._path, whole, half)
        return written

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def truncate(self, size: int | None = None) -> int:
        cut: int = self._disk("truncate", self._path, lambda: self._file.truncate(size))
        return cut

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "_File":
        self._file.__enter__()
        return self

    def __exit__(self, *error: object) -> Any:
        return self._file.__exit__(*error)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)
