"""Tell how far a running trial is between two rungs.

Its worker leaves the epoch in a small file of the run's scratch folder, and the display reads it.
On another machine that does not share the folder nothing arrives, and nothing is missed: the
results of a trial's rungs come by way of Ray in any case.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tune.run_folder import atomic

_WRITTEN_EVERY_S = 0.5
_READ_EVERY_S = 0.5
_READ = 64  # files at most each time: on a network's folder each takes a millisecond


class Heartbeat:
    """Write how far a trial is, now and then; used in the trial's worker."""

    def __init__(self, path: Path, now: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._now = now
        self._next = float("-inf")
        with suppress(OSError):  # only now: a search that has ended has deleted it
            path.parent.mkdir(parents=True, exist_ok=True)

    def beat(self, epoch: float) -> None:
        """Write how many epochs are trained; at most twice a second, and never raise.

        Args:
            epoch: Epochs trained, with their fraction.
        """
        if (now := self._now()) < self._next:
            return
        self._next = now + _WRITTEN_EVERY_S
        with suppress(OSError):  # a full disk is reported by whoever needs it
            atomic.write_bytes(self._path, f"{epoch:.4f}".encode(), sync=False)


class HeartbeatReader:
    """Read what the trials wrote last, at most twice a second; used by the display."""

    def __init__(
        self, path: Callable[[int], Path], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._now = now
        self._next = float("-inf")
        self._known: dict[int, float] = {}

    def read(self, numbers: list[int]) -> dict[int, float]:
        """Return how far running trials are.

        Args:
            numbers: The trials that run.

        Returns:
            Epochs trained by number, for those of the first some hundred that have written any. The
            files are not read more often than a display needs; in between it is what was read last.
        """
        if (now := self._now()) >= self._next:
            self._next = now + _READ_EVERY_S
            found = {number: _epoch(self._path(number)) for number in numbers[:_READ]}
            self._known = {number: each for number, each in found.items() if each is not None}
        return self._known


def _epoch(path: Path) -> float | None:
    try:
        return float(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
