"""Learning curves and the table of all trials."""

from collections.abc import Mapping, Sequence
from typing import Any

from tune.analysis.run_data import RunData
from tune.config.metrics import HELD_OUT, cost_words, loss_name, metric_words
from tune.formatting import NONE, counted, duration, params_as_used, value_text
from tune.report import _axes, _html
from tune.report._html import Child, Html, tag
from tune.report._over_time import foot_note
from tune.report._plots import WORDS, Layer, Place, legend, look, plot
from tune.study.front import cost_of
from tune.study.records import TrialRecord

LEADERS = 10
_COSTS = ("parameters", "MB", "trained texts/s")


def curves_section(run: RunData) -> Html:
    """Plot the metric of every trial at its rungs; trials that were stopped early are faded."""
    records = [record for record in run.records if record.values]
    if all(len(record.values) == 1 for record in records):
        return _one_rung(run, records)
    y, below = _axes.metric_axis(
        metric_words(run.metric), [v for record in records for v in record.values]
    )
    x = _epochs(run, [point["epoch"] for record in records for point in record.curve])
    reached = [sum(len(chain.values) > rung for chain in run.chains)
               for rung in range(len(run.milestones))]  # fmt: skip
    guides = [
        (x.at(epoch), counted(count, "trial"))
        for epoch, count in zip(run.milestones, reached, strict=True)
    ]
    layers, looks = _by_look(run, records, lambda record: _curve(record, x, y))
    return plot(
        "learning-curves", "All trials", x, y, layers,
        note=" ".join(["The vertical lines are the rungs, with the trials that reached them.",
                       foot_note(below, "value")]).strip(),
        guides=guides, height=320,
        below=[
            legend(looks),
            _curve_table(run, records),
        ],
    )  # fmt: skip


def _one_rung(run: RunData, records: Sequence[TrialRecord]) -> Html:
    """Say that there are no curves: a plot of one point for each trial would be almost empty."""
    why = (
        f"Every trial reports once, at epoch {run.milestones[0]:.3g}"
        if len(run.milestones) == 1
        else f"No trial has reached a second rung, at epoch {run.milestones[1]:.3g}"
    )
    text = f"{why}, so there are no curves. The figures of the parameters show the values."
    return tag("div", tag("p", text), _curve_table(run, records), id="learning-curves")


def _curve_table(run: RunData, records: Sequence[TrialRecord]) -> Html:
    head = ["trial", "state", *(f"epoch {epoch:.3g}" for epoch in run.milestones)]
    rows = [_curve_row(run, each) for each in records]
    flush = [True, False, *[True] * len(run.milestones)]
    name = f"Table of {counted(len(records), 'trial')}"
    return _html.details(name, _html.table(head, rows, numeric=flush))


def losses_section(run: RunData) -> Html | None:
    """Plot training and held-out loss of the winner; None where it has no rung or no loss."""
    best = run.best
    if best is None or not best.curve:
        return None
    held_out = next((s for s in HELD_OUT if loss_name(s) in best.curve[0]), HELD_OUT[-1])
    names = {loss_name("train"): "plain", loss_name(held_out): "complete"}
    points = {
        name: [(point["epoch"], point[name]) for point in best.curve if name in point]
        for name in names
    }
    values = [value for line in points.values() for _, value in line]
    if not values:
        return None
    if len(best.curve) == 1:
        told = " and ".join(f"a {metric_words(n)} of {v[0][1]:.4f}" for n, v in points.items() if v)
        return tag("p", f"Trial {best.number}, the best so far, has {told}.")
    x = _epochs(run, [point["epoch"] for point in best.curve])
    y = _axes.linear_axis("loss", 0.95 * min(values), 1.03 * max(values))
    layers = []
    for name, line in points.items():
        places = [(x.at(epoch), y.at(value)) for epoch, value in line]
        layers.append(Layer(f"{names[name]} line", [places]))
        tips = [f"{metric_words(name)} {value:.4f}\nat epoch {epoch:.3g}" for epoch, value in line]
        layers.append(Layer(f"{names[name]} dots", [[place] for place in places], tips=tips))
    head = ["epoch", *map(metric_words, names)]
    rows = [
        [f"{point['epoch']:.3g}", *(_number(point.get(name)) for name in names)]
        for point in best.curve
    ]
    spoken = {"plain": "training loss", "complete": metric_words(loss_name(held_out))}
    return plot(
        "best-losses", f"Losses of the best trial, {best.number}", x, y, layers,
        note="A held-out loss that turns upwards while the training loss falls is overfitting.",
        height=240,
        below=[legend(["complete", "plain"], spoken),
               _html.details("Table", _html.table(head, rows, numeric=[True] * 3))],
    )  # fmt: skip


