"""The contract with Ray's private parts: a version that changes one is named, and the part."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tune.execution import _ray_private


def gone(part: str) -> str:
    return f"ray {version('ray')} no longer has {part}: see tune/execution/_ray_private.py"


def run(
    root: Path, trainable: Callable[[dict[str, Any]], None], callback: Any, failures: int = 0
) -> None:
    """One trial of Ray Tune, as a search has them."""
    from ray import tune as ray_tune

    ray_tune.run(
        trainable,
        name="ray",
        storage_path=str(root),
        config={"number": 7},
        callbacks=[callback],
        max_failures=failures,
        raise_on_failed_trial=False,
        reuse_actors=True,
        verbose=0,
    )


@pytest.mark.usefixtures("two_cpus")
def test_the_worker_of_a_trial_is_named_and_killed(tmp_path: Path) -> None:
    from ray import tune as ray_tune

    from tune.execution import _ray_private

    def steady(_config: dict[str, Any]) -> None:
        for _ in range(1000):
            ray_tune.report({"value": 1})

    class Killer(ray_tune.Callback):  # type: ignore[misc]
        killed = False
        failed: str | None = None

        def on_trial_start(self, *, trial: Any, **_info: Any) -> None:
            try:
                worker = trial.temporary_state.ray_actor
                worker.train.options(name="x")
            except AttributeError:
                pytest.fail(gone("Trial.temporary_state.ray_actor with a method `train`"))
            _ray_private.name_tasks(trial, "trial 7: rate=0.1")
            assert vars(worker)["unnamed_train"] is not worker.train

        def on_trial_result(self, *, trial: Any, **_info: Any) -> None:
            if not self.killed and _ray_private.has_worker(trial):
                _ray_private.kill_worker(trial)
                self.killed = True

        def on_trial_error(self, *, trial: Any, **_info: Any) -> None:
            assert not _ray_private.has_worker(trial)
            self.failed = _ray_private.last_failure(trial).message

    killer = Killer()
    run(tmp_path, steady, killer, failures=3)
    assert killer.killed
    assert killer.failed is not None, gone("Trial.max_failures, which keeps a trial from recovery")
    assert killer.failed.startswith("its worker was lost: The actor "), killer.failed


@pytest.mark.usefixtures("two_cpus")
def test_a_trial_whose_worker_is_killed_goes_on_in_another_where_that_is_asked_for(
    tmp_path: Path,
) -> None:
    from ray import tune as ray_tune

    from tune.execution import _ray_private

    def steady(_config: dict[str, Any]) -> None:
        for _ in range(3):
            ray_tune.report({"process": os.getpid()})

    class Killer(ray_tune.Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.processes: list[int] = []
            self.failed = False

        def on_trial_result(self, *, trial: Any, result: dict[str, Any], **_info: Any) -> None:
            self.processes.append(result["process"])
            if len(self.processes) == 1:
                _ray_private.kill_worker(trial, again=True)

        def on_trial_error(self, **_info: Any) -> None:
            self.failed = True

    killer = Killer()
    run(tmp_path, steady, killer)  # without a failure that is allowed
    assert not killer.failed, gone("Trial.max_failures, read after each failure")
    assert len(set(killer.processes)) == 2
    assert len(killer.processes) >= 4


@pytest.mark.usefixtures("two_cpus")
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("raises", "AssertionError: Torch not compiled with CUDA enabled"),
        ("raises from another", "RuntimeError: no card: ask for one"),
        ("raises many lines", "RuntimeError: CUDA error: out of memory"),
        ("raises nothing to say", "ValueError"),
        ("is killed", "its worker was lost: The actor died unexpectedly before finishing this "
                      "task."),
    ],
)  # fmt: skip
def test_a_failure_is_told_in_one_line(tmp_path: Path, kind: str, message: str) -> None:
    from ray import tune as ray_tune

    from tune.execution import _ray_private

    def failing(_config: dict[str, Any]) -> None:
        if kind == "raises":
            raise AssertionError("Torch not compiled with CUDA enabled")
        if kind == "raises many lines":
            raise RuntimeError("CUDA error: out of memory\nCompile with TORCH_USE_CUDA_DSA.\n")
        if kind == "raises nothing to say":
            raise ValueError
        if kind == "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            {}["card"]
        except KeyError as error:
            raise RuntimeError("no card: ask for one") from error

    found: list[_ray_private.Failure] = []

    class Reader(ray_tune.Callback):  # type: ignore[misc]
        def on_trial_error(self, *, trial: Any, **_info: Any) -> None:
            text = Path(trial.error_file).read_text(encoding="utf-8")
            assert text.startswith("Failure # 1 (occurred at "), gone('"Failure # 1" in error.txt')
            found.append(_ray_private.last_failure(trial))

    run(tmp_path, failing, Reader())
    (failure,) = found
    assert failure.message == message, gone("the layout of a trial's error.txt")
    assert "\x1b" not in failure.text


def test_a_worker_that_cannot_be_made_says_why() -> None:
    from tune.execution import _ray_private

    reason = (
        "The actor died because of an error raised in its creation task, ray::F.__init__() "
        "(pid=1, ip=127.0.0.1, actor_id=0, repr=F)\n"
        '  File "/x/worker.py", line 3, in __init__\n'
        "    import missing\n"
        "ModuleNotFoundError: No module named 'missing'\n"
    )
    assert _ray_private.failure_message(reason) == "ModuleNotFoundError: No module named 'missing'"


def test_a_failure_without_a_word() -> None:
    from tune.execution import _ray_private

    assert _ray_private.failure_message("\n") == "its worker was lost: no reason known"


@pytest.mark.usefixtures("two_cpus")
def test_a_ray_that_lives_has_lost_no_part() -> None:
    import ray

    from tune.execution import _ray_private

    node = ray._private.worker._global_node
    assert {"raylet", "gcs_server"} <= set(node.all_processes), gone("Node.all_processes")
    assert _ray_private._is_heard(node.raylet_socket_name), gone("Node.raylet_socket_name")
    assert _ray_private.lost_part() is None


def test_a_raylet_of_others_is_gone_once_nobody_listens_at_its_socket(tmp_path: Path) -> None:
    path = tmp_path / "raylet"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(path))  # a socket's path has 107 letters at most
        assert not _ray_private._is_heard(os.path.relpath(path))
        listener.listen()
        assert _ray_private._is_heard(os.path.relpath(path))
    assert not _ray_private._is_heard(os.path.relpath(path))


SWITCH = """
import os
import ray
from ray._private.authentication.authentication_utils import is_token_auth_enabled
from tune.execution import _ray_private
found = []
for mode in ("token", "disabled", "token"):
    os.environ["RAY_AUTH_MODE"] = mode
    _ray_private.reread_environment()
    found.append(is_token_auth_enabled())
