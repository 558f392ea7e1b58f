"""The winner in MLflow's model registry, of a real search and a real local store."""

import importlib.util
import io
import pickle
import warnings
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import pytest
import yaml
from whole_search import without_ray

from textcls import TextClassifier
from textcls.exceptions import DataError
from textcls.runtime.loading import load_predictor
from textcls.serve.pyfunc import PyfuncClassifier
from tune import search
from tune.monitor import mlflow_model
from tune.run_folder import paths
from tune.run_folder.paths import RunFolder

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mlflow") is None, reason="MLflow is not installed (extra mlflow)"
)  # its import costs a second: only where it is used
pd = pytest.importorskip("pandas", reason="pandas is not installed")

SPACE = """
model: {name: gru, hidden_size: 4}
data: {name: synthetic, train_size: 200, test_size: 60, text_columns: [subject, body]}
embeddings: {name: random, dim: 4}
train: {epochs: 1.0}
space:
  learning_rate: {type: float, low: 1.0e-3, high: 1.0e-1}
search: {samples: 2, sampler: random, max_concurrent: 1}
"""


@pytest.fixture(autouse=True)
def others_warnings() -> Iterator[None]:
    """MLflow's own warnings about its own dependencies are not ours to fix."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunFolder, str]]:
    root = tmp_path_factory.mktemp("registry")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("TEXTCLS_CACHE", str(root / "cache"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(root)
        (root / "space.yaml").write_text(SPACE)
        printed = io.StringIO()
        with without_ray(), redirect_stdout(printed):
            assert search.main(["--space", "space.yaml", "--name", "run", "--track", "mlflow"]) == 0
        assert not (root / "mlruns").exists()
        yield paths.find(root / "runs", "run"), printed.getvalue()


def client_of(folder: RunFolder) -> Any:
    import mlflow

    return mlflow.MlflowClient(f"sqlite:///{folder.track / 'mlflow.db'}")


def test_the_model_that_is_registered_predicts_as_the_winner(
    found: tuple[RunFolder, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    folder, printed = found
    assert "MLflow: version 1 of the model run, models:/run@winner" in printed
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder.track / 'mlflow.db'}")
    monkeypatch.setattr(pickle, "load", None)
    monkeypatch.setattr(pickle, "loads", None)
    model = mlflow.pyfunc.load_model("models:/run@winner")
    frame = pd.DataFrame(
        {"subject": ["a late goal", "shares fell"], "body": ["by the striker", "again"]},
        index=[7, 9],
    )
    told = model.predict(frame)
    clf = TextClassifier.load(folder.best)
    texts = ["a late goal by the striker", "shares fell again"]
    assert told["label"].tolist() == clf.predict(texts).tolist()
    assert told.index.tolist() == [7, 9]
    each = told[[f"probability_{name}" for name in clf.classes_]].to_numpy()
    assert each == pytest.approx(clf.predict_proba(texts))
    assert told["probability"].to_numpy() == pytest.approx(each.max(axis=1))
    assert model.metadata.get_input_schema().input_names() == ["subject", "body"]
    assert "label" in model.metadata.get_output_schema().input_names()


def test_nothing_in_it_is_a_pickle(found: tuple[RunFolder, str]) -> None:
    folder, _ = found
    files = [path for path in folder.track.rglob("*") if path.is_file() and "model" in path.parts]
    assert files
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".md", ".yaml", ".txt", ""}
    (about,) = [path for path in files if path.name == "MLmodel"]
    flavour = yaml.safe_load(about.read_text())["flavors"]["python_function"]
    assert (flavour["loader_module"], "python_model" in flavour) == ("textcls.serve.pyfunc", False)


def test_the_searchs_own_run_has_the_settings_and_the_winner(found: tuple[RunFolder, str]) -> None:
    folder, _ = found
    client = client_of(folder)
    experiment = client.get_experiment_by_name("run")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    parent = runs.pop("run")
    assert sorted(runs) == ["trial-0", "trial-1"]
    assert parent.info.status == "FINISHED"
    assert parent.data.params["model.hidden_size"] == "4"
    assert parent.data.params["search.metric"] == "test_accuracy"
    assert not any(key.startswith("space") for key in parent.data.params)
    winners = [name for name, run in runs.items() if run.data.tags.get("winner") == "true"]
    assert winners == [parent.data.tags["winner"]]
    assert parent.data.metrics["test_accuracy"] == max(
        run.data.metrics["best_test_accuracy"] for run in runs.values()
    )


def test_a_resumed_search_registers_the_next_version(found: tuple[RunFolder, str]) -> None:
    folder, _ = found
    options = ["--resume", str(folder.root), "--samples", "3", "--track", "mlflow"]
    printed = io.StringIO()
    with without_ray(), redirect_stdout(printed):
        assert search.main(options) == 0
    assert "switched off" not in printed.getvalue()
    client = client_of(folder)
    experiment = client.get_experiment_by_name("run")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.info.run_name for run in runs) == ["run", "trial-0", "trial-1", "trial-2"]
    assert client.get_model_version_by_alias("run", "winner").version in (2, "2")
    assert sum(run.data.tags.get("winner") == "true" for run in runs) == 1


def test_what_goes_wrong_is_one_sentence(
    found: tuple[RunFolder, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = found
    said: list[str] = []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////dev/null/all.db")
    mlflow_model.register_winner(folder, {"number": 0}, said.append)
    (sentence,) = said
    assert sentence.startswith("--track mlflow: the winner was not registered (")
    assert str(folder.best) in sentence


def test_a_frame_without_its_columns_is_refused(
    found: tuple[RunFolder, str],
) -> None:
    model = PyfuncClassifier(load_predictor(found[0].best))
    one = model.predict(pd.DataFrame({"anything": ["shares fell"]}))
    assert one["label"].tolist() == model.predict(["shares fell"])["label"].tolist()
    assert len(model.predict(pd.DataFrame({"text": []}))) == 0
    with pytest.raises(DataError, match="has no column 'body'; expected 'subject', 'body', it has"):
        model.predict(pd.DataFrame({"subject": ["a"], "text": ["b"]}))
