"""Store what changes in a run's local copy while its search runs, and all of it at the end."""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tune.exceptions import RunFolderError
from tune.run_folder import paths
from tune.run_folder._object_store import LEASE, STOP, RemoteStore, discard
from tune.run_folder.paths import RunFolder

_log = logging.getLogger(__name__)
_EVERY_S = 3.0
_TRIAL = re.compile(r"trials/(\d+)/")


@contextmanager
def synchronised(folder: RunFolder, say: Callable[[str], None]) -> Iterator[None]:
    """Keep the store up to date with a run in an object store; for any other run do nothing.

    Of a search that did not begin nothing stays in the store.

    Args:
        folder: The run.
        say: Gets a sentence where storing takes long or fails for the time being.

    Yields:
        Nothing; all that is there when the block ends is stored.

    Raises:
        RunFolderError: Another machine searches there or, at the end, not everything could be
            stored.
    """
    if not isinstance(folder.store, RemoteStore):
        yield
        return
    syncer = _Syncer(folder, folder.store, say)
    syncer.begin()
    try:
        yield
    except BaseException:
        syncer.end(quietly=True)
        raise
    syncer.end(quietly=False)


class _Syncer:
    def __init__(self, folder: RunFolder, remote: RemoteStore, say: Callable[[str], None]) -> None:
        self._folder, self._remote, self._say = folder, remote, say
        self._stored: dict[Path, tuple[int, int]] = {}
        self._over = threading.Event()
        self._since = time.time()
        self._failing = False
        self._thread = threading.Thread(target=self._go_round, name="sync", daemon=True)

    def begin(self) -> None:
        try:
            holder = self._remote.holder()
            if holder is not None:
                raise RunFolderError(
                    f"{self._remote}: in use by {holder['holder']}; wait for it to end, or stop it"
                )
            self._remote.claim(self._since)
            self._remote.hold_deletions()
            if paths.began(self._folder):
                self._forget_unknown_trials()
        except OSError as error:
            raise RunFolderError(f"{self._remote}: cannot be written ({_said(error)})") from error
        self._thread.start()

    def end(self, *, quietly: bool) -> None:
        self._over.set()
        self._thread.join()
        try:
            if not paths.began(self._folder):
                discard(self._remote)
                return
            self._store_records()
            self._remote.settle()
            self._store(self._everything())
            for name in ("best/", "ensemble/"):
                self._remote.prune(name, lambda each: (self._folder.root / each).exists())
            self._remote.delete(STOP)
            self._remote.delete(LEASE)
        except OSError as error:
            message = (
                f"{self._remote}: cannot be written ({_said(error)}); everything is in "
                f"{self._folder.root}, and --resume brings it there"
            )
            if not quietly:
                raise RunFolderError(message) from error
            self._say(message)
        finally:
            self._remote.end_holding()
            self._remote.end_session()

    def _go_round(self) -> None:
        while not self._over.wait(_EVERY_S):
            try:
                self._remote.claim(self._since)
                self._store_records()
                self._failing = False
            except OSError as error:
                _log.warning("%s: %s", self._remote, error)
                if not self._failing:
                    self._failing = True
                    self._say(
                        f"{self._remote} cannot be written ({_said(error)}); it is tried again, "
                        f"and {self._folder.root} has everything."
                    )

    def _store_records(self) -> None:
        """Store the journal and the other files of the folder itself, then delete what may go."""
        deletions = self._remote.take_deletions()
        try:
            found = sorted(self._folder.root.iterdir())
            self._store([path for path in found if path.is_file()])
        except OSError:
            self._remote.put_back(deletions)
            raise
        for delete in deletions:
            self._remote.later(delete)

    def _store(self, files: list[Path]) -> None:
        for path in files:
            if path.name.startswith("."):  # locks, and files that are being written
                continue
            try:
                about = path.stat()
                mark = (about.st_mtime_ns, about.st_size)
                if self._stored.get(path) != mark:
                    self._remote.publish(path)
                    self._stored[path] = mark
            except FileNotFoundError:
                continue  # replaced in this moment; the next round finds it

    def _everything(self) -> list[Path]:
        """Return all files but those that workers store."""
        root = self._folder.root
        within = [path for path in root.rglob("*") if path.is_file()]
        own = [path.relative_to(root).parts for path in within]
        return [
            path
            for path, parts in zip(within, own, strict=True)
            if parts[0] not in ("trials", self._folder.scratch.name)
            and not (parts[0] == "confirm" and len(parts) > 2)
        ]

    def _forget_unknown_trials(self) -> None:
        """Delete what is stored of trials that began after the journal was stored last.

        Their numbers are given to other trials now.
        """
        from tune.study import study

        records = study.read_study(self._folder.study, self._folder.study_name).records()
        known = {record.number for record in records}
        for name in self._remote.names("trials"):
            if (match := _TRIAL.match(name)) and int(match[1]) not in known:
                self._remote.delete(name)


def _said(error: OSError) -> str:
    return str(error.strerror or error).strip().splitlines()[0]
