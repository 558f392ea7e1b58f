"""A hub of models on 127.0.0.1 that takes commits and gives their files back.

It answers what `huggingface_hub` asks for a repository's information, files and commits. As on the
hub, tensor files are large: they go to a storage of their own (`large_files`), and a commit names
them by their SHA-256.
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from large_files import SUFFIX, LargeFiles
from local_hub import HubAnswer, LocalHub, running

TOKEN = "hf_let_me_in"  # noqa: S105 - of this hub alone


@dataclass
class Repository:
    """The files of each commit, the latest last; sizes that the hub claims for some."""

    private: bool | None = None
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    claimed: dict[str, int] = field(default_factory=dict)

    @property
    def latest(self) -> str:
        return list(self.commits)[-1]

    def commit(self, files: dict[str, bytes]) -> str:
        name = hashlib.sha1(str(len(self.commits)).encode()).hexdigest()  # noqa: S324
        before = self.commits[self.latest] if self.commits else {}
        self.commits[name] = before | files
        return name


class ModelHub(LocalHub):
    """Holds repositories by name."""

    def __init__(self) -> None:
        super().__init__(_Answer)
        self.repositories: dict[str, Repository] = {}
        self.wants_token = False
        self.large = LargeFiles()


class _Answer(HubAnswer):
    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        if parts[4:5] in (["xet-write-token"], ["xet-read-token"]):
            self._refuse("EntryNotFound")  # it has no storage of that kind
        elif parts[:2] == ["api", "models"]:
            self._send_about("/".join(parts[2:4]), parts[4:])
        elif len(parts) > 4 and parts[2] == "resolve":
            self._send_file("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        else:
            self._refuse("RepoNotFound")

    do_HEAD = do_GET  # noqa: N815

    def do_PUT(self) -> None:  # noqa: N802 - the name that http.server calls
        hub = cast("ModelHub", self.server)
        _, oid, *part = self.path.strip("/").split("/")
        tag = hub.large.put(oid, part[0] if part else None, self.read_body())
        self.send(200, b"", {"ETag": f'"{tag}"'})

    def _answer_large(self, parts: list[str], asked: dict[str, Any]) -> None:
        """Answer a request of the storage of large files."""
        large, address = cast("ModelHub", self.server).large, cast("ModelHub", self.server).address
        if parts[-1] == "batch":
            self.send_json(large.batch(asked, address))
            return
        if parts[-1] == "verify":
            sound = large.verify(asked["oid"], asked["size"])
        else:
            sound = large.complete(asked["oid"], asked["parts"])
        self.send(200 if sound else 422, b"{}", {"Content-Type": "application/json"})

    def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
        body = self.read_body()
        hub = cast("ModelHub", self.server)
        if self.path.startswith("/lfs/"):  # whose addresses stand for the token
            self._answer_large(self.path.strip("/").split("/"), json.loads(body))
            return
        if hub.wants_token and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.send(401, b'{"error": "Invalid token"}', {})
            return
        parts = urlsplit(self.path).path.strip("/").split("/")
        if parts == ["api", "repos", "create"]:
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            hub.repositories.setdefault(name, Repository(_privacy(asked)))
            self.send_json({"url": f"{hub.address}/{name}", "id": name})
        elif parts[-1] == "batch":
            self._answer_large(parts, json.loads(body))
        elif parts[-2] == "preupload":
            files = [
                {"path": each["path"], "uploadMode": _upload_mode(each), "shouldIgnore": False}
                for each in json.loads(body)["files"]
            ]
            self.send_json({"files": files})
        elif parts[-2] == "commit":
            repository = hub.repositories["/".join(parts[2:4])]
            lines = [json.loads(line) for line in body.splitlines()]
            commit = repository.commit(dict(_committed(line, hub.large) for line in lines[1:]))
            url = f"{hub.address}/{'/'.join(parts[2:4])}/commit/{commit}"
            self.send_json({"success": True, "commitOid": commit, "commitUrl": url})
        else:
            self.send_json({})

    def _send_about(self, name: str, rest: list[str]) -> None:
        hub = cast("ModelHub", self.server)
        repository = hub.repositories.get(name)
        if repository is None:
            self._refuse("RepoNotFound")
            return
        revision = rest[1] if len(rest) > 1 else "main"
        commit = repository.latest if revision == "main" else revision
        if commit not in repository.commits:
            self._refuse("RevisionNotFound")
            return
        files = repository.commits[commit]
        if rest[:1] == ["tree"]:
            self.send_json([_entry(path, content) for path, content in files.items()])
            return
        siblings = [
            {"rfilename": path, "size": repository.claimed.get(path, len(content))}
            for path, content in files.items()
        ]
        self.send_json({"id": name, "sha": commit, "siblings": siblings, "tags": []})

    def _send_file(self, name: str, commit: str, path: str) -> None:
        hub = cast("ModelHub", self.server)
        found = hub.repositories[name].commits[commit].get(path)
        if found is None:
            self._refuse("EntryNotFound")
        else:
            digest = hashlib.sha256(found).hexdigest()
            self.send(200, found, {"ETag": f'"{digest}"', "X-Repo-Commit": commit})

    def _refuse(self, code: str) -> None:
        self.send(404, b"{}", {"X-Error-Code": code})


def _upload_mode(file: dict[str, Any]) -> str:
    return "lfs" if file["path"].endswith(SUFFIX) else "regular"


def _committed(line: dict[str, Any], large: LargeFiles) -> tuple[str, bytes]:
    """Return the path and the content that a line of a commit adds."""
    value = line["value"]
    if line["key"] == "lfsFile":
        return value["path"], large.contents[value["oid"]]
    assert line["key"] == "file"
    return value["path"], base64.b64decode(value["content"])


def _privacy(asked: dict[str, Any]) -> bool | None:
    """What a request to make a repository says of it; older clients send `private`."""
    if asked.get("visibility") is not None:
        return bool(asked["visibility"] == "private")
    return asked.get("private")


def _entry(path: str, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    return {"type": "file", "oid": digest, "size": len(content), "path": path}


@contextmanager
def serving() -> Iterator[ModelHub]:
    """Serve inside the block."""
    hub = ModelHub()
    with running(hub):
        yield hub
