import itertools

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import check_grad
from scipy.stats import norm, spearmanr

from tune.samplers._curve_gp import CurveProcess, log_expected_improvement

ONE_EACH = np.arange(3)
TIMES = np.array([-2.0, -1.0, 0.0])


def quality(positions: np.ndarray) -> np.ndarray:
    return -np.square(positions[:, 0] - 0.7) - 0.5 * np.square(positions[:, 1] - 0.2)


def curves(trials: int, rungs: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Observations of trials that reached so many of three rungs, the third column idle."""
    generator = np.random.default_rng(seed)
    positions = np.repeat(generator.random((trials, 3)), rungs, axis=0)
    times = np.tile(TIMES[:rungs], trials)
    of = np.repeat(np.arange(trials), rungs)
    values = quality(positions) + 0.3 * times + 0.01 * generator.normal(size=len(times))
    return positions, times, of, values


def fitted(*observations: np.ndarray) -> CurveProcess:
    process = CurveProcess(ONE_EACH)
    process.fit(*observations)
    return process


def test_the_gradient_is_that_of_the_cost() -> None:
    process = CurveProcess(np.array([0, 1, 1]))
    process.fit(*curves(12, 2))
    generator = np.random.default_rng(1)
    for _ in range(3):
        logs = process._centre + generator.normal(size=len(process._centre))
        off = check_grad(lambda at: process._cost(at)[0], lambda at: process._cost(at)[1], logs)
        assert off < 1e-3 * np.linalg.norm(process._cost(logs)[1])


def test_the_prediction_is_that_of_the_covariance_written_out() -> None:
    positions, times, of, values = curves(4, 3)
    process = fitted(positions, times, of, values)
    lengths, (a, b, time, seed, rest) = process._split(process._logs)

    def covariance(x: np.ndarray, t: float, other: np.ndarray, s: float) -> float:
        r = np.sqrt(5 * sum(((x - other) / lengths) ** 2))
        near = (1 + r + r**2 / 3) * np.exp(-r)
        shared = 1 + np.exp(-((t - s) ** 2) / 8)
        return float(shared + near * (a + b * np.exp(-((t - s) ** 2) / (2 * time**2))))

    known = np.zeros((12, 12))
    for i, j in itertools.product(range(12), repeat=2):
        known[i, j] = covariance(positions[i], times[i], positions[j], times[j])
        known[i, j] += seed * (of[i] == of[j]) + (rest + 1e-8) * (i == j)
    place = np.array([0.3, 0.6, 0.9])
    cross = np.array([covariance(place, 0.0, x, t) for x, t in zip(positions, times, strict=True)])
    normed = (values - values.mean()) / values.std()
    mean = values.mean() + values.std() * (cross @ np.linalg.solve(known, normed))
    variance = covariance(place, 0.0, place, 0.0) - cross @ np.linalg.solve(known, cross)
    found = process.predict(place[None])
    assert found[0] == pytest.approx([mean], rel=1e-6)
    assert found[1] == pytest.approx([values.std() * np.sqrt(variance)], rel=1e-6)


def test_trials_that_were_stopped_tell_where_long_ones_would_do_well() -> None:
    process = fitted(*curves(40, 1))
    places = np.random.default_rng(5).random((200, 3))
    expected, _ = process.predict(places)
    assert spearmanr(expected, quality(places)).statistic > 0.9


def test_a_parameter_that_does_nothing_gets_a_long_length() -> None:
    process = fitted(*curves(40, 2))
    first, second, idle = process._split(process._logs)[0]
    assert idle > 2 * first
    assert idle > 2 * second


def test_a_trial_that_runs_lowers_the_doubt_beside_it_and_nothing_else() -> None:
    process = fitted(*curves(10, 2))
    beside, away = np.array([[0.5, 0.5, 0.5]]), np.random.default_rng(2).random((20, 3))
    doubt = process.predict(beside)[1]
    expected = process.predict(away)[0]
    process.condition_on_running(beside)
    assert process.predict(beside)[1] < 0.8 * doubt
    assert process.predict(away)[0] == pytest.approx(expected, abs=1e-5)


def test_values_that_are_all_alike() -> None:
    positions, times, of, values = curves(6, 1)
    expected, doubt = fitted(positions, times, of, np.full_like(values, 0.5)).predict(positions)
    assert expected == pytest.approx(np.full(6, 0.5))
    assert np.isfinite(doubt).all()


@pytest.mark.parametrize(("mean", "deviation"), [(0.3, 0.2), (1.2, 0.5), (0.7, 0.05), (-1.0, 0.3)])
def test_the_expected_improvement_is_an_integral(mean: float, deviation: float) -> None:
    gain, _ = quad(
        lambda value: (value - 1.0) * norm.pdf(value, mean, deviation),
        1.0,
        max(mean, 1.0) + 12 * deviation,
        epsabs=1e-14,
    )
    found = log_expected_improvement(np.array([mean]), np.array([deviation]), best=1.0)
    assert found == pytest.approx([np.log(gain)], rel=2e-2)


def test_the_expected_improvement_falls_steadily_far_from_the_best() -> None:
    means = np.linspace(-60.0, 0.0, 1000)
    found = log_expected_improvement(means, np.ones(1000), best=0.0)
    assert np.isfinite(found).all()
    assert (np.diff(found) > 0).all()
