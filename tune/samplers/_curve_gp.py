"""Predict what a trial would reach at the end of its training, from the curves of all trials.

A Gaussian process over hyperparameters and time. Each rung of each trial is an observation, so a
trial that was stopped early counts for as much as it has trained; Optuna's GP looks at complete
trials only, of which a scheduler leaves few. The covariance of two observations is the sum of

- the course that all curves share, over the logarithm of time;
- k(x, x') (a + b k(t, t')): how good the hyperparameters are, on the whole and at that time;
- what a trial's seed adds to its whole curve, and what is left.

k(x, x') is Matérn 5/2 with a length for each parameter, k(t, t') Gaussian. The lengths and the
variances maximise the evidence times a prior (Rasmussen and Williams 2006, chapter 5). Learning
from short runs what long ones will reach is Swersky et al. 2014, freeze-thaw, here without its
exponential curves; proposals for trials that run side by side follow Ginsbourger et al. 2010.
"""

from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

Array = NDArray[np.float64]
Indices = NDArray[np.integer[Any]]

_SHARED = 1.0  # variances of the shared course: of its level, and of its bends
_BEND = 2.0  # doublings of time over which it may bend
_JITTER = 1e-8
_ROUNDS = 30  # of the optimiser; it begins where it last ended
_REFIT = 1.05  # so many times more proposals before the lengths are looked for anew


class CurveProcess:
    """The Gaussian process; call `fit` first.

    parameter_of: (columns,) the parameter to which each column of a position belongs; columns of
    one parameter share a length.
    """

    def __init__(self, parameter_of: Indices) -> None:
        self._parameter_of = parameter_of
        self._parameters = count = int(parameter_of.max(initial=-1)) + 1
        # Priors, normal in the logarithm: lengths, a, b, length of time, seed, rest.
        self._centre = np.log([0.25 * np.sqrt(max(4, count))] * count + [1.0, 0.2, 2.0, 0.02, 0.02])
        self._spread = np.array([1.0] * (count + 2) + [0.7, 1.0, 1.0])
        self._logs = self._centre.copy()
        self._fits, self._due = 0, 1.0

    def fit(self, positions: Array, times: Array, trials: Indices, values: Array) -> None:
        """Learn from observations.

        Args:
            positions: (observations, columns) from 0 to 1.
            times: (observations,) in doublings, 0 at the end of training and negative before.
            trials: (observations,) the trial of each.
            values: (observations,), the higher the better.
        """
        self._offset, self._scale = values.mean(), values.std() or 1.0
        self._observe(positions, times, trials, (values - self._offset) / self._scale)
        self._fits += 1
        if self._fits >= self._due:
            self._due = max(self._fits + 1, _REFIT * self._fits)
            self._look_for_lengths()
        self._condition()

    def condition_on_running(self, positions: Array) -> None:
        """Treat trials that still run as ended, with the values that are predicted for them.

        That lowers the uncertainty near them, and so the expected gain of another trial beside
        them.
        """
        expected, _ = self._predict(positions)
        fresh = self._trials.max() + 1 + np.arange(len(positions))
        self._observe(
            np.concatenate([self._positions, positions]),
            np.concatenate([self._times, np.zeros(len(positions))]),
            np.concatenate([self._trials, fresh]),
            np.concatenate([self._values, expected]),
        )
        self._condition()

    def predict(self, positions: Array) -> tuple[Array, Array]:
        """Predict the end of training: (n, columns) -> mean and standard deviation, (n,) each."""
        mean, variance = self._predict(positions)
        return self._offset + self._scale * mean, self._scale * np.sqrt(variance)

    def _observe(self, positions: Array, times: Array, trials: Indices, values: Array) -> None:
        self._positions, self._times = positions, times
        self._trials, self._values = trials, values
        self._apart = np.square(times[:, None] - times[None])
        self._same = (trials[:, None] == trials[None]).astype(float)

    def _look_for_lengths(self) -> None:
        from scipy.optimize import minimize  # a third of a second, and not every search needs it

        around = 4 * self._spread
        bounds = np.stack([self._centre - around, self._centre + around], axis=1)
        found = minimize(
            self._cost,
            self._logs,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": _ROUNDS},
        )
        self._logs = found.x

    def _condition(self) -> None:
        from scipy.linalg import cho_solve

        covariance, _, _, _ = self._covariance(self._logs)
        self._root = np.linalg.cholesky(covariance)
        self._weights = cho_solve((self._root, True), self._values)

    def _predict(self, positions: Array) -> tuple[Array, Array]:
        from scipy.linalg import solve_triangular

        lengths, (a, b, time, _, _) = self._split(self._logs)
        near, _ = _matern(squared_distances(positions / lengths, self._positions / lengths))
        apart = np.square(self._times)
        cross = _shared(apart) + near * (a + b * np.exp(-apart / (2 * time**2)))
        known = solve_triangular(self._root, cross.T, lower=True)
        variance = 2 * _SHARED + a + b - np.square(known).sum(axis=0)
        mean: Array = cross @ self._weights
        return mean, np.maximum(variance, 1e-12)

    def _split(self, logs: Array) -> tuple[Array, Array]:
        settings = np.exp(logs)
        return settings[: self._parameters][self._parameter_of], settings[self._parameters :]

    def _covariance(self, logs: Array) -> tuple[Array, Array, Array, Array]:
        """Return the covariance of the observations, and the parts that its derivatives need."""
        lengths, (a, b, time, seed, rest) = self._split(logs)
        scaled = self._positions / lengths
        near, slope = _matern(squared_distances(scaled, scaled))
        soon = np.exp(-self._apart / (2 * time**2))
        covariance = _shared(self._apart) + near * (a + b * soon) + seed * self._same
        covariance[np.diag_indices_from(covariance)] += rest + _JITTER
        return covariance, near, slope, soon

    def _cost(self, logs: Array) -> tuple[float, Array]:
        """Return minus the logarithm of evidence times prior, and its gradient."""
        lengths, (a, b, time, seed, rest) = self._split(logs)
        covariance, near, slope, soon = self._covariance(logs)
        from_centre = (logs - self._centre) / self._spread
        root = np.linalg.cholesky(covariance)
        inverse_root = np.linalg.inv(root)
        inverse = inverse_root.T @ inverse_root
        weights = inverse @ self._values
        cost = (
            self._values @ weights / 2 + np.log(np.diag(root)).sum() + from_centre @ from_centre / 2
        )
        outer = (inverse - np.outer(weights, weights)) / 2
        columns = _weighted_squares(self._positions / lengths, outer * slope * (a + b * soon))
        of_space = np.bincount(self._parameter_of, columns, self._parameters)
        of_rest = [
            a * np.sum(outer * near),
            b * np.sum(outer * near * soon),
            b * np.sum(outer * near * soon * self._apart) / time**2,
            seed * np.sum(outer * self._same),
            rest * np.trace(outer),
        ]
        return float(cost), np.concatenate([of_space, of_rest]) + from_centre / self._spread


