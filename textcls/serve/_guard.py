"""What every request passes before it is answered: token, size and time."""

import asyncio
import logging
import time
from collections.abc import Collection, Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from textcls.serve._errors import ErrorResponse, RequestError, internal_error, too_large
from textcls.serve._metrics import ServeMetrics
from textcls.serve.access import host_name, same_secret
from textcls.serve.limits import ServeLimits

OPEN_PATHS = frozenset({"/health", "/docs", "/openapi.json"})
"""What is answered without the token: whether it lives, and how it is used."""
_LOG = logging.getLogger("textcls.serve")
_LONGEST_HOST = 100  # characters of a message that the caller determines
_CLOSED_BY_CALLER = 499  # as nginx counts it; nobody receives it


class CallerGoneError(Exception):
    """The caller has closed the connection before its request was whole."""


class Guard:
    """An ASGI application around another one: refuses, bounds and counts.

    Args:
        app: The application within.
        paths: The paths that it answers; others are counted as one.
        token: What callers must show as `Authorization: Bearer TOKEN`; None asks for nothing.
        limits: The bounds.
        metrics: Are told of each request.
        hosts: The names that callers may address the service by; None for any.
    """

    def __init__(
        self,
        app: ASGIApp,
        paths: frozenset[str],
        token: str | None,
        limits: ServeLimits,
        metrics: ServeMetrics,
        hosts: Collection[str] | None = None,
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._paths = paths
        self._expected = None if token is None else f"Bearer {token}".encode()
        self._limits = limits
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        path = scope["path"] if scope["path"] in self._paths else "other"
        self._metrics.running_requests += 1
        began = time.perf_counter()
        try:
            await self._handle(scope, receive, answer)
        except RequestError as error:
            await answer.refuse(scope, receive, error)
        except CallerGoneError:
            answer.status = _CLOSED_BY_CALLER
        except Exception:
            _LOG.exception("%s %s failed", scope["method"], path)
            await answer.refuse(scope, receive, internal_error())
        finally:
            self._metrics.running_requests -= 1
            self._metrics.add_request(path, answer.status, time.perf_counter() - began)

    async def _handle(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        headers = dict(scope["headers"])
        if self._hosts is not None:
            self._check_host(headers)
        if self._expected is not None and scope["path"] not in OPEN_PATHS:
            self._check_token(headers)
        seconds = self._limits.timeout_s
        try:
            async with asyncio.timeout(seconds):
                body = await self._read_body(headers, receive)
        except TimeoutError:
            raise RequestError(
                408,
                "body_too_slow",
                f"the body was not there after {seconds:g} seconds",
                headers={"connection": "close"},
            ) from None
        try:
            async with asyncio.timeout(seconds):
                await self._app(scope, _received(body, receive), answer)
        except TimeoutError:
            raise RequestError(
                504, "timeout", f"not answered in {seconds:g} seconds; try again, with fewer texts"
            ) from None

    def _check_host(self, headers: Mapping[bytes, bytes]) -> None:
        """Refuse names that are not this service's: see `loopback_names`."""
        shown = headers.get(b"host", b"").decode("latin-1")
        if host_name(shown) not in (self._hosts or ()):
            raise RequestError(
                421,
                "wrong_host",
                f"this service is not called {shown[:_LONGEST_HOST]!r}; where a proxy passes "
                "that name on, start it with --allow-host NAME or with a token",
                headers={"connection": "close"},
            )

    def _check_token(self, headers: Mapping[bytes, bytes]) -> None:
        """Refuse whoever does not show the token."""
        if not same_secret(headers.get(b"authorization", b""), self._expected or b""):
            raise RequestError(
                401,
                "unauthorized",
                "send the header Authorization: Bearer TOKEN with the token of this service",
                headers={"www-authenticate": "Bearer", "connection": "close"},
            )

    async def _read_body(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        most = self._limits.body_bytes
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and (len(length) > 18 or int(length) > most):
            raise too_large(most)
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise CallerGoneError
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > most:
                raise too_large(most)
            if not message.get("more_body", False):
                return parts[0] if len(parts) == 1 else b"".join(parts)


class _Answer:
    """What is sent, with its status; stands for `send` within."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._has_started = False
        self.status = 500

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._has_started = True
            self.status = message["status"]
        await self._send(message)

    async def refuse(self, scope: Scope, receive: Receive, error: RequestError) -> None:
        """Send an error, unless an answer has begun."""
        if not self._has_started:
            await ErrorResponse(error)(scope, receive, self)


def _received(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body that was read already, then what comes after it."""
    waiting = True

    async def give() -> Message:
        nonlocal waiting
        if not waiting:
            return await receive()
        waiting = False
        return {"type": "http.request", "body": body, "more_body": False}

    return give
