"""Starts a Ray of our own, or joins one that runs.

Ours is started with `address="local"`, so that the leftovers of an earlier session cannot catch
it. Joining is tried first in a process of its own with a time limit, because Ray tries again for
minutes when a cluster has gone.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray

from tune.exceptions import ClusterError
from tune.resources import Node

JOIN_LIMIT_S = 25.0
_CONNECT_LIMIT_S = 4.0

_DEFAULTS = {
    "RAY_AIR_NEW_OUTPUT": "0",  # the new one prints a table however quiet it is asked to be
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # paths on the command line stay as they were typed
    "RAY_SCHEDULER_EVENTS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_PROMPT_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # they double the time of a short trial
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the search has its own
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "30",  # a trial between two rungs is slow to notice its end
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # the study is the record; snapshots only cost time
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_THRESHOLD_S": "5",
}

_PROBE = """
import logging, sys, ray
ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.ERROR)
ray.nodes()
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Ray that is ready."""

    nodes: tuple[Node, ...]
    dashboard_url: str | None
    address: str | None
    """Where it was joined; None for one of our own."""


@contextmanager
def session(
    address: str | None = None, *, cpus: int | None = None, dashboard: bool = True
) -> Iterator[Cluster]:
    """Start or join Ray and leave it again; a Ray that this process uses already is used.

    `address` is `HOST:PORT` or "auto". Without it, `cpus` says how many cores our own Ray offers
    instead of all, and `dashboard` whether it has one. Raises `ClusterError` within 30 s when it
    cannot be joined.
    """
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    if ray.is_initialized():
        yield _describe(None, address)
        return
    dashboard_url = _join(address) if address else _start(cpus, dashboard)
    try:
        yield _describe(dashboard_url, address)
    finally:
        ray.shutdown()


def _start(cpus: int | None, dashboard: bool) -> str | None:
    try:
        context = ray.init(address="local", num_cpus=cpus, include_dashboard=dashboard, **_quiet())
    except (OSError, RuntimeError, ValueError) as error:
        raise ClusterError(f"Ray could not be started: {error}") from error
    return _url(context)


def _join(address: str) -> str | None:
    _knock(address)
    probe = [sys.executable, "-c", _PROBE, address]
    try:
        done = subprocess.run(  # noqa: S603  # the address is an argument, not a command
            probe, timeout=JOIN_LIMIT_S, capture_output=True, text=True, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(
            f"no answer from a Ray cluster at {address} within {JOIN_LIMIT_S:.0f} s: is it "
            "running, and does it ask for a token (RAY_AUTH_MODE=token, RAY_AUTH_TOKEN)?"
        ) from error
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ClusterError(f"the Ray cluster at {address} cannot be joined: {reason}")
    # Workers that others started have an environment of their own.
    environment = {name: os.environ[name] for name in _DEFAULTS}
    context = ray.init(address=address, runtime_env={"env_vars": environment}, **_quiet())
    return _url(context)


def _knock(address: str) -> None:
    """Fail at once when nothing listens at HOST:PORT."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdigit()):
        return
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_LIMIT_S).close()
    except OSError as error:
        raise ClusterError(f"nothing answers at {address} ({error}): is Ray running?") from error


def _quiet() -> dict[str, Any]:
    return {"log_to_driver": False, "configure_logging": False}


def _url(context: Any) -> str | None:
    return str(context.dashboard_url) if context.dashboard_url else None


def _describe(dashboard_url: str | None, address: str | None) -> Cluster:
    nodes = tuple(
        Node(cpus=node["Resources"].get("CPU", 0.0), gpus=node["Resources"].get("GPU", 0.0))
        for node in ray.nodes()
        if node["Alive"]
    )
    return Cluster(nodes, f"http://{dashboard_url}" if dashboard_url else None, address)
