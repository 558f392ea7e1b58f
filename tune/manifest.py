"""Write `space.yaml` and `environment.json`: what a search is and what it ran on."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from tune.config import search_file
from tune.exceptions import SearchError
from tune.execution.data import Corpora
from tune.execution.resources import ResourcePlan
from tune.run_folder import atomic, environment
from tune.run_folder.paths import RunFolder

_FINGERPRINTS = {"data_fingerprint": "the data", "vectors_fingerprint": "the word vectors"}


@dataclass(frozen=True, slots=True)
class RunManifest:
    """The two files of one run."""

    folder: RunFolder
    config: search_file.SearchFile
    command: Sequence[str]

    def write(self, corpora: Corpora, plan: ResourcePlan) -> None:
        """Write both files for a new run."""
        atomic.write_text(self.folder.space, search_file.dump_search(self.config))
        notices = [notice for each in corpora.values() for notice in each.provenance["notices"]]
        described = environment.describe(
            command=self.command,
            seed=self.config.search.seed,
            corpora=_provenance(corpora),
            resources=asdict(plan),
            notices=list(dict.fromkeys([*notices, *([plan.notice] if plan.notice else [])])),
        )
        atomic.write_json(self.folder.environment, described)

    def append_resume(self, corpora: Corpora) -> None:
        """Note that the run was resumed.

        Raises:
            SearchError: Texts or vectors have changed since, or nobody knows whether they have.
        """
        described = self._read()
        self._check(described["corpora"], _provenance(corpora))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        resumed = {"at": now, "command": list(self.command)}
        described.setdefault("resumed", []).append(resumed)
        atomic.write_text(self.folder.space, search_file.dump_search(self.config))
        atomic.write_json(self.folder.environment, described)

    def _read(self) -> dict[str, Any]:
        path = self.folder.environment
        try:
            described = json.loads(path.read_text(encoding="utf-8"))
            if not all(isinstance(each, dict) for each in described["corpora"]):
                raise TypeError("corpora are no objects")
        except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise SearchError(
                f"{path}: missing or damaged ({type(error).__name__}: {error}), so nobody knows "
                "whether texts and vectors are still the same; bring back a whole copy of it, or "
                "begin a new search"
            ) from error
        found: dict[str, Any] = described
        return found

    def _check(self, before: list[dict[str, Any]], now: list[dict[str, Any]]) -> None:
        changed = [
            f"{what}: {old.get('data')}, {old.get('vectors')}"
            for key, what in _FINGERPRINTS.items()
            for old, new in zip(before, now, strict=False)
            if old.get(key) != new.get(key)
        ]
        if changed:
            raise SearchError(
                f"{self.folder.root} cannot be resumed, because something has changed: "
                + "; ".join(changed)
            )


def _provenance(corpora: Corpora) -> list[dict[str, Any]]:
    return [
        {"embeddings": embeddings.model_dump(mode="json"), **corpus.provenance}
        for embeddings, corpus in corpora.items()
    ]
