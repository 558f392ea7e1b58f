"""The service as a deployment of Ray Serve: on a real Ray where its requirements are installed."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from bundle_parts import LABELS, export_small

MISSING = [
    name
    for name in ("fastapi", "grpc_reflection", "starlette", "uvicorn", "watchfiles")
    if importlib.util.find_spec(name) is None
]
pytestmark = [
    pytest.mark.skipif(
        bool(MISSING), reason=f"ray.serve needs {', '.join(MISSING)} (extra ray-serve)"
    ),
    pytest.mark.filterwarnings("ignore:Using extra keyword arguments on `Field`"),  # Ray's own
]

TOKEN = "t" * 16
SERVED = """
import json, sys, urllib.error, urllib.request
from concurrent.futures import ThreadPoolExecutor
from tune.execution import ray_connect
ray_connect.configure_ray(None)  # before Ray is imported
from ray import serve
from tune.execution import ray_cluster
from tune.serving.ray_serve import ServeArguments, build

def ask(path, body=None, token=None, host=None):
    headers = {"Content-Type": "application/json"}
    if token: headers["Authorization"] = f"Bearer {token}"
    if host: headers["Host"] = host
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:%(port)d{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = answer.read()
            return answer.status, content.decode() if path == "/metrics" else json.loads(content)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())

with ray_cluster.session(cpus=3, dashboard=False):
    serve.start(http_options={"host": "127.0.0.1", "port": %(port)d})
    arguments = ServeArguments(
        bundle=sys.argv[1], min_replicas=%(replicas)d, max_replicas=2, cpus=0.5
    )
    serve.run(build(arguments))
    with ThreadPoolExecutor(4) as threads:
        one = lambda _: ask("/predict", {"texts": ["goal match"]}, %(token)r)
        many = list(threads.map(one, range(40)))
    print("TOLD", json.dumps({
        "health": ask("/health"),
        "many": many,
        "counts": [ask("/metrics", token=%(token)r)[1] for _ in range(20)],
        "right": ask("/predict", {"texts": ["goal match", ""]}, %(token)r),
        "wrong": ask("/predict", {"text": 1}, %(token)r),
        "none": ask("/predict", {"texts": ["goal"]}, None),
        "elsewhere": ask("/predict", {"texts": ["goal"]}, %(token)r, "evil.example"),
        "info": ask("/info", token=%(token)r),
        "replicas": serve.status().applications["default"].deployments["textcls"].replica_states,
    }))
    serve.shutdown()
"""


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("replicas", [1, 2])
def test_it_answers_as_the_service_does(replicas: int, tmp_path: Path) -> None:
    from textcls.runtime.loading import load_predictor

    folder = export_small(tmp_path)
    code = SERVED % {"port": free_port(), "token": TOKEN, "replicas": replicas}
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False,
        timeout=220, env={**os.environ, "TEXTCLS_SERVE_TOKEN": TOKEN},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("TOLD ")]
    told = json.loads(line.removeprefix("TOLD "))
    status, answer = told["right"]
    rows = load_predictor(folder).probabilities(["goal match", ""])
    expected = [LABELS[at] for at in rows.argmax(axis=1)]
    assert status == 200
    assert [each["label"] for each in answer["predictions"]] == expected
    given = [each["probability"] for each in answer["predictions"]]
    assert given == pytest.approx(rows.max(axis=1).tolist(), abs=1e-6)
    assert told["health"] == [200, {"status": "ok"}]
    assert (told["wrong"][0], told["wrong"][1]["error"]["code"]) == (422, "invalid_request")
    assert (told["none"][0], told["none"][1]["error"]["code"]) == (401, "unauthorized")
    assert told["elsewhere"][0] == 200  # with a token the name does not matter
    assert told["info"][1]["classes"] == list(LABELS)
    assert told["replicas"] == {"RUNNING": replicas}
    assert len(told["many"]) == 40
    assert all(each == told["many"][0] for each in told["many"])
    assert told["many"][0][1]["predictions"][0]["label"] == expected[0]
    line = r'textcls_requests_total\{path="/predict",status="200"\} (\d+)'
    counts = {int(found[1]) for text in told["counts"] if (found := re.search(line, text))}
    # Each replica counts what it has answered: two of them share the 40 requests.
    assert counts == {40} if replicas == 1 else max(counts) < 40


@pytest.mark.parametrize(
    ("arguments", "token", "message"),
    [
        ({"bundle": "no such run"}, None, "not a classifier folder"),
        ({"min_replicas": 3, "max_replicas": 2}, None, "max_replicas: must be at least"),
        ({}, "short", "TEXTCLS_SERVE_TOKEN: must have at least 16 characters, but has 5"),
        ({"without_token": True}, TOKEN, "without_token contradicts TEXTCLS_SERVE_TOKEN"),
    ],
)
def test_what_cannot_be_served_is_told_when_it_is_built(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: dict[str, object],
    token: str | None,
    message: str,
) -> None:
    from textcls.exceptions import TextclsError
    from tune.serving.ray_serve import ServeArguments, build

    monkeypatch.delenv("TEXTCLS_SERVE_TOKEN", raising=False)
    if token is not None:
        monkeypatch.setenv("TEXTCLS_SERVE_TOKEN", token)
    given = {"bundle": str(export_small(tmp_path)), **arguments}
    with pytest.raises(TextclsError, match=message):
        build(ServeArguments.model_validate(given))
