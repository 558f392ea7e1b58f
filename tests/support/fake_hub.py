"""A data hub of one repository on 127.0.0.1, so that loading from a hub is tested without one."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import urlsplit

COMMIT = "1" * 40


class Hub(ThreadingHTTPServer):
    """Answers what `datasets` asks about `repository`, whose files are path -> bytes."""

    def __init__(self, repository: str, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.repository = repository
        self.files = files

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        hub = cast("Hub", self.server)
        api = f"/api/datasets/{hub.repository}"
        files = f"/datasets/{hub.repository}/resolve/"
        if path in (api, f"{api}/revision/main", f"{api}/revision/{COMMIT}"):
            self._send_json({"id": hub.repository, "sha": COMMIT, "tags": [], "siblings": []})
        elif path.startswith(f"{api}/tree/{COMMIT}"):
            self._send_json(_tree(hub.files, path.removeprefix(f"{api}/tree/{COMMIT}").strip("/")))
        elif path.startswith(files):
            self._send_file(hub.files.get(path.removeprefix(files).split("/", 1)[1]))
        else:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET  # noqa: N815

    def _send_file(self, content: bytes | None) -> None:
        commit = {"X-Repo-Commit": COMMIT}
        if content is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound", **commit})
        else:
            self._send(200, content, {"ETag": f'"{_digest(content)}"', **commit})

    def _send_json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


def _tree(files: dict[str, bytes], folder: str) -> list[dict[str, Any]]:
    inside = {
        path: path.removeprefix(folder).strip("/") for path in files if path.startswith(folder)
    }
    folders = {
        f"{folder}/{name.split('/')[0]}".strip("/") for name in inside.values() if "/" in name
    }
    return [
        *({"type": "directory", "oid": "0" * 40, "size": 0, "path": path} for path in folders),
        *(
            {"type": "file", "oid": _digest(files[path]), "size": len(files[path]), "path": path}
            for path, name in inside.items()
            if "/" not in name
        ),
    ]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def serving(repository: str, files: dict[str, bytes]) -> Iterator[str]:
    """Serve the repository inside the block; gives the hub's address."""
    with Hub(repository, files) as hub:
        thread = threading.Thread(target=hub.serve_forever)
        thread.start()
        try:
            yield hub.address
        finally:
            hub.shutdown()
            thread.join()
