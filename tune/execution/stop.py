"""Stop a search before its last trial: the reasons, asked for between any two events."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class StopSignal:
    """The reasons to stop: a signal, the end of the time budget, an error in the search itself."""

    deadline: float | None = None
    """A value of `time.monotonic()` after which nothing runs on."""
    signal: int | None = None
    """The signal that asked the search to stop."""
    fault: BaseException | None = None
    """Error in the search's own bookkeeping, without which no trial may go on."""
    given_up: str | None = None
    """The message of trials that all failed alike."""
    _out_of_time: bool = field(default=False, init=False)

    @property
    def out_of_time(self) -> bool:
        """Whether the time budget ended the search."""
        return self._out_of_time

    def lift_deadline(self) -> None:
        """Let what follows take its time: only a signal or an error ends it."""
        self.deadline, self._out_of_time = None, False

    def should_stop(self) -> bool:
        """Tell whether the search has to stop now."""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            self._out_of_time = True
        reasons = (self.signal, self.fault, self.given_up)
        return self._out_of_time or any(reason is not None for reason in reasons)


@contextmanager
def stop_on_signals(stop: StopSignal, say: Callable[[str], None]) -> Iterator[None]:
    """Stop on the first Ctrl-C or SIGTERM; let the second one end the process at once.

    Args:
        stop: Learns of the signal, and tells the search between two events.
        say: Gets a sentence when the first signal comes.

    Yields:
        Nothing; the handlers are what they were when the block ends. Outside of the main thread,
        which alone gets signals, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears signals
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def record(number: int, _frame: object) -> None:
        stop.signal = number
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        say(
            "Stopping: running trials are recorded as interrupted. A second signal ends it at once."
        )

    for number in _SIGNALS:
        signal.signal(number, record)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
