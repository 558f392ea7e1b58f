"""Reads public learning curves, for public_curves.py: LCBench's surrogate and TaskSet's tables.

A folder may hold either or both; other files of the same form are read as well:

- `*.npz`: `names` (parameters,), `hyperparameters` (settings, parameters) and, for each task,
  `TASK.valid` (settings, epochs): the loss after each epoch of training, NaN where it diverged.
  A proposal is answered by the nearest recorded setting, or by a mean of the nearest few.
- `lcbench.onnx` with `lcbench-encoding.json` and `lcbench-space.json`: a smooth surrogate.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tune.config.conditions import Space
from tune.config.distributions import FloatDistribution, IntDistribution

Array = NDArray[np.float64]

HALVINGS = 3
FACTOR = 3
CHOOSING = 17  # of LCBench's tasks, by code: on these settings may be chosen
_NEIGHBOURS = 8
_LOOKED_AT, _ROUNDS, _BESIDE = 4_000, 8, 400  # configurations, to find a surrogate's best


@dataclass(frozen=True, slots=True)
class Curve:
    """What a training shows at the epochs that were asked for: arrays (epochs,)."""

    values: Array
    """What a player sees, from 0 to 1, the higher the better; NaN where it diverged."""
    worth: Array
    """What it is judged by, the higher the better; a loss is negative."""
    seconds: Array
    """Since the training began."""


class Task(Protocol):
    """A space and the curve of each configuration in it."""

    name: str
    family: str
    space: Space
    epochs: int
    timed: bool
    """Whether configurations differ in their time; where none is recorded an epoch is a second."""

    def curve(self, params: Mapping[str, Any], epochs: Sequence[int]) -> Curve:
        """Train a configuration and look at it after so many epochs."""

    def cost(self, params: Mapping[str, Any]) -> float:
        """What a configuration costs beside others, by operations, known before it runs."""

    def scale(self) -> tuple[float, float]:
        """The worth of the best configuration and that of the median one, at their best rungs."""

    def seconds(self) -> float:
        """The mean time of a full training of a random configuration."""


def rungs(epochs: int) -> tuple[int, ...]:
    """The epochs at which a scheduler compares: the whole, a third, a ninth, a twenty-seventh.

    Example:
        >>> rungs(52)
        (2, 6, 17, 52)
    """
    return tuple(max(1, round(epochs / FACTOR**down)) for down in range(HALVINGS, -1, -1))


class TableTask:
    """A task of a recorded table."""

    family = "taskset"
    timed = False

    def __init__(self, name: str, space: Space, places: Array, losses: Array, *, smooth: bool):
        self.name, self.space = name, space
        self.epochs = losses.shape[1]
        self._places = places
        self._losses = np.where(np.isfinite(losses), losses, np.inf)
        self._nearest = _NEIGHBOURS if smooth else 1

    def curve(self, params: Mapping[str, Any], epochs: Sequence[int]) -> Curve:
        """Return the curve of the nearest setting, or a mean of the nearest few.

        Weights fall with the fourth power of the distance, so at a setting the curve is its own.
        """
        at = np.array([_place(self.space[name], params[name]) for name in self.space])
        apart = np.square(self._places - at).sum(axis=1)
        near = np.argsort(apart, kind="stable")[: self._nearest]
        weights = 1 / np.maximum(apart[near], 1e-9) ** 2
        losses = self._losses[np.ix_(near, np.array(epochs) - 1)]
        shown = (weights / weights.sum()) @ np.exp(-losses)
        with np.errstate(divide="ignore"):
            worth = np.log(shown)
        return Curve(np.where(np.isinf(losses[0]), np.nan, shown), worth, np.array(epochs, float))

    def cost(self, params: Mapping[str, Any]) -> float:  # noqa: ARG002
        """Return 1: every setting of the optimizer takes as long."""
        return 1.0

    def scale(self) -> tuple[float, float]:
        """Return the worth of the best and of the median recorded setting."""
        best = -self._losses[:, [rung - 1 for rung in rungs(self.epochs)]].min(axis=1)
        return float(best.max()), float(np.median(best))

    def seconds(self) -> float:
        """Return the epochs: no times are recorded."""
        return float(self.epochs)


def _place(known: Any, value: Any) -> float:
    return float(known.position(value))


def read_table(path: Path, *, smooth: bool = False) -> Iterator[TableTask]:
    """Read each task of a table; parameters lie on log scales, betas as 1 - beta."""
    with np.load(path, allow_pickle=False) as table:
        names, rows = [str(name) for name in table["names"]], table["hyperparameters"]
        columns = {
            f"1 - {name}" if name.startswith("beta") else name: 1 - column
            if name.startswith("beta")
            else column
            for name, column in zip(names, rows.T, strict=True)
        }
        space: dict[str, Any] = {
            name: FloatDistribution(low=float(column.min()), high=float(column.max()), log=True)
            for name, column in columns.items()
        }
        places = np.array(
            [[_place(space[name], value) for value in column] for name, column in columns.items()]
        ).T
        for key in sorted(table.files):
            if key.endswith(".valid"):
                losses = table[key].astype(float)
                yield TableTask(key.removesuffix(".valid"), space, places, losses, smooth=smooth)


class SurrogateTask:
    """A task of LCBench's surrogate; the session is shared by all of them."""

    family = "lcbench"
    timed = True

    def __init__(self, name: str, code: int, space: Space, epochs: int, session: Any) -> None:
        self.name, self.space, self.epochs = name, space, epochs
        self._code, self._session = code, session

    def curve(self, params: Mapping[str, Any], epochs: Sequence[int]) -> Curve:
        """Return what the surrogate predicts."""
        row = np.array([[float(params[name]) for name in self.space]])
        found = self._predict(row, epochs)[0]
        accuracy = found[:, 1] / 100
        return Curve(accuracy, accuracy, np.maximum.accumulate(np.maximum(found[:, 0], 1e-3)))

    def cost(self, params: Mapping[str, Any]) -> float:
        """Count the products of a perceptron that narrows, and 200,000 operations a step and layer.

        Beside the surrogate's times of 200 configurations its rank correlation is 0.73 to 0.82.
        """
        layers, units = params["num_layers"], params["max_units"]
        products = 50 * units + units**2 * (layers - 1) / 6
        return float(200_000 * layers / params["batch_size"] + products)

    def scale(self) -> tuple[float, float]:
        """Look for the best configuration among random ones and then beside the best of them."""
        generator = np.random.default_rng(self._code)
        at = generator.random((_LOOKED_AT, len(self.space)))
        worth = self._worth(at)
        median = float(np.median(worth))
        for spread in np.geomspace(0.2, 0.01, _ROUNDS):
            top = np.argsort(-worth, kind="stable")[: _BESIDE // 10]
            at, worth = at[top], worth[top]
            moved = np.repeat(at, 10, axis=0)
            moved = moved + spread * generator.normal(size=moved.shape) * (
                generator.random(moved.shape) < 0.5
            )
            moved = np.clip(moved, 0, 1)
            at = np.concatenate([at, moved])
            worth = np.concatenate([worth, self._worth(moved)])
        return float(worth.max()), median

    def seconds(self) -> float:
        """Return the mean time of 500 random configurations."""
        generator = np.random.default_rng(self._code)
        rows = self._rows(generator.random((500, len(self.space))))
        return float(self._predict(rows, (self.epochs,))[:, 0, 0].mean())

    def _worth(self, at: Array) -> Array:
        found = self._predict(self._rows(at), rungs(self.epochs))
        worth: Array = found[:, :, 1].max(axis=1) / 100
        return worth

    def _rows(self, at: Array) -> Array:
        known = list(self.space.values())
        return np.array(
            [
                [float(known[column].at(place)) for column, place in enumerate(row)]  # type: ignore[union-attr]
                for row in at.tolist()
            ]
        )

    def _predict(self, rows: Array, epochs: Sequence[int]) -> Array:
        """(configurations, parameters), epochs -> (configurations, epochs, outputs)."""
        x = np.empty((len(rows) * len(epochs), 1 + rows.shape[1]), np.float32)
        x[:, 0] = np.tile(epochs, len(rows))
        x[:, 1:] = np.repeat(rows, len(epochs), axis=0)
        fed = {"x_cat": np.full((len(x), 1), self._code, np.int32), "x_cont": x}
        found: Array = np.asarray(self._session.run(None, fed)[0], float)
        return found.reshape(len(rows), len(epochs), -1)


def read_surrogate(folder: Path) -> Iterator[SurrogateTask]:
    """Read LCBench's surrogate, its tasks by code; onnxruntime runs it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "lcbench.onnx"), options)
    known = json.loads((folder / "lcbench-space.json").read_text(encoding="utf-8"))
    by_name = {each["name"]: each for each in known["hyperparameters"]}
    order = "batch_size learning_rate momentum weight_decay num_layers max_units max_dropout"
    space = {name: _range(by_name[name]) for name in order.split()}
    codes = json.loads((folder / "lcbench-encoding.json").read_text(encoding="utf-8"))
    offered = set(by_name["OpenML_task_id"]["choices"])
    for name, code in sorted(codes["OpenML_task_id"].items(), key=lambda item: item[1]):
        if name in offered:
            yield SurrogateTask(name, code, space, by_name["epoch"]["upper"], session)


def _range(known: Mapping[str, Any]) -> Any:
    kind = IntDistribution if known["type"] == "uniform_int" else FloatDistribution
    return kind(low=known["lower"], high=known["upper"], log=known["log"])


def read_tasks(folder: Path, *, smooth: bool = False) -> list[Task]:
    """Read every task of a folder.

    Raises:
        SystemExit: It holds none, or onnxruntime is needed and missing.
    """
    found: list[Task] = []
    for path in sorted(folder.glob("*.npz")):
        found += read_table(path, smooth=smooth)
    if (folder / "lcbench.onnx").exists():
        try:
            found += read_surrogate(folder)
        except ModuleNotFoundError:
            raise SystemExit(
                f"{folder / 'lcbench.onnx'} needs onnxruntime: pip install '.[benchmarks]'"
            ) from None
    if not found:
        raise SystemExit(f"{folder}: holds neither a table (*.npz) nor lcbench.onnx")
    return found
