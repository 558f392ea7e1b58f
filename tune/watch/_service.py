"""Answer a browser's requests for the page, on this machine alone and with the token alone."""

import json
import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from textcls.command_line import version
from textcls.serve.access import host_name, loopback_names, same_secret
from tune.watch._live_run import LiveRun

HOST = "127.0.0.1"
_ANSWERED_AT_A_TIME = 32  # requests; each takes a thread
_SILENT_S = 30.0  # a connection without a request for so long is closed
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the address has the token in it
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "frame-ancestors 'none'",
}
_CLOSED_S = 5.0  # a page that asks nothing for so long is no longer open
_MOST_PAGES = 1000
_LONGEST_HOST = 100  # characters of a message that the caller determines


class WatchService(ThreadingHTTPServer):
    """The page of a run over HTTP.

    Args:
        live: The run.
        port: The port on the loopback address; 0 for any that is free.
        token: What callers must show, in the address or as `Authorization: Bearer TOKEN`.
        interval_s: How long a request for the status waits before it is answered.

    Raises:
        OSError: The port is in use.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, live: LiveRun, port: int, token: str, interval_s: float) -> None:
        self.live, self.token, self.interval_s = live, token, interval_s
        self.closing = threading.Event()
        self.has_room = threading.BoundedSemaphore(_ANSWERED_AT_A_TIME)
        self._pages: dict[str, float] = {}
        """When each page in a browser was answered last; infinite while it is."""
        super().__init__((HOST, port), _Handler)

    @property
    def address(self) -> str:
        """The address to open, with the token."""
        return f"http://{HOST}:{self.server_port}/?token={self.token}"

    @contextmanager
    def asked_by(self, page: str) -> Iterator[None]:
        """Count a page in a browser as open while its request is answered, and a moment longer."""
        known = page in self._pages or (page and len(self._pages) < _MOST_PAGES)
        if known:
            self._pages[page] = math.inf
        try:
            yield
        finally:
            if known and page in self._pages:
                self._pages[page] = time.monotonic()

    def forget_page(self, page: str) -> None:
        """Note that a page shows all there will be."""
        self._pages.pop(page, None)

    @property
    def has_told_all(self) -> bool:
        """Whether every page that is still open shows how the search ended."""
        closed = time.monotonic() - _CLOSED_S
        return all(asked < closed for asked in self._pages.copy().values())


class _RequestRefusedError(Exception):
    """A request that is answered with a status and a sentence."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: WatchService
    protocol_version = "HTTP/1.1"
    timeout = _SILENT_S
    server_version, sys_version = f"textcls-tune/{version()}", ""

    def do_GET(self) -> None:
        """Answer with the page, the status, or a sentence that says what is wrong."""
        try:
            self._get()
        except ConnectionError:  # the page was closed
            self.close_connection = True

    def _get(self) -> None:
        if not self.server.has_room.acquire(blocking=False):
            self._answer(503, "text/plain", "Too many requests at a time; close some pages.")
            return
        try:
            self._answer(200, *self._content())
        except _RequestRefusedError as refused:
            self._answer(refused.status, "text/plain", refused.message, refused.headers)
        finally:
            self.server.has_room.release()

    def _content(self) -> tuple[str, str]:
        """Return the kind and the text of what is asked for."""
        self._check_host()
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        self._check_token(query.get("token", ""))
        with self.server.asked_by(query.get("page", "")):
            if url.path == "/":
                return "text/html", self.server.live.page()
            if url.path == "/status":
                return "application/json", self._status(query)
        raise _RequestRefusedError(404, "There is only one page here: /, with the token.")

    def _status(self, query: Mapping[str, str]) -> str:
        """Return the status as JSON, after a moment, so that the page need not keep the time."""
        live = self.server.live
        if not live.ended:
            self.server.closing.wait(self.server.interval_s)
        if self.server.closing.is_set():
            raise ConnectionAbortedError
        found = live.status()
        if found.ended and query.get("have") == found.version:
            self.server.forget_page(query.get("page", ""))
        return json.dumps(asdict(found))

    def _check_host(self) -> None:
        """Refuse names that are not this machine's: see `loopback_names`."""
        shown = self.headers.get("Host", "")
        if host_name(shown) not in loopback_names(HOST):
            raise _RequestRefusedError(
                421, f"This service is not called {shown[:_LONGEST_HOST]!r} but {HOST}."
            )

    def _check_token(self, token: str) -> None:
        """Refuse whoever does not show the token."""
        shown = self.headers.get("Authorization", f"Bearer {token}")
        if not same_secret(shown.encode(), f"Bearer {self.server.token}".encode()):
            raise _RequestRefusedError(
                401,
                "This page wants its token: open the whole address that textcls-tune watch "
                "printed, with ?token=... at its end.",
                **{"WWW-Authenticate": "Bearer"},
            )

    def _answer(
        self, status: int, kind: str, text: str, headers: Mapping[str, str] | None = None
    ) -> None:
        body = text.encode() if kind != "text/plain" else f"{text}\n".encode()
        self.send_response(status)
        for name, value in {**_HEADERS, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is no request that this service knows with one sentence, not with HTML."""
        del explain
        self.close_connection = True
        self._answer(code, "text/plain", f"Not answered: {message or 'a damaged request'}.")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Write nothing: the address has the token in it."""
