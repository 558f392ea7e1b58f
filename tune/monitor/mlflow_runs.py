"""The runs that a search has in MLflow: one of its own, and one of each trial below it.

They lie in `track/mlflow.db`, unless MLFLOW_TRACKING_URI names a server.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import yaml

from tune.run_folder.paths import RunFolder

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PARENT = "mlflow.parentRunId"
_KIND = "textcls_tune.kind"
_MOST_PARAMS = 100  # of one call
_LONGEST = 6_000  # characters of a parameter's value


def client_of(folder: RunFolder) -> "MlflowClient":
    """Return a client of the store that a search is tracked in.

    Args:
        folder: The run folder.
    """
    from mlflow import MlflowClient  # late: it takes a second, and most searches do without

    quieten()
    folder.track.mkdir(exist_ok=True)
    own = f"sqlite:///{folder.track / 'mlflow.db'}"
    return MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or own)


def quieten() -> None:
    """Have MLflow tell warnings only; it tells of each table that it makes."""
    logging.getLogger("mlflow").setLevel(logging.WARNING)


def experiment_of(client: "MlflowClient", folder: RunFolder) -> tuple[str, bool]:
    """Return the experiment of a search, and whether it was there already.

    Args:
        client: A client of the store.
        folder: The run folder.
    """
    found = client.get_experiment_by_name(folder.name)
    if found is not None:
        return str(found.experiment_id), True
    place = None  # a server says where artifacts go; a file would put them where we are started
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        place = (folder.track / "mlartifacts").as_uri()
    return str(client.create_experiment(folder.name, artifact_location=place)), False


def parent_run(client: "MlflowClient", folder: RunFolder) -> str:
    """Return the id of the search's own run, which is made where there is none.

    Args:
        client: A client of the store.
        folder: The run folder.
    """
    experiment, _ = experiment_of(client, folder)
    found = client.search_runs([experiment], f"tags.`{_KIND}` = 'search'")
    if found:
        return str(found[0].info.run_id)
    tags = {_KIND: "search"}
    run = str(client.create_run(experiment, run_name=folder.name, tags=tags).info.run_id)
    _log_settings(client, run, folder)
    return run


def trial_runs(client: "MlflowClient", folder: RunFolder) -> Iterator["Run"]:
    """Yield the runs of the search's trials.

    Args:
        client: A client of the store.
        folder: The run folder.
    """
    experiment, _ = experiment_of(client, folder)
    token = None
    while True:
        page = client.search_runs([experiment], page_token=token)
        yield from (run for run in page if PARENT in run.data.tags)
        if not (token := page.token):
            return


def _log_settings(client: "MlflowClient", run: str, folder: RunFolder) -> None:
    """Log the search's fixed settings as parameters, under the keys of its file."""
    from mlflow.entities import Param

    if not folder.space.exists():
        return
    content = yaml.safe_load(folder.space.read_text(encoding="utf-8"))
    fixed = {k: v for k, v in content.items() if k not in ("space", "points", "configurations")}
    params = [Param(key, str(value)[:_LONGEST]) for key, value in _flat(fixed)]
    for begin in range(0, len(params), _MOST_PARAMS):
        client.log_batch(run, params=params[begin : begin + _MOST_PARAMS])


def _flat(content: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
