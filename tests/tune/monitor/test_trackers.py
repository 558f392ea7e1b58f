"""What TensorBoard's own reader and a real local MLflow find after a search."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from search_parts import Witness

from tune import search
from tune.exceptions import SearchError
from tune.monitor import trackers
from tune.monitor.trackers import Tracked
from tune.run_folder import paths
from tune.run_folder.paths import RunFolder
from tune.study.records import Proposal, State, TrialRecord

PARAMS = {"hidden_size": 64, "learning_rate": 0.01, "pooling": "max"}
ENDS = {
    State.COMPLETE: "FINISHED", State.PRUNED: "FINISHED", State.DIVERGED: "FAILED",
    State.FAILED: "FAILED", State.INTERRUPTED: "KILLED",
}  # fmt: skip


@pytest.fixture(autouse=True)
def others_warnings() -> Iterator[None]:
    """The tools' own warnings about their own dependencies are not ours to fix."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return paths.create(tmp_path, "run")


def proposal(number: int) -> Proposal:
    return Proposal(number, PARAMS, None, None, number)


def record(number: int, state: State, values: tuple[float, ...]) -> TrialRecord:
    message = "" if state in (State.COMPLETE, State.PRUNED) else "it went wrong"
    return TrialRecord(number, state, PARAMS, None, None, message, (), values, None, None)


def play(name: str, folder: RunFolder, witness: Witness) -> list[str]:
    """A trial for each way to end, two rungs each; what was said."""
    said: list[str] = []
    tracked = Tracked(witness, [name], folder, "val_accuracy", said.append)
    for number, end in enumerate(ENDS):
        tracked.on_trial_start(proposal(number))
        for rung, value in enumerate((0.5, 0.75)):
            metrics = {"val_accuracy": value, "epoch": rung + 1.0, "step": 10.0 * (rung + 1)}
            tracked.on_trial_report(number, rung, metrics)
        tracked.on_trial_end(record(number, end, (0.5, 0.75)))
    tracked.close()
    return said


def test_tensorboards_own_reader_finds_curves_and_parameters(folder: RunFolder) -> None:
    pytest.importorskip("tensorboardX")
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    witness = Witness()
    assert play("tensorboard", folder, witness) == []
    assert len(witness.seen) == 4 * len(ENDS)
    for number, end in enumerate(ENDS):
        place = folder.track / "tensorboard" / f"trial-{number}"
        found = accumulators.EventAccumulator(str(place))
        found.Reload()
        events = [(event.step, event.value) for event in found.Scalars("val_accuracy")]
        assert events == [(10, 0.5), (20, 0.75)]
        assert found.Scalars("best_val_accuracy")[-1].value == 0.75
        text = found.Tensors("state/text_summary")[0].tensor_proto.string_val[0].decode()
        assert text.startswith(end.value)
        hparams = found.PluginTagToContent("hparams")
        assert any(b"hidden_size" in content for content in hparams.values())


def test_a_real_mlflow_finds_runs_with_their_ends(folder: RunFolder) -> None:
    mlflow = pytest.importorskip("mlflow")
    assert play("mlflow", folder, Witness()) == []
    client = mlflow.MlflowClient(f"sqlite:///{folder.track / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("run")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    parent = runs.pop("run")
    assert parent.info.status == "FINISHED"
    assert len(runs) == len(ENDS)
    for number, (end, status) in enumerate(ENDS.items()):
        run = runs[f"trial-{number}"]
        assert run.info.status == status
        assert run.data.tags["state"] == end.value
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.params == {name: str(value) for name, value in PARAMS.items()}
        assert run.data.metrics["best_val_accuracy"] == 0.75
        run_history = client.get_metric_history(run.info.run_id, "val_accuracy")
        assert [(each.step, each.value) for each in run_history] == [(10, 0.5), (20, 0.75)]

    cut_off = Tracked(Witness(), ["mlflow"], folder, "val_accuracy", print)
    cut_off.on_trial_start(proposal(7))
    Tracked(Witness(), ["mlflow"], folder, "val_accuracy", print)  # as a resume does
    found = client.search_runs([experiment.experiment_id])
    assert {run.info.status for run in found if run.info.run_name == "trial-7"} == {"KILLED"}


def test_a_tracker_that_fails_is_given_up_and_the_search_goes_on(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////dev/null/all.db")
    witness = Witness()
    (said,) = play("mlflow", folder, witness)
    assert said.startswith("--track mlflow was switched off after an error: ")
    assert len(witness.seen) == 4 * len(ENDS)


def test_a_missing_package_is_named_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(trackers.PACKAGES, "mlflow", ("no_such_module", "mlflow-skinny"))
    with pytest.raises(SearchError, match="--track mlflow needs a package: pip install mlflow-sk"):
        trackers.check_trackers(["mlflow"])
    given = ["--space", "search_spaces/gru.yaml", "--runs-dir", str(tmp_path / "runs")]
    assert search.main([*given, "--track", "mlflow"]) == 1
    assert "pip install mlflow-skinny" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def offline_records(path: Path) -> Iterator[Any]:
    """The records of a run's file: protocol buffers in blocks of 32 KiB, as LevelDB logs them."""
    pb = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    data, at, parts = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if (room := -at % 32_768) < 7 and room:
            at += room
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = pb.Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


def test_wandb_keeps_a_run_per_trial_where_there_is_no_key(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(folder.root / "none"))
    said = play("wandb", folder, Witness())
    assert len(said) == 1
    assert "offline" in said[0]
    found = {}
    for path in (folder.track / "wandb").glob("offline-run-*/*.wandb"):
        records = list(offline_records(path))
        run = next(each.run for each in records if each.WhichOneof("record_type") == "run")
        summary = {}
        for each in records:
            for item in each.summary.update:
                summary[item.key or ".".join(item.nested_key)] = item.value_json
        exits = [
            each.exit.exit_code for each in records if each.WhichOneof("record_type") == "exit"
        ]
        run_history = [each for each in records if each.WhichOneof("record_type") == "history"]
        config = {item.key: item.value_json for item in run.config.update}
        found[run.display_name] = (run.run_group, config, summary, exits, len(run_history))
    assert set(found) == {f"trial-{number}" for number in range(len(ENDS))}
    for number, state in enumerate(ENDS):
        group, config, summary, exits, reports = found[f"trial-{number}"]
        assert group == folder.name
        assert config["hidden_size"] == "64"
        assert config["pooling"] == '"max"'
        assert summary["state"] == f'"{state.value}"'
        assert summary["best_val_accuracy"] == "0.75"
        assert exits == [0 if state in (State.COMPLETE, State.PRUNED) else 1]
        assert reports == 2


def test_a_wandb_run_of_the_users_own_stays_open(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    quiet = wandb.Settings(silent=True, console="off", x_disable_stats=True)
    own = wandb.init(dir=str(folder.root), settings=quiet)
    try:
        tracked = Tracked(Witness(), ["wandb"], folder, "val_accuracy", lambda _: None)
        tracked.on_trial_start(proposal(0))
        tracked.close()
        own.log({"mine": 1})
    finally:
        own.finish()
        wandb.teardown()
    (path,) = (folder.root / "wandb").glob("offline-run-*/*.wandb")
    kinds = [each.WhichOneof("record_type") for each in offline_records(path)]
    assert kinds.count("history") == 1
    assert kinds.count("exit") == 1
