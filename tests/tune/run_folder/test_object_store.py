"""Run folders in an object store: by parts on files, as a whole on an S3 server."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from tune import search, status
from tune.exceptions import RunFolderError
from tune.execution.worker import take_up
from tune.report import __main__ as report_command
from tune.run_folder import _object_store as object_store
from tune.run_folder import atomic, paths, sync
from tune.run_folder._object_store import LEASE, RemoteStore
from tune.run_folder.paths import RunFolder
from tune.run_folder.sync import synchronised
from tune.study import study
from tune.study.records import State, TrialRecord

SPACE = """
model: gru
data: {name: synthetic, train_size: 600, test_size: 200}
embeddings: {name: random, dim: 16}
train: {epochs: 1, batch_size: 32}
space:
  hidden_size: {type: int, low: 8, high: 32, log: true}
  learning_rate: {type: float, low: 1.0e-3, high: 3.0e-2, log: true}
search: {samples: 400}
"""
BEGUN = b'{"op_code":0}\n{"user_attr":{"format":1}}\n'


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store that is a folder."""
    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path / "here"))
    return f"file://{tmp_path}/store/runs"


def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """From here on this is another machine."""
    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path / "elsewhere"))


def made(address: str, journal: bytes = BEGUN) -> tuple[RunFolder, RemoteStore]:
    folder = paths.create(address, "run")
    assert isinstance(folder.store, RemoteStore)
    folder.journal.write_bytes(journal)
    folder.store.publish(folder.journal)
    return folder, folder.store


