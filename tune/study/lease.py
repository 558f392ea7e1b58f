"""The sign of life of a search, for other machines: who searches a run, and since when.

A run folder's own lock does not reach a machine that has another copy of the folder. So a search
renews a sign of life in the object store where its run lies, and in the database where its study
lies. Another process is refused until that is a minute old, and then takes the trials over.
"""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from tune.exceptions import RunFolderError, SearchError
from tune.formatting import without_password

_log = logging.getLogger(__name__)
_RENEWED_EVERY_S = 20.0
_HELD = "searched by"
"""The attribute of a study in a database that is its sign of life."""

LEASE_S = 60.0
"""Seconds without a sign of life after which a search counts as dead."""
_LEASE_KEYS: dict[str, type | tuple[type, ...]] = {
    "holder": str,
    "pid": int,
    "host": str,
    "since": (int, float),
    "seen": (int, float),
}


def new_lease(since: float) -> bytes:
    """Return the sign of life of this process, as of now.

    Args:
        since: When its search began, in seconds since 1970.
    """
    lease = {
        "holder": f"process {os.getpid()} on {socket.gethostname()}",
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": since,
        "seen": time.time(),
    }
    return json.dumps(lease).encode()


def checked_lease(content: bytes, where: str) -> dict[str, Any]:
    """Return the sign of life of a search.

    Args:
        content: JSON, as `new_lease` makes it, or whatever lies there.
        where: What messages call its place.

    Raises:
        RunFolderError: It is damaged, so nobody knows whether a search runs there.
    """
    try:
        lease = json.loads(content)
        for key, kind in _LEASE_KEYS.items():
            if isinstance(lease[key], bool) or not isinstance(lease[key], kind):
                raise TypeError(f"{key} is {lease[key]!r}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunFolderError(
            f"{where}: damaged ({type(error).__name__}: {error}), so nobody knows whether a search "
            "runs there; delete it once none does"
        ) from error
    found: dict[str, Any] = lease
    return found


def is_dead(lease: dict[str, Any]) -> bool:
    """Tell whether the holder was a process of this machine that is gone.

    Args:
        lease: As `checked_lease` returns it.
    """
    if lease["host"] != socket.gethostname():
        return False
    try:
        os.kill(lease["pid"], 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def living(content: bytes, where: str) -> dict[str, Any] | None:
    """Return a sign of life; None if it is older than a minute or its process is known to be gone.

    Args:
        content: What `new_lease` returned.
        where: What to call it if it is damaged.

    Raises:
        RunFolderError: It is damaged.
    """
    lease = checked_lease(content, where)
    fresh = time.time() - lease["seen"] < LEASE_S
    return lease if fresh and not is_dead(lease) else None


class StudyHold:
    """Keeps other processes from searching a study in a database, until the block ends.

    Args:
        on_loss: Told once when another process has taken the study over meanwhile, because this one
            slept or could not reach the database for a minute.
        renewed_every_s: Seconds between two signs of life.
    """

    def __init__(
        self,
        on_loss: Callable[[SearchError], None],
        renewed_every_s: float = _RENEWED_EVERY_S,
    ) -> None:
        self._on_loss = on_loss
        self._every_s = renewed_every_s
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._url = self._name = ""
        self._since = time.time()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._thread is not None:
            self._over.set()
            self._thread.join()

    def take(self, url: str, name: str) -> None:
        """Take a study, and renew the sign of life from now on.

        Args:
            url: The database.
            name: The study.

        Raises:
            SearchError: Another process searches it, or the database does not answer.
        """
        self._url, self._name = url, name
        held = self._write()
        if held is not None:
            raise SearchError(
                f"{self._place}: in use by {held['holder']}; stop it, or wait for it to end: "
                f"{LEASE_S:.0f} s after its last sign of life its trials are taken over"
            )
        self._thread = threading.Thread(target=self._renew, name="study lease", daemon=True)
        self._thread.start()

    @property
    def _place(self) -> str:
        return f"{without_password(self._url)}, study {self._name!r}"

    def _renew(self) -> None:
        over = False
        while not over:
            over = self._over.wait(self._every_s)
            try:
                held = self._write(give_back=over)
            except Exception as error:  # of any driver; the next round tries again
                _log.warning("%s: %s", self._place, error)
                continue
            if held is not None:
                if not over:
                    self._on_loss(SearchError(f"{self._place}: taken over by {held['holder']}"))
                return

    def _write(self, *, give_back: bool = False) -> dict[str, Any] | None:
        """Write a sign of life, unless another process gives one, which is returned."""
        from tune.study.journal import Storage  # late: Optuna

        opened = Storage(self._url).open()
        study = opened.get_study_id_from_name(self._name)
        if said := opened.get_study_user_attrs(study).get(_HELD):
            held = living(str(said).encode(), self._place)
            mine = (os.getpid(), socket.gethostname(), self._since)
            if held is not None and (held["pid"], held["host"], held["since"]) != mine:
                return held
        content = "" if give_back else new_lease(self._since).decode()
        opened.set_study_user_attr(study, _HELD, content)
        return None
