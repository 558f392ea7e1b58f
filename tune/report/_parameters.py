"""Relate the parameters to the metric: a plot each, two together, all together, importance."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from tune.analysis.boundaries import BoundaryHit, boundary_hits
from tune.analysis.importance import MANY, Importance, compute_importance
from tune.analysis.run_data import RunData
from tune.config.distributions import Value, between
from tune.config.metrics import metric_words
from tune.formatting import NONE, counted, value_text
from tune.report import _axes, _html
from tune.report._axes import Axis
from tune.report._html import Html, tag
from tune.report._over_time import foot_note
from tune.report._plots import WORDS, Layer, Place, legend, look, plot
from tune.study.records import TrialRecord

_SPREAD = 0.5  # of a choice's room: trials lie side by side in it
_GOLDEN = 0.618034  # steps of this share of 1 never fall on each other
_COLUMN_PX = 112
_SMALL_PX = 185  # least width of the drawing of one parameter
_FLUSH = (False, True, True, True)
_FLOOR = 0.1  # of the parallel axes: where trials pass that do not have a parameter

_FIRST = ("learning_rate", "max_grad_norm")
"""What is shown before other parameters where importance is not known."""
_SHADES = ("shade-1", "shade-2", "shade-3", "shade-4")
_LEAST = 8
"""Trials; fewer show no pattern."""
_LEAST_VALUES = 3  # of a number: with fewer, a plane of it is rows of dots in an empty field


def parameters_section(run: RunData) -> list[Html]:
    """Return the legend, then a plot for each parameter."""
    records = [record for record in run.records if record.values]
    y, below = _axes.metric_axis(metric_words(run.metric), [_value(record) for record in records])
    groups = {
        name: [each for each in records if look(each.state, best=each is run.best) == name]
        for name in reversed(WORDS)
    }
    groups = {name: group for name, group in groups.items() if group}
    hits = {hit.name: hit for hit in boundary_hits(run)}
    figures = [_parameter(run, name, groups, y, hits.get(name)) for name in run.space]
    lead = (
        "Each trial by its best value; the vertical lines are the edges of what was searched. "
        "Trials that were stopped early had less training. "
    )
    return [
        tag("p", lead + foot_note(below, "trial")),
        legend([*groups]),
        tag("div", *figures, class_="many"),
    ]


def _parameter(
    run: RunData,
    name: str,
    groups: dict[str, list[TrialRecord]],
    y: Axis,
    hit: BoundaryHit | None,
) -> Html:
    known = run.space[name]
    x, places = _axes.parameter_axis(name, known)
    layers = []
    for shown, group in groups.items():
        having = [record for record in group if name in record.params]
        dots = [[_dot(record, name, x, y, places)] for record in having]
        layers.append(Layer(f"{shown} dots", dots, [record.number for record in having]))
    scale = "choices" if places else "log scale" if x.log else "linear scale"
    if known.when:
        scale += ", where " + " and ".join(
            f"{other} is {' or '.join(map(value_text, values))}"
            for other, values in known.conditions.items()
        )
    note = _html.join([scale, _edge_note(hit)])
    all_of_it = [record for group in groups.values() for record in group if name in record.params]
    rows = _quarters(all_of_it, name, x, places)
    table = _html.table([name, "trials", "best", "median"], rows, numeric=_FLUSH)
    return plot(
        f"parameter-{name}",
        name,
        Axis("", x.low, x.high, x.log, x.ticks),
        y,
        layers,
        note=note,
        guides=[] if places else [(0.0, ""), (1.0, "")],
        height=210,
        room=[_SMALL_PX] * 3,
        below=[_html.details("Table", table)],
    )


def _edge_note(hit: BoundaryHit | None) -> Html | None:
    if hit is None:
        return None
    end = "upper" if hit.side == "high" else "lower"
    return tag("em", f"{hit.inside} of the {hit.best} best lie at its {end} edge")


def _dot(record: TrialRecord, name: str, x: Axis, y: Axis, places: Mapping[Value, float]) -> Place:
    given = record.params[name]
    return _place(record, given, x, places), y.at(_value(record))


def _place(record: TrialRecord, given: Any, axis: Axis, places: Mapping[Value, float]) -> float:
    if not places:
        return axis.at(given)
    aside = (record.number * _GOLDEN) % 1.0 - 0.5
    return places[given] + aside * _SPREAD / len(places)


def _quarters(
    records: Sequence[TrialRecord], name: str, x: Axis, places: Mapping[Value, float]
) -> list[list[str]]:
    """Return the values in each quarter of a range, or of each choice."""
    if places:
        groups = {
            value_text(choice): [each for each in records if each.params[name] == choice]
            for choice in places
        }
    else:
        groups = {}
        for quarter in range(4):
            low, high = (
                between(share / 4, x.low, x.high, log=x.log) for share in (quarter, quarter + 1)
            )
            inside = [each for each in records
                      if min(3, int(4 * x.at(each.params[name]))) == quarter]  # fmt: skip
            groups[f"{low:.3g} to {high:.3g}"] = inside
    return [
        [label, str(len(group)), *_best_and_median([_value(each) for each in group])]
        for label, group in groups.items()
    ]


def _best_and_median(values: Sequence[float]) -> list[str]:
    if not values:
        return [NONE, NONE]
    return [f"{max(values):.4f}", f"{median(values):.4f}"]


def parallel_section(run: RunData) -> Html:
    """Plot all parameters side by side, a line for each trial, the metric at the right."""
    records = [record for record in run.ranked if record.values]
    known = {name: _axes.parameter_axis(name, each) for name, each in run.space.items()}
    y, below = _axes.metric_axis(metric_words(run.metric), [_value(record) for record in records])
    partial = any(name not in record.params for record in records for name in known)
    floor = _FLOOR if partial else 0.0
    columns = len(known)
    leading = max(1, round(0.1 * len(records)))
    groups = {
        "pruned": records[max(leading, 1):],
        "complete": [each for each in records[:leading] if each is not run.best],
        "best": [each for each in records if each is run.best],
    }  # fmt: skip

    def line(record: TrialRecord) -> list[Place]:
        heights = []
        for name, (axis, places) in known.items():
            if name not in record.params:
                heights.append(0.0)
                continue
            place = _place(record, record.params[name], axis, places)
            heights.append(floor + (1 - floor) * place)
        heights.append(floor + (1 - floor) * y.at(_value(record)))
        return [(index / columns, height) for index, height in enumerate(heights)]

    layers = [
        Layer(f"{name} line", [line(each) for each in group], [each.number for each in group])
        for name, group in groups.items()
        if group
    ]
    spoken = {"complete": "the best tenth", "pruned": "all others"}
    columns_at = [(index / columns, name) for index, name in enumerate([*known, y.title])]
    labels = [
        ((index / columns, floor + (1 - floor) * place), label)
        for index, axis in enumerate([*(axis for axis, _ in known.values()), y])
        for place, label in axis.ticks
    ]
    head = ["trial", metric_words(run.metric), *known]
    rows = [
        [str(each.number), f"{_value(each):.4f}",
         *(value_text(each.params[name]) if name in each.params else NONE for name in known)]
        for each in records
    ]  # fmt: skip
    note = "A line through the bottom of an axis: the trial does not have that parameter."
    notes = [note if partial else "", foot_note(below, "trial")]
    return plot(
        "parallel-plot", "All parameters of a trial", Axis("", 0.0, 1.0), Axis("", 0.0, 1.0),
        layers, note=" ".join(filter(None, notes)), guides=columns_at, inside=labels,
        height=340, least=_COLUMN_PX * (columns + 1),
        below=[legend([name for name, group in groups.items() if group], spoken),
               _html.details(f"Table of {counted(len(rows), 'trial')}",
                              _html.table(head, rows, numeric=[True] * len(head)))],
    )  # fmt: skip


def plane_section(run: RunData) -> Html | None:
    """Plot the trials by two numbers that were searched, coloured by their value at the first rung.

    At the first rung all are trained alike, so that their values can be compared.

    Args:
        run: The run.

    Returns:
        The figure; None where fewer than two numbers took three values in trials that all have
        them, or too few trials reached the first rung.
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
        for shade, group in zip(_SHADES, _quarters_of(ordered), strict=True)
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
    """Return the numbers that matter most, of those that every trial has and that differ."""
    numbers = [
        name
        for name, known in run.space.items()
        if known.type != "categorical"
        and not known.when
        and all(name in record.params for record in run.records)
        and len({record.params[name] for record in run.records}) >= _LEAST_VALUES
    ]
    found = compute_importance(run)
    order = list(found.shares) if isinstance(found, Importance) else list(_FIRST)
    numbers.sort(key=lambda name: order.index(name) if name in order else len(order))
    return (numbers[0], numbers[1]) if len(numbers) > 1 else None


