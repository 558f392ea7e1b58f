"""Whatever the order of events, nothing is lost, repeated or left over."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import optuna
import pytest
import simulated_search

from tune.execution.controller import SearchController
from tune.run_folder.trial_folder import TrialFolder
from tune.study.records import Chain, ranked_chains
from tune.study.study import SearchStudy

SEEDS = 200
AT_A_TIME = 50


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)
    optuna.logging.set_verbosity(before)


@pytest.mark.parametrize("first", range(0, SEEDS, AT_A_TIME))
def test_every_order_of_events_holds(tmp_path: Path, first: int) -> None:
    for seed in range(first, first + AT_A_TIME):
        _, fault = simulated_search.play(seed, tmp_path / "play")
        assert fault is None, simulated_search.explain(seed, tmp_path / "play")


@pytest.mark.parametrize("seed", [853, 2237])
def test_groups_that_once_lost_something_hold(tmp_path: Path, seed: int) -> None:
    """A trial changed its Hyperband bracket at a resume; a checkpoint went before its rung came."""
    _, fault = simulated_search.play(seed, tmp_path / "play")
    assert fault is None, simulated_search.explain(seed, tmp_path / "play")


def test_a_seed_gives_the_same_search_again(tmp_path: Path) -> None:
    first, _ = simulated_search.play(11, tmp_path / "play")
    second, _ = simulated_search.play(11, tmp_path / "play")
    replayed, _ = simulated_search.play(0, tmp_path / "play", first.choices.tape)
    assert len(first.trace) > 20
    assert first.trace == second.trace == replayed.trace


def test_the_seeds_meet_what_they_are_for(tmp_path: Path) -> None:
    seeds = (*range(40), 85)  # the last one's study lies in a database
    traces = [simulated_search.play(seed, tmp_path / "play")[0].trace for seed in seeds]
    lines = "\n".join(line for trace in traces for line in trace)
    for event in (
        "killed", "the power is lost", "the search was stopped", "the time budget was spent",
        "loses its worker", "diverged", "failed", "pruned", "complete",
        "interrupted", "in place of", "asked for", "hyperband", "median", "top_k", "asha",
        "grid", "tpe", "qmc", "cmaes", "random", "gp", "in a database",
        "a cost is minimised as well", "group ", "kept in an object store",
        "on the machine there", "an earlier run:",
    ):  # fmt: skip
        assert event in lines, event


def adopt_the_latest_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrialFolder, "rungs", lambda _self: 0)


def relieve_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def relieve(self: SearchController, number: int) -> None:
        for predecessor in self._running[number].predecessors:
            self._folder.trial(predecessor).tidy(set())

    monkeypatch.setattr(SearchController, "_relieve", relieve)


def forget_what_was_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    def goes_on(
        self: SearchController, number: int, rung: int, metrics: Mapping[str, float]
    ) -> bool:
        turn, value = self._turns[self._running[number].origin], metrics[self._study.metric]
        cost = metrics.get(self._study.cost or "")
        return self._scheduler is None or self._scheduler.should_continue(turn, rung, value, cost)

    monkeypatch.setattr(SearchController, "_goes_on", goes_on)


def forget_what_was_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    report = SearchStudy.report

    def unsaid(self: SearchStudy, *told: object, goes_on: bool) -> None:  # noqa: ARG001
        report(self, *told)  # type: ignore[arg-type]

    monkeypatch.setattr(SearchStudy, "report", unsaid)


def leave_what_is_left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SearchController, "tidy_up", lambda _self: None)


def forget_the_front(monkeypatch: pytest.MonkeyPatch) -> None:
    def worth_keeping(self: SearchController, chains: Sequence[Chain]) -> list[Chain]:
        return ranked_chains(chains)[: self._places]

    monkeypatch.setattr(SearchController, "_worth_keeping", worth_keeping)


@pytest.mark.parametrize(
    ("spoil", "first"),
    [
        (adopt_the_latest_only, 30),
        (relieve_at_once, 0),
        (forget_what_was_passed, 0),
        (forget_what_was_decided, 110),
        (leave_what_is_left_over, 0),
        (forget_the_front, 0),
    ],
)
def test_a_search_that_loses_something_is_found_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[pytest.MonkeyPatch], None],
    first: int,
) -> None:
    spoil(monkeypatch)
    seeds = range(first, first + 200)
    found = next((s for s in seeds if simulated_search.play(s, tmp_path / "play")[1]), None)
    assert found is not None


def test_a_short_trace_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_what_was_decided(monkeypatch)
    seed = next(s for s in range(110, 310) if simulated_search.play(s, tmp_path / "play")[1])
    whole, fault = simulated_search.play(seed, tmp_path / "play")
    told = simulated_search.explain(seed, tmp_path / "play", tries=40)
    assert fault is not None
    assert told.startswith(f"seed {seed}: {fault.split(':')[0]}")
    assert len(told.splitlines()) <= len(whole.trace) + 1  # its first line says what is wrong
