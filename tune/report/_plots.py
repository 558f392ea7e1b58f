"""Plots as HTML and SVG that need no script, stay readable at any width and print.

The letters are HTML beside the drawing; the drawing is stretched to the available width while its
lines keep theirs. Everything that shows a text on hover is drawn as one path per kind of trial:
each of its subpaths belongs to a trial or has words, which the page's script shows.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tune.report._axes import Axis
from tune.report._html import Child, Html, breakable, tag
from tune.study.records import State

Place = tuple[float, float]
"""To the right and upwards, each from 0 to 1."""

_SIZE = 1000  # of the drawing, in its own units: a tenth of one is finer than a pixel
_DENSE = 60  # shapes: more are drawn finer, and in sheets whose overlaps darken
_SHEETS = 12
_ROOM_PX = (270.0, 450.0, 850.0)
"""Least widths of a drawing: on a phone, and where the style sheet shows `_ROOMY` labels."""
_ROOMY = (None, "roomy", "roomiest")
_LETTER_PX, _GAP_PX = 7.2, 4.0  # of a label: a wide digit, and the least space between two

WORDS = {
    "best": "best trial",
    "complete": "trained to the end",
    "pruned": "stopped early",
    "lost": "diverged, failed or interrupted",
    "running": "running",
}
"""What each look stands for, the foremost first."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Shapes that look alike: a single place is a dot, several are joined by lines."""

    look: str
    shapes: Sequence[Sequence[Place]]
    trials: Sequence[int] = ()
    """The trial of each shape, by number."""
    tips: Sequence[str] = ()
    """Or what to say of each shape."""


def look(state: State, *, best: bool = False) -> str:
    """Return the style class of a trial's state."""
    if best:
        return "best"
    known = {State.COMPLETE: "complete", State.PRUNED: "pruned", State.RUNNING: "running"}
    return known.get(state, "lost")


def plot(
    identity: str,
    title: str,
    x: Axis,
    y: Axis,
    layers: Sequence[Layer],
    *,
    note: Child = None,
    guides: Sequence[tuple[float, str]] = (),
    height: float = 260,
    bar: float = 0,
    least: float = 0,
    inside: Sequence[tuple[Place, str]] = (),
    below: Sequence[Child] = (),
    room: Sequence[float] = _ROOM_PX,
) -> Html:
    """Return a figure: caption, drawing with its labels, and what belongs underneath.

    Args:
        identity: The figure's name in the page's links.
        title: The caption.
        x: The horizontal axis.
        y: The vertical axis.
        layers: What is drawn, the lowest first.
        note: What stands beside the caption.
        guides: Vertical lines at places from 0 to 1, with words on top.
        height: Of the drawing, in pixels.
        bar: The thickness of bars, in pixels.
        least: The least width of the drawing, in pixels: a narrower page scrolls.
        inside: Words in the drawing, each at its place.
        below: What belongs underneath: legend and table.
        room: Least widths of the drawing, in pixels: labels along the x axis that would run into
            each other in a drawing of that width are left out there. Without any all are shown.
    """
    widest = max((label for _, label in y.ticks), key=len, default="")
    ys = [tag("span", label, style=f"bottom:{_percent(at)}") for at, label in y.ticks]
    xs = _labels(x.ticks, room)
    tops = _labels(guides, () if least else room)
    words = f"{title}: {y.title} against {x.title}"
    area = tag(
        "div",
        _grid(y, guides),
        _drawing([path for layer in layers if layer.shapes for path in _paths(layer)], words),
        *(_inside(place, label) for place, label in inside),
        class_="area",
    )
    frame = tag(
        "div",
        tag("div", y.title, class_="ytitle"),
        tag("div", *tops, class_="tops") if any(label for _, label in guides) else None,
        tag("div", tag("i", widest), *ys, class_="ys"),
        area,
        tag("div", *xs, class_="xs"),
        tag("div", x.title, class_="xtitle"),
        class_="frame wide" if least else "frame",
        style=f"--height:{height:.0f}px;--bar:{bar:.1f}px;--least:{least:.0f}px",
    )
    caption = tag("figcaption", tag("b", title), tag("span", note) if note else None)
    return tag(
        "figure", caption, tag("div", frame, class_="pan"), *below, id=identity, class_="plot"
    )


def legend(looks: Sequence[str], words: dict[str, str] | None = None) -> Html:
    """Return the legend of a drawing."""
    known = WORDS | (words or {})
    shown = [name for name in known if name in looks]
    return tag(
        "p", *(tag("span", known[name], class_=f"key {name}") for name in shown), class_="keys"
    )


