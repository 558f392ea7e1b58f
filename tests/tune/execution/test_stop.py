import os
import signal
import time

import pytest

from tune.execution.stop import Brake, pulled_by_signals


def test_nothing_pulls_a_new_brake() -> None:
    assert not Brake().pulled()
    assert not Brake(deadline=time.monotonic() + 60).pulled()


@pytest.mark.parametrize("reason", [{"signal": 2}, {"fault": OSError()}, {"given_up": "x"}])
def test_every_reason_pulls_it(reason: dict[str, object]) -> None:
    brake = Brake(**reason)  # type: ignore[arg-type]
    assert brake.pulled()
    assert not brake.out_of_time


def test_the_time_budget_pulls_it() -> None:
    brake = Brake(deadline=time.monotonic())
    assert brake.pulled()
    assert brake.out_of_time


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_pulls_it_and_the_second_is_not_caught(number: signal.Signals) -> None:
    brake, said = Brake(), []
    before = signal.getsignal(number)
    with pulled_by_signals(brake, said.append):
        os.kill(os.getpid(), number)
        assert brake.signal == number
        assert signal.getsignal(number) is signal.SIG_DFL
    assert len(said) == 1
    assert signal.getsignal(number) is before
