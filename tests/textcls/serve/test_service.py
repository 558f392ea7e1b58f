"""The service in a process of its own, over real connections."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundle_parts import LABELS, TEXTS, export_small
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serve_parts import Service, serving

from textcls.calibration.conformal import least_probability, measure_scores
from textcls.runtime.loading import load_predictor

ROOT = Path(__file__).parents[3]
HEAD = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\n"
TOKEN = "a-token-of-enough-letters"  # noqa: S105 - of a test
ABOUT = {
    "search": {"run": "news", "trial": 3, "metric": "val_accuracy"},
    "result": {"val_accuracy": 0.9, "test_loss": float("nan")},
}
WHOLE_TEXTS = [text for text in TEXTS if "\ud800" not in text]  # JSON cannot hold the others


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_small(tmp_path_factory.mktemp("serve"), about=ABOUT, linear_weight=2.0)


@pytest.fixture(scope="module")
def service(bundle: Path) -> Iterator[Service]:
    with serving(
        bundle, "--max-body", "20000", "--max-texts", "50", "--max-characters", "900"
    ) as s:
        yield s


def test_predictions_are_those_of_the_predictor(service: Service, bundle: Path) -> None:
    rows = load_predictor(bundle).probabilities(WHOLE_TEXTS)
    for one, row in zip(service.predict(*WHOLE_TEXTS, top=9), rows, strict=True):
        assert one["label"] == LABELS[row.argmax()]
        assert one["probability"] == float(row.max())
        assert {each["label"]: each["probability"] for each in one["top"]} == dict(
            zip(LABELS, map(float, row), strict=True)
        )
        assert one["top"] == sorted(one["top"], key=lambda each: -each["probability"])


@pytest.mark.parametrize("path", ["/predict", "/info", "/health", "/metrics", "/docs"])
def test_a_name_of_another_site_is_refused_so_that_no_page_of_it_reads_answers(
    service: Service, path: str
) -> None:
    method = "POST" if path == "/predict" else "GET"
    body = {"texts": ["goal"]} if path == "/predict" else None
    status, answer = service.ask(method, path, body, {"Host": "evil.example:8000"})
    assert (status, answer["error"]["code"]) == (421, "wrong_host")
    assert "evil.example" in answer["error"]["message"]
    assert service.ask(method, path, body, {"Host": f"localhost:{service.port}"})[0] == 200


def test_below_the_threshold_stands_the_label_that_was_asked_for(service: Service) -> None:
    (plain,) = service.predict("goal match")
    assert plain.keys() == {"label", "probability"}
    sure = plain["probability"]
    for threshold, below, label in (
        (sure, "unsure", plain["label"]),
        (sure + 1e-6, "unsure", "unsure"),
        (sure + 1e-6, None, None),
    ):
        (one,) = service.predict("goal match", threshold=threshold, below=below)
        assert one == {"label": label, "probability": sure}


def test_each_of_many_callers_gets_its_own_answer(service: Service) -> None:
    alone = {text: service.predict(text) for text in WHOLE_TEXTS}
    asked = WHOLE_TEXTS * 20
    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(service.predict, asked)) == [alone[text] for text in asked]


def test_sets_of_labels_hold_the_true_one_as_often_as_asked(bundle: Path, tmp_path: Path) -> None:
    # 300 texts whose true label is the second most probable one of the text, now and then.
    predictor, rng = load_predictor(bundle), np.random.default_rng(0)
    words = ["goal", "match", "stock", "market", "the"]
    texts = [" ".join(rng.choice(words, rng.integers(1, 6))) for _ in range(600)]
    rows = predictor.probabilities(texts)
    places = np.argsort(-rows, axis=1)[np.arange(600), rng.choice(3, 600, p=(0.7, 0.2, 0.1))]
    scores = measure_scores(rows[:300], places[:300], "test")
    assert scores is not None
    scored = tmp_path / "scored"
    shutil.copytree(bundle, scored)
    content = json.loads((scored / "bundle.json").read_text(encoding="utf-8"))
    content["conformal"] = scores.model_dump(mode="json")
    (scored / "bundle.json").write_text(json.dumps(content), encoding="utf-8")
    with serving(scored) as service:
        assert service.ask("GET", "/info")[1]["coverage"] == {"split": "test", "texts": 300}
        for coverage in (0.5, 0.8, 0.95):
            found = service.predict(*texts[300:], coverage=coverage, top=2)
            held = [LABELS[i] in one["labels"] for one, i in zip(found, places[300:], strict=True)]
            # Three standard deviations of a share of 300 texts, and as much of the 300 scores'.
            assert np.mean(held) >= coverage - 3 * (2 * coverage * (1 - coverage) / 300) ** 0.5
            least = least_probability(scores, coverage)
            for one, row in zip(found, rows[300:], strict=True):
                assert one["labels"][0] == one["label"] == one["top"][0]["label"]
                expected = {LABELS[i] for i in np.flatnonzero(row >= least)} | {one["label"]}
                assert set(one["labels"]) == expected
        assert all("labels" not in one for one in service.predict(*texts[:3]))


def test_a_classifier_without_scores_refuses_sets(service: Service) -> None:
    status, answer = service.ask("POST", "/predict", {"texts": ["goal"], "coverage": 0.9})
    assert (status, answer["error"]["code"]) == (422, "no_coverage")
    assert "no scores of held-out texts" in answer["error"]["message"]
    assert service.ask("GET", "/info")[1]["coverage"] is None


def test_the_pages_tell_of_the_classifier_and_of_the_service(service: Service) -> None:
    assert service.ask("GET", "/health") == (200, {"status": "ok"})
    status, info = service.ask("GET", "/info")
    assert status == 200
    assert info["classes"] == list(LABELS)
    assert info["accuracy"] == {"validation": 0.9}
    assert info["result"]["test_loss"] is None
    assert info["selected"] == "trial 3 of the search news, compared on val_accuracy"
    assert info["limits"]["texts"] == 50
    status, page = service.ask("GET", "/openapi.json")
    assert {"/predict", "/health", "/info", "/metrics"} == set(page["paths"])
    body = page["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert set(body["schema"]["properties"]) == {"texts", "top", "threshold", "below", "coverage"}
    answer = page["components"]["schemas"]["TextPrediction"]["properties"]
    assert set(answer) == {"label", "probability", "top", "labels"}


def test_the_metrics_count(service: Service) -> None:
    def counted() -> dict[str, float]:
        status, text = service.ask("GET", "/metrics")
        assert status == 200
        lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        assert all(re.fullmatch(r"\w+(\{(\w+=\"[^\"]*\",?)*\})?", name) for name, _, _ in lines)
        return {name: float(value) for name, _, value in lines}

    before = counted()
    label = service.predict("goal match", "goal match")[0]["label"]
    after = counted()
    for name, added in {
        'textcls_requests_total{path="/predict",status="200"}': 1,
        'textcls_request_seconds_count{path="/predict"}': 1,
        f'textcls_predicted_total{{label="{label}"}}': 2,
        "textcls_batch_texts_sum": 2,
    }.items():
        assert after[name] - before.get(name, 0) == added, name


@pytest.mark.parametrize(
    ("body", "status", "code", "told"),
    [
        (b"{", 400, "invalid_json", "EOF"),
        (b"\xff", 400, "invalid_json", ""),
        (b'{"texts": ["\\ud800"]}', 400, "invalid_json", "hex escape"),
        (b"[" * 10_000, 400, "invalid_json", "recursion"),
        ([], 422, "invalid_request", "must be an object, but is a list"),
        ({}, 422, "invalid_request", "texts"),
        ({"texts": []}, 422, "invalid_request", "texts"),
        ({"texts": "goal"}, 422, "invalid_request", "texts"),
        ({"texts": ["goal", 3]}, 422, "invalid_request", "texts[1]"),
        ({"texts": ["goal"], "tpo": 3}, 422, "invalid_request", "did you mean top?"),
        ({"texts": ["goal"], "top": 0}, 422, "invalid_request", "top"),
        ({"texts": ["goal"], "threshold": 1.5}, 422, "invalid_request", "threshold"),
        ({"texts": ["goal"], "coverage": 1}, 422, "invalid_request", "coverage"),
        ({"texts": ["goal"], "coverage": 0}, 422, "invalid_request", "coverage"),
        ({"texts": ["goal"], "coverage": "0.9"}, 422, "invalid_request", "coverage"),
        ({"texts": ["goal"] * 51}, 413, "too_many_texts", "at most 50 texts, but has 51"),
        ({"texts": ["", "x" * 901]}, 413, "text_too_long", "texts[1] has 901"),
        (b" " * 20_001, 413, "too_large", "20,000 bytes"),
    ],
)
def test_what_cannot_be_answered_is_told(
    service: Service, body: Any, status: int, code: str, told: str
) -> None:
    answered, answer = service.ask("POST", "/predict", body)
    assert (answered, answer["error"]["status"], answer["error"]["code"]) == (status, status, code)
    assert told in json.dumps(answer)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/nothing", {}, 404),
        ("GET", "/predict/", {}, 404),
        ("GET", "/predict", {}, 405),
        ("POST", "/health", {}, 405),
        ("POST", "/predict", {"Content-Type": "text/plain"}, 415),
    ],
)
def test_errors_of_every_page_have_one_form(
    service: Service, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answered, answer = service.ask(method, path, b"", headers)
    assert answered == answer["error"]["status"] == status
    assert answer["error"].keys() == {"status", "code", "message", "problems"}


def test_a_body_without_a_length_is_bounded_too(service: Service) -> None:
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    answer = exchange(service, head + b"3000\r\n" + b" " * 0x3000 + b"\r\n3000\r\n" + b" " * 0x3000)
    assert answer.startswith(b"HTTP/1.1 413 ")


def exchange(service: Service, sent: bytes) -> bytes:
    """Send bytes, end the sending, and return everything that comes back."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(1 << 16), b""))
        except (ConnectionResetError, BrokenPipeError):
            return b""


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
keys = st.sampled_from(["texts", "top", "threshold", "below", "coverage", "", "Texts"]) | st.text(
    max_size=5
)
requests = st.dictionaries(keys, values | st.lists(st.text(max_size=30), max_size=60), max_size=5)
bodies = st.one_of(
    requests.map(lambda each: json.dumps(each).encode()),
    st.tuples(requests.map(lambda each: json.dumps(each).encode()), st.integers(0, 40)).map(
        lambda pair: pair[0][: -1 - pair[1]]
    ),
    st.binary(max_size=200),
)


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=bodies)
def test_any_body_is_answered(service: Service, body: bytes) -> None:
    status, answer = service.ask("POST", "/predict", body)
    assert status in (200, 400, 413, 422), answer
    assert ("predictions" if status == 200 else "error") in answer
    assert "Traceback" not in json.dumps(answer)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from([b"POST", b"GET", b"PUT", b"X"]) | st.binary(max_size=5),
    path=st.sampled_from([b"/predict", b"/", b"*", b"//x", b"/%00%ff"]) | st.binary(max_size=20),
    length=st.sampled_from([b"0", b"5", b"-1", b"9" * 30, b"x", b"\xb2", b""]),
    body=st.binary(max_size=60),
)
def test_any_bytes_leave_the_service_alive(
    service: Service, method: bytes, path: bytes, length: bytes, body: bytes
) -> None:
    head = method + b" " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: " + length
    answer = exchange(service, head + b"\r\n\r\n" + body)
    assert not answer or re.match(rb"HTTP/1\.1 [1-4]\d\d ", answer), answer
    assert b"Traceback" not in answer
    assert service.process.poll() is None


