"""Recorded learning curves, and what a configuration between them would have given.

Gaussian processes over the space's own scale interpolate the curves; the noise of a seed is
resampled, as a whole curve, from the differences between two seeds nearby. The model
knows the recorded configurations only, so how good the best of a space is, it cannot say; it says
how fast a search gets where the recorded curves lead.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

Array = NDArray[np.float64]
Positions = Callable[[Mapping[str, Any]], Sequence[float]]

CURVE_PARTS = 4
"""Principal components kept of the accuracies' curves; further ones are seed noise."""
NOISE_NEIGHBOURS = 4
"""Pairs of seeds, the nearest ones, that lend a configuration their noise."""
_GRID = 16
"""Recorded epochs are multiples of 1/16, but for the rounding to whole steps."""
_LEAST_ERROR = 1e-3


@dataclass(frozen=True, slots=True)
class Curve:
    """One trial's course: what it had reached and spent at each recorded epoch."""

    epochs: Array
    val_accuracy: Array
    test_accuracy: Array
    train_s: Array
    evaluation_s: float
    """Seconds of one evaluation."""


@dataclass(frozen=True, slots=True)
class Table:
    """The recorded curves; row i of `errors` and `train_s` is a run of configuration `of[i]`."""

    positions: Array
    """(configurations, parameters): where each value lies in its range, from 0 to 1."""
    epochs: Array
    of: NDArray[np.int64]
    seeds: NDArray[np.int64]
    errors: Array
    """(runs, 2, rungs): log of the share of wrong answers, on validation and test."""
    train_s: Array
    """(runs, rungs)"""
    evaluation_s: Array
    """(runs,): seconds of one evaluation."""

    def part(self, configurations: NDArray[np.int64]) -> "Table":
        """Only the runs of these configurations."""
        kept = np.isin(self.of, configurations)
        return Table(
            self.positions,
            self.epochs,
            self.of[kept],
            self.seeds[kept],
            self.errors[kept],
            self.train_s[kept],
            self.evaluation_s[kept],
        )


