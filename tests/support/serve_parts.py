"""A service in a process of its own, and how to talk to it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Service:
    """A running service: its process and its port on 127.0.0.1."""

    process: subprocess.Popen[str]
    port: int

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Send a request; return the status and the answer, from JSON where it is JSON."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            sent = body if body is None or isinstance(body, bytes) else json.dumps(body)
            connection.request(method, path, sent, {**JSON, **(headers or {})})
            answer = connection.getresponse()
            content = answer.read()
            is_json = answer.headers.get_content_type() == "application/json"
            return answer.status, json.loads(content) if is_json else content.decode()
        finally:
            connection.close()

    def predict(self, *texts: str, **keys: Any) -> list[dict[str, Any]]:
        """Return the predictions for texts."""
        status, answer = self.ask("POST", "/predict", {"texts": texts, **keys})
        assert status == 200, answer
        found: list[dict[str, Any]] = answer["predictions"]
        return found


@contextmanager
def serving(bundle: Path, *options: str, **variables: str) -> Iterator[Service]:
    """Serve a bundle until the block ends."""
    command = [sys.executable, "-m", "textcls.serve", str(bundle), "--port", "0", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    with subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            port = re.match(r"http://127\.0\.0\.1:(\d+)/predict", line)
            assert port, line + (process.stderr.read() if process.stderr else "")
            yield Service(process, int(port[1]))
        finally:
            process.kill()