def path_data(shapes: Sequence[Sequence[Place]]) -> str:
    """Return subpaths, one per shape, y downwards as SVG wants it."""
    return "".join(_subpath(shape) for shape in shapes)


def _paths(layer: Layer) -> Iterator[Html]:
    if len(layer.shapes) <= _DENSE or "line" not in layer.look:
        dense = " dense" if len(layer.shapes) > _DENSE else ""
        yield _path(replace(layer, look=layer.look + dense))
        return
    for sheet in range(_SHEETS):
        some = slice(sheet, None, _SHEETS)
        yield _path(
            Layer(f"{layer.look} dense", layer.shapes[some], layer.trials[some], layer.tips[some])
        )


def _path(layer: Layer) -> Html:
    numbers = " ".join(map(str, layer.trials))
    return tag(
        "path",
        class_=layer.look,
        d=path_data(layer.shapes),
        data_n=numbers if layer.trials else None,
        data_tips=json.dumps(list(layer.tips), ensure_ascii=False) if layer.tips else None,
    )


def _subpath(shape: Sequence[Place]) -> str:
    points = [f"{_unit(x)} {_unit(1 - y)}" for x, y in shape]
    # A line of no length with a round end is a dot that keeps its size when the drawing stretches.
    return f"M{points[0]}h0" if len(points) == 1 else f"M{'L'.join(points)}"


def _unit(place: float) -> str:
    return f"{_SIZE * place:.1f}".removesuffix(".0")


def _drawing(paths: Sequence[Html], words: str) -> Html:
    box = f"0 0 {_SIZE} {_SIZE}"
    return tag(
        "svg", *paths, class_="marks", viewBox=box, preserveAspectRatio="none",
        role="img", aria_label=words,
    )  # fmt: skip


def _grid(y: Axis, guides: Sequence[tuple[float, str]]) -> Html:
    lines = path_data([((0.0, at), (1.0, at)) for at, _ in y.ticks])
    verticals = path_data([((at, 0.0), (at, 1.0)) for at, _ in guides])
    box = f"0 0 {_SIZE} {_SIZE}"
    return tag(
        "svg", tag("path", d=lines), tag("path", d=verticals, class_="guide"), class_="grid",
        viewBox=box, preserveAspectRatio="none", aria_hidden="true",
    )  # fmt: skip


def _labels(ticks: Sequence[tuple[float, str]], room: Sequence[float]) -> list[Html]:
    """Return the labels that have room, marked where a narrow drawing has none for them."""
    if not room:
        return [_under(at, label) for at, label in ticks]
    fitting = [_fitting(ticks, width) for width in room]
    kinds = [
        next((kind for kind, some in zip(_ROOMY, fitting, strict=True) if index in some), "none")
        for index in range(len(ticks))
    ]
    pairs = zip(ticks, kinds, strict=True)
    return [_under(at, label, kind) for (at, label), kind in pairs if kind != "none"]


def _fitting(ticks: Sequence[tuple[float, str]], width: float) -> set[int]:
    """Choose the labels that do not touch each other: both ends first, then from the left."""
    ends = {0: 0, len(ticks) - 1: 1}
    kept: dict[int, tuple[float, float]] = {}
    for index in sorted(range(len(ticks)), key=lambda index: (ends.get(index, 2), index)):
        left, right = _extent(*ticks[index], width)
        if all(right + _GAP_PX < other[0] or left > other[1] + _GAP_PX for other in kept.values()):
            kept[index] = (left, right)
    return set(kept)


def _extent(at: float, label: str, width: float) -> tuple[float, float]:
    """Return where a label begins and ends, in pixels from the left edge of the drawing."""
    long = _LETTER_PX * len(label)
    begin = {"first": 0.0, "last": long}.get(_side(at, label) or "", long / 2)
    return at * width - begin, at * width - begin + long


def _side(at: float, label: str) -> str | None:
    """Return how a label keeps inside at the ends of an axis; None where it is centred."""
    last = at > (0.94 if len(label) > 4 else 0.98)
    return "first" if at < 0.02 else "last" if last else None


def _under(at: float, label: str, kind: str | None = None) -> Html:
    """Return a label below its place; at the ends it stays inside."""
    kinds = " ".join(filter(None, [_side(at, label), kind]))
    return tag("span", *breakable(label), style=f"left:{_percent(at)}", class_=kinds or None)


def _inside(place: Place, label: str) -> Html:
    where = f"left:{_percent(place[0])};bottom:{_percent(place[1])}"
    return tag("span", label, style=where, class_="inside last" if place[0] > 0.98 else "inside")


def _percent(place: float) -> str:
    return f"{100 * place:.2f}%"
