"""A data hub of one repository on 127.0.0.1, so that loading from a hub is tested without one."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import urlsplit

from local_hub import HubAnswer, LocalHub, running

COMMIT = "1" * 40


class Hub(LocalHub):
    """Answers what `datasets` asks about `repository`, whose files are path -> bytes."""

    def __init__(self, repository: str, files: dict[str, bytes]) -> None:
        super().__init__(_Answer)
        self.repository = repository
        self.files = files


class _Answer(HubAnswer):
    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        path = urlsplit(self.path).path
        hub = cast("Hub", self.server)
        api = f"/api/datasets/{hub.repository}"
        files = f"/datasets/{hub.repository}/resolve/"
        if path in (api, f"{api}/revision/main", f"{api}/revision/{COMMIT}"):
            self.send_json({"id": hub.repository, "sha": COMMIT, "tags": [], "siblings": []})
        elif path.startswith(f"{api}/tree/{COMMIT}"):
            self.send_json(_tree(hub.files, path.removeprefix(f"{api}/tree/{COMMIT}").strip("/")))
        elif path.startswith(files):
            self._send_file(hub.files.get(path.removeprefix(files).split("/", 1)[1]))
        else:
            self.send(404, b"", {"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET  # noqa: N815

    def _send_file(self, content: bytes | None) -> None:
        commit = {"X-Repo-Commit": COMMIT}
        if content is None:
            self.send(404, b"", {"X-Error-Code": "EntryNotFound", **commit})
        else:
            self.send(200, content, {"ETag": f'"{_digest(content)}"', **commit})


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
    hub = Hub(repository, files)
    with running(hub):
        yield hub.address
