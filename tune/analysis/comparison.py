"""Compare searches: what each searched, what it found, when, and at what cost."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tune.analysis.run_data import RunData
from tune.analysis.timeline import Report, Timeline, build_timeline
from tune.analysis.winner_score import WinnerScore, error_of_difference, score_winner
from tune.config.distributions import AnyDistribution
from tune.config.metrics import HELD_OUT
from tune.config.parameters import SECTIONS, Parameter, all_parameters
from tune.formatting import NONE, counted, duration, params_as_used, value_text
from tune.run_folder import leaderboard

_MOMENTS = (0.125, 0.25, 0.5, 1.0)  # of the time, or the texts, of the search that took least
_TOLD = {"epochs", "offline", "threads"}  # elsewhere, or of no weight for the result
_SURE = 1.959964  # standard errors to either side of a 95 % interval

Row = tuple[str, tuple[str, ...]]
"""A label and a cell for each search."""


@dataclass(frozen=True)
class Contender:
    """One of the searches that are compared."""

    name: str
    run: RunData

    @cached_property
    def line(self) -> Timeline:
        """The search's trials in the order of time."""
        return build_timeline(self.run)

    @cached_property
    def judged(self) -> WinnerScore | None:
        """Its winner."""
        return score_winner(self.run)

    @cached_property
    def leaders(self) -> list[Report]:
        """The reports that raised its best value."""
        return self.line.leaders()

    def trained(self, epochs: float) -> float:
        """Return the texts that a number of epochs trained on, repeats counted.

        Args:
            epochs: Epochs of the train split, summed over trials or not.

        Returns:
            Texts; the epochs themselves where the size of train is unknown.
        """
        return epochs * (self.run.texts("train") or 1)

    def spent(self, epochs: float) -> str:
        """Say how much training a number of epochs was.

        Args:
            epochs: Epochs of the train split, summed over trials or not.

        Returns:
            Such as "240,000 texts"; in epochs where the size of train is unknown.
        """
        if self.run.texts("train") is None:
            return f"{epochs:.2f} epochs"
        return counted(round(self.trained(epochs)), "text")


def contenders(histories: Sequence[RunData]) -> list[Contender]:
    """Name the searches that are compared.

    Args:
        histories: The searches, in the order of the columns.

    Returns:
        Each with its folder's name, or the whole path where two share a name.
    """
    names = [run.folder.name for run in histories]
    return [
        Contender(name if names.count(name) == 1 else str(run.folder.root), run)
        for name, run in zip(names, histories, strict=True)
    ]


def comparison_sections(found: Sequence[Contender]) -> list[tuple[str, list[Row]]]:
    """Return the whole comparison as titled sections of rows.

    Args:
        found: The searches, two or more.

    Returns:
        A title and rows for each section; a row has a label and a cell for each search.
    """
    return [
        ("Search", list(_settings(found))),
        ("Space", list(_space(found))),
        ("Best", list(_best(found))),
        ("Best so far", [*_over_time(found), *_over_texts(found), *_to_reach(found)]),
        ("Cost", list(_cost(found))),
    ]


def comparison_remarks(found: Sequence[Contender]) -> list[str]:
    """Return what to consider before believing the table, in sentences.

    Args:
        found: The searches, two or more.

    Returns:
        That metrics or texts differ, whether one leads beyond chance, and what stands for texts.
    """
    said = []
    if len({each.run.metric for each in found}) > 1:
        said.append(
            "The searches maximised different metrics, so their best values cannot be compared."
        )
    if len({_fingerprint(each) for each in found}) > 1:
        said.append("The searches used different texts, so their values cannot be compared.")
    elif (lead := _lead(found)) is not None:
        said.append(lead)
    if any(not _known(each) for each in found):
        said.append("Where the number of texts is not known, epochs stand for texts.")
    return said


def _lead(found: Sequence[Contender]) -> str | None:
    """Say how far the first is ahead of the second, and whether that may be chance."""
    scored = [
        (each.judged.headline.accuracy, each.judged.headline.texts, each.name)
        for each in found
        if each.judged is not None and each.judged.headline is not None
    ]
    ordered = sorted(scored, key=lambda item: -item[0])
    if len(ordered) < 2:
        return None
    (first, texts, leader), (second, _, follower) = ordered[:2]
    if texts is None:
        return None
    chance = _SURE * error_of_difference((first + second) / 2, texts)
    ahead = first - second
    if ahead == 0.0:
        return f"{leader} and {follower} reach the same accuracy, {first:.4f}."
    sure = "is more than chance" if ahead > chance else "may be chance"
    return (
        f"{leader} is ahead of {follower} by {ahead:.4f}, which {sure}: two equally good "
        f"classifiers differ by up to {chance:.4f} when each is measured on "
        f"{counted(texts, 'other text')}."
    )


def _settings(found: Sequence[Contender]) -> Iterator[Row]:
    yield _row("state", found, lambda each: each.run.state)
    yield _row("metric", found, lambda each: each.run.metric)
    yield _row("data", found, _data)
    yield _row("epochs", found, lambda each: f"{each.run.milestones[-1]:g}")
    yield _row("sampler", found, lambda each: each.run.config.search.sampler)
    yield _row("scheduler", found, lambda each: each.run.config.search.scheduler.name)
    yield _row("rungs", found, lambda each: _listed(each.run.milestones))
    yield from _differences(found)


