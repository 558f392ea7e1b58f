"""The one-standard-error rule: the cheapest trial that is as good as chance can tell wins."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest
from record_parts import record
from whole_search import run_once

from textcls.corpus import Corpus, prepare_corpus
from tune.config.search_file import SearchFile
from tune.execution.data import Corpora
from tune.results._rerun_stats import Confirmation, Standing
from tune.results.preference import Preference, choose_cheapest
from tune.study.records import State, TrialRecord

SIZES = (4, 16, 64)
SEARCH: dict[str, Any] = {
    "model": {"name": "gru", "linear_weight": 2.0},
    "data": {"name": "synthetic", "train_size": 80, "test_size": 100, "validation_fraction": 0.25},
    "embeddings": {"name": "random", "dim": 4},
    "train": {"epochs": 1.0, "batch_size": 16},
    "space": {"hidden_size": {"type": "categorical", "choices": list(SIZES)}},
    "points": [{"hidden_size": size} for size in SIZES],
    "search": {
        "metric": "test_accuracy",
        "samples": 3,
        "sampler": "random",
        "scheduler": {"name": "none"},
    },
}


def search(prefer: str, **changes: Any) -> dict[str, Any]:
    return SEARCH | {"search": SEARCH["search"] | {"prefer": prefer} | changes}


@pytest.fixture(scope="module")
def corpora() -> Corpora:
    config = SearchFile.model_validate(SEARCH)
    made: Corpus = prepare_corpus(config.data, config.embeddings, linear=True, say=lambda _: None)
    return {config.embeddings: made}


def trials(*values: float) -> list[TrialRecord]:
    """Trials of 64, 16 and 4 units, with values."""
    made = [
        record(number, State.COMPLETE, value, params={"hidden_size": size})
        for number, (size, value) in enumerate(zip(reversed(SIZES), values, strict=True))
    ]
    return sorted(made, key=lambda each: -(each.value or 0.0))


def chosen(prefer: str, corpora: Corpora, *values: float) -> Preference:
    found = choose_cheapest(SearchFile.model_validate(search(prefer)), corpora, trials(*values))
    assert found is not None
    return found


def test_the_cheapest_within_one_standard_error_wins(corpora: Corpora) -> None:
    error = math.sqrt(0.9 * 0.1 / 100)  # of 0.9 on 100 texts
    for prefer in ("small", "fast"):
        inside = chosen(prefer, corpora, 0.9, 0.9 - 0.9 * error, 0.9 - 1.1 * error)
        assert (inside.best, inside.chosen, inside.candidates) == (0, 1, 2)
        assert inside.standard_error == pytest.approx(error)
        all_of_them = chosen(prefer, corpora, 0.9, 0.8, 0.9 - 0.9 * error)
        assert (all_of_them.chosen, all_of_them.candidates) == (2, 2)
        none_other = chosen(prefer, corpora, 0.9, 0.8, 0.8)
        assert (none_other.chosen, none_other.best, none_other.candidates) == (0, 0, 1)
        assert "no other trial is" in none_other.reason


def test_the_sentence_tells_price_and_gain(corpora: Corpora) -> None:
    found = chosen("fast", corpora, 0.9, 0.89, 0.5)
    assert found.reason.startswith(
        "trial 1 is the fastest within one standard error (0.0300) of the best, trial 0: test "
        "accuracy 0.8900 instead of 0.9000, "
    )
    assert "MB instead of" in found.reason
    assert "operations a token instead of" in found.reason
    assert found.cost.operations_per_token < found.best_cost.operations_per_token


def test_accurate_prefers_nothing(corpora: Corpora) -> None:
    config = SearchFile.model_validate(search("accurate"))
    assert choose_cheapest(config, corpora, trials(0.9, 0.9, 0.9)) is None
    small = SearchFile.model_validate(search("small"))
    assert choose_cheapest(small, corpora, []) is None


def test_fresh_seeds_give_means_and_their_error(corpora: Corpora) -> None:
    config = SearchFile.model_validate(search("small"))
    standings = (
        Standing(1, 0.9, (0.85, 0.87, 0.89, 0.91), 0.88, 0.02, None),
        Standing(2, 0.8, (0.87, 0.87, 0.87, 0.88), 0.8725, 0.01, None),
    )
    confirmed = Confirmation("test_accuracy", standings, None)
    found = choose_cheapest(config, corpora, trials(0.99, 0.9, 0.8), confirmed)
    assert found is not None
    assert found.standard_error == pytest.approx(0.01)
    assert (found.best, found.chosen, found.value) == (1, 2, 0.8725)  # trial 0 has no fresh seeds


@pytest.mark.parametrize("confirm", [0, 3])
def test_a_search_leaves_the_cheapest_in_best(confirm: int, tmp_path: Path) -> None:
    # Without a linear classifier, which might win alone.
    asked = search("small", confirm={"top": confirm, "seeds": 2}) | {"model": {"name": "gru"}}
    ended = run_once(tmp_path, search=asked)
    assert ended.outcome is not None
    run = tmp_path / "run"
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    with (run / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        rows = {int(row["number"]): row for row in csv.DictReader(file)}
    found = result["best"].get("preference")
    assert found is not None
    floor = found["best_value"] - found["standard_error"]
    if not confirm:
        values = {number: float(row["test_accuracy"]) for number, row in rows.items()}
        within = [number for number, value in values.items() if value >= floor]
        assert found["chosen"] == min(within, key=lambda number: int(rows[number]["bytes"]))
        assert found["candidates"] == len(within)
    assert result["best"]["number"] == found["chosen"]
    bundle = json.loads((run / "best" / "bundle.json").read_text(encoding="utf-8"))
    assert bundle["about"]["search"]["trial"] == found["chosen"]
    assert bundle["model"]["hidden_size"] == int(rows[found["chosen"]]["hidden_size"])
    files = ("classifier.safetensors", "vocabulary.json")
    size = sum((run / "best" / name).stat().st_size for name in files)
    assert size == found["cost"]["bytes"] == int(rows[found["chosen"]]["bytes"])
    report = (run / "report.html").read_text(encoding="utf-8")
    assert found["reason"].partition(":")[0] in report
