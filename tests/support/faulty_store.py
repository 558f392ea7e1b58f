"""An object store of which one request goes wrong, and a whole search that is kept in it.

The store is a folder (pyarrow's `file://`); whatever the search's background thread stores every
few seconds is stored here after each record, so that an operation's number always means the same.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import whole_search
from faulty_disk import FaultyDisk, Killed
from whole_search import Ended

from textcls.cache import default_cache_dir
from tune.run_folder import sync
from tune.run_folder._object_store import LEASE, RemoteStore
from tune.run_folder.paths import RunFolder
from tune.study import journal

FAULTS = ("kill", "killed after", "lost", "unanswered", "repeated", "down")
"""The process is gone before or after a request; the request does not arrive, or its answer does
not, or it arrives twice; the store answers nothing from then on."""
_REQUESTS = ("put", "get", "names", "delete")


@dataclass
class FaultyStore:
    """Counts the requests to a store and spoils the one of a number."""

    fault: str = ""
    at: int = -1
    requests: list[str] = field(default_factory=list)
    _dead: bool = False

    def __call__(self, kind: str, name: object, do: Callable[[], Any]) -> Any:
        """Make a request, or spoil it."""
        if self._dead:
            raise Killed
        number = len(self.requests)
        self.requests.append(f"{kind} {name}")
        if number < self.at or self.at < 0 or (number > self.at and self.fault != "down"):
            return do()
        if self.fault == "repeated":
            do()
            return do()
        if self.fault in ("killed after", "unanswered"):
            do()
        if self.fault.startswith("kill"):
            self._dead = True
            raise Killed
        raise OSError("the store does not answer")

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Have every request of this process go through here, in one order."""
        syncers: list[Any] = []
        begin, secure = sync._Syncer.begin, journal._Journal.secure

        def begun(syncer: Any) -> None:
            begin(syncer)
            syncers.append(syncer)

        def secured(self: Any) -> None:
            secure(self)
            for syncer in syncers:
                with suppress(OSError):  # the next round tries again
                    syncer._store_records()

        def later(_store: RemoteStore, work: Callable[[], None]) -> None:
            with suppress(OSError):
                work()

        def request(name: str) -> Callable[..., Any]:
            real = getattr(RemoteStore, name)
            return lambda store, *rest: self(
                name, rest[0] if rest else "", lambda: real(store, *rest)
            )

        with ExitStack() as stack:
            for place, name, stand_in in (
                (sync._Syncer, "begin", begun),
                (sync._Syncer, "_go_round", lambda _syncer: None),
                (journal._Journal, "secure", secured),
                (RemoteStore, "later", later),
                *((RemoteStore, each, request(each)) for each in _REQUESTS),
            ):
                stack.enter_context(mock.patch.object(place, name, stand_in))
            yield


def run_once(root: Path, store: FaultyStore) -> Ended:
    """Be one process of the search, as `whole_search.run_once`."""
    with store.in_use():
        return whole_search.run_once(root / "none", FaultyDisk(root / "none"), _address(root))


def count_requests(root: Path) -> int:
    """Return how many requests an undisturbed search makes."""
    _begin(root)
    store = FaultyStore()
    run_once(root, store)
    return len(store.requests)


def play(root: Path, fault: str, at: int) -> str | None:
    """Spoil one request of a search, go on, and return what does not hold; None if all does.

    After a kill another machine goes on, with nothing but the store.
    """
    _begin(root)
    store = FaultyStore(fault, at)
    stored = RunFolder(root / "store" / "run")
    try:
        with suppress(Killed):
            run_once(root, store)
        if fault.startswith("kill"):
            shutil.rmtree(default_cache_dir() / "runs", ignore_errors=True)
        (stored.root / LEASE).unlink(missing_ok=True)  # a minute later
        before, told = whole_search.records_of(stored), whole_search.reruns_of(stored)
        ended = run_once(root, FaultyStore())
        if ended.outcome is None:
            return f"{_request(store)}: does not go on: {ended.message}"
        whole_search.check(ended.outcome.request.folder, ended.outcome, before, told)
        _check_store(stored.root, ended.outcome.request.folder.root)
    except Exception as error:
        return f"{_request(store)}: {type(error).__name__}: {error}"
    return None


def _begin(root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    shutil.rmtree(default_cache_dir() / "runs", ignore_errors=True)
    (root / "store").mkdir(parents=True)


def _address(root: Path) -> str:
    return f"file://{root}/store"


def _request(store: FaultyStore) -> str:
    known = store.at < len(store.requests)
    return f"{store.fault} at {store.at}, {store.requests[store.at] if known else ''}"


def _check_store(stored: Path, copy: Path) -> None:
    """The store holds what the copy here holds, and nothing else."""
    found = {path.relative_to(stored).as_posix(): path for path in stored.rglob("*")}
    files = {name for name, path in found.items() if path.is_file()}
    here = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
    own = {name for name in here if not name.startswith((".", "trials/"))}
    own |= {name for name in here if name.endswith(".safetensors")}
    missing = own - files
    assert not missing, f"not stored: {sorted(missing)}"
    strange = {name for name in files - here if not name.startswith(("trials/", "confirm/"))}
    assert not strange, f"left in the store: {sorted(strange)}"
    for folder, most in (("trials/", 2), ("confirm/", 3)):
        checkpoints = [n for n in files if n.startswith(folder) and n.endswith(".safetensors")]
        assert len(checkpoints) <= most, f"too many in the store: {sorted(checkpoints)}"
    journals = [place / "study.journal" for place in (stored, copy)]
    assert journals[0].read_bytes() == journals[1].read_bytes()