def _quarters_of(ordered: list[TrialRecord]) -> list[list[TrialRecord]]:
    count = len(_SHADES)
    ends = [round(part * len(ordered) / count) for part in range(count + 1)]
    return [ordered[begin:end] for begin, end in pairwise(ends)]


def importance_section(run: RunData) -> Html:
    """Return a bar for each parameter, or the reason why there are none."""
    found = compute_importance(run)
    return tag("p", found, class_="gap") if isinstance(found, str) else _bars(run, found)


def _bars(run: RunData, found: Importance) -> Html:
    bars = [
        tag(
            "li",
            tag("span", *_html.breakable(name), class_="name"),
            tag("span", tag("i", style=f"width:{100 * share:.1f}%"), class_="bar"),
            tag("span", f"{share:.0%}", class_="share"),
        )
        for name, share in found.shares.items()
    ]
    head = ["parameter", "importance", "rank correlation"]
    rows = [
        [
            name,
            f"{share:.3f}",
            f"{found.directions[name]:+.2f}" if name in found.directions else NONE,
        ]
        for name, share in found.shares.items()
    ]
    epoch = run.milestones[found.rung]
    note = (
        f"PED-ANOVA over {counted(found.trials, 'trial')}, by their value at epoch {epoch:.3g}, "
        "the last rung that enough trials reached. It says how well a parameter separates the "
        "best trials from the others, not in which direction; the table has the rank correlation."
    )
    if found.trials < MANY:
        note += " From so few trials the order is rough: take it as a hint."
    return tag(
        "figure",
        tag("figcaption", tag("b", "Importance"), tag("span", note)),
        tag("ol", *bars, class_="bars"),
        _html.details("Table", _html.table(head, rows, numeric=[False, True, True])),
        id="importance-bars",
        class_="plain",
    )


def _value(record: TrialRecord) -> float:
    return max(record.values)