def _differences(found: Sequence[Contender]) -> Iterator[Row]:
    """Yield the fixed values that differ between the searches."""
    known = all_parameters()
    searched = {known[name] for each in found for name in each.run.space if name in known}
    for section, model in SECTIONS.items():
        for field in model.model_fields:
            cells = _row(f"{section}.{field}", found, _fixed, section, field)
            told = field in _TOLD or Parameter(section, field) in searched
            if not told and len(set(cells[1])) > 1:
                yield cells


def _fixed(each: Contender, section: str, field: str) -> str:
    if (section, field) == ("embeddings", "name"):
        asked = {"embeddings": each.run.config.embeddings.name}
        return str(params_as_used(asked, each.run.used_vectors)["embeddings"])
    return value_text(getattr(getattr(each.run.config, section), field))


def _data(each: Contender) -> str:
    return each.run.data_name or NONE


def _listed(epochs: Sequence[float]) -> str:
    return ", ".join(f"{epoch:.3g}" for epoch in epochs)


def _space(found: Sequence[Contender]) -> Iterator[Row]:
    searched = dict.fromkeys(name for each in found for name in each.run.space)
    for name in searched:
        yield _row(name, found, _searched, name)


def _searched(each: Contender, name: str) -> str:
    if name in each.run.space:
        return _range(each.run.space[name])
    parameter = all_parameters().get(name)
    if parameter is None:
        return NONE
    return f"fixed: {_fixed(each, parameter.section, parameter.field)}"


def _range(known: AnyDistribution) -> str:
    if known.type == "categorical":
        return ", ".join(map(value_text, known.choices))
    scale = ", log" if known.log else ""
    return f"{known.low:g} to {known.high:g}{scale}"


def _best(found: Sequence[Contender]) -> Iterator[Row]:
    yield _row("trial", found, lambda each: str(each.judged.record.number) if each.judged else NONE)
    yield _row("value", found, lambda each: f"{each.judged.value:.4f}" if each.judged else NONE)
    for split in HELD_OUT:
        cells = _row(f"{split} accuracy", found, _scored, split)
        if any(cell != NONE for cell in cells[1]):
            yield cells
    for name in dict.fromkeys(name for each in found for name in each.run.space):
        yield _row(name, found, _chosen, name)


def _scored(each: Contender, split: str) -> str:
    score = each.judged.score(split) if each.judged else None
    if score is None:
        return NONE
    text = f"{score.accuracy:.4f}"
    if score.interval is not None:
        text += f" ({score.interval[0]:.4f} to {score.interval[1]:.4f})"
    return text + (f", mean of {score.seeds} seeds" if score.seeds > 1 else "")


def _chosen(each: Contender, name: str) -> str:
    if each.judged is None or name not in each.judged.record.params:
        return NONE
    return value_text(each.run.shown_params(each.judged.record)[name])


def _over_time(found: Sequence[Contender]) -> Iterator[Row]:
    least = min(each.line.seconds for each in found)
    for share in _MOMENTS:
        yield _row(f"after {duration(share * least)}", found, _best_by_time, share * least)


def _best_by_time(each: Contender, seconds: float) -> str:
    return _last([report for report in each.leaders if report.seconds <= seconds])


def _over_texts(found: Sequence[Contender]) -> Iterator[Row]:
    least = min(found, key=lambda each: each.trained(each.line.epochs))
    for share in _MOMENTS:
        epochs = share * least.line.epochs
        label = f"after {least.spent(epochs)}"
        yield _row(label, found, _best_by_texts, least.trained(epochs))


def _best_by_texts(each: Contender, texts: float) -> str:
    just = texts * (1 + 1e-9)
    return _last([report for report in each.leaders if each.trained(report.epochs) <= just])


def _last(reports: Sequence[Report]) -> str:
    return f"{reports[-1].value:.4f}" if reports else NONE


def _to_reach(found: Sequence[Contender]) -> Iterator[Row]:
    bests = [each.leaders[-1].value for each in found if each.leaders]
    if len(bests) < len(found):
        return
    target = min(bests)
    yield _row(f"{target:.4f} reached", found, _reached, target)


def _reached(each: Contender, target: float) -> str:
    report = next(report for report in each.leaders if report.value >= target)
    return f"after {duration(report.seconds)}, {each.spent(report.epochs)}"


def _cost(found: Sequence[Contender]) -> Iterator[Row]:
    yield _row("trials", found, _trial_rows)
    yield _row("time", found, lambda each: duration(each.line.seconds))
    yield _row("trials at a time", found, lambda each: str(each.line.lanes))
    yield _row("time of all trials", found, lambda each: duration(each.line.busy_seconds))
    yield _row("trained", found, lambda each: each.spent(each.line.epochs))
    yield _row("machine", found, _machine)


def _trial_rows(each: Contender) -> str:
    counts = leaderboard.count_states(each.run.records)
    ends = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return f"{len(each.run.chains)} ({ends})" if ends else str(len(each.run.chains))


def _machine(each: Contender) -> str:
    machine = each.run.environment.get("machine") or {}
    if "host" not in machine:
        return NONE
    return f"{machine['host']}, {counted(machine.get('cpus') or 0, 'core')}"


def _row(label: str, found: Sequence[Contender], cell: Callable[..., str], *arguments: Any) -> Row:
    return label, tuple(cell(each, *arguments) for each in found)


def _known(each: Contender) -> bool:
    return each.run.texts("train") is not None


def _fingerprint(each: Contender) -> Any:
    return each.run.corpus.get("data_fingerprint")
