import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from cluster_parts import TOKENLESS, cluster

from tune import search
from tune.exceptions import ClusterError
from tune.execution import ray_connect
from tune.run_folder.environment import versions


def test_a_cluster_that_is_gone_is_noticed_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        # This message comes before any process is started that would try to join.
        with pytest.raises(ClusterError, match=f"nothing answers at {address} .*: is Ray running"):
            ray_connect.configure_ray(address)


def test_something_that_is_no_cluster_ends_within_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray_connect, "LIMIT_S", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ClusterError, match=f"{address} cannot be joined: no answer within 2 s"):
            ray_connect.configure_ray(address)


def test_the_users_own_switches_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNE_WARN_THRESHOLD_S", "1")
    monkeypatch.delenv("RAY_SCHEDULER_EVENTS", raising=False)
    ray_connect.configure_ray(None)
    assert os.environ["TUNE_WARN_THRESHOLD_S"] == "1"
    assert os.environ["RAY_SCHEDULER_EVENTS"] == "0"


def test_other_versions_are_named() -> None:
    ray_connect._compare(versions())
    with pytest.raises(ClusterError, match=r"ray 0\.1 there, .* here; torch missing there"):
        ray_connect._compare({**versions(), "ray": "0.1", "torch": "missing"})


def test_a_node_with_another_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch-0.1.dist-info").mkdir()
    (tmp_path / "torch-0.1.dist-info" / "METADATA").write_text("Name: torch\nVersion: 0.1\n")
    ours = os.environ.get("PYTHONPATH", "")
    for name, value in TOKENLESS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), ours]))
    with cluster(1) as address:
        monkeypatch.setenv("PYTHONPATH", ours)
        # A busy machine is not what this is about.
        monkeypatch.setattr(ray_connect, "LIMIT_S", 120.0)
        with pytest.raises(ClusterError) as refused:
            ray_connect.configure_ray(address)
    here = versions()["torch"]
    assert str(refused.value) == (
        f"the cluster's workers have other versions: torch 0.1 there, {here} here"
    )


def test_what_ray_says_of_another_version_is_one_line() -> None:
    from ray._private.utils import check_version_info

    theirs = {"ray_version": "2.1.0", "python_version": "3.9.1"}
    with pytest.raises(RuntimeError) as said:
        check_version_info(theirs, "10.0.0.1")
    here = f"Ray: {versions()['ray']} Python: {versions()['python']}"
    assert ray_connect._reason(f"Traceback ...\nRuntimeError: {said.value}\n") == (
        "Version mismatch: The cluster was started with: Ray: 2.1.0 Python: 3.9.1 "
        f"This process on 10.0.0.1 was started with: {here}"
    )


@pytest.mark.parametrize(
    ("host", "mode", "address", "why"),
    [
        ("0.0.0.0", "disabled", None, "so it has to ask for a token, but RAY_AUTH_MODE is disabl"),  # noqa: S104
        ("192.168.1.10", "k8s", None, "but RAY_AUTH_MODE is k8s; unset it"),
        ("example.org", "disabled", None, "other machines reach it there"),
        ("127.0.0.1", None, "10.0.0.1:6379", "10.0.0.1:6379 has a dashboard of its own"),
    ],
)
def test_a_dashboard_that_others_could_reach_without_a_token_is_refused(
    host: str, mode: str | None, address: str | None, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    if mode is not None:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
    with pytest.raises(ClusterError, match=f"--dashboard-host {host}: .*{why}"):
        ray_connect.check_dashboard(host, address)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_dashboard_for_this_machine_needs_no_token(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    ray_connect.check_dashboard(host, None)


def test_the_refusal_leaves_no_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    given = ["--space", "search_spaces/gru.yaml", "--runs-dir", str(tmp_path / "runs")]
    assert search.main([*given, "--dashboard-host", "0.0.0.0"]) == 1  # noqa: S104
    assert "--dashboard-host 0.0.0.0: " in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://10.0.0.1:8265", "is where `ray job submit` reaches a cluster"),
        ("ray://10.0.0.1:10001", "is Ray Client's, over which a search cannot run"),
    ],
)
def test_an_address_of_another_kind_is_named_as_such(address: str, why: str) -> None:
    with pytest.raises(ClusterError, match=f"{address}: {why}; a search joins a cluster at HOST"):
        ray_connect.configure_ray(address)


