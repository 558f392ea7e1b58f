"""The machines of a simulated search that is kept in an object store, and the store between them.

The store is a folder (pyarrow's `file://`). Each machine has a copy of its own below its own cache:
the one that searches and those that train. What the search's background thread stores every few
seconds is stored here at moments that are drawn, and background deletions are done later or, where
the process is killed first, never.
"""

import contextlib
import copy
import hashlib
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from simulated_machine import Choices, Machine
from simulated_truth import Truth

from tune.run_folder import _object_store as object_store
from tune.run_folder import sync
from tune.run_folder._object_store import LEASE, RemoteStore
from tune.run_folder.paths import RunFolder

SEARCHING = ("here", "there")
"""Machines that the search may run on."""
_CHANGING = ("put", "delete")


class Hosts:
    """Machines with a copy each, and what is known of every journal that one of them may hold."""

    def __init__(self, root: Path, choices: Choices, machine: Machine) -> None:
        self.root, self._choices, self._machine = root, choices, machine
        self.address = f"file://{root}/store"
        self.stored = RunFolder(root / "store" / "run")
        self.searching = SEARCHING[0]
        self.training = ("here", *choices.one_of(((), ("far",), ("far", "farther"), ("there",))))
        """Machines that train."""
        self.stores_seldom = choices.one_of((2, 5, 20, 100))
        """After one in so many events and records the journal is stored."""
        self._truths: dict[str, Truth] = {}
        self._syncer: Any = None
        self._background: list[Callable[[], None]] = []

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Have the copies of this process lie where it is on, and requests be operations of it."""

        def operation(name: str) -> Callable[..., Any]:
            real = getattr(RemoteStore, name)
            return lambda store, *given: self._machine.operation(lambda: real(store, *given))

        with ExitStack() as stack:
            for place, name, stand_in in (
                (sync._Syncer, "_go_round", lambda _syncer: None),
                (RemoteStore, "later", lambda _store, work: self._background.append(work)),
                (RemoteStore, "settle", lambda _store: self._settle()),
                (object_store, "_LOOK_S", 0.0),
                *((RemoteStore, each, operation(each)) for each in _CHANGING),
            ):
                stack.enter_context(mock.patch.object(place, name, stand_in))
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
            yield

    @contextmanager
    def on(self, host: str) -> Iterator[None]:
        """Be on one of the machines."""
        with mock.patch.dict(os.environ, {"TEXTCLS_CACHE": str(self.root / host)}):
            yield

    def move(self) -> str:
        """Return where the search goes on after its process has ended, or was killed."""
        object_store._held.clear()
        object_store._sessions.clear()
        self._background.clear()
        self._syncer = None
        (self.stored.root / LEASE).unlink(missing_ok=True)  # a minute later
        if self._choices.chance(40):
            self.searching = self._choices.one_of(SEARCHING)
        if self._choices.chance(15):
            shutil.rmtree(self.root / self.searching, ignore_errors=True)
        return self.searching

    def forget(self) -> None:
        """Delete the run from the store; the copies stay."""
        shutil.rmtree(self.stored.root, ignore_errors=True)
        self._truths.clear()

    def begin(self, folder: RunFolder) -> None:
        """Let the search store what changes, from now on."""
        assert isinstance(folder.store, RemoteStore)
        self._syncer = sync._Syncer(folder, folder.store, lambda _line: None)
        self._syncer.begin()

    def end(self, truth: Truth) -> None:
        """Store everything; what is stored then is what this machine has, and no more."""
        self.keep(truth)
        self._syncer.end(quietly=False)
        folder = self._syncer._folder
        if folder.journal.exists():
            assert folder.journal.read_bytes() == self.stored.journal.read_bytes()
        truth.no_stray_file(self.stored, after_stop=False)
        truth.checkpoints(self.stored)

    def go_round(self, truth: Truth) -> None:
        """Store the journal, perhaps, and do some of what waits in the background."""
        if self._syncer is None:
            return
        if self._choices.below(self.stores_seldom) == 0:
            self.keep(truth)
            self._syncer._store_records()
        if self._background and self._choices.below(2):
            self._background.pop(0)()

    def _settle(self) -> None:
        while self._background:
            self._background.pop(0)()

    def keep(self, truth: Truth) -> None:
        """Keep what is true while the journal is as it is now."""
        if self._syncer is not None and self._syncer._folder.journal.exists():
            self._truths[_key(self._syncer._folder)] = copy.deepcopy(truth)

    def recall(self, folder: RunFolder) -> Truth | None:
        """Return what was true when the journal was as it is in this copy."""
        known = self._truths.get(_key(folder)) if folder.journal.exists() else None
        return copy.deepcopy(known)


def _key(folder: RunFolder) -> str:
    content = folder.journal.read_bytes()
    return hashlib.sha256(content[: content.rfind(b"\n") + 1]).hexdigest()
