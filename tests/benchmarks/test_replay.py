import csv
import itertools
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from classifier_parts import VOCABULARY, split
from optuna.trial import TrialState

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))  # the benchmarks are scripts, not a package

import curve_model  # noqa: E402
import record_curves  # noqa: E402
import replay  # noqa: E402
import replay_players  # noqa: E402

from textcls.corpus import Corpus  # noqa: E402
from textcls.text.vocabulary import Vocabulary  # noqa: E402
from tune.config import search_file  # noqa: E402
from tune.config.search_file import SearchFile  # noqa: E402

EPOCHS = np.array([1, 2, 4, 8, 16, 24, 32]) / 16
NOISE = 0.02
CONFIGURATIONS = 24


def log_error(position: Sequence[float] | np.ndarray) -> np.ndarray:
    """(2, rungs): best in the middle of the second parameter, whatever the others."""
    final = -2.5 + 2 * (position[1] - 0.5) ** 2
    return np.array([final + 0.5 * (2 - EPOCHS), final + 0.01 + 0.5 * (2 - EPOCHS)])


class Hill:
    """Curves by a formula: a second an epoch, no noise."""

    def curve(self, position: Sequence[float], generator: Any) -> curve_model.Curve:  # noqa: ARG002
        val, test = 1 - np.exp(log_error(position))
        return curve_model.Curve(EPOCHS, val, test, EPOCHS, 0.0)


@pytest.fixture(scope="module")
def search() -> SearchFile:
    return search_file.load_search(replay.SPACE)


@pytest.fixture(scope="module")
def table() -> curve_model.Table:
    rng = np.random.default_rng(1)
    positions = rng.random((CONFIGURATIONS, 4))
    of = np.repeat(np.arange(CONFIGURATIONS), 2)
    exact = np.array([log_error(positions[number]) for number in of])
    return curve_model.Table(
        positions=positions,
        epochs=EPOCHS,
        of=of,
        seeds=np.tile([0, 1], CONFIGURATIONS),
        errors=exact + NOISE * rng.normal(size=exact.shape),
        train_s=np.array([np.exp(positions[number, 0]) * EPOCHS for number in of]),
        evaluation_s=np.full(2 * CONFIGURATIONS, 0.5),
    )


def test_a_search_is_the_same_for_a_seed_and_another_for_another(search: SearchFile) -> None:
    contestant = replay.ours(search)
    first, again, other = (
        replay_players.play(contestant.player(seed), Hill(), search, seed, 8) for seed in (1, 1, 2)
    )
    assert first == again
    assert first.chosen != other.chosen


def test_random_search_trains_every_trial_to_its_end(search: SearchFile) -> None:
    player = replay.random_search(search).player(0)
    trace = replay_players.play(player, Hill(), search, 0, 12)
    assert trace.epochs == [2, 4, 6, 8, 10, 12]
    # Two at a time, a second an epoch.
    assert trace.seconds == [2, 2, 4, 4, 6, 6]
    assert trace.chosen == sorted(trace.chosen)


def test_stopping_trains_more_trials_on_the_same_texts(search: SearchFile) -> None:
    stopped, full = (
        replay_players.play(contestant.player(0), Hill(), search, 0, 30)
        for contestant in (replay.ours(search, "random", 0.25), replay.ours(search, "random", 0))
    )
    assert stopped.trials > 1.5 * full.trials


def test_the_best_by_validation_is_chosen(search: SearchFile) -> None:
    class Misleading(Hill):
        """The better on validation, the worse on test."""

        def curve(self, position: Sequence[float], generator: Any) -> curve_model.Curve:
            curve = super().curve(position, generator)
            return curve_model.Curve(EPOCHS, curve.val_accuracy, -curve.val_accuracy, EPOCHS, 0)

    player = replay.random_search(search).player(0)
    trace = replay_players.play(player, Misleading(), search, 0, 40)
    assert trace.chosen == sorted(trace.chosen, reverse=True)


def test_the_reference_point_is_the_first_of_ours_only(search: SearchFile) -> None:
    assert replay.ours(search).player(0).propose().params == search.points[0]
    assert replay.random_search(search).player(0).propose().params != search.points[0]


def test_plain_ray_tells_a_stopped_trial_as_complete_and_ours_as_pruned(
    search: SearchFile,
) -> None:
    plain, ours = replay_players.PlainRay(search, 0), replay_players.Ours(search, 0)
    for player in (plain, ours):
        values = itertools.chain([0.9, 0.9, 0.9, 0.9], itertools.repeat(0.5))
        for value in itertools.islice(values, 6):
            number, rung = player.propose().number, 0
            while player.report(number, rung, value):
                rung += 1
    told, known = plain._searcher._ot_study.trials, ours._controller._study.records()
    assert told[-1].state == TrialState.COMPLETE
    assert told[-1].value == 0.5
    assert [record.state for record in known][-1] == "pruned"
    assert known[0].state == "complete"


def test_plain_ray_reports_each_epoch(search: SearchFile) -> None:
    assert list(replay_players.PlainRay(search, 0).milestones) == [1.0, 2.0]


def test_the_surrogate_interpolates_what_it_has_not_seen(table: curve_model.Table) -> None:
    model = curve_model.Surrogate(table.part(np.arange(1, CONFIGURATIONS)))
    found, true = model.mean_errors(table.positions[0]), log_error(table.positions[0])
    assert np.abs(found - true).max() < 0.03
    assert np.abs(log_error([0, 0.5, 0, 0]) - true).max() > 0.1


