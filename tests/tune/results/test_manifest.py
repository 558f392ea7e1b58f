import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bundle_parts import small_corpus

from textcls.config.models import EmbeddingConfig
from textcls.exceptions import ConfigError
from tune.config import search_file
from tune.config.distributions import IntDistribution
from tune.config.search_file import ResourceConfig, SearchFile
from tune.exceptions import SearchError
from tune.execution.resources import ResourcePlan
from tune.results.manifest import RunManifest
from tune.run_folder import environment, paths
from tune.setup import check_unchanged

SEARCH = SearchFile(space={"hidden_size": IntDistribution(type="int", low=8, high=64)})


def corpora(fingerprint: str = "1", vectors: str = "2") -> Any:
    """A small corpus of such an origin."""
    provenance = {
        "data": "ag_news",
        "vectors": "corpus",
        "data_fingerprint": fingerprint,
        "vectors_fingerprint": vectors,
        "notices": ["the hub cannot be reached"],
    }
    return {EmbeddingConfig(): replace(small_corpus(), provenance=provenance)}


def record(root: Path) -> RunManifest:
    return RunManifest(paths.create(root, "run"), SEARCH, ["python", "-m", "tune.search"])


def test_what_a_search_ran_on_is_written_down(tmp_path: Path) -> None:
    made = record(tmp_path)
    made.write(corpora(), ResourcePlan(1, 0, 2, "No GPU in the cluster."))
    assert search_file.load_search(made.folder.space) == SEARCH
    found = json.loads(made.folder.environment.read_text())
    assert found["command"] == ["python", "-m", "tune.search"]
    assert found["notices"] == ["the hub cannot be reached", "No GPU in the cluster."]
    assert found["corpora"][0]["data_fingerprint"] == "1"
    assert found["corpora"][0]["embeddings"]["name"] == "glove-twitter-50"
    assert found["resources"]["concurrent"] == 2
    assert {"python", "ray", "optuna", "torch"} <= set(found["versions"])


def test_a_run_that_goes_on_says_so(tmp_path: Path) -> None:
    made = record(tmp_path)
    made.write(corpora(), ResourcePlan(1, 0, 2))
    made.append_resume(corpora())
    (resumed,) = json.loads(made.folder.environment.read_text())["resumed"]
    assert resumed["command"] == ["python", "-m", "tune.search"]


@pytest.mark.parametrize(
    ("changed", "what"),
    [({"fingerprint": "x"}, "the data: ag_news"), ({"vectors": "x"}, "the word vectors: ag_news")],
)
def test_other_data_or_vectors_are_refused(
    tmp_path: Path, changed: dict[str, str], what: str
) -> None:
    made = record(tmp_path)
    made.write(corpora(), ResourcePlan(1, 0, 2))
    with pytest.raises(SearchError, match=f"because something has changed: {what}"):
        made.append_resume(corpora(**changed))


def test_what_may_change_when_a_run_goes_on() -> None:
    more = SEARCH.search.model_copy(update={"samples": 99, "time_budget_s": 5, "max_concurrent": 1})
    freed = {"search": more, "resources": ResourceConfig(cpu=2)}
    check_unchanged(SEARCH, SEARCH.model_copy(update=freed))


def test_what_may_not_change_is_named() -> None:
    other = SEARCH.model_copy(update={"model": SEARCH.model.model_copy(update={"name": "cnn"})})
    with pytest.raises(ConfigError, match=r"model\.name: was 'gru', now 'cnn'"):
        check_unchanged(SEARCH, other)


def test_another_preference_is_answered_with_the_command_for_it() -> None:
    search = SEARCH.search.model_copy(update={"prefer": "small"})
    with pytest.raises(ConfigError, match="export RUN --prefer small --out FOLDER"):
        check_unchanged(SEARCH, SEARCH.model_copy(update={"search": search}))


def test_a_revision_of_git_or_none(tmp_path: Path) -> None:
    assert environment.revision(tmp_path) is None
    here = environment.revision(Path(__file__).parent)
    assert here is None or len(here.removesuffix("+")) == 40


@pytest.mark.parametrize("content", [None, "", '{"corpora": [', "[]", '{"corpora": [1]}', "{}"])
def test_what_a_run_ran_on_must_be_readable_to_go_on(tmp_path: Path, content: str | None) -> None:
    made = record(tmp_path)
    if content is not None:
        made.folder.environment.write_text(content)
    with pytest.raises(SearchError, match=r"environment\.json: missing or damaged .* intact copy"):
        made.append_resume(corpora())


def test_files_that_are_read_differently_are_noticed(tmp_path: Path) -> None:
    made = record(tmp_path)
    made.write(corpora(), ResourcePlan(1, 0, 2))
    other = corpora()
    other[EmbeddingConfig()].provenance["texts"] = {"train": 9}
    described = json.loads(made.folder.environment.read_text())
    described["corpora"][0]["texts"] = {"train": 10}
    made.folder.environment.write_text(json.dumps(described))
    with pytest.raises(SearchError, match="number of texts that are read, though the files are"):
        made.append_resume(other)


def test_a_run_goes_on_with_changed_data_where_that_is_asked_for_and_says_so(
    tmp_path: Path,
) -> None:
    made = record(tmp_path)
    made.write(corpora(), ResourcePlan(1, 0, 2))
    assert made.append_resume(corpora("9"), changed_data=True) == ["the data: ag_news, corpus"]
    described = json.loads(made.folder.environment.read_text())
    assert described["resumed"][0]["changed"] == ["the data: ag_news, corpus"]
    assert described["resumed"][0]["corpora_before"][0]["data_fingerprint"] == "1"
    assert made.append_resume(corpora("9")) == []