@pytest.fixture
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that uses no Ray and whose environment comes back afterwards."""
    monkeypatch.setattr(ray_connect, "_runs_already", lambda: False)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")


@pytest.mark.usefixtures("no_ray")
def test_our_own_ray_asks_for_a_token_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    (said,) = ray_connect.configure_ray(None)
    assert said.startswith("RAY_AUTH_MODE is disabled, but the Ray that a search starts asks")
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert ray_connect.configure_ray(None) == []
    (said,) = ray_connect.configure_ray(None, without_token=True)
    assert "asks for no token" in said
    assert os.environ["RAY_AUTH_MODE"] == "disabled"
    with pytest.raises(ClusterError, match="leave out --without-token"):
        ray_connect.configure_ray(None, "0.0.0.0", without_token=True)  # noqa: S104


@pytest.mark.usefixtures("no_ray")
def test_a_user_without_a_home_has_a_token_for_this_search(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("HOME", str(tmp_path / "absent"))
    assert ray_connect.configure_ray(None) == []
    assert len(os.environ["RAY_AUTH_TOKEN"]) == 64
    monkeypatch.setenv("RAY_AUTH_TOKEN", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    ray_connect.configure_ray(None)
    assert not os.environ["RAY_AUTH_TOKEN"]  # Ray writes one there


@pytest.mark.usefixtures("no_ray")
@pytest.mark.parametrize(
    ("file", "folder", "others_read"),
    [(0o644, 0o755, True), (0o600, 0o755, False), (0o644, 0o700, False)],
)
def test_a_token_that_others_read_is_said(
    file: int, folder: int, others_read: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for parent in (tmp_path, *tmp_path.parents):
        if str(parent).startswith(tempfile.gettempdir() + os.sep):
            parent.chmod(0o755)
    home = tmp_path / "home"
    (home / ".ray").mkdir(parents=True)
    token = home / ".ray" / "auth_token"
    token.write_text("secret")
    token.chmod(file)
    home.chmod(folder)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    said = ray_connect.configure_ray(None)
    assert [f"chmod 600 {token}" in each for each in said] == [True] * others_read
    assert not any("secret" in each for each in said)


ASK = """
import json, sys, urllib.error, urllib.request
from tune import search
from tune.execution import ray_connect
ray_connect.configure_ray(None, "0.0.0.0")
from tune.execution import ray_cluster
from ray._private.authentication.http_token_authentication import get_auth_headers_if_auth_enabled

def status(url, headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code

with ray_cluster.session(cpus=1, dashboard_host="0.0.0.0") as joined:
    import psutil

    me = psutil.Process()
    ours = {me.pid, *(child.pid for child in me.children(recursive=True))}
    listening = [each for each in psutil.net_connections("inet") if each.status == "LISTEN"]
    open_to_all = sorted({each.laddr.port for each in listening if each.pid in ours
                          and each.laddr.ip.removeprefix("::ffff:") not in ("127.0.0.1", "::1")})
    port = joined.dashboard_url.rpartition(":")[2]
    open_to_all = [each for each in open_to_all if each != int(port)]
    url = f"http://127.0.0.1:{port}/api/jobs/"
    token = get_auth_headers_if_auth_enabled({})
    print(json.dumps([status(url, {}), status(url, token), open_to_all]))
"""


def test_a_dashboard_that_others_reach_asks_for_its_token_and_no_other_port_is_open(
    tmp_path: Path,
) -> None:
    environment = {name: value for name, value in os.environ.items() if "RAY" not in name}
    environment["HOME"] = str(tmp_path)  # no token yet
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [401, 200, []]
