"""Write `space.yaml` and `environment.json`: what a search is and what it ran on."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from tune.config import search_file
from tune.exceptions import RunFolderError, SearchError
from tune.execution.data import Corpora
from tune.execution.resources import ResourcePlan
from tune.formatting import without_password
from tune.run_folder import atomic, documents, environment
from tune.run_folder.paths import RunFolder

_FINGERPRINTS = {"data_fingerprint": "the data", "vectors_fingerprint": "the word vectors"}
_FIGURES = {
    "texts": "the number of texts that are read",
    "texts_per_class": "the labels that are read",
    "tokenizer": "the tokenizer that is chosen",
    "tokens": "the number of tokens that are read",
    "vocabulary": "the number of words that are read",
}
"""What a program of another version may read from the same files in another way."""


@dataclass(frozen=True, slots=True)
class RunManifest:
    """The two files of one run."""

    folder: RunFolder
    config: search_file.SearchFile
    command: Sequence[str]

    def write(self, corpora: Corpora, plan: ResourcePlan) -> None:
        """Write `space.yaml` and `environment.json` for a new run.

        Args:
            corpora: The prepared corpora, whose provenance is recorded.
            plan: The resources that the search uses.

        Raises:
            OSError: A file cannot be written.
        """
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

    def append_resume(self, corpora: Corpora, *, changed_data: bool = False) -> list[str]:
        """Note that the run was resumed.

        Args:
            corpora: What its trials are trained on from now on.
            changed_data: Whether it may go on with other texts or vectors than it began with; what
                has changed is then recorded.

        Returns:
            Sentences about what has changed.

        Raises:
            SearchError: Texts or vectors have changed since and may not, or nobody knows whether
                they have.
        """
        found = _provenance(corpora)
        described = self._read(len(found))
        changes = list(_changes(described["corpora"], found))
        if changes and not changed_data:
            raise SearchError(
                f"{self.folder.root} cannot be resumed, because something has changed: "
                + "; ".join(changes)
                + "; restore what it began with, or go on with --changed-data, and trials from "
                "before and after are then compared on different texts"
            )
        now = datetime.now(UTC).isoformat(timespec="seconds")
        command = [without_password(each) for each in self.command]
        resumed: dict[str, Any] = {"at": now, "command": command}
        if changes:
            resumed |= {"changed": changes, "corpora_before": described["corpora"]}
            described["corpora"] = found
        described.setdefault("resumed", []).append(resumed)
        atomic.write_text(self.folder.space, search_file.dump_search(self.config))
        atomic.write_json(self.folder.environment, described)
        return changes

    def changes(self, corpora: Corpora) -> list[str]:
        """Return what differs from the texts and vectors that the run began with.

        Args:
            corpora: As they are read now.

        Raises:
            SearchError: What it began with is not recorded.
        """
        found = _provenance(corpora)
        return list(_changes(self._read(len(found))["corpora"], found))

    def _read(self, count: int) -> dict[str, Any]:
        """Return the description of a run with so many corpora: none where it trains no texts."""
        path = self.folder.environment
        try:
            described = documents.read_json(path)
            documents.check_environment(described, path)  # what is in it beside is kept
            if len(described.get("corpora") or ()) != count:
                raise RunFolderError(f"{path}: damaged (not the corpora of this search)")
        except (FileNotFoundError, RunFolderError) as error:
            raise SearchError(
                f"{path}: missing or damaged ({type(error).__name__}: {error}), so nobody knows "
                "whether texts and vectors are still the same; restore an intact copy of it, or "
                "begin a new search"
            ) from error
        found: dict[str, Any] = described
        return found


def _changes(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what differs: files by their fingerprints, and what is read from the same files."""
    for old, new in zip(before, now, strict=False):
        where = f"{old.get('data')}, {old.get('vectors')}"
        changed = [what for key, what in _FINGERPRINTS.items() if old.get(key) != new.get(key)]
        yield from (f"{what}: {where}" for what in changed)
        if changed:
            continue
        for key, what in _FIGURES.items():
            if key in old and old[key] != new.get(key):
                yield f"{what}, though the files are the same: {where}"
                break


def _provenance(corpora: Corpora) -> list[dict[str, Any]]:
    from textcls.corpus import bundle_parts

    return [
        {
            "embeddings": embeddings.model_dump(mode="json"),
            **corpus.provenance,
            "bundle_parts": asdict(bundle_parts(corpus)),
        }
        for embeddings, corpus in corpora.items()
    ]