print(found)
"""


def test_ray_takes_a_switch_that_is_set_after_its_import() -> None:
    command = [sys.executable, "-c", SWITCH]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[True, False, True]"


def test_the_switch_that_keeps_ray_to_this_machine_is_there_and_comes_back() -> None:
    from ray._private import ray_constants, services

    before = ray_constants.ENABLE_RAY_CLUSTER
    with _ray_private.loopback_only():
        assert ray_constants.ENABLE_RAY_CLUSTER is False
        assert os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] == "0"
        assert "ENABLE_RAY_CLUSTER" in services.get_node_ip_address.__code__.co_names
    assert before == ray_constants.ENABLE_RAY_CLUSTER


def environment_of_a_trial(root: Path) -> tuple[str, str | None]:
    """What Ray sets in the worker of a trial, and a variable that the worker finds."""
    found: list[tuple[str, str | None]] = []

    def look(_config: dict[str, Any]) -> None:
        import ray
        from ray import tune as ray_tune

        given = ray.get_runtime_context().get_runtime_env_string()
        ray_tune.report({"given": given, "key": os.environ.get("AWS_ACCESS_KEY_ID")})

    from ray import tune as ray_tune

    class Reader(ray_tune.Callback):  # type: ignore[misc]
        def on_trial_result(self, *, result: dict[str, Any], **_info: Any) -> None:
            found.append((result["given"], result["key"]))

    with _ray_private.quick_starts():
        run(root, look, Reader())
    assert len(found) == 1
    return found[0]


@pytest.mark.usefixtures("two_cpus")
def test_a_worker_is_given_no_environment_that_it_has_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    message = gone("class_cache.DEFAULT_ENV_VARS, which a worker is given")
    assert environment_of_a_trial(tmp_path) == ("{}", None), message
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "later")
    given, key = environment_of_a_trial(tmp_path)
    assert "PL_DISABLE_FORK" in given
    assert key == "later", gone("class_cache.ENV_VARS_TO_PROPAGATE")


def test_callbacks_are_not_counted_and_all_comes_back() -> None:
    from ray import tune as ray_tune
    from ray.air._internal import usage
    from ray.tune.execution import class_cache

    parts = (usage.tag_callbacks, class_cache.DEFAULT_ENV_VARS, class_cache.ENV_VARS_TO_PROPAGATE)
    with _ray_private.quick_starts():
        assert usage.tag_callbacks is not parts[0]
        assert "tag_callbacks" in ray_tune.run.__code__.co_names, gone("tag_callbacks in tune.run")
    after = (usage.tag_callbacks, class_cache.DEFAULT_ENV_VARS, class_cache.ENV_VARS_TO_PROPAGATE)
    assert after == parts


def test_processes_of_our_own_ray_are_in_groups_of_their_own() -> None:
    from ray._private import services

    assert "ConsolePopen" in services.start_ray_process.__code__.co_names, gone("ConsolePopen")
    before = services.ConsolePopen
    with _ray_private.own_process_groups():
        own = sys.platform.startswith("linux")
        with services.ConsolePopen(["sleep", "60"]) as process:
            assert (os.getpgid(process.pid) == process.pid) == own
            process.kill()
    assert services.ConsolePopen is before
