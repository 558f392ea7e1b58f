"""What a trial's classifier takes, counted with the corpora or from the run folder alone."""

from typing import Any

from bundle_parts import small_corpus
from record_parts import record

from textcls.corpus import bundle_parts
from tune.analysis.costs import CostCounter
from tune.config.search_file import ObjectiveSearchFile, SearchFile
from tune.study.records import State

SEARCH: dict[str, Any] = {
    "model": {"name": "gru", "linear_weight": 2.0},
    "embeddings": {"name": "random", "dim": 6},
    "space": {"hidden_size": {"type": "int", "low": 4, "high": 64}},
}
TRIALS = [record(n, State.COMPLETE, 0.9, params={"hidden_size": s}) for n, s in enumerate((4, 64))]


def test_the_costs_of_a_classifier() -> None:
    config = SearchFile.model_validate(SEARCH)
    corpora = {config.embeddings: small_corpus(linear=True)}
    small, large = CostCounter.of_corpora(config, corpora).costs(TRIALS).values()
    assert large.parameters - small.parameters > 3 * (64 * 64 - 4 * 4)
    assert large.bytes > small.bytes
    assert large.of("operations") == large.operations_per_token > small.operations_per_token
    alone = SearchFile.model_validate(SEARCH | {"model": {"name": "gru"}})
    assert CostCounter.of_corpora(alone, corpora).costs(TRIALS)[0].bytes < small.bytes


def test_the_run_folder_says_the_same_as_the_corpora() -> None:
    vectors = {"type": "categorical", "choices": ["random", "corpus"]}
    both = SEARCH | {"space": {**SEARCH["space"], "embeddings": vectors}}
    config = SearchFile.model_validate(both)
    names = {"random": small_corpus(linear=True), "corpus": small_corpus(linear=True, whole=True)}
    corpora = {
        config.embeddings.model_copy(update={"name": name}): corpus
        for name, corpus in names.items()
    }
    told = {"corpora": [{"bundle_parts": parts_of(corpus)} for corpus in names.values()]}
    trials = [
        record(n, State.COMPLETE, 0.9, params={"hidden_size": 8, "embeddings": name})
        for n, name in enumerate(names)
    ]
    found = CostCounter.of_environment(config, told).costs(trials)
    assert found == CostCounter.of_corpora(config, corpora).costs(trials)
    assert found[0].bytes < found[1].bytes


def test_nothing_is_counted_of_what_is_not_known() -> None:
    config = SearchFile.model_validate(SEARCH)
    assert CostCounter.of_environment(config, {}).costs(TRIALS) == {}
    older = {"corpora": [{"vocabulary": 12}]}
    assert CostCounter.of_environment(config, older).costs(TRIALS) == {}
    without_linear = {"corpora": [{"bundle_parts": parts_of(small_corpus())}]}
    assert CostCounter.of_environment(config, without_linear).costs(TRIALS) == {}
    corpora = {config.embeddings: small_corpus(linear=True)}
    gone = [record(0, State.COMPLETE, 0.9, params={"no_parameter": 1})]
    assert CostCounter.of_corpora(config, corpora).costs(gone) == {}
    own = {"space": {"x": {"type": "float", "low": 0.0, "high": 1.0}}, "search": {"metric": "y"}}
    objective = ObjectiveSearchFile.model_validate({"objective": "f", **own})
    assert CostCounter.of_environment(objective, {"corpora": []}).costs(TRIALS) == {}


def parts_of(corpus: Any) -> dict[str, Any]:
    """What `environment.json` has of a corpus."""
    parts = bundle_parts(corpus)
    return {name: getattr(parts, name) for name in parts.__slots__}