def test_after_all_of_that_it_predicts(service: Service) -> None:
    assert np.isfinite(service.predict("goal")[0]["probability"])


def test_a_token_is_asked_for(bundle: Path) -> None:
    with serving(bundle, TEXTCLS_SERVE_TOKEN=TOKEN) as service:
        asked = {"texts": ["goal"]}
        for shown in ({}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": TOKEN}):
            for method, path in (("POST", "/predict"), ("GET", "/info"), ("GET", "/metrics")):
                status, answer = service.ask(method, path, asked, shown)
                assert (status, answer["error"]["code"]) == (401, "unauthorized")
        shown = {"Authorization": f"Bearer {TOKEN}"}
        assert service.ask("POST", "/predict", asked, shown)[0] == 200
        assert service.ask("GET", "/health") == (200, {"status": "ok"})


def test_a_slow_body_is_given_up(bundle: Path) -> None:
    with serving(bundle, "--timeout", "0.3") as service:
        address = ("127.0.0.1", service.port)
        with socket.create_connection(address, timeout=30) as connection:
            connection.sendall(HEAD + b"Content-Length: 9\r\n\r\n{")
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"body_too_slow" in answer


def test_a_request_that_runs_is_answered_before_the_end(bundle: Path) -> None:
    body = b'{"texts": ["goal"]}'
    head = HEAD + b"Content-Type: application/json\r\nContent-Length: "
    with serving(bundle) as service:
        address = ("127.0.0.1", service.port)
        with socket.create_connection(address, timeout=30) as connection:
            connection.sendall(head + b"%d\r\n\r\n" % len(body) + body[:5])
            while "textcls_running_requests 2\n" not in service.ask("GET", "/metrics")[1]:
                pass  # until the request has begun: the other one is this question
            service.process.send_signal(signal.SIGTERM)
            connection.sendall(body[5:])
            assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        assert service.process.wait(30) == 0
        assert service.process.stderr is not None
        assert service.process.stderr.read() == ""


def command(*arguments: object, prelude: str = "pass", **variables: str) -> tuple[int, str]:
    code = f"import sys; {prelude}; from textcls.serve.__main__ import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--host", "0.0.0.0"], "set a token in TEXTCLS_SERVE_TOKEN"),  # noqa: S104 - refused
        (["--host", "example.org"], "set a token in TEXTCLS_SERVE_TOKEN"),
        (["--token", "short"], "at least 16 characters"),
        (["--token", "a token with some blanks"], "without blanks"),
        (["--token", TOKEN, "--no-token"], "contradicts"),
        (["--port", "70000"], "--port"),
    ],
)
def test_a_start_that_would_not_be_safe_is_refused(arguments: list[str], told: str) -> None:
    code, said = command("nothing", *arguments)
    assert code == 2
    assert told in said


def test_a_start_that_cannot_succeed_is_one_message(bundle: Path, service: Service) -> None:
    code, said = command(bundle, "--port", service.port)
    assert (code, said.count("\n")) == (1, 1)
    assert f"127.0.0.1, port {service.port}: cannot be listened on" in said
    code, said = command(bundle, "--max-texts", "0")
    assert (code, said) == (1, "texts: must be a positive number, but is 0\n")
    code, said = command(bundle.parent / "nowhere")
    assert code == 1
    assert "not a classifier folder" in said
    code, said = command(bundle, prelude="sys.modules['uvicorn'] = None")
    assert (code, said) == (1, "serving needs uvicorn: pip install 'textcls-tune[serve]'\n")
