"""Everything of Ray's that its documentation does not promise, in one place.

Ray has no setting that keeps its ports to one machine, and starts its processes in the group of its
driver. Ray Tune does not say in which worker a trial runs, has no name for a worker's tasks, and
tells why a trial failed in a file for people to read. It gives each worker an environment of its
own, also where that is the same as Ray's, and imports every tracker that is installed to count
which of them are used.

`tests/tune/execution/test_ray_private.py` says which version of Ray changed one of these parts.
"""

import os
import re
import socket
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants, services
from ray._private.utils import detect_fate_sharing_support
from ray._raylet import Config  # type: ignore[attr-defined]  # of a compiled module

_FAILURE = "Failure # "
"""Begins the first line of each failure in a trial's `error.txt`; the second begins the reason."""
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
"""What colours text at a terminal (ECMA-48's control sequences)."""
_FRAME = re.compile(r'  File ".*", line \d+')
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:: .*)?")

_NEEDED = {
    ray_constants.PROCESS_TYPE_RAYLET: "raylet",
    ray_constants.PROCESS_TYPE_GCS_SERVER: "GCS",
}
"""The processes of Ray that its driver cannot outlive, as Ray and as people call them."""
_ANSWER_S = 2.0
_ENDED_WITHIN_S = 10.0
_started_with: dict[str, str] | None = None
"""The environment in which this process started its own Ray; None where it has not."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The reason why a trial failed in Ray's hands."""

    message: str
    """One line for people, without terminal escapes."""
    text: str
    """All that Ray has to say of it, with the traceback, without terminal escapes."""


def reread_environment() -> None:
    """Have Ray read its switches from the environment again, such as whether it asks for a token.

    It reads them when it is imported, which a program may have done before the search sets them.
    """
    Config.initialize("")


@contextmanager
def loopback_only() -> Iterator[None]:
    """Have a Ray that is started within listen on 127.0.0.1, where no other machine reaches it.

    On Linux its ports listen on all addresses by default. What keeps them to this machine is the
    switch for the systems on which Ray runs on one machine only.
    """
    before, variable = ray_constants.ENABLE_RAY_CLUSTER, ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR
    said = os.environ.get(variable)
    ray_constants.ENABLE_RAY_CLUSTER = False
    os.environ[variable] = "0"  # for the processes that are started
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
        os.environ.pop(variable)
        if said is not None:
            os.environ[variable] = said


@contextmanager
def own_process_groups() -> Iterator[None]:
    """Have the processes of a Ray that is started within be none of this process's group.

    `timeout`, a shell's `kill` of a job and a terminal that closes signal the whole group. Ray's
    processes end at once then, before the search has recorded what runs and exported its winner;
    they end with this process in any case. Where the kernel does not see to that, Ray itself needs
    them in one group.
    """
    before = services.ConsolePopen
    if detect_fate_sharing_support():
        services.ConsolePopen = partial(before, process_group=0)
    try:
        yield
    finally:
        services.ConsolePopen = before


def remember_environment() -> None:
    """Note that this process has started a Ray, whose workers inherit its present environment."""
    global _started_with
    _started_with = dict(os.environ)


def forget_environment() -> None:
    """Note that the Ray of this process has ended."""
    global _started_with
    _started_with = None


@contextmanager
def quick_starts() -> Iterator[None]:
    """Have a run of Ray Tune within start sooner, where Ray is this process's own.

    A worker that is given an environment is started twice: Ray is imported to set the variables,
    then the worker itself takes the process over. Where every variable has its value in Ray's own
    environment already, none is given: 0.4 s of the processor and 0.6 s until the first trial.

    `ray.tune.run` counts the callbacks by their classes for Ray's statistics of use, which are
    off, and imports MLflow and Weights & Biases for that where they are installed: 2 s.
    """
    from ray.air._internal import usage as ray_usage  # with Ray Tune, which need not be here yet
    from ray.tune.execution import class_cache

    count = ray_usage.tag_callbacks
    given, passed_on = class_cache.DEFAULT_ENV_VARS, class_cache.ENV_VARS_TO_PROPAGATE
    ray_usage.tag_callbacks = _count_nothing
    if _inherited({**_present(passed_on), **given}):
        class_cache.DEFAULT_ENV_VARS, class_cache.ENV_VARS_TO_PROPAGATE = {}, set()
    try:
        yield
    finally:
        ray_usage.tag_callbacks = count
        class_cache.DEFAULT_ENV_VARS, class_cache.ENV_VARS_TO_PROPAGATE = given, passed_on


