"""A process that can be killed at any operation on a run folder, and a simulation's choices."""

import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

from tune.study import journal

T = TypeVar("T")


class Killed(BaseException):
    """The search's process is gone, and its workers with it."""


class WorkerLost(BaseException):
    """A worker's process is gone."""


class Choices:
    """Draws numbers from a seed, or from a tape of earlier draws; 0 is the plainest of each.

    A tape that has come to its end gives zeros, so that a shorter one is a simpler search.
    """

    def __init__(self, seed: int, tape: Sequence[int] | None = None) -> None:
        self._random = random.Random(seed)
        self._given = tape
        self.tape: list[int] = []

    def below(self, count: int) -> int:
        """Draw a whole number from 0 to `count` - 1."""
        if self._given is None:
            drawn = self._random.randrange(count)
        elif len(self.tape) < len(self._given):
            drawn = min(self._given[len(self.tape)], count - 1)
        else:
            drawn = 0
        self.tape.append(drawn)
        return drawn

    def chance(self, percent: int) -> bool:
        """Draw whether something out of the ordinary happens."""
        return self.below(100) >= 100 - percent

    def one_of(self, options: Sequence[T]) -> T:
        """Draw one of some options, the plainest first."""
        return options[self.below(len(options))]


class Machine:
    """Counts operations on files and ends a process before, amid or after one of them.

    Operations are appends to the journal, renames, links, deletions and waits for the disk. What
    was appended since the last of these waits may be lost with the power.
    """

    def __init__(self) -> None:
        self.operations = 0
        self._left: dict[type[BaseException], tuple[int, str]] = {}
        self._dead = False
        self._in_worker = self._worker_dead = False
        self.secured = 0
        """Bytes of the journal that survive a loss of power."""
        self.after_secure: Callable[[], None] = lambda: None
        """What happens at such a moment beside."""

    def arm(self, signal: type[BaseException], operations: int, moment: str) -> None:
        """End a process after so many more operations: `before`, `amid` or `after` the last."""
        self._left[signal] = (operations, moment)

    def disarm(self, signal: type[BaseException]) -> None:
        """Let a process live."""
        self._left.pop(signal, None)

    def revive(self) -> None:
        """Start another process."""
        self._dead = False
        self._left.clear()

    @contextmanager
    def worker(self) -> Iterator[None]:
        """Count operations as those of a worker, which can be lost alone."""
        self._in_worker = True
        try:
            yield
        finally:
            self._in_worker = self._worker_dead = False

    def operation(self, do: Callable[[], T], amid: Callable[[], object] = lambda: None) -> T:
        """Do something, or be killed around it; `amid` does a part of it."""
        if self._dead:
            raise Killed
        if self._worker_dead:
            raise WorkerLost
        self.operations += 1
        for signal in (Killed, WorkerLost):
            if signal not in self._left or (signal is WorkerLost and not self._in_worker):
                continue
            left, moment = self._left[signal]
            self._left[signal] = (left - 1, moment)
            if left == 0:
                self._dead, self._worker_dead = signal is Killed, signal is WorkerLost
                {"before": lambda: None, "amid": amid, "after": do}[moment]()
                raise signal
        return do()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Count the operations of this process."""
        append, secure = journal._Journal.append_logs, journal._Journal.secure

        def append_logs(self: Any, logs: list[dict[str, Any]]) -> None:
            def tear() -> None:
                before = self._path.stat().st_size
                append(self, logs)
                os.truncate(self._path, (before + self._path.stat().st_size) // 2)

            machine.operation(lambda: append(self, logs), tear)

        def secure_journal(self: Any) -> None:
            secure(self)
            machine.secured = self._path.stat().st_size
            machine.after_secure()

        machine = self
        real = {name: getattr(os, name) for name in ("unlink", "replace", "rename", "link")}
        with (
            mock.patch.object(journal._Journal, "append_logs", append_logs),
            mock.patch.object(journal._Journal, "secure", secure_journal),
            mock.patch.object(os, "fsync", self._wrapped(lambda _file: None)),
            mock.patch.multiple(os, **{name: self._wrapped(real[name]) for name in real}),
        ):
            yield

    def _wrapped(self, real: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **options: self.operation(lambda: real(*args, **options))


def lose_power(path: Path, machine: Machine, choices: Choices) -> None:
    """Cut a journal anywhere behind what was on the disk for certain."""
    if path.exists() and (unsecured := path.stat().st_size - machine.secured) > 0:
        os.truncate(path, machine.secured + choices.below(unsecured + 1))
