"""Register a search's winner in MLflow's model registry, with `--track mlflow`.

The model is a `python_function` whose loader is a module of ours and whose data is the classifier's
folder (`textcls.serve.pyfunc`): no pickle is written, and none is read.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from textcls.command_line import DISTRIBUTION, version
from tune.monitor.mlflow_runs import client_of, parent_run, quieten, trial_runs
from tune.run_folder.paths import RunFolder

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODEL = "model"
"""The folder of the model among the artifacts of the search's run."""
ALIAS = "winner"
"""What the latest registered version is called: `models:/NAME@winner`."""
_LOADER = "textcls.serve.pyfunc"
_EXAMPLE = "The striker scored twice in the last minutes."


def register_winner(
    folder: RunFolder, winner: Mapping[str, Any], say: Callable[[str], None]
) -> None:
    """Log the classifier in `best/` as a model, register it, and mark the trial that won.

    Whatever goes wrong is said in one sentence; the search has its result.

    Args:
        folder: The run folder.
        winner: The winner, as `result.json` has it.
        say: Called with the name under which it can be loaded, or with what went wrong.
    """
    try:
        number = _register(folder, winner)
    except Exception as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        say(
            f"--track mlflow: the winner was not registered ({type(error).__name__}: {reason}); "
            f"it is in {folder.best}"
        )
        return
    say(f"MLflow: version {number} of the model {folder.name}, models:/{folder.name}@{ALIAS}")


def _register(folder: RunFolder, winner: Mapping[str, Any]) -> str:
    client = client_of(folder)
    run = parent_run(client, folder)
    _describe(client, run, folder, winner)
    with TemporaryDirectory(prefix="textcls-", ignore_cleanup_errors=True) as scratch:
        _write_model(folder.best, Path(scratch) / MODEL)
        client.log_artifacts(run, str(Path(scratch) / MODEL), MODEL)
    _create_name(client, folder.name)
    source = f"{client.get_run(run).info.artifact_uri}/{MODEL}"
    made = client.create_model_version(folder.name, source, run_id=run)
    client.set_registered_model_alias(folder.name, ALIAS, made.version)
    return str(made.version)


def _describe(
    client: "MlflowClient", run: str, folder: RunFolder, winner: Mapping[str, Any]
) -> None:
    """Note the winner's figures at the search's run, and mark the trial's run."""
    for name, value in winner.items():
        if isinstance(value, float):
            client.log_metric(run, name, value)
    number = winner.get("number")
    client.set_tag(run, "winner", "linear classifier" if number is None else f"trial-{number}")
    for trial in trial_runs(client, folder):
        is_winner = number is not None and trial.info.run_name == f"trial-{number}"
        if is_winner or "winner" in trial.data.tags:
            client.set_tag(trial.info.run_id, "winner", str(is_winner).lower())


def _create_name(client: "MlflowClient", name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _write_model(best: Path, out: Path) -> None:
    """Write the model's folder: the classifier's files, how to load them, signature, example."""
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import infer_signature

    from textcls.runtime.loading import load_predictor
    from textcls.serve.pyfunc import PyfuncClassifier

    quieten()
    logging.getLogger("mlflow.models").setLevel(logging.ERROR)  # guesses about requirements
    classifier = PyfuncClassifier(load_predictor(best))
    example = pd.DataFrame({name: [_EXAMPLE] for name in classifier.columns})
    mlflow.pyfunc.save_model(
        str(out),
        loader_module=_LOADER,
        data_path=str(best),
        signature=infer_signature(example, classifier.predict(example)),
        input_example=example,
        pip_requirements=[f"{DISTRIBUTION}=={version()}"],
    )
