"""The metrics of a trial: the split that each is measured on, and its name for people.

A worker reports its figures as `val_accuracy`, `test_loss`, `train_loss`: a short name of the
split, an underscore, what is measured. Only this module takes such names apart or builds them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MEASURES = ("accuracy", "macro_f1", "balanced_accuracy")
"""What is measured of a text classifier on a split, beside its loss; each is 0 to 1."""

METRICS = (
    "test_accuracy",
    "val_accuracy",
    "test_macro_f1",
    "val_macro_f1",
    "test_balanced_accuracy",
    "val_balanced_accuracy",
)
"""The metrics that a search of text classifiers can maximise."""

COSTS = {
    "operations": "operations a token",
    "parameters": "parameters",
    "bytes": "bytes",
}
"""What can be kept low beside the metric, and its name for people.

Each is counted from the configuration, so that a seed repeats its search: a measured speed would
differ from one machine, and from one minute, to the next.
"""

COUNTED_AS = {"texts_per_second": "operations"}
"""What is measured, and the cost that is counted in its place."""

HELD_OUT = ("test", "validation")
"""The splits that a classifier does not learn from, the one that counts most first."""

_PREFIXES = {"test": "test", "validation": "val", "train": "train"}
_SPLITS = {prefix: split for split, prefix in _PREFIXES.items()}


@dataclass(frozen=True, slots=True)
class Metric:
    """What is measured, and on which split.

    Example:
        >>> parse_metric("val_macro_f1")
        Metric(measure='macro_f1', split='validation')
        >>> Metric("accuracy", "test").name
        'test_accuracy'
    """

    measure: str
    """accuracy, macro_f1, balanced_accuracy or loss; the whole name where no split is named."""
    split: str | None
    """test, validation or train; None for the metric of an objective that has no such splits."""

    @property
    def name(self) -> str:
        """The metric as search files, reports and `result.json` call it: val_macro_f1."""
        return self.measure if self.split is None else f"{_PREFIXES[self.split]}_{self.measure}"

    @property
    def words(self) -> str:
        """The metric as people call it: validation macro F1."""
        measure = self.measure.replace("_", " ").replace("macro f1", "macro F1")
        return measure if self.split is None else f"{self.split} {measure}"

    @property
    def is_accuracy(self) -> bool:
        """Whether it is a share of texts, so that the number of texts gives its error."""
        return self.measure == "accuracy"

    @property
    def is_share(self) -> bool:
        """Whether it lies between 0 and 1: accuracy, macro F1 or balanced accuracy of a split."""
        return self.split is not None and self.measure in MEASURES


def parse_metric(name: str) -> Metric:
    """Return what a metric's name says.

    Args:
        name: Such as "val_accuracy", or what an objective of one's own calls its metric.

    Returns:
        The split and what is measured on it; of a name that begins with no split, the name as it
        is.

    Example:
        >>> parse_metric("val_macro_f1").measure, parse_metric("reward").split
        ('macro_f1', None)
    """
    prefix, _, measure = name.partition("_")
    if measure and prefix in _SPLITS:
        return Metric(measure, _SPLITS[prefix])
    return Metric(name, None)


def metric_words(name: str) -> str:
    """Return a metric's name as people call it.

    Example:
        >>> metric_words("val_accuracy")
        'validation accuracy'
    """
    return parse_metric(name).words


def accuracy_name(split: str) -> str:
    """Return the name of the accuracy on a split.

    Args:
        split: "train", "validation" or "test".

    Example:
        >>> accuracy_name("validation")
        'val_accuracy'
    """
    return Metric("accuracy", split).name


def loss_name(split: str) -> str:
    """Return the name of the loss on a split.

    Args:
        split: "train", "validation" or "test".

    Example:
        >>> loss_name("test")
        'test_loss'
    """
    return Metric("loss", split).name


def split_objectives(names: Sequence[object]) -> tuple[str, str]:
    """Return the metric and the cost that a list names, in either order.

    A speed is measured, and differs each time; the operations that decide it take its place.

    Raises:
        ValueError: The list names anything but one metric and one cost.

    Example:
        >>> split_objectives(["val_accuracy", "texts_per_second"])
        ('val_accuracy', 'operations')
    """
    known = [*COSTS, *COUNTED_AS]
    costs = [str(name) for name in names if name in known]
    metrics = [str(name) for name in names if name in METRICS]
    if len(names) != 2 or len(metrics) != 1 or len(costs) != 1:
        raise ValueError(
            f"metric, where it is a list, must hold one of {', '.join(METRICS)} and one of "
            f"{', '.join(known)}, but is [{', '.join(map(str, names))}]"
        )
    return metrics[0], COUNTED_AS.get(costs[0], costs[0])


def cost_words(name: str) -> str:
    """Return a cost's name as people call it.

    Example:
        >>> cost_words("operations")
        'operations a token'
    """
    return COSTS[name]


def objectives_schema(schema: dict[str, Any]) -> None:
    """Let editors accept `search.metric` by itself and as a list with a cost beside it.

    Args:
        schema: The JSON schema of the key, which is changed.
    """
    one: dict[str, Any] = {"enum": list(METRICS), "type": "string"}
    pair = {
        "type": "array",
        "items": {"enum": [*METRICS, *COSTS, *COUNTED_AS]},
        "minItems": 2,
        "maxItems": 2,
    }
    del schema["type"]
    schema["anyOf"] = [one, pair]
