import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from watched_runs import GrowingRun

from tune.watch import __main__ as watch_command
from tune.watch._live_run import LiveRun
from tune.watch._service import WatchService

TOKEN = "of-a-test-0123456789"  # noqa: S105


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchService]:
    run = GrowingRun(tmp_path_factory.mktemp("runs") / "run", trials=5, first=3)
    live = LiveRun(lambda: run.folder, interval_s=0.1)
    with WatchService(live, 0, TOKEN, 0.1) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


def asked(
    service: WatchService, path: str, method: str = "GET", **headers: str
) -> tuple[int, str, dict[str, str]]:
    connection = HTTPConnection("127.0.0.1", service.server_port, timeout=20)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode(), dict(answer.getheaders())
    connection.close()
    return found


def test_the_page_wants_the_token_in_the_address_or_a_header(service: WatchService) -> None:
    status, page, headers = asked(service, f"/?token={TOKEN}")
    assert status == 200
    assert "<h1>run</h1>" in page
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert asked(service, "/", Authorization=f"Bearer {TOKEN}")[0] == 200


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/status", {}),
        ("/nothing", {}),
        ("/?token=", {}),
        (f"/?token={TOKEN[:-1]}", {}),
        ("/?token=%C3%A9", {}),
        (f"/?token={TOKEN}", {"Authorization": "Bearer another"}),
    ],
)
def test_nothing_is_told_without_the_token(
    service: WatchService, path: str, headers: dict[str, str]
) -> None:
    status, text, _ = asked(service, path, **headers)
    assert status == 401
    assert text.startswith("This page wants its token: open the whole address")
    assert text.count("\n") == 1


def test_other_names_are_refused_even_with_the_token(service: WatchService) -> None:
    status, text, _ = asked(service, f"/?token={TOKEN}", Host="evil.example:80")
    assert (status, text) == (421, "This service is not called 'evil.example:80' but 127.0.0.1.\n")
    for name in ("localhost:9000", "[::1]", "127.0.0.1"):  # through a tunnel, too
        assert asked(service, f"/?token={TOKEN}", Host=name)[0] == 200


def test_what_is_not_there_is_one_sentence(service: WatchService) -> None:
    status, text, _ = asked(service, f"/report.html?token={TOKEN}")
    assert (status, text) == (404, "There is only one page here: /, with the token.\n")
    status, text, _ = asked(service, f"/?token={TOKEN}", "POST")
    assert (status, text) == (501, "Not answered: Unsupported method ('POST').\n")


def test_the_status_tells_the_version_of_the_page(service: WatchService) -> None:
    status, text, _ = asked(service, f"/status?token={TOKEN}&page=one&have=none")
    found = json.loads(text)
    assert status == 200
    assert found["state"] == "cut-off"
    assert f'data-version="{found["version"]}"' in asked(service, f"/?token={TOKEN}")[1]


def test_the_page_may_load_nothing_but_its_own_service(service: WatchService) -> None:
    page = asked(service, f"/?token={TOKEN}")[1]
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    told = policy[1].replace("&#39;", "'")
    assert told.startswith("default-src 'none'")
    assert told.endswith("; connect-src 'self'; img-src data:")
    assert len(re.findall(r"'sha256-", told)) == 2


