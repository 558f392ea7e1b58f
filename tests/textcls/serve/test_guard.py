"""Faults and time within the application, called without a server."""

import asyncio
import json
import logging
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from textcls.serve._guard import Guard
from textcls.serve._metrics import ServeMetrics
from textcls.serve.access import allowed_hosts, host_name
from textcls.serve.limits import ServeLimits

LIMITS = ServeLimits(timeout_s=0.05)


async def fails(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise ArithmeticError("secret")


async def hangs(_scope: Scope, _receive: Receive, _send: Send) -> None:
    await asyncio.Event().wait()


def call(app: Any, metrics: ServeMetrics, *received: Message) -> list[Message]:
    """Return what an application sends in answer to these messages."""
    incoming, sent = list(received), []

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    guard = Guard(app, frozenset({"/predict"}), None, LIMITS, metrics)
    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": []}
    asyncio.run(guard(scope, receive, send))
    return sent


@pytest.mark.parametrize(
    ("app", "status", "code"), [(fails, 500, "internal_error"), (hangs, 504, "timeout")]
)
def test_a_fault_or_a_delay_is_an_answer_that_tells_nothing_of_the_inside(
    app: Any, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = ServeMetrics([], "1")
    with caplog.at_level(logging.ERROR):
        start, body = call(app, metrics, {"type": "http.request", "body": b"{}"})
    assert start["status"] == status
    error = json.loads(body["body"])["error"]
    assert (error["status"], error["code"]) == (status, code)
    assert "secret" not in error["message"]
    assert ("secret" in caplog.text) == (app is fails)
    assert f'textcls_requests_total{{path="/predict",status="{status}"}} 1' in metrics.text()


def test_a_caller_that_leaves_is_counted_and_nothing_is_sent() -> None:
    metrics = ServeMetrics([], "1")
    part = {"type": "http.request", "body": b"{", "more_body": True}
    assert call(fails, metrics, part, {"type": "http.disconnect"}) == []
    assert 'textcls_requests_total{path="/predict",status="499"} 1' in metrics.text()
    assert "textcls_running_requests 0" in metrics.text()


def test_labels_are_escaped_for_prometheus() -> None:
    metrics = ServeMetrics(['a"b\\c'], "1")
    metrics.add_labels(['a"b\\c', None, "below"])
    assert 'textcls_predicted_total{label="a\\"b\\\\c"} 1' in metrics.text()
    assert "below" not in metrics.text()


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("LOCALHOST:80", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]:8000", "::1"),
        ("[::1", "::1"),
        ("", ""),
        (":80", ""),
    ],
)
def test_the_name_in_a_host_header(header: str, name: str) -> None:
    assert host_name(header) == name


def test_the_name_counts_only_where_being_on_this_machine_lets_in() -> None:
    assert allowed_hosts("127.0.0.1", [], has_token=True) is None
    assert allowed_hosts("0.0.0.0", [], has_token=False) is None  # noqa: S104 - not listened on
    names = allowed_hosts("127.0.0.2", ["Texts.example"], has_token=False)
    assert names == {"127.0.0.1", "127.0.0.2", "::1", "localhost", "texts.example"}
