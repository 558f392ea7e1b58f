"""Start a Ray of our own, or join one that runs.

Ours is started with `address="local"`, so that the leftovers of an earlier session cannot catch
it. `ray_connect.configure_ray` comes first, before this file and with it Ray is imported.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import ray

from tune.exceptions import ClusterError
from tune.execution import _ray_private
from tune.execution.ray_connect import DEFAULTS
from tune.execution.resources import Node

_A_LITTLE = 0.001  # of a card: enough to be let in
_THIS_MACHINE = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Ray that is ready."""

    nodes: tuple[Node, ...]
    dashboard_url: str | None
    address: str | None
    """Where it was joined; None for one of our own."""


@contextmanager
def session(
    address: str | None = None,
    *,
    cpus: int | None = None,
    dashboard: bool = True,
    dashboard_host: str | None = None,
) -> Iterator[Cluster]:
    """Start or join Ray and leave it again; a Ray that this process uses already is used.

    Args:
        address: `HOST:PORT` or "auto" to join a cluster; None to start a Ray of our own.
        cpus: Cores that our own Ray offers; by default all.
        dashboard: Whether our own Ray has a dashboard.
        dashboard_host: Where it listens; by default 127.0.0.1.

    Raises:
        ClusterError: Ray cannot be started or joined.
    """
    if ray.is_initialized():
        yield _describe(None, address)
        return
    with nullcontext() if address else _ray_private.loopback_only():
        dashboard_url = _join(address) if address else _start(cpus, dashboard, dashboard_host)
        try:
            yield _describe(dashboard_url, address)
        finally:
            ray.shutdown()


def card_bytes() -> list[int]:
    """Return the memory of a card of each node that has any; 0 where torch sees none."""
    asked = [
        ray.remote(num_cpus=0, num_gpus=_A_LITTLE, scheduling_strategy=_on(node["NodeID"]))(
            _card_bytes
        ).remote()
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("GPU", 0.0) >= 1
    ]
    return [int(size) for size in ray.get(asked)]


def _on(node: str) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node, soft=False)


def _card_bytes() -> int:
    import torch  # in a worker

    if not torch.cuda.is_available():
        return 0
    return int(torch.cuda.get_device_properties(0).total_memory)


def _start(cpus: int | None, dashboard: bool, dashboard_host: str | None) -> str | None:
    _ray_private.reread_environment()
    try:
        context = ray.init(
            address="local",
            num_cpus=cpus,
            include_dashboard=dashboard,
            dashboard_host=dashboard_host or _THIS_MACHINE,
            **_quiet(),
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise ClusterError(f"Ray could not be started: {error}{_remedy(error)}") from error
    return _url(context)


def _remedy(error: Exception) -> str:
    if "AF_UNIX" not in str(error):
        return ""
    return (
        ". The path of its temporary folder is too long for a socket: set RAY_TMPDIR to a short "
        "one, such as /tmp"
    )


def _join(address: str) -> str | None:
    # Workers that others started have an environment of their own.
    environment = {name: os.environ[name] for name in DEFAULTS}
    _ray_private.reread_environment()
    try:
        context = ray.init(address=address, runtime_env={"env_vars": environment}, **_quiet())
    except (OSError, RuntimeError, ValueError) as error:
        raise ClusterError(f"the Ray cluster at {address} cannot be joined: {error}") from error
    return _url(context)


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
