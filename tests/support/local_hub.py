"""What the hubs on 127.0.0.1 have in common: where they are, and how they send an answer."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class LocalHub(ThreadingHTTPServer):
    """Listens on a free port of this machine."""

    def __init__(self, answer: type["HubAnswer"]) -> None:
        super().__init__(("127.0.0.1", 0), answer)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def running(hub: LocalHub) -> Iterator[None]:
    """Let the hub answer inside the block."""
    with hub:
        thread = threading.Thread(target=hub.serve_forever)
        thread.start()
        try:
            yield
        finally:
            hub.shutdown()
            thread.join()


class HubAnswer(BaseHTTPRequestHandler):
    """Sends answers; a subclass decides on them."""

    protocol_version = "HTTP/1.1"

    def read_body(self) -> bytes:
        """Return the body of the request, of a length that was told or in chunks."""
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        found = []
        while size := int(self.rfile.readline(), 16):
            found.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(found)

    def send_json(self, value: Any) -> None:
        self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""