def front_section(run: RunData) -> Html | None:
    """Plot value against cost with the front as a line; None for a search without a cost."""
    name = run.cost
    records = [each for each in run.ranked if name and cost_of(each, name)]
    if name is None or not records:
        return None
    costs = {each.number: cost_of(each, name) or 1.0 for each in records}
    x = _axes.log_axis(cost_words(name), 0.9 * min(costs.values()), 1.1 * max(costs.values()))
    y, below = _axes.metric_axis(metric_words(run.metric), [each.value or 0.0 for each in records])
    on_it = {each.number for each in run.front}
    others = [each for each in records if each.number not in on_it]

    def place(record: TrialRecord) -> Place:
        return x.at(costs[record.number]), y.at(record.value or 0.0)

    front = [place(each) for each in run.front]
    layers = [
        Layer("pruned dots", [[place(each)] for each in others], [each.number for each in others]),
        Layer("complete line", [front]),
        Layer("complete dots", [[at] for at in front], [each.number for each in run.front]),
    ]
    # The other costs stand in _COSTS.
    counted_in = [cost_words(name)] if name == "operations" else []
    head = ["trial", metric_words(run.metric), *counted_in, *_COSTS]
    numeric = [True] * len(head) + [False] * len(run.space)
    head += run.space
    rows = [_of_front(run, each, costs[each.number]) for each in reversed(run.front)]
    note = (
        "No trial of the front is beaten by another in both. Parameters, MB and operations are "
        "counted from the configuration; texts a second are what training measured on the machine."
    )
    return plot(
        "front-plot", f"The front: {counted(len(front), 'trial')}", x, y, layers,
        note=" ".join([note, foot_note(below, "trial")]).strip(), height=320,
        below=[
            legend(["complete", "pruned"], {"complete": "on the front", "pruned": "all others"}),
            _html.table(head, rows, numeric=numeric),
        ],
    )  # fmt: skip


def _of_front(run: RunData, record: TrialRecord, cost: float) -> list[str]:
    return [
        str(record.number),
        _number(record.value),
        *([f"{cost:,.0f}"] if run.cost == "operations" else []),
        *_costs(run, record),
        *(_param(run, record, name) for name in run.space),
    ]


def _costs(run: RunData, record: TrialRecord) -> list[str]:
    """Return the cells below `_COSTS`: what is counted of the classifier, and what was measured."""
    cost = run.costs.get(record.number)
    speed = record.curve[-1].get("texts_per_second") if record.curve else None
    return [
        NONE if cost is None else f"{cost.parameters:,}",
        NONE if cost is None else f"{cost.bytes / 1e6:.2f}",
        f"{speed:,.0f}" if speed else NONE,
    ]