def on_one_thread() -> AbstractContextManager[Any]:
    """Limit BLAS to one thread: small matrices gain nothing from more, and trials need the cores.

    100 proposals on two cores that other work uses: 7 s of the processor on one thread, 27 on two.
    """
    limited: AbstractContextManager[Any] = _blas().limit(limits=1, user_api="blas")
    return limited


@cache
def _blas() -> "ThreadpoolController":
    import scipy.linalg  # noqa: F401  # it brings a library of its own, which is then found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _matern(squares: Array) -> tuple[Array, Array]:
    """Return Matérn 5/2 of squared distances, and what its derivatives by the lengths share.

    A derivative by the logarithm of one length is the second array times that length's squared
    distance.
    """
    r = np.sqrt(5 * squares)
    decay = np.exp(-r)
    return (1 + r + r**2 / 3) * decay, 5 / 3 * (1 + r) * decay


def squared_distances(these: Array, those: Array) -> Array:
    """(n, columns), (m, columns) -> (n, m), by one matrix product: no array of (n, m, columns)."""
    product = these @ those.T
    found: Array = np.square(these).sum(1)[:, None] + np.square(those).sum(1) - 2 * product
    return np.maximum(found, 0.0)


def _weighted_squares(positions: Array, weights: Array) -> Array:
    """Sum the squared distance in each column over all pairs: (n, columns), (n, n) -> (columns,).

    The weights are symmetric.
    """
    found: Array = 2 * (
        weights.sum(axis=1) @ np.square(positions)
        - np.einsum("ik,ik->k", positions, weights @ positions)
    )
    return found


def _shared(apart: Array) -> Array:
    shared: Array = _SHARED * (1 + np.exp(-apart / (2 * _BEND**2)))
    return shared


def log_expected_improvement(mean: Array, deviation: Array, best: Array | float) -> Array:
    """Return the logarithm of the expected gain over the best value (Jones et al. 1998).

    The logarithm, because far from the best values the gain itself is 0 to the last digit.

    Args:
        mean: Of the prediction, (n,).
        deviation: Of the prediction, (n,), above 0.
        best: The value to surpass; several of them broadcast.

    Returns:
        (n,).
    """
    from scipy.special import ndtr

    far = (mean - best) / deviation
    near = np.maximum(far, -5.0)
    gain = np.exp(-(near**2) / 2) / np.sqrt(2 * np.pi) + near * ndtr(near)
    tail = -(far**2) / 2 - np.log(np.sqrt(2 * np.pi)) - 2 * np.log(np.maximum(-far, 5.0))
    found: Array = np.where(far > -5.0, np.log(gain), tail) + np.log(deviation)
    return found


def log_expected_area(
    mean: Array, deviation: Array, log_costs: Array, values: Array, known_costs: Array
) -> Array:
    """Return the logarithm of the area that candidates are expected to add below a front.

    A candidate that costs c adds, at each cost from c on, what its value exceeds the best value
    known at no more than that cost; where nothing is known as cheap, the lowest known value. Costs
    end a tenth of their range above the highest.

    Args:
        mean: Predicted values of the candidates, (n,).
        deviation: Their standard deviations, (n,).
        log_costs: Logarithms of their costs, (n,).
        values: Values of what is known, (m,).
        known_costs: Logarithms of their costs, (m,).

    Returns:
        (n,).
    """
    order = np.argsort(known_costs, kind="stable")
    best = np.concatenate([[values.min()], np.maximum.accumulate(values[order])])
    lowest = min(log_costs.min(), known_costs.min())
    highest = max(log_costs.max(), known_costs.max())
    end = highest + 0.1 * ((highest - lowest) or 1.0)
    steps = np.concatenate([[lowest], known_costs[order], [end]])
    widths = steps[1:] - np.maximum(steps[:-1], log_costs[:, None])  # (n, m + 1)
    gains = log_expected_improvement(mean[:, None], deviation[:, None], best)
    with np.errstate(divide="ignore"):
        parts = gains + np.log(np.maximum(widths, 0.0))
    top = parts.max(axis=1)
    found: Array = top + np.log(np.exp(parts - top[:, None]).sum(axis=1))
    return found