def read(folder: Path, positions: Positions) -> Table:
    """The table in `folder`, without the runs that diverged or were cut off."""
    with (folder / "configurations.csv").open(encoding="utf-8", newline="") as file:
        params = [_numbers(row) for row in csv.DictReader(file)]
    runs: dict[tuple[int, int], list[dict[str, float]]] = defaultdict(list)
    with (folder / "curves.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            runs[int(line["configuration"]), int(line["seed"])].append(_numbers(line))
    whole = {key: rows for key, rows in runs.items() if len(rows) == _longest(runs)}
    keys = sorted(whole)
    wrong = [
        [[1 - row[f"{split}_accuracy"] for row in whole[key]] for split in ("val", "test")]
        for key in keys
    ]
    return Table(
        positions=np.array([positions(row) for row in params]),
        epochs=np.round([_GRID * row["epoch"] for row in whole[keys[0]]]) / _GRID,
        of=np.array([number for number, _ in keys]),
        seeds=np.array([seed for _, seed in keys]),
        errors=np.log(np.maximum(wrong, _LEAST_ERROR)),
        train_s=np.array([[row["train_s"] for row in whole[key]] for key in keys]),
        evaluation_s=np.array([np.mean([row["evaluate_s"] for row in whole[key]]) for key in keys]),
    )


class Model(Protocol):
    """Gives the curve of any configuration."""

    def curve(self, position: Sequence[float], generator: np.random.Generator) -> Curve:
        """A trial at `position` of the space, its seed's noise drawn from `generator`."""


class Surrogate:
    """Gaussian processes through the recorded curves, plus a seed's noise."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._noise = Noise(table)
        x = table.positions[table.of]
        flat = table.errors.reshape(len(x), -1)
        self._centre = flat.mean(axis=0)
        _, _, axes = np.linalg.svd(flat - self._centre, full_matrices=False)
        self._axes = axes[:CURVE_PARTS]
        parts = (flat - self._centre) @ self._axes.T
        self._parts = [GaussianProcess(x, parts[:, i]) for i in range(parts.shape[1])]
        self._duration = GaussianProcess(x, np.log(table.train_s[:, -1]))
        self._evaluation = GaussianProcess(x, np.log(table.evaluation_s))
        self._shape = (table.train_s / table.train_s[:, -1:]).mean(axis=0)

    def mean_errors(self, position: Sequence[float]) -> Array:
        """(2, rungs): the log error on validation and test without noise."""
        parts = np.array([process.mean(position) for process in self._parts])
        errors: Array = (self._centre + parts @ self._axes).reshape(2, -1)
        return errors

    def curve(self, position: Sequence[float], generator: np.random.Generator) -> Curve:
        """A trial at `position` of the space, its seed's noise drawn from `generator`."""
        errors = self.mean_errors(position) + self._noise.draw(position, generator)
        seconds = float(np.exp(self._duration.mean(position)))
        evaluation_s = float(np.exp(self._evaluation.mean(position)))
        return _curve(self._table.epochs, errors, seconds * self._shape, evaluation_s)


class Nearest:
    """The nearest recorded configuration's own curve, plus a seed's noise: no interpolation."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._noise = Noise(table)
        self._known = np.unique(table.of)

    def curve(self, position: Sequence[float], generator: np.random.Generator) -> Curve:
        """A trial at the recorded configuration nearest to `position`."""
        table = self._table
        distances = np.square(table.positions[self._known] - position).sum(axis=1)
        runs = table.of == self._known[distances.argmin()]
        errors = table.errors[runs].mean(axis=0)
        errors = errors + self._noise.draw(position, generator)
        first = runs.argmax()
        return _curve(table.epochs, errors, table.train_s[first], float(table.evaluation_s[first]))


class Noise:
    """How one seed's curve differs from the mean of many, from pairs of seeds."""

    def __init__(self, table: Table) -> None:
        pairs = [
            (number, np.flatnonzero(table.of == number)[:2])
            for number in np.unique(table.of)
            if (table.of == number).sum() > 1
        ]
        if not pairs:
            raise ValueError("no configuration was recorded with two seeds")
        self._positions = np.array([table.positions[number] for number, _ in pairs])
        self._differences = np.array(
            [(table.errors[b] - table.errors[a]) / np.sqrt(2) for _, (a, b) in pairs]
        )

    def draw(self, position: Sequence[float], generator: np.random.Generator) -> Array:
        """(2, rungs): the noise of one seed, in log errors, validation and test together."""
        distances = np.square(self._positions - position).sum(axis=1)
        near = np.argsort(distances, kind="stable")[:NOISE_NEIGHBOURS]
        # A normal mixture of the differences has their covariance, along the curve as well.
        shares = generator.normal(size=len(near)) / np.sqrt(len(near))
        noise: Array = np.tensordot(shares, self._differences[near], axes=1)
        return noise

    @property
    def deviation(self) -> Array:
        """(2, rungs): the standard deviation of a seed's log error."""
        deviation: Array = np.sqrt(np.square(self._differences).mean(axis=0))
        return deviation


class GaussianProcess:
    """Matern 5/2 with a length per parameter; lengths and noise maximise the evidence."""

    def __init__(self, x: Array, y: Array) -> None:
        self._x, self._offset, self._scale = x, y.mean(), y.std() or 1.0
        self._y = (y - self._offset) / self._scale
        start = np.log([0.6] * x.shape[1] + [1.0, 0.1])
        bounds = [(np.log(0.1), np.log(10.0))] * x.shape[1]
        bounds += [(np.log(0.05), np.log(20.0)), (np.log(1e-4), np.log(2.0))]
        fitted = minimize(self._cost, start, method="L-BFGS-B", bounds=bounds)
        self._settings = np.exp(fitted.x)
        self._weights = cho_solve(cho_factor(self._covariance(self._settings)), self._y)

    def mean(self, position: Sequence[float]) -> float:
        """What to expect at `position`."""
        kernel = self._kernel(np.asarray(position)[None], self._settings)[0]
        return float(self._offset + self._scale * (kernel @ self._weights))

    def _kernel(self, x: Array, settings: Array) -> Array:
        lengths, amplitude = settings[:-2], settings[-2]
        squares = np.square((x[:, None] - self._x[None]) / lengths).sum(axis=2)
        r = np.sqrt(5 * squares)
        kernel: Array = amplitude * (1 + r + r**2 / 3) * np.exp(-r)
        return kernel

    def _covariance(self, settings: Array) -> Array:
        noise: Array = (settings[-1] + 1e-8) * np.eye(len(self._x))
        return self._kernel(self._x, settings) + noise

    def _cost(self, logs: Array) -> float:
        """The negative log evidence, with a weak pull of the lengths towards 1."""
        factor, lower = cho_factor(self._covariance(np.exp(logs)))
        fit = self._y @ cho_solve((factor, lower), self._y)
        pull = np.square(logs[:-2]).sum() / 2
        return float(fit / 2 + np.log(np.diag(factor)).sum() + pull)


def _curve(epochs: Array, errors: Array, train_s: Array, evaluation_s: float) -> Curve:
    accuracies = 1 - np.exp(np.minimum(errors, 0.0))
    return Curve(epochs, accuracies[0], accuracies[1], train_s, evaluation_s)


def _numbers(row: Mapping[str, str]) -> dict[str, float]:
    return {name: float(value) for name, value in row.items()}


def _longest(runs: Mapping[Any, Sequence[Any]]) -> int:
    return max(len(rows) for rows in runs.values())
