import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
from fake_hub import serving
from huggingface_hub import constants

from textcls.config.models import DataConfig
from textcls.data import _hub
from textcls.data.dataset import locate
from textcls.exceptions import HubUnreachableError

LOAD = """
import json, sys
from textcls.config.models import DataConfig
from textcls.data.dataset import locate
from textcls.exceptions import DataError

try:
    source = locate(DataConfig(**json.loads(sys.argv[1])))
except DataError as error:
    print(json.dumps({"error": str(error)}))
    sys.exit()
data = source.read()
print(json.dumps({
    "name": data.name, "notices": data.notices, "labels": data.label_names,
    "fingerprint": source.fingerprint,
    "splits": {split: [part.texts.to_pylist(), part.labels.tolist()]
               for split, part in data.splits.items()},
}))
"""


def load(home: Path, endpoint: str, **settings: Any) -> dict[str, Any]:
    """Read in a process of its own: `datasets` takes these settings when it is imported."""
    env = os.environ | {"HF_HOME": str(home), "HF_ENDPOINT": endpoint}
    command = [sys.executable, "-c", LOAD, json.dumps(settings)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def parquet(texts: list[str], labels: list[int], names: list[str]) -> bytes:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)}
    )
    dataset = datasets.Dataset.from_dict({"text": texts, "label": labels}, features=features)
    file = io.BytesIO()
    pq.write_table(dataset.data.table, file)
    return file.getvalue()


def test_a_hub_set_loads_online_and_from_the_cache_when_the_hub_is_gone(tmp_path: Path) -> None:
    names = ["World", "Sports"]
    files = {
        "data/train-00000-of-00001.parquet": parquet(["a", "b", "c"], [1, 0, 1], names),
        "data/test-00000-of-00001.parquet": parquet(["d"], [0], names),
        "data/validation-00000-of-00001.parquet": parquet(["e", "f"], [-1, -1], names),
    }
    with serving("fancyzhx/ag_news", files) as endpoint:
        online = load(tmp_path, endpoint, name="ag_news")
    cached = load(tmp_path, endpoint, name="ag_news", offline="synthetic")

    assert online["name"] == "ag_news (fancyzhx/ag_news)"
    assert online["labels"] == names
    assert online["splits"] == {"train": [["a", "b", "c"], [1, 0, 1]], "test": [["d"], [0]]}
    unlabelled = (
        "fancyzhx/ag_news, split validation: left aside as validation, its rows have no labels"
    )
    assert online["notices"] == [unlabelled]
    assert cached["splits"] == online["splits"]
    assert cached["fingerprint"] == online["fingerprint"]
    assert cached["notices"][0].startswith("the hub cannot be reached (")
    assert cached["notices"][0].endswith("fancyzhx/ag_news comes from the local cache")
    assert cached["notices"][1:] == [unlabelled]


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub whose host turns connections away."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A hub that takes connections and never answers; given a tenth of the usual time for it."""
    monkeypatch.setattr(_hub, "PROBE_S", _hub.PROBE_S / 10)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        endpoint = f"http://127.0.0.1:{listening.getsockname()[1]}"
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        yield listening


def connections(listening: socket.socket) -> int:
    """How often a server was asked that accepted nobody."""
    listening.setblocking(False)
    for count in range(100):
        try:
            listening.accept()[0].close()
        except BlockingIOError:
            return count
    raise AssertionError("asked again and again")


def test_the_hub_has_three_seconds_to_answer() -> None:
    assert _hub.PROBE_S == 3.0  # with the imports a search without a network goes on within five


@pytest.mark.parametrize("network", ["refused", "silent"])
def test_an_unreachable_hub_is_not_asked_again(
    network: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    asked = request.getfixturevalue(network)
    with pytest.raises(HubUnreachableError) as caught:
        locate(DataConfig(name="someone/reviews"))
    if asked is not None:
        assert connections(asked) <= 1  # none where the time was up before
    message = str(caught.value)
    assert message.startswith("the hub cannot be reached (")
    assert f"the local cache ({tmp_path}) does not hold someone/reviews." in message
    assert "set data.offline to what may take its place, such as synthetic" in message


@pytest.mark.usefixtures("refused")
def test_the_substitute_is_used_and_said() -> None:
    data = DataConfig(name="ag_news", offline="synthetic", train_size=16, test_size=8)
    source = locate(data)
    assert source.name == "synthetic (16 / 8 embedded texts)"
    (notice,) = source.notices
    assert "the hub cannot be reached (" in notice
    assert notice.endswith("; synthetic (16 / 8 embedded texts) is used in place of ag_news")
    assert source.read().notices == source.notices
    assert source.fingerprint == locate(data.model_copy(update={"name": "synthetic"})).fingerprint


@pytest.mark.usefixtures("refused")
def test_a_local_folder_may_be_the_substitute(tmp_path: Path) -> None:
    file = tmp_path / "copy.csv"
    file.write_text("text,label\n" + "a,x\nb,y\n" * 10)
    source = locate(DataConfig(name="ag_news", offline=str(file)))
    assert source.read().label_names == ("x", "y")


@pytest.mark.usefixtures("refused")
def test_a_substitute_that_is_on_the_hub_too_does_not_help() -> None:
    with pytest.raises(HubUnreachableError, match="does not hold someone/else"):
        locate(DataConfig(name="ag_news", offline="someone/else"))


def test_offline_mode_asks_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(_hub, "_probe", lambda *_: pytest.fail("asked the network"))
    with pytest.raises(HubUnreachableError, match="HF_HUB_OFFLINE or HF_DATASETS_OFFLINE is set"):
        locate(DataConfig(name="ag_news"))


def test_a_set_that_the_hub_does_not_know(tmp_path: Path) -> None:
    with serving("someone/reviews", {}) as endpoint:
        assert load(tmp_path, endpoint, name="agnews", offline="synthetic") == {
            "error": "agnews: no such file or folder here, and no such data set on the hub "
            "(or it is private or gated, and needs a token)"
        }
