"""Start a Ray of our own, or join one that runs.

Ours is started with `address="local"`, so that the leftovers of an earlier session cannot catch
it. `ray_connect.configure_ray` comes first, before this file and with it Ray is imported.
"""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import ray

from textcls.command_line import typed
from textcls.output import printable
from tune.exceptions import ClusterError, RayLostError
from tune.execution import _ray_private
from tune.execution.ray_connect import DEFAULTS
from tune.execution.resources import Card, Node, SeenCards, describe_cards, with_cards
from tune.execution.stop import StopSignal
from tune.run_folder import paths
from tune.run_folder.paths import RunFolder

ANSWER_TIMEOUT_S = 120.0
"""Seconds that a node has to say which cards it has: starting a process and importing torch."""
_THIS_MACHINE = "127.0.0.1"
_LOOK_S = 0.5
"""Seconds between two looks at whether Ray lives."""
WORKER_FIRST_S = 1.0
"""Seconds by which a worker may end before the raylet that takes it along."""
_GRACE_S = 10.0
"""Seconds that a search has to end by itself once Ray has died."""
_SAY_UNLESS_TOLD = r"""
read -r told && exit
test -t 2 && printf '\033[?25h\n' >&2
printf '%s\n' "$0" >&2
"""
"""Prints its argument once standard input ends without a line, and shows the cursor again."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Ray that is ready."""

    nodes: tuple[Node, ...]
    dashboard_url: str | None
    """None where there is none to tell of; empty where our own did not start in time."""
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

    Yields:
        The nodes, the dashboard's address, and whether the Ray is our own.

    Raises:
        ClusterError: Ray cannot be started or joined.
    """
    if ray.is_initialized():
        yield _describe(None, address)
        return
    with ExitStack() as own:
        if not address:
            own.enter_context(_ray_private.loopback_only())
            own.enter_context(_ray_private.own_process_groups())
        dashboard_url = _join(address) if address else _start(cpus, dashboard, dashboard_host)
        try:
            yield _describe(dashboard_url, address)
        finally:
            _ray_private.end_ray()
            _ray_private.forget_environment()


@contextmanager
def watched(folder: RunFolder, *stops: StopSignal) -> Iterator[None]:
    """Stop a search when Ray itself dies under it, and see that its last words are said.

    Ray ends a process whose raylet or GCS has died, from C++: after ten seconds or at once, so
    that nothing of ours runs any more. What is to be said then is said by a shell, which waits for
    the end of this process. It also says it where the process was killed.

    Args:
        folder: The run; its study exists.
        stops: Get a `RayLostError` as their fault.

    Yields:
        Nothing.

    Raises:
        RayLostError: In place of any error of the block, once Ray has died.
    """
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_S):
            if (lost := loss(folder)) is not None:
                for stop in stops:
                    stop.fault = lost
                if not over.wait(_GRACE_S):
                    os._exit(1)  # it waits for Ray, which would end it after a minute
                return

    watcher = threading.Thread(target=watch, name="watch-ray", daemon=True)
    watcher.start()
    try:
        with _last_words(folder):
            yield
    except Exception as error:
        lost = loss(folder)
        if lost is None or isinstance(error, RayLostError):
            raise
        raise lost from error
    finally:
        over.set()
        watcher.join()


@contextmanager
def _last_words(folder: RunFolder) -> Iterator[None]:
    """Have a sentence printed on standard error if this process ends within the block."""
    sentence = (
        f"The search has ended amid its work: Ray has died, or it was killed. {_remains(folder)}"
    )
    with subprocess.Popen(  # noqa: S603  # the sentence is an argument, not a command
        ["/bin/sh", "-c", _SAY_UNLESS_TOLD, printable(sentence)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the search
    ) as shell:
        try:
            yield
        finally:
            shell.communicate(b"over\n")


def loss(folder: RunFolder, within_s: float = 0.0) -> RayLostError | None:
    """Return what to say where Ray itself has died; None where it lives.

    Args:
        folder: The run.
        within_s: How long to wait for it to die: a raylet that ends in good order ends its workers
            first.
    """
    deadline = time.monotonic() + within_s
    while (part := _ray_private.lost_part()) is None:
        if time.monotonic() >= deadline:
            return None
        time.sleep(_LOOK_S / 5)
    return RayLostError(
        f"Ray has died under the search: its {part} is gone, perhaps for want of memory. "
        f"{_remains(folder)}"
    )


def _remains(folder: RunFolder) -> str:
    return (
        "What has ended is kept, and what was running goes on from its last rung with "
        f"{typed('tune.search')} --resume {paths.shown(folder.root)}"
    )


def with_usable_cards(nodes: Sequence[Node], say: Callable[[str], None]) -> tuple[Node, ...]:
    """Return the nodes with the cards that their torch can use, and say which they are.

    Args:
        nodes: The cluster, as Ray counts it; each node with a GPU is asked by a task of its own.
        say: Gets a sentence for each node with cards.

    Raises:
        ClusterError: A node offers more GPUs than its torch can use.
    """
    found = with_cards(nodes, ask_for_cards(nodes))
    for node in found:
        if node.cards:
            say(describe_cards(node))
    return tuple(found)


def ask_for_cards(
    nodes: Sequence[Node],
    see: Callable[[], SeenCards] | None = None,
    timeout_s: float = ANSWER_TIMEOUT_S,
) -> dict[str, SeenCards]:
    """Ask every node that offers GPUs which of them its torch can use.

    A process on each node answers and ends again, so that its CUDA context holds no memory.

    Args:
        nodes: The machines of the cluster.
        see: Called on each node; by default what looks with torch.
        timeout_s: Seconds after which a node that has not answered is given up.

    Returns:
        The answers by the node's id; one that did not answer has the reason in place of cards.
    """
    see = see or see_cards
    asked = {node.node_id: _asked(node.node_id, see) for node in nodes if node.gpus > 0}
    ray.wait(list(asked.values()), num_returns=len(asked), timeout=timeout_s) if asked else None
    return {node: _answer(reference, timeout_s) for node, reference in asked.items()}


def see_cards() -> SeenCards:
    """Return the cards of this machine that torch can use, each tried with one small operation."""
    try:
        import torch  # in a worker
    except Exception as error:
        return SeenCards("", reason=f"torch cannot be imported there ({_one_line(error)})")
    cards: list[Card] = []
    try:
        for number in range(max(1, torch.cuda.device_count())):  # to hear why there is none
            torch.zeros(1, device=f"cuda:{number}").add_(1).cpu()
            free, total = torch.cuda.mem_get_info(number)
            cards.append(Card(torch.cuda.get_device_name(number), total, free))
    except Exception as error:  # AssertionError without CUDA, else RuntimeError of many kinds
        return SeenCards(torch.__version__, tuple(cards), _one_line(error))
    return SeenCards(torch.__version__, tuple(cards))


def _asked(node: str, see: Callable[[], SeenCards]) -> Any:
    return ray.remote(
        num_cpus=0,
        num_gpus=0,
        max_calls=1,  # the process ends, and its CUDA context with it
        max_retries=0,
        scheduling_strategy=_on(node),
        # A task without a GPU sees those that Ray was started with: all that the node offers.
        runtime_env={"env_vars": {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}},
    )(see).remote()


def _answer(reference: Any, timeout_s: float) -> SeenCards:
    try:
        answer: SeenCards = ray.get(reference, timeout=0)
    except ray.exceptions.GetTimeoutError:
        ray.cancel(reference, force=True)
        return SeenCards("", reason=f"no answer within {timeout_s:g} s")
    except ray.exceptions.RayError as error:  # its process died, or could not be started
        return SeenCards("", reason=_one_line(error))
    return answer


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")


def _on(node: str) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node, soft=False)


def _start(cpus: int | None, dashboard: bool, dashboard_host: str | None) -> str | None:
    _ray_private.reread_environment()
    try:
        context = ray.init(
            address="local",
            num_cpus=cpus,
            # True would end the search where a busy machine starts the dashboard too slowly.
            include_dashboard=None if dashboard else False,
            dashboard_host=dashboard_host or _THIS_MACHINE,
            **_quiet(),
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise ClusterError(f"Ray could not be started: {error}{_remedy(error)}") from error
    except Exception as error:  # Ray raises it as such where one of its processes does not start
        raise ClusterError(f"Ray could not be started: {_one_line(error)}") from error
    _ray_private.remember_environment()
    return _url(context) or ("" if dashboard else None)


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
        Node(
            cpus=node["Resources"].get("CPU", 0.0),
            gpus=node["Resources"].get("GPU", 0.0),
            node_id=node["NodeID"],
            name=node["NodeManagerAddress"],
        )
        for node in ray.nodes()
        if node["Alive"]
    )
    return Cluster(nodes, f"http://{dashboard_url}" if dashboard_url else dashboard_url, address)