def leaderboard_section(run: RunData) -> Html:
    """Return a table of the best trials, and one of all trials, folded away."""
    places = {record.number: place for place, record in enumerate(run.ranked, start=1)}
    rest = [record for record in run.records if record.number not in places]
    ordered = [*run.ranked, *rest]
    names = list(run.space)
    costs = () if run.own_objective else _COSTS
    head = [
        "place",
        "trial",
        metric_words(run.metric),
        "state",
        "epochs",
        "time",
        *costs,
        *names,
    ]
    numeric = [True, True, True, False, True, True, *(True for _ in costs)]
    numeric += [run.space[name].type != "categorical" for name in names]
    rows = [_standing(run, record, places.get(record.number)) for record in ordered]
    if any(record.name for record in run.records):
        head.insert(2, "name")
        numeric.insert(2, False)
    top = _html.table(head, rows[:LEADERS], numeric=numeric, class_="leaders")
    if len(rows) <= LEADERS:
        return top
    everything = _html.table(head, rows, numeric=numeric)
    title = f"All {len(run.chains):,} trials"
    if again := len(rows) - len(run.chains):
        title += f", with {again:,} interrupted before and taken up again"
    return _html.join([top, _html.details(title, everything)])


def trial_cards(run: RunData) -> dict[str, Any]:
    """Return what the page's script shows of a trial on hover."""
    names = list(run.space)
    return {
        "metric": metric_words(run.metric),
        "names": names,
        "trials": {
            record.number: [
                _title(run, record),
                _number(record.value) if record.values else "",
                _rungs(record),
                [value_text(_shown(run, record).get(name, "")) for name in names],
            ]
            for record in run.records
        },
    }


def _title(run: RunData, record: TrialRecord) -> str:
    name = f", {record.name}" if record.name else ""
    best = ", the best" if record is run.best else ""
    return f"Trial {record.number}{name}: {record.state}{best}"


def _rungs(record: TrialRecord) -> str:
    return "  ".join(
        f"{point['epoch']:.3g}: {value:.4f}"
        for point, value in zip(record.curve, record.values, strict=True)
    )


def _epochs(run: RunData, epochs: Sequence[float]) -> _axes.Axis:
    """Make a log axis of epochs, since each rung is a factor from the next."""
    marks = run.milestones
    low, high = min([*epochs, marks[0]]), max([*epochs, marks[-1]])
    return _axes.log_axis("epoch", 0.9 * low, 1.06 * high, marks)


def _curve(record: TrialRecord, x: _axes.Axis, y: _axes.Axis) -> list[Place]:
    pairs = zip(record.curve, record.values, strict=True)
    return [(x.at(point["epoch"]), y.at(value)) for point, value in pairs]


def _by_look(run: RunData, records: Sequence[TrialRecord], shape: Any) -> Any:
    """Return a layer of lines and one of dots for each kind of trial, the best on top."""
    layers: list[Layer] = []
    looks: list[str] = []
    for name in reversed(WORDS):
        group = [each for each in records if look(each.state, best=each is run.best) == name]
        if group:
            looks.append(name)
            shapes = [shape(record) for record in group]
            numbers = [record.number for record in group]
            layers.append(Layer(f"{name} line", shapes, trials=numbers))
            layers.append(Layer(f"{name} dots small", [[at] for each in shapes for at in each]))
    return layers, looks


def _curve_row(run: RunData, record: TrialRecord) -> list[str]:
    values = [f"{value:.4f}" for value in record.values]
    empty = [NONE] * (len(run.milestones) - len(values))
    return [str(record.number), str(record.state), *values, *empty]


def _standing(run: RunData, record: TrialRecord, place: int | None) -> list[Child]:
    last: Mapping[str, float] = record.curve[-1] if record.curve else {}
    named = [record.name or ""] if any(each.name for each in run.records) else []
    return [
        str(place or NONE),
        _html.trial_link(record.number, has_curve=bool(record.values)),
        *named,
        _number(record.value),
        str(record.state),
        f"{last['epoch']:.3g}" if last else NONE,
        duration(last["seconds"]) if last else NONE,
        *([] if run.own_objective else _costs(run, record)),
        *(_param(run, record, name) for name in run.space),
    ]


def _param(run: RunData, record: TrialRecord, name: str) -> str:
    return value_text(_shown(run, record)[name]) if name in record.params else NONE


def _shown(run: RunData, record: TrialRecord) -> dict[str, Any]:
    return params_as_used(record.params, run.used_vectors)


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.4f}"
