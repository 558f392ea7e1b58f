import os
import signal
import time

import pytest

from tune.execution.stop import StopSignal, stop_on_signals


def test_nothing_pulls_a_new_brake() -> None:
    assert not StopSignal().should_stop()
    assert not StopSignal(deadline=time.monotonic() + 60).should_stop()


@pytest.mark.parametrize("reason", [{"signal": 2}, {"fault": OSError()}, {"given_up": "x"}])
def test_every_reason_pulls_it(reason: dict[str, object]) -> None:
    stop = StopSignal(**reason)  # type: ignore[arg-type]
    assert stop.should_stop()
    assert not stop.out_of_time


def test_the_time_budget_pulls_it() -> None:
    stop = StopSignal(deadline=time.monotonic())
    assert stop.should_stop()
    assert stop.out_of_time


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_pulls_it_and_the_second_is_not_caught(number: signal.Signals) -> None:
    stop, said = StopSignal(), []
    before = signal.getsignal(number)
    with stop_on_signals(stop, said.append):
        os.kill(os.getpid(), number)
        assert stop.signal == number
        assert signal.getsignal(number) is signal.SIG_DFL
    assert len(said) == 1
    assert signal.getsignal(number) is before
