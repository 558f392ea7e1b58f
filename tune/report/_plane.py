"""Plot two parameters against each other: where in their plane the good trials lie."""

from itertools import pairwise

from tune.analysis.importance import Importance, compute_importance
from tune.analysis.run_data import RunData
from tune.config.metrics import metric_words
from tune.formatting import value_text
from tune.report import _axes, _html
from tune.report._html import Html
from tune.report._plots import Layer, legend, plot
from tune.study.records import TrialRecord

_FIRST = ("learning_rate", "max_grad_norm")
"""What is shown before other parameters where importance is not known."""
_SHADES = ("shade-1", "shade-2", "shade-3", "shade-4")
_LEAST = 8
"""Trials; fewer show no pattern."""


def plane_section(run: RunData) -> Html | None:
    """Plot the trials by two numbers that were searched, coloured by their value at the first rung.

    At the first rung all are trained alike, so that their values can be compared.

    Args:
        run: The run.

    Returns:
        The figure; None where fewer than two numbers were searched in all trials, or too few trials
        reached the first rung.
    """
    names = _two_names(run)
    records = [record for record in run.records if record.values]
    if names is None or len(records) < _LEAST:
        return None
    across, up = (_axes.parameter_axis(name, run.space[name])[0] for name in names)
    ordered = sorted(records, key=lambda record: (record.values[0], record.number))
    layers = [
        Layer(
            f"{shade} dots",
            [[(across.at(each.params[names[0]]), up.at(each.params[names[1]]))] for each in group],
            [each.number for each in group],
        )
        for shade, group in zip(_SHADES, _quarters(ordered), strict=True)
    ]
    words = dict(
        zip(
            _SHADES,
            ("worst quarter", "third quarter", "second quarter", "best quarter"),
            strict=True,
        )
    )
    epoch = run.milestones[0]
    rows = [
        [
            str(each.number),
            *(value_text(each.params[name]) for name in names),
            f"{each.values[0]:.4f}",
        ]
        for each in reversed(ordered)
    ]
    head = ["trial", *names, metric_words(run.metric)]
    return plot(
        "parameter-plane", f"{names[0]} and {names[1]}", across, up, layers,
        note=f"Each trial by its {metric_words(run.metric)} at the first rung, epoch {epoch:.3g}.",
        height=320,
        below=[
            legend(_SHADES, words),
            _html.details("Table", _html.table(head, rows, numeric=[True] * 4)),
        ],
    )  # fmt: skip


def _two_names(run: RunData) -> tuple[str, str] | None:
    """Return the numbers that matter most, of those that every trial has."""
    numbers = [
        name
        for name, known in run.space.items()
        if known.type != "categorical"
        and not known.when
        and all(name in record.params for record in run.records)
    ]
    found = compute_importance(run)
    order = list(found.shares) if isinstance(found, Importance) else list(_FIRST)
    numbers.sort(key=lambda name: order.index(name) if name in order else len(order))
    return (numbers[0], numbers[1]) if len(numbers) > 1 else None


def _quarters(ordered: list[TrialRecord]) -> list[list[TrialRecord]]:
    count = len(_SHADES)
    ends = [round(part * len(ordered) / count) for part in range(count + 1)]
    return [ordered[begin:end] for begin, end in pairwise(ends)]
