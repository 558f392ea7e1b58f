"""Curves within the epochs, for trials that recorded them (`train.log_every`)."""

from collections.abc import Sequence
from typing import Any

from tune.analysis.run_data import RunData
from tune.exceptions import RunFolderError
from tune.report import _axes, _html
from tune.report._html import Html, tag
from tune.report._plots import Layer, legend, look, plot
from tune.study.records import State, TrialRecord

_BEST, _DIVERGED = 4, 2
"""Trials that are drawn: the best, and the first that diverged."""
_LEAST_NORM = 1e-6

Points = list[dict[str, Any]]


def steps_section(run: RunData) -> list[Html]:
    """Plot loss, gradient norm and share of clipped steps; nothing where none were recorded."""
    if run.config.train.log_every is None:
        return []
    diverged = [record for record in run.records if record.state == State.DIVERGED]
    found: list[tuple[TrialRecord, Points]] = []
    for record in [*run.ranked[:_BEST], *diverged[:_DIVERGED]]:
        try:
            points = run.folder.trial(record.number).read_steps()
        except RunFolderError as error:
            return [tag("p", str(error), class_="gap")]
        if points:
            found.append((record, points))
    if not found:
        return []
    losses = [point["loss"] for _, points in found for point in points]
    norms = [max(point["grad_norm"], _LEAST_NORM) for _, points in found for point in points]
    who = ", ".join(str(record.number) for record, _ in found)
    note = f"Trials {who}, a point for every {run.config.train.log_every} steps."
    return [
        _figure(run, found, "loss", "Loss", note,
                _axes.linear_axis("training loss", 0.0, 1.03 * max(losses))),
        _figure(run, found, "grad_norm", "Gradient norm before clipping",
                "Where the norm is above max_grad_norm, the gradient is scaled down to it.",
                _axes.log_axis("gradient norm", 0.9 * min(norms), 1.1 * max(norms))),
        _figure(run, found, "clipped", "Share of clipped steps", "",
                _axes.linear_axis("clipped", 0.0, 1.0)),
    ]  # fmt: skip


def _figure(
    run: RunData,
    found: Sequence[tuple[TrialRecord, Points]],
    key: str,
    title: str,
    note: str,
    y: _axes.Axis,
) -> Html:
    last = max(point["epoch"] for _, points in found for point in points)
    x = _axes.linear_axis("epoch", 0.0, last)
    layers, looks = [], []
    for name in ("pruned", "complete", "lost", "running", "best"):
        here = [
            (record, points)
            for record, points in found
            if look(record.state, best=record is run.best) == name
        ]
        if not here:
            continue
        looks.append(name)
        shapes = [
            [(x.at(point["epoch"]), y.at(max(point[key], _LEAST_NORM))) for point in points]
            for _, points in here
        ]
        layers.append(Layer(f"{name} line", shapes, trials=[record.number for record, _ in here]))
    rows = [
        [str(record.number), str(point["step"]), f"{point['epoch']:.3g}", f"{point[key]:.4g}"]
        for record, points in found
        for point in points
    ]
    return plot(
        f"steps-{key.replace('_', '-')}", title, x, y, layers,
        note=note or None, height=240,
        below=[
            legend(looks),
            _html.details("Table", _html.table(["trial", "step", "epoch", key], rows,
                                               numeric=[True] * 4)),
        ],
    )  # fmt: skip
