"""Draw a running search at the terminal, as wide as the window and no higher."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence

import psutil
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from textcls.command_line import DISTRIBUTION
from textcls.output import printable
from tune.formatting import counted, duration_range, format_params, format_value, rounded_duration
from tune.monitor.search_state import SearchState, TrialView
from tune.study.records import State

COLOURS = {
    State.RUNNING: "cyan",
    State.COMPLETE: "green",
    State.PRUNED: "bright_black",
    State.DIVERGED: "yellow",
    State.FAILED: "red",
    State.INTERRUPTED: "yellow",
}
LABEL_WIDTH = 16
_BLOCKS = "▁▂▃▄▅▆▇█"
_BEST = 5
_FAULTS = 3
_BAR_WIDTH = 40
_NARROWEST = 20  # columns of text; below that wrapping helps nobody
_COMMANDS = ("python ", f"{DISTRIBUTION} ")  # as `typed` begins them
BUDGET_SPENT = "the time budget is spent: ending"
"""What is said in place of the time left, without a figure: the display knows the part of the
budget that preparing the data left to the trials, which may be nothing."""
_NEAR = 0.3
_GIB = 2**30


class Display:
    """Draw the state of a search each time it is rendered."""

    def __init__(
        self, state: SearchState, facts: Sequence[tuple[str, str]] = (), above: int | None = None
    ) -> None:
        """Keep what to draw.

        Args:
            state: The search.
            facts: Labelled lines that stay in sight.
            above: Lines printed since the facts; None to draw the facts always.
        """
        self._state = state
        self._facts = facts
        self._above = above

    def scroll(self) -> None:
        """Note that a line was printed above."""
        if self._above is not None:
            self._above += 1

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Group]:
        """Yield lines that fit into the window; running trials are left out first."""
        state, blocks = self._state, "_.-~=+*#" if options.ascii_only else _BLOCKS
        best, faults, running = state.best(_BEST), state.faults[-_FAULTS:], state.running
        fixed = (
            7
            + (state.further_gain is not None)
            + bool(best)
            + len(best)
            + bool(faults)
            + len(faults)
        )
        if self._above is not None and self._above + fixed + len(running) > console.height:
            self._above = None  # out of sight, for good
        facts = self._facts if self._above is None else []
        fixed += len(facts) + bool(facts)
        shown = running[: max(1, console.height - fixed - 4)]
        yield Group(
            Text(),
            *([_line(labelled(facts)), Text()] if facts else []),
            _bar(state, options.max_width),
            *_trials(state, shown, len(running), best, blocks, options.max_width),
            *_faults(faults, len(state.faults)),
            _line(labelled(_foot(state))),
        )


def labelled(rows: Iterable[tuple[str, str]], width: int | None = None) -> Text:
    """Format a line per row: label, then text, in columns.

    Args:
        rows: Pairs of a label and a text; terminal escapes in them are left out.
        width: Characters of a line. Longer texts wrap in their column, but for a command, which
            stays whole to be copied. None wraps nothing.
    """
    pairs = [(printable(label), printable(text)) for label, text in rows]
    indent = max([LABEL_WIDTH, *(len(label) + 2 for label, _ in pairs)])
    lines = [
        Text.assemble((f"{label if first else '':<{indent}}", "bold"), part)
        for label, text in pairs
        for first, part in _wrapped(text, None if width is None else width - indent)
    ]
    return Text("\n").join(lines)


def _wrapped(text: str, width: int | None) -> list[tuple[bool, str]]:
    if width is None or width < _NARROWEST or text.startswith(_COMMANDS):
        return [(True, text)]
    parts = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return [(place == 0, part) for place, part in enumerate(parts or [""])]


def summary_line(state: SearchState) -> str:
    """Describe the state of a search in one line, for a log.

    Args:
        state: The search as it stands.

    Returns:
        Trials, the best value, running trials, the time that has passed and is left, texts a
        second, and failures, as far as they are known.
    """
    parts = [f"{state.ended}/{counted(state.plan.samples, 'trial')}"]
    if best := state.best(1):
        parts.append(f"best {best[0].value:.4f} (trial {best[0].number})")
    parts += [f"{len(state.running)} running", _time(state)]
    if state.texts_per_second:
        parts.append(f"{state.texts_per_second:,.0f} texts/s")
    if state.further_gain is not None:
        parts.append(f"further gain {state.further_gain.estimate}")
    if state.faults:
        parts.append(f"{len(state.faults)} failed")
    return ", ".join(parts)


def sparkline(values: Sequence[float], low: float, high: float, blocks: str = _BLOCKS) -> str:
    """Draw values as a line of characters, each as high as its value.

    Args:
        values: From left to right.
        low: What the lowest character stands for.
        high: What the highest one stands for.
        blocks: The characters, the lowest first.

    Example:
        >>> sparkline([0.0, 0.5, 1.0], 0.0, 1.0, blocks="_-^")
        '_-^'
    """
    span, top = high - low, len(blocks) - 1
    places = [(value - low) / span if span > 0 else 1.0 for value in values]
    return "".join(blocks[round(top * min(1.0, max(0.0, place)))] for place in places)


def time_left(state: SearchState) -> tuple[str, str]:
    """Say how long a search may still take.

    Args:
        state: The search as it stands.

    Returns:
        The estimate, or the rest of the time budget while there is none; and, where it may well be
        wrong by 30 %, the range that chance leaves, else "". A second is the least that is said.
    """
    budget_s = state.budget_left_s
    if (left := state.left) is None:
        most = None if budget_s is None else rounded_duration(max(1.0, budget_s))
        return ("unknown time" if most is None else f"at most {most}"), ""
    near = _NEAR * left.expected_s
    sure = max(left.high_s - left.expected_s, left.expected_s - left.low_s) <= near
    return (
        f"~{rounded_duration(max(1.0, left.expected_s))}",
        "" if sure else f" ({duration_range(left.low_s, left.high_s)})",
    )


def _bar(state: SearchState, room: int) -> Table:
    longest = max(_BAR_WIDTH, room // 3)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(ratio=1, max_width=longest)
    grid.add_column(no_wrap=True)
    trials = f"{state.ended}/{counted(state.plan.samples, 'trial')}"
    bar = ProgressBar(total=1.0, completed=state.done, width=longest)
    grid.add_row(bar, f"{trials}, {_time(state)}")
    return grid


def _time(state: SearchState) -> str:
    budget, elapsed = state.plan.budget_s, rounded_duration(state.elapsed_s)
    if state.budget_left_s == 0.0:
        return f"{elapsed}, {BUDGET_SPENT}"
    text = elapsed + (f" of {rounded_duration(budget)}" if budget is not None else "")
    estimate, held = time_left(state)
    return f"{text}, {estimate} left{held}"


def _trials(
    state: SearchState,
    running: Sequence[TrialView],
    count: int,
    best: Sequence[TrialView],
    blocks: str,
    width: int,
) -> Iterator[Text]:
    """Yield the given ones of `count` running trials, then the best ones, in the same columns."""
    scale, whole_epochs = _scale(state), state.plan.milestones[-1:] or (0.0,)
    rows = [_of_running(each, scale, whole_epochs[0], blocks) for each in running]
    first = best[0].value or 0.0 if best else 0.0
    rows += [_of_best(each, scale, first, blocks) for each in best]
    leads = _aligned(rows)
    indent = leads[0].cell_len + 2 if leads else 0
    heads, params = _parameters([*running, *best], width - indent)
    for lead, text in zip(leads, params, strict=True):
        lead.append("  " + text)
    more = f" (the first {len(running)} of {count})" if len(running) < count else ""
    title = Text.assemble(("Running", "bold"), more)
    if heads and title.cell_len < indent:
        title.append(" " * (indent - title.cell_len)).append(heads[0], "bright_black")
        heads = heads[1:]
    yield _line(title)
    yield from (_line(Text(" " * indent + head, "bright_black")) for head in heads)
    yield from map(_line, leads[: len(running)])
    if best:
        what = f"Front, by {state.plan.cost}" if state.plan.cost else "Best"
        yield Text(what, "bold")
        yield from map(_line, leads[len(running) :])


def _of_running(
    each: TrialView, scale: tuple[float, float], epochs: float, blocks: str
) -> Sequence[Text]:
    value = Text(f"{each.values[-1]:.4f}" if each.values else "...")
    epoch = Text(f"{max(each.epoch, each.live):.2f}/{epochs:g}", COLOURS[State.RUNNING])
    return (*_who(each, scale, blocks), value, epoch, Text())


def _of_best(
    each: TrialView, scale: tuple[float, float], first: float, blocks: str
) -> Sequence[Text]:
    gap = (each.value or 0.0) - first
    value = Text(f"{each.value:.4f}", "" if gap else "bold")
    beside = f"{gap:+.4f}" if gap else ""
    if each.cost is not None:
        beside = f"{each.cost:,.0f}"
    away = Text(beside, "bright_black")
    return (*_who(each, scale, blocks), value, away, Text(each.state, COLOURS[each.state]))


def _parameters(trials: Sequence[TrialView], room: int) -> tuple[list[str], list[str]]:
    """Return lines of names above columns, and each trial's values in them.

    Where the columns do not fit, or the trials have different parameters, there are no names and
    one text per trial.
    """
    names = list(trials[0].params) if trials else []
    texts = [[format_value(value) for value in each.params.values()] for each in trials]
    heads = [_halves(name) for name in names]
    columns = [
        max(map(len, (*head, *(text[place] for text in texts if place < len(text)))))
        for place, head in enumerate(heads)
    ]
    alike = all(list(each.params) == names and each.name is None for each in trials)
    if not alike or not names or sum(columns) + 2 * (len(columns) - 1) > room:
        return [], [_what(each) for each in trials]
    lines = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, columns, strict=True)).rstrip()
        for line in [*zip(*heads, strict=True), *texts]
    ]
    above = 1 if all(not head[0] for head in heads) else 0
    return lines[above:2], lines[2:]


def _halves(name: str) -> tuple[str, str]:
    """Break a name at an underscore into two lines; the upper one is empty where it has none."""
    breaks = [place + 1 for place, letter in enumerate(name) if letter == "_"]
    halves = [(name[:place], name[place:]) for place in breaks]
    return min(halves, key=lambda pair: max(map(len, pair)), default=("", name))


def _faults(faults: Sequence[TrialView], count: int) -> Iterator[RenderableType]:
    if not faults:
        return
    last = f" (the last {len(faults)} of {count})" if count > len(faults) else ""
    yield Text.assemble(("Failed", "bold"), last)
    for each in faults:
        text = f"{each.number:4}  {each.message or each.state}".splitlines()[0]
        yield _line(Text(text, COLOURS[each.state]))


def _foot(state: SearchState) -> Iterator[tuple[str, str]]:
    milestones = state.plan.milestones
    reached = zip(milestones, state.reached, strict=False)
    if milestones:
        yield "Reached", "  ".join(f"{epoch:.3g} ep: {count}" for epoch, count in reached)
    if state.further_gain is not None:
        yield "Gain", state.further_gain.estimate
    if (capacity := state.plan.capacity) is not None and (capacity.nodes > 1 or capacity.gpus > 0):
        yield "Cluster", capacity.taken(len(state.running))
    memory = psutil.virtual_memory()
    cores = psutil.cpu_count() or 1
    busy = psutil.cpu_percent() / 100 * cores
    speed = f"{state.texts_per_second:,.0f} texts/s, " if state.texts_per_second else ""
    used = f"{(memory.total - memory.available) / _GIB:.1f} of {memory.total / _GIB:.1f} GiB"
    yield "Machine", f"{speed}{busy:.1f} of {cores} cores, memory {used}"


def _scale(state: SearchState) -> tuple[float, float]:
    values = [value for each in (*state.best(_BEST), *state.running) for value in each.values]
    return (min(values), max(values)) if values else (0.0, 1.0)


def _who(each: TrialView, scale: tuple[float, float], blocks: str) -> tuple[Text, Text]:
    curve = Text(sparkline(each.values, *scale, blocks), COLOURS[each.state])
    return Text(f"{each.number:4}"), curve


def _what(each: TrialView) -> str:
    name = f"{each.name}  " if each.name else ""
    return name + format_params(each.params)


def _aligned(rows: Sequence[Sequence[Text]]) -> list[Text]:
    """Align rows of cells in columns; columns that are empty in all rows are left out."""
    widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [(cell, width) for cell, width in zip(row, widths, strict=True) if width]
        padded = [Text.assemble(cell, " " * (width - cell.cell_len)) for cell, width in cells]
        lines.append(Text("  ").join(padded))
    return lines


def _line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
