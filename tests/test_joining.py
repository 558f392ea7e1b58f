import os
import socket
import time

import pytest

from tune import joining
from tune.environment import versions
from tune.exceptions import ClusterError


def test_a_cluster_that_is_gone_is_noticed_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(ClusterError, match=f"nothing answers at {address} .*: is Ray running"):
            joining.prepare(address)
    assert time.monotonic() - began < 5


def test_something_that_is_no_cluster_ends_within_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(joining, "LIMIT_S", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ClusterError, match=f"{address} cannot be joined: no answer within 2 s"):
            joining.prepare(address)


def test_the_users_own_switches_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNE_WARN_THRESHOLD_S", "1")
    monkeypatch.delenv("RAY_SCHEDULER_EVENTS", raising=False)
    joining.prepare(None)
    assert os.environ["TUNE_WARN_THRESHOLD_S"] == "1"
    assert os.environ["RAY_SCHEDULER_EVENTS"] == "0"


def test_other_versions_are_named() -> None:
    joining._compare(versions())
    with pytest.raises(ClusterError, match=r"ray 0\.1 there, .* here; torch missing there"):
        joining._compare({**versions(), "ray": "0.1", "torch": "missing"})
