"""Set Ray's switches before it is imported, and find out whether a cluster can be joined.

Ray reads some of its environment when it is imported and tries again for minutes when a cluster
has gone, so joining is tried first in processes of their own, with a time limit.
"""

import ipaddress
import json
import os
import secrets
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tune.exceptions import ClusterError
from tune.run_folder.environment import versions

LIMIT_S = 25.0
_CONNECT_LIMIT_S = 4.0
_AUTH_MODE = "RAY_AUTH_MODE"

_OTHER_KINDS = {
    "http": "is where `ray job submit` reaches a cluster",
    "https": "is where `ray job submit` reaches a cluster",
    "ray": "is Ray Client's, over which a search cannot run",
}
"""Addresses of a cluster that are no use to a search, by how they begin."""

DEFAULTS = {
    "PL_DISABLE_FORK": "1",  # Ray Tune sets it in each worker, which then takes longer to start
    "RAY_AIR_NEW_OUTPUT": "0",  # the new one prints a table however quiet it is asked to be
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # paths on the command line stay as they were typed
    "RAY_SCHEDULER_EVENTS": "0",
    "RAY_prestart_worker_first_driver": "0",  # a process for each core, of which trials use none
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_PROMPT_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # they double the time of a short trial
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the search has its own
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "30",  # a trial between two rungs is slow to notice its end
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # the study is the record; snapshots only cost time
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_THRESHOLD_S": "5",
}
"""Switches of Ray, each of which the user's own environment overrides."""

_PROBE = """
import json, logging, sys, ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On
ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.ERROR)
@ray.remote(num_cpus=0)
class Worker:
    def found(self):
        import tune.execution.worker
        from tune.run_folder.environment import versions
        return versions()
nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
workers = [Worker.options(scheduling_strategy=On(node, soft=False)).remote() for node in nodes]
found = [worker.found.remote() for worker in workers]
print(json.dumps(ray.get(found, timeout=float(sys.argv[2]))))
"""
_COMPARED = ("python", "ray", "torch", "textcls-tune")


def check_dashboard(host: str, address: str | None, *, without_token: bool = False) -> None:
    """Check that the dashboard may be put on a host.

    Anyone who reaches it without a token can run code here, so away from this machine it must ask
    for one.

    Args:
        host: What `--dashboard-host` says.
        address: Of the cluster that is joined; None where the search starts a Ray of its own.
        without_token: Whether `--without-token` was given.

    Raises:
        ClusterError: It may not; the message says which option to leave out.
    """
    if address is not None:
        raise ClusterError(
            f"--dashboard-host {host}: the cluster at {address} has a dashboard of its own"
        )
    if not _loopback(host) and without_token:
        raise ClusterError(
            f"--dashboard-host {host}: other machines reach it there, so it has to ask for a "
            "token: leave out --without-token, or leave the dashboard on 127.0.0.1"
        )
    mode = os.environ.get(_AUTH_MODE, "token")
    if not _loopback(host) and mode != "token":
        raise ClusterError(
            f"--dashboard-host {host}: other machines reach it there, so it has to ask for a "
            f"token, but {_AUTH_MODE} is {mode}; unset it, or leave the dashboard on 127.0.0.1"
        )


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def configure_ray(
    address: str | None, dashboard_host: str | None = None, *, without_token: bool = False
) -> list[str]:
    """Set Ray's switches; with an address, find out whether and how the cluster can be joined.

    A Ray of our own asks for a token, whatever `RAY_AUTH_MODE` says: without one, whoever reaches
    its ports runs code as this user.

    Args:
        address: `HOST:PORT` or "auto" to join a cluster; None to start a Ray of our own.
        dashboard_host: A host for our own dashboard.
        without_token: Whether our own Ray is to ask for none.

    Returns:
        Sentences about what is open, or other than the environment says.

    Raises:
        ClusterError: The cluster cannot be joined; raised within 30 s, with the reason.
    """
    if dashboard_host is not None:
        check_dashboard(dashboard_host, address, without_token=without_token)
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    if address is not None:
        _check_reachable(address)
        os.environ.update(_first_that_joins(address))
        return []
    if _runs_already():  # as its owner has set it up
        return []
    return list(_protect(without_token=without_token))


