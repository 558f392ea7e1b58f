"""The sign of life of a search in an object store: who searches a run, and since when."""

import json
import os
import socket
import time
from typing import Any

from tune.exceptions import RunFolderError

LEASE = ".lease"
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
    """Tell whether the holder was a process of this machine that is gone."""
    if lease["host"] != socket.gethostname():
        return False
    try:
        os.kill(lease["pid"], 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False