def _count_nothing(_callbacks: Any) -> bool:
    return False


def _present(names: Iterable[str]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}


def _inherited(variables: Mapping[str, str]) -> bool:
    """Tell whether the workers of this process's Ray have these variables without being told."""
    return _started_with is not None and all(
        _started_with.get(name) == value for name, value in variables.items()
    )


def name_tasks(trial: Any, label: str) -> None:
    """Have Ray's dashboard show a label at each task of the worker that a trial runs in.

    A worker outlives its trials and Ray asks for an actor's name only once, so the tasks bear it.
    """
    worker = _actor(trial)
    method = vars(worker).setdefault("unnamed_train", worker.train)
    worker.train = method.options(name=label)


def has_worker(trial: Any) -> bool:
    """Tell whether a trial has a worker now: one that died by itself waits for another."""
    return trial.status == "RUNNING" and _actor(trial) is not None


def kill_worker(trial: Any, *, again: bool = False) -> None:
    """Kill the worker of a trial that has one.

    Args:
        trial: Ray's.
        again: Whether the trial is started once more, in another worker; this is not counted among
            its failures.
    """
    trial.max_failures = trial.max_failures + 1 if again else 0
    ray.kill(_actor(trial))


def last_failure(trial: Any) -> Failure:
    """Return why a trial failed the last time; Ray has noted each time in a file."""
    text = _ESCAPE.sub("", Path(trial.error_file).read_text(encoding="utf-8"))
    _, _, reason = text.rpartition(_FAILURE)[2].partition("\n")
    return Failure(failure_message(reason), text)


def lost_part() -> str | None:
    """Name the part of Ray that has died and without which this process cannot go on.

    Ray itself says only that a trial's worker is lost, as it does where the worker alone has died,
    and ends this process some seconds later, from C++.

    Returns:
        "raylet" or "GCS"; None while both live, or where no Ray is used.
    """
    node = ray._private.worker._global_node
    if node is None or not ray.is_initialized():
        return None
    own = {part: node.all_processes.get(kind, []) for kind, part in _NEEDED.items()}
    if any(own.values()):  # they are children of this process
        found = (part for part, each in own.items() if any(_has_ended(one) for one in each))
        return next(found, None)
    return None if _is_heard(node.raylet_socket_name) else "raylet"


def end_ray() -> None:
    """Leave Ray; one that this process has started ends, and its processes are waited for.

    Ray itself waits a moment for each. On a busy machine some take longer, and their handles then
    warn of processes that still run whenever Python collects them. Of a Ray that has died the rest
    is killed: `ray.shutdown` would wait for what is gone until Ray ends this process.
    """
    node = ray._private.worker._global_node
    if node is None:
        return  # somebody else has left it
    started = [each.process for found in node.all_processes.values() for each in found]
    if lost_part() is None:
        ray.shutdown()
    else:
        node.kill_all_processes(check_alive=False)
    for process in started:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_ENDED_WITHIN_S)


def _has_ended(process: Any) -> bool:
    return process.process.poll() is not None


def _is_heard(path: str) -> bool:
    """Tell whether a process listens at a socket file: the raylet of this machine, in any Ray."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_ANSWER_S)
        try:
            client.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # such as one that is too busy to answer
    return True


def failure_message(reason: str) -> str:
    """Return the line of a failure's text that tells a person most.

    Of an exception in the worker it is the exception's own line, which follows the last frame of
    the traceback. A worker that died raises nothing: what Ray says of it begins with a sentence.

    Args:
        reason: The text of Ray's exception, terminal escapes removed.
    """
    lines = reason.splitlines()
    frames = [at for at, line in enumerate(lines) if _FRAME.match(line)]
    if frames:
        raised = [line for line in lines[frames[-1] + 1 :] if _EXCEPTION.fullmatch(line)]
        if raised:
            return raised[0].strip()
    said = next((line.strip() for line in lines if line.strip()), "no reason known")
    return f"its worker was lost: {said}"


def _actor(trial: Any) -> Any:
    """Return the actor that a trial runs in; None while it waits for one."""
    return trial.temporary_state.ray_actor