@pytest.mark.parametrize(
    ("argv", "environment", "said"),
    [
        (["nothing"], {}, "no run at nothing or runs/nothing"),
        (["RUN", "--port", "70000"], {}, "argument --port: invalid"),
        (["RUN", "--interval", "0"], {}, "must be from 0.1 to 3600 seconds, but is 0"),
        (["RUN"], {"TEXTCLS_WATCH_TOKEN": "short"}, "the token must have at least 16 characters"),
    ],
)
def test_wrong_arguments_are_one_message(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    argv: list[str],
    environment: dict[str, str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    try:
        code = watch_command.main(argv)
    except SystemExit as stopped:
        code = stopped.code
    assert code != 0
    assert said in capsys.readouterr().err


def started(*argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tune.watch", *argv],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_port_in_use_is_one_message(tmp_path: Path, service: WatchService, capsys) -> None:
    run = GrowingRun(tmp_path / "run", trials=3, first=3)
    port = str(service.server_port)
    assert watch_command.main([str(run.folder.root), "--port", port]) == 1
    assert f"127.0.0.1, port {port}: cannot be listened on (Address already in use); --port" in (
        capsys.readouterr().err
    )


def test_the_command_ends_with_the_search(tmp_path: Path) -> None:
    run = GrowingRun(tmp_path / "run", trials=5, first=2)
    with run.searching():
        command = started(str(run.folder.root), "--interval", "0.1")
        assert command.stdout is not None
        first = command.stdout.readline()
        assert re.match(
            r"http://127\.0\.0\.1:\d+/\?token=\S{32} \(ends with the search, or with Ctrl-C\)\n$",
            first,
        )
        run.end()
    out, err = command.communicate(timeout=60)
    assert (command.returncode, out, err) == (0, "The search has ended: complete.\n", "")


def test_a_search_that_prepares_its_texts_is_waited_for(tmp_path: Path) -> None:
    run = GrowingRun(tmp_path / "run", trials=3, first=2)
    aside = run.folder.journal.rename(tmp_path / "aside")
    with run.searching():
        command = started(str(run.folder.root))
        assert command.stdout is not None
        assert command.stdout.readline() == (
            f"{run.folder.root}: the search is still preparing texts and vectors and has no trial "
            "yet; waiting for its first trial. Ctrl-C ends this.\n"
        )
        aside.rename(run.folder.journal)
        assert "(ends with the search, or with Ctrl-C)" in command.stdout.readline()
        run.end()
    assert command.communicate(timeout=60) == ("The search has ended: complete.\n", "")
    assert command.returncode == 0


def test_a_search_that_ends_before_its_first_trial_is_not_waited_for(tmp_path: Path) -> None:
    run = GrowingRun(tmp_path / "run", trials=3, first=2)
    run.folder.journal.unlink()
    with run.searching():
        command = started(str(run.folder.root))
        assert command.stdout is not None
        command.stdout.readline()
    _, err = command.communicate(timeout=60)
    assert command.returncode == 1
    assert err.startswith("no run at ")
    assert err.endswith("; with --wait, waits for its search\n")


def test_a_run_that_is_not_there_yet_is_waited_for_where_that_is_asked(tmp_path: Path) -> None:
    command = started(str(tmp_path / "run"), "--wait")
    assert command.stdout is not None
    first = command.stdout.readline()
    assert first.startswith(f"no run at {tmp_path / 'run'}")
    assert first.endswith("; waiting for a search to begin. Ctrl-C ends this.\n")
    run = GrowingRun(tmp_path / "made", trials=3, first=3)
    run.end()
    run.folder.root.rename(tmp_path / "run")
    assert "the search is complete" in command.stdout.readline()
    command.send_signal(signal.SIGINT)
    assert command.communicate(timeout=60) == ("", "")
    assert command.returncode == 0


def test_waiting_ends_when_it_is_told_to(tmp_path: Path) -> None:
    command = started(str(tmp_path / "run"), "--wait")
    assert command.stdout is not None
    command.stdout.readline()
    command.send_signal(signal.SIGTERM)
    assert command.communicate(timeout=60) == ("", "")
    assert command.returncode == 0


def test_the_command_goes_on_when_nobody_reads_what_it_prints(tmp_path: Path) -> None:
    run = GrowingRun(tmp_path / "run", trials=3, first=2)
    with run.searching():
        command = started(str(run.folder.root), "--interval", "0.1")
        assert command.stdout is not None
        assert command.stderr is not None
        command.stdout.readline()
        command.stdout.close()
        run.end()
    told = command.stderr.read()
    assert (command.wait(timeout=60), told) == (0, "")
    command.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_when_it_is_told_to(tmp_path: Path, number: signal.Signals) -> None:
    run = GrowingRun(tmp_path / "run", trials=3, first=3)
    run.end()
    command = started(str(run.folder.root))
    assert command.stdout is not None
    assert "the search is complete; Ctrl-C ends this" in command.stdout.readline()
    command.send_signal(number)
    out, err = command.communicate(timeout=60)
    assert (command.returncode, out, err) == (0, "", "")


def test_a_run_that_is_deleted_ends_the_command_with_a_message(tmp_path: Path) -> None:
    run = GrowingRun(tmp_path / "run", trials=3, first=3)
    command = started(str(run.folder.root), "--interval", "0.1")
    assert command.stdout is not None
    command.stdout.readline()
    run.folder.root.rename(tmp_path / "elsewhere")
    _, err = command.communicate(timeout=60)
    assert (command.returncode, err) == (1, f"{run.folder.root}: the run was deleted or moved\n")