def test_a_trial_of_the_surrogate_has_a_seeds_noise(table: curve_model.Table) -> None:
    model, generator = curve_model.Surrogate(table), np.random.default_rng(0)
    curves = [model.curve(table.positions[0], generator) for _ in range(400)]
    spread = np.log(1 - np.array([curve.test_accuracy for curve in curves])).std(axis=0)
    assert spread.mean() == pytest.approx(NOISE, rel=0.5)
    assert curve_model.Noise(table).deviation.mean() == pytest.approx(NOISE, rel=0.1)
    assert curves[0].train_s[-1] == pytest.approx(2 * np.exp(table.positions[0, 0]), rel=0.05)
    assert curves[0].evaluation_s == pytest.approx(0.5)


def test_the_nearest_curve_is_a_recorded_one(table: curve_model.Table) -> None:
    model, generator = curve_model.Nearest(table), np.random.default_rng(0)
    beside = table.positions[3] + 1e-3
    curves = [model.curve(beside, generator).val_accuracy for _ in range(400)]
    recorded = table.errors[table.of == 3, 0].mean(axis=0)
    assert np.log(1 - np.array(curves)).mean(axis=0) == pytest.approx(recorded, abs=0.01)


def test_cross_validation_sees_whether_curves_follow_the_space(table: curve_model.Table) -> None:
    everywhere, better, ranks, noise = replay.cross_validated(table, folds=3)
    assert better < everywhere
    assert ranks > 0.8
    assert 0 < noise < 0.005
    elsewhere = np.random.default_rng(2).permutation(table.positions)
    lost, _, no_ranks, _ = replay.cross_validated(replace(table, positions=elsewhere), folds=3)
    assert lost > everywhere
    assert no_ranks < 0.5


def played(reached_after: float, seed: int = 0) -> replay.Played:
    """0.9 after so many epochs, give or take one, linearly from 0."""
    after = reached_after + np.random.default_rng(seed).uniform(-1, 1, size=(50, 1))
    rows = 0.9 * replay.EPOCHS[None] / after
    return replay.Played("", rows, np.zeros((50, 1)), 1.0)


def test_the_ratio_of_texts_and_its_interval() -> None:
    baseline, quicker = played(64), played(16)
    found = replay.ratio(baseline, baseline, quicker, 32, 2.0)
    assert found.value == pytest.approx(4, rel=0.02)
    assert 3.8 < found.low < found.value < found.high < 4.2
    as_quick = replay.ratio(baseline, quicker, played(16, seed=1), 32, 2.0)
    assert as_quick.low < 1 < as_quick.high


def test_what_is_never_reached_is_no_ratio() -> None:
    baseline = played(64)
    never = replay.Played("", np.zeros_like(baseline.by_epochs), np.zeros((50, 1)), 1.0)
    found = replay.ratio(baseline, baseline, never, 32, 2.0)
    assert found.high == 0
    assert str(found) == "not reached"


def test_more_configurations_begin_with_the_fewer(search: SearchFile) -> None:
    found = record_curves.configurations(search, 9)
    assert found[:4] == record_curves.configurations(search, 4)
    assert found[0] == dict(search.points[0])
    assert len({tuple(params.values()) for params in found}) == 9


def test_every_configuration_comes_before_most_second_seeds() -> None:
    jobs = record_curves.jobs(6, 2)
    assert jobs == [(0, 0), (0, 1), (1, 0), (2, 0), (3, 0), (4, 0), (4, 1), (5, 0)] + [
        (number, 1) for number in (1, 2, 3, 5)
    ]


def test_a_recorded_table_is_read_back(search: SearchFile, tmp_path: Path) -> None:
    texts = split([5] * 64, classes=4)
    corpus = Corpus(
        {"train": texts, "validation": texts, "test": texts},
        Vocabulary(("<pad>", "<unk>")),
        ("a", "b", "c", "d"),
        np.random.default_rng(0).normal(size=(VOCABULARY, 6)).astype(np.float32),
        {},
    )
    params = record_curves.configurations(search, 2)
    record_curves.write_configurations(tmp_path / "configurations.csv", params)
    small = search.model_copy(update={"train": search.train.model_copy(update={"batch_size": 4})})
    with (tmp_path / "curves.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(record_curves.COLUMNS)
        for number, seed in ((0, 0), (0, 1), (1, 0)):
            rows = list(record_curves.record(corpus, small, params[number], seed))
            writer.writerows([number, seed, *row] for row in (rows[:3] if number else rows))
    assert record_curves.recorded(tmp_path / "curves.csv") == {(0, 0), (0, 1), (1, 0)}
    found = curve_model.read(tmp_path, lambda row: replay_players.position(search, row))
    assert found.of.tolist() == [0, 0]  # the run that was cut off is left out
    assert found.epochs.tolist() == [rung / record_curves.GRID for rung in record_curves.RUNGS]
    assert (np.diff(found.train_s) > 0).all()
    assert found.errors.shape == (2, 2, len(record_curves.RUNGS))


def test_the_shipped_table_fits_the_space(search: SearchFile) -> None:
    folder = BENCHMARKS / "curves"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 300_000
    found = curve_model.read(folder, lambda row: replay_players.position(search, row))
    assert ((found.positions >= 0) & (found.positions <= 1)).all()
    assert found.epochs[-1] == search.train.epochs
    assert (np.exp(found.errors) < 1).all()