def test_a_run_that_is_stored_is_found_on_another_machine(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, remote = made(address)
    checkpoint = here.trial(3).checkpoint(0)
    remote.put("best/about.json", b"{}")
    remote.put("trials/3/rung-0.safetensors", b"weights")
    elsewhere(monkeypatch, tmp_path)
    for run in ("run", f"{address}/run"):
        there = paths.find(address, run)
        assert there.root != here.root
        assert there.journal.read_bytes() == BEGUN
        assert (there.best / "about.json").exists()
    moved = there.trial(3).checkpoint(0)
    assert not moved.exists()  # only when somebody needs it
    assert there.local(moved).read_bytes() == b"weights"
    assert not checkpoint.exists()
    with pytest.raises(RunFolderError, match="exists already"):
        paths.create(address, "run")
    with pytest.raises(RunFolderError, match=r"no run at .*/nobody"):
        paths.find(address, "nobody")


def test_a_copy_that_is_further_stays_and_one_that_went_another_way_is_put_aside(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, remote = made(address)
    further = BEGUN + b'{"op_code":4}\n'
    folder.journal.write_bytes(further)
    assert paths.find(address, "run").journal.read_bytes() == further

    remote.put("study.journal", BEGUN + b'{"op_code":5}\n{"op_code":6}\n')
    found = paths.find(address, "run")
    assert found.journal.read_bytes().endswith(b'{"op_code":6}\n')
    aside = Path(re.findall(r"is kept in (\S+)", capsys.readouterr().err)[0])
    assert (aside / "study.journal").read_bytes() == further


def test_a_worker_takes_up_what_another_machine_stored_unless_its_own_is_further(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, remote = made(address)
    trial = folder.trial(0)
    trial.root.mkdir(parents=True)
    atomic.write_json(trial.curve, [{"step": 1}, {"step": 2}])
    for rung in range(2):
        trial.checkpoint(rung).write_text(f"rung {rung}")
    trial.publish(0, 1)
    trial.keep({1})
    assert list(trial.checkpoints()) == [1]
    trial.tidy_store({1})
    remote.settle()

    elsewhere(monkeypatch, tmp_path)
    other = folder.here().trial(0)
    assert other.root != trial.root
    other.fetch()
    assert len(json.loads(other.curve.read_text())) == 2
    assert list(other.checkpoints()) == [1]

    atomic.write_json(other.curve, [{"step": 1}, {"step": 2}, {"step": 3}])
    other.fetch()
    assert len(json.loads(other.curve.read_text())) == 3


def test_a_worker_takes_up_a_rung_whose_checkpoint_its_own_machine_never_wrote(
    address: str,
) -> None:
    folder, remote = made(address)
    trial = folder.trial(0)
    trial.root.mkdir(parents=True)
    atomic.write_json(trial.curve, [{"step": 1}])  # and the worker is lost
    remote.put("trials/0/curve.json", b'[{"step": 1}]')  # of one that trained it again elsewhere
    remote.put("trials/0/rung-0.safetensors", b"rung 0")
    trial.fetch()
    assert trial.rungs() == 1


def test_the_search_deletes_checkpoints_that_a_worker_wrote_elsewhere(address: str) -> None:
    folder, remote = made(address)
    for name in ("rung-0.safetensors", "rung-1.safetensors", "curve.json", "log.txt"):
        remote.put(f"trials/0/{name}", b"")
    folder.trial(0).tidy({1})
    remote.settle()
    kept = ["trials/0/curve.json", "trials/0/log.txt", "trials/0/rung-1.safetensors"]
    assert remote.names("trials") == kept


def test_a_worker_takes_up_nothing_of_an_earlier_search_of_the_run(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, remote = with_study(address)
    first = folder.begin_session()
    elsewhere(monkeypatch, tmp_path)
    there = folder.here()
    there.store.join_session(first)
    there.trial(0).root.mkdir()
    there.trial(0).curve.write_text("[{}]")
    there.stop.touch()  # of a search that was killed
    there.store.join_session(first)
    assert there.trial(0).curve.exists()
    remote.put(".stop", b"")
    second = folder.begin_session()
    assert second != first
    assert remote.get(".stop") is None
    there.store.join_session(second)
    assert not there.trial(0).curve.exists()
    assert not there.stop.exists()


def test_a_machine_that_trained_takes_over_nothing_but_what_is_stored(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its copy is further than the store, but of the search before."""
    folder, _ = with_study(address)
    folder.begin_session()
    stored = folder.journal.read_bytes()
    with folder.journal.open("ab") as file:
        file.write(b"a record that never got to the store\n")
    here = os.environ["TEXTCLS_CACHE"]
    elsewhere(monkeypatch, tmp_path)
    word = paths.named(address, "run").begin_session()
    monkeypatch.setenv("TEXTCLS_CACHE", here)
    folder.store.join_session(word)
    assert not folder.journal.exists()
    assert paths.named(address, "run").journal.read_bytes() == stored
    aside = next(folder.root.parent.glob("run.*"))
    assert (aside / "study.journal").read_bytes() > stored


def test_a_process_that_slept_stores_nothing_over_what_another_did(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, remote = with_study(address)
    folder.begin_session()
    folder.publish(folder.journal)
    mine = dict(object_store._sessions)
    elsewhere(monkeypatch, tmp_path)
    paths.named(address, "run").begin_session()
    before = remote.names()
    object_store._sessions.update(mine)  # the first process again
    for late in (
        lambda: folder.publish(folder.journal),
        lambda: remote.claim(0.0),
        lambda: remote.remove(folder.journal),
    ):
        with pytest.raises(OSError, match="another process has taken this run over"):
            late()
    assert remote.names() == before


def test_the_copy_of_a_run_that_was_deleted_from_the_store_does_not_go_on(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, remote = with_study(address)
    folder.begin_session()
    remote.prune("", lambda _name: False)
    assert not paths.began(paths.named(address, "run"))
    assert "is no longer there; the copy here is kept in" in capsys.readouterr().err
    assert paths.create(address, "run").root == folder.root


def test_a_worker_lost_amid_fetching_leaves_the_rest_to_the_next(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, remote = with_study(address)
    remote.put("trials/0/curve.json", b'[{"step": 1}]')
    remote.put("trials/0/rung-0.safetensors", b"rung 0")
    trial = folder.trial(0)

    def lost(_remote: RemoteStore, _path: Path) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RemoteStore, "fetch", lost)
        with pytest.raises(KeyboardInterrupt):
            trial.fetch()
    trial.fetch()
    assert list(trial.checkpoints()) == [0]
    assert len(trial.read_curve()) == 1


def test_what_a_lost_worker_has_not_stored_is_stored_by_the_next(address: str) -> None:
    folder, remote = with_study(address)
    trial = folder.trial(0)
    trial.root.mkdir(parents=True)
    atomic.write_json(trial.curve, [{"step": 1}])
    trial.checkpoint(0).write_text("rung 0")
    trial.store.publish(trial.curve)  # and is lost
    take_up(trial, folder, ())
    assert remote.get("trials/0/rung-0.safetensors") == b"rung 0"


def test_nothing_is_deleted_before_the_record_that_makes_it_superfluous_is_stored(
    address: str,
) -> None:
    folder, remote = with_study(address)
    syncer = sync._Syncer(folder, remote, print)
    remote.hold_deletions()
    remote.put("trials/0/rung-0.safetensors", b"the best so far")
    folder.journal.write_bytes(folder.journal.read_bytes() + b"a better one\n")
    folder.trial(0).tidy(set())
    remote.settle()
    assert remote.names("trials") == ["trials/0/rung-0.safetensors"]
    syncer._store_records()
    remote.settle()
    assert (remote.get("study.journal") or b"").endswith(b"a better one\n")
    assert remote.names("trials") == []
    syncer._remote.end_holding()


def with_study(address: str) -> tuple[RunFolder, RemoteStore]:
    """A run with one trial that runs."""
    folder = paths.create(address, "run")
    assert isinstance(folder.store, RemoteStore)
    kept = study.create_study(
        folder.journal, "run", metric="accuracy", milestones=(1.0,),
        sampler=optuna.samplers.RandomSampler(seed=0),
    )  # fmt: skip
    kept.ask(lambda trial: {"x": trial.suggest_float("x", 0, 1)})
    return folder, folder.store


def test_trials_that_the_stored_journal_does_not_know_are_forgotten(address: str) -> None:
    folder, remote = with_study(address)
    for number in range(3):
        remote.put(f"trials/{number}/curve.json", b"[]")
    with synchronised(folder, print):
        assert remote.names("trials") == ["trials/0/curve.json"]
    assert "study.journal" in remote.names()


def test_two_searches_cannot_have_one_run_and_a_dead_one_holds_nothing(address: str) -> None:
    folder, remote = made(address)
    lease = {"holder": "process 7 on far", "pid": 7, "host": "far", "since": 0.0}
    remote.put(LEASE, json.dumps({**lease, "seen": time.time() - 10}).encode())
    assert remote.held_by_another()
    with (
        pytest.raises(RunFolderError, match="in use by process 7 on far"),
        synchronised(folder, print),
    ):
        pytest.fail("it was let in")
    remote.put(LEASE, json.dumps({**lease, "seen": time.time() - 100}).encode())
    assert remote.holder() is None


def test_what_cannot_be_stored_at_the_end_is_said_with_its_place(
    address: str, tmp_path: Path
) -> None:
    folder, _ = with_study(address)

    def break_store() -> None:
        store = tmp_path / "store"
        store.rename(tmp_path / "gone")
        store.write_text("no folder")

    with (
        pytest.raises(RunFolderError, match=f"everything is in {folder.root}"),
        synchronised(folder, print),
    ):
        break_store()
    assert folder.journal.exists()


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("s3://key:hush@bucket/runs", "holds a secret"),
        ("nonsense://bucket/runs", "cannot be reached"),
    ],
)
def test_a_bad_address_is_refused_and_no_secret_is_repeated(bad: str, said: str) -> None:
    with pytest.raises(RunFolderError, match=said) as caught:
        paths.create(bad, "run")
    assert "hush" not in str(caught.value)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 server's bucket."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    script = (
        "import sys; from moto.server import ThreadedMotoServer as Server;"
        "server = Server(ip_address='127.0.0.1', port=0, verbose=False); server.start();"
        "print(server.get_host_and_port()[1], flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as server:  # fmt: skip
        assert server.stdout is not None
        endpoint = f"127.0.0.1:{int(server.stdout.readline())}"
        from pyarrow import fs

        store = fs.S3FileSystem(
            endpoint_override=endpoint, scheme="http", allow_bucket_creation=True
        )
        store.create_dir("bucket")
        yield f"s3://bucket/runs?endpoint_override={endpoint}&scheme=http"
        server.kill()


def searching(machine: Path, address: str, *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tune.search", "--address", address, *options],
        env={**os.environ, "TEXTCLS_CACHE": str(machine)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def ended(journal: bytes | None, tmp_path: Path) -> list[TrialRecord]:
    (tmp_path / "seen.journal").write_bytes((journal or b"")[: (journal or b"").rfind(b"\n") + 1])
    try:
        records = study.read_study(tmp_path / "seen.journal", "run").records()
    except Exception:  # not yet
        return []
    return [record for record in records if record.state in (State.COMPLETE, State.PRUNED)]


def test_a_search_on_s3_is_killed_and_goes_on_on_another_machine(
    bucket: str,
    ray_address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "space.yaml").write_text(SPACE)
    stored = object_store.remote_store(object_store.joined(bucket, "run"))
    first = searching(
        tmp_path / "a", ray_address, "--space", str(tmp_path / "space.yaml"), "--name", "run",
        "--runs-dir", bucket, "--max-concurrent", "2",
    )  # fmt: skip
    while len(before := ended(stored.get("study.journal"), tmp_path)) < 2:
        assert first.poll() is None, first.communicate()[0]
        time.sleep(0.1)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    before = ended(stored.get("study.journal"), tmp_path)  # what came while we read

    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path / "b"))
    more = ["--samples", str(len(before) + 2), "--max-concurrent", "1"]
    assert search.main(["--resume", "run", "--runs-dir", bucket, "--quiet", *more]) == 0
    after = ended(stored.get("study.journal"), tmp_path)
    assert [each for each in after if each.number in {r.number for r in before}] == before
    assert len(after) >= len(before) + 2

    names = stored.names()
    assert {"result.json", "report.html", "space.yaml", "leaderboard.csv"} <= set(names)
    assert LEASE not in names
    best = json.loads(stored.get("result.json") or b"")["best"]["number"]
    assert [name for name in names if name.endswith(".safetensors") and "trials" in name] == [
        name for name in names if re.fullmatch(rf"trials/{best}/rung-\d+.safetensors", name)
    ]
    assert f"trials/{best}/log.txt" in names

    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path / "c"))
    assert status.main(["run", "--runs-dir", bucket]) == 0
    assert "complete" in capsys.readouterr().out
    target = tmp_path / "page.html"
    assert report_command.main(["run", "--runs-dir", bucket, "--out", str(target)]) in (0, None)
    assert target.stat().st_size > 10_000


def test_the_search_of_another_machine_is_seen_to_run(address: str) -> None:
    _, remote = made(address)
    lease: dict[str, Any] = {"holder": "process 7 on far", "pid": 7, "host": "far", "since": 100.0}
    remote.put(LEASE, json.dumps({**lease, "seen": time.time()}).encode())
    (remote.root / "study.journal").unlink()
    found = paths.find(address, "run")
    assert (found.root / ".lock").read_text() == "process 7 on far"
    assert (found.root / ".lock").stat().st_mtime == 100.0


@pytest.mark.parametrize(
    "name", ["../x", "trials/../../x", "/etc/x", "a//b", "./x", "a\\b", "", ".."]
)
def test_a_key_that_leads_out_of_the_folder_is_no_file_of_a_run(name: str) -> None:
    assert not object_store._is_inside(name)
    assert object_store._is_inside("trials/3/rung-0.safetensors")
    assert object_store._is_inside(".lease")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"holder": "x"}', b"[" * 9999,
     b'{"holder": 1, "pid": 1, "host": "x", "since": 1, "seen": 1}',
     b'{"holder": "x", "pid": "1", "host": "x", "since": 1, "seen": 1}',
     b'{"holder": "x", "pid": 1, "host": "x", "since": null, "seen": 1}'],
)  # fmt: skip
def test_a_damaged_sign_of_life_is_named(address: str, content: bytes) -> None:
    folder, remote = made(address)
    remote.put(LEASE, content)
    with pytest.raises(RunFolderError, match=r"run/\.lease: damaged .*; delete it once none does"):
        remote.holder()
    with (
        pytest.raises(RunFolderError, match=r"run/\.lease: damaged"),
        synchronised(folder, lambda _line: None),
    ):
        pass


def test_a_place_that_holds_something_else_is_not_taken(address: str, tmp_path: Path) -> None:
    theirs = tmp_path / "store" / "runs" / "run" / "thesis.tex"
    theirs.parent.mkdir(parents=True)
    theirs.touch()
    with pytest.raises(
        RunFolderError, match=r"holds other files than a run's, such as thesis\.tex"
    ):
        paths.create(address, "run")
    assert theirs.exists()