def _runs_already() -> bool:
    """Tell whether this process uses a Ray already; Ray is not imported for that."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


def _protect(*, without_token: bool) -> Iterator[str]:
    """Have the Ray that is about to be started ask for its token, or not; yield what to say."""
    if without_token:
        os.environ[_AUTH_MODE] = "disabled"
        yield (
            "The search's Ray asks for no token (--without-token): every user and program of this "
            "machine that reaches its ports can run code as you."
        )
        return
    said = os.environ.get(_AUTH_MODE, "token")
    if said != "token":
        yield (
            f"{_AUTH_MODE} is {said}, but the Ray that a search starts asks for a token "
            "anyway; --without-token turns that off."
        )
    os.environ[_AUTH_MODE] = "token"
    if not _has_token() and not _has_place_for_token():
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)  # for this search alone
        return
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or _token_file())
    if _others_read(path):
        yield (
            f"{path}, the token of Ray, can be read by other users of this machine, who can run "
            f"code as you with it: chmod 600 {path}"
        )


def _has_place_for_token() -> bool:
    """Tell whether Ray can write the token that it makes, which a user without a home cannot."""
    folder = _token_file().parent
    try:
        folder.mkdir(exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _token_file() -> Path:
    """Return where Ray keeps its token; it takes / for the home of a user who has none."""
    try:
        return Path.home() / ".ray" / "auth_token"
    except RuntimeError:
        return Path("/.ray/auth_token")


def _others_read(path: Path) -> bool:
    """Tell whether other users may read a file: Ray writes its token so that they may."""
    try:
        file = path.resolve(strict=True)
        reached = all(folder.stat().st_mode & stat.S_IXOTH for folder in file.parents)
        return reached and bool(file.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def _check_reachable(address: str) -> None:
    """Fail at once for another kind of address, and when nothing listens at HOST:PORT."""
    kind, mark, rest = address.partition("://")
    if mark and kind in _OTHER_KINDS:
        raise ClusterError(
            f"{address}: {_OTHER_KINDS[kind]}; a search joins a cluster at HOST:PORT, where PORT "
            "is that of `ray start`, by default 6379 (--address, or RAY_ADDRESS)"
        )
    host, _, port = (rest if mark else address).rpartition(":")
    if not (host and port.isdigit()):
        return
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_LIMIT_S).close()
    except OSError as error:
        raise ClusterError(f"nothing answers at {address} ({error}): is Ray running?") from error


def _first_that_joins(address: str) -> dict[str, str]:
    """Return the environment in which the cluster can be joined, with a token or without."""
    deadline = time.monotonic() + LIMIT_S
    probes = {_probe(address, environment): environment for environment in _environments()}
    reasons = []
    try:
        while waiting := [probe for probe in probes if probe.returncode is None]:
            for probe in waiting:
                if probe.poll() == 0:
                    for theirs in json.loads(probe.communicate()[0].splitlines()[-1]):
                        _compare(theirs)
                    return probes[probe]
                if probe.returncode is not None:
                    reasons.append(_reason(probe.communicate()[1]))
            if time.monotonic() > deadline:
                reasons.append(f"no answer within {LIMIT_S:.0f} s")
                break
            time.sleep(0.05)
    finally:
        for probe in probes:
            probe.kill()
            probe.communicate()
    why = "; or ".join(dict.fromkeys(reasons))
    raise ClusterError(f"the Ray cluster at {address} cannot be joined: {why}")


def _environments() -> list[dict[str, str]]:
    """Return the environments to try: Ray looks for a token by itself only with the address "auto".

    With a wrong one the cluster cannot be joined.
    """
    if _AUTH_MODE in os.environ or not _has_token():
        return [{}]
    return [{_AUTH_MODE: "token"}, {_AUTH_MODE: "disabled"}]


def _has_token() -> bool:
    named = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    return named or _token_file().exists()


def _probe(address: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start a process that joins the cluster and has an actor on each node answer.

    A driver with a token gets tasks done by a cluster that wants none, but no actor.
    """
    return subprocess.Popen(  # noqa: S603  # the address is an argument, not a command
        [sys.executable, "-c", _PROBE, address, str(LIMIT_S)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _reason(stderr: str) -> str:
    if "Unauthenticated" in stderr:
        return (
            "it asks for a token, and this one is missing or wrong; set RAY_AUTH_MODE=token and "
            "RAY_AUTH_TOKEN to what `ray get-auth-token` prints on its head node"
        )
    _, mismatch, versions_of_both = stderr.partition("Version mismatch:")  # Ray's or Python's
    if mismatch:
        return " ".join([mismatch, *versions_of_both.split()])
    return (stderr.strip().splitlines() or ["no reason given"])[-1]


def _compare(theirs: dict[str, str]) -> None:
    """Raise `ClusterError` when the workers run other versions than this process."""
    ours = versions()
    differ = [
        f"{package} {theirs.get(package, 'missing')} there, {ours.get(package, 'missing')} here"
        for package in _COMPARED
        if theirs.get(package) != ours.get(package)
    ]
    if differ:
        raise ClusterError(f"the cluster's workers have other versions: {'; '.join(differ)}")
