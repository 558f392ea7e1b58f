"""Advise in sentences: what to try next, and what to be careful about."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import yaml

from textcls.command_line import typed
from tune.analysis._curves import at_chance, shape
from tune.analysis.boundaries import BoundaryHit, boundary_hits
from tune.analysis.run_data import CUT_OFF, RUNNING, RunData
from tune.analysis.winner_score import WinnerScore
from tune.config.metrics import metric_words
from tune.formatting import counted
from tune.study.records import State, current_trials

_MANY = 0.2  # of the trials


@dataclass(frozen=True, slots=True)
class Advice:
    """One piece of advice."""

    kind: Literal["warning", "advice"]
    title: str
    text: str
    yaml: str = ""
    """A line for the search file, or nothing."""


def advise(run: RunData, judged: WinnerScore | None) -> list[Advice]:
    """Return everything worth saying about a search, warnings first.

    Args:
        run: The search.
        judged: The winner's score; None while there is no winner.
    """
    found = [
        *_about_state(run),
        *_about_notices(run),
        *_about_trials(run),
        *_about_selection(run, judged),
        *(_about_edge(hit) for hit in boundary_hits(run)),
        *_about_curves(run),
    ]
    return sorted(found, key=lambda each: each.kind != "warning")


def range_yaml(hit: BoundaryHit) -> str:
    """Write the wider range as a line of a search file.

    Args:
        hit: A range at whose edge the best trials lie.

    Returns:
        Such as "dropout: {type: float, low: 0.0, high: 0.7}".
    """
    written = hit.wider.model_dump(mode="json", exclude_defaults=True)
    kept = {"type": hit.wider.type, **written}
    line: str = yaml.safe_dump(kept, default_flow_style=True, sort_keys=False, width=10_000)
    return f"{hit.name}: {line.strip()}"


def _about_notices(run: RunData) -> Iterator[Advice]:
    notices = [str(notice) for notice in run.environment.get("notices", ())]
    if notices:
        text = "\n\n".join(map(_as_sentence, notices))
        yield Advice("warning", "Some things were substituted or left out", text)


def _as_sentence(notice: str) -> str:
    """Begin with a capital, unless the first word is the name of a file or a key."""
    name = notice.partition(" ")[0].removesuffix(":")
    return notice if {".", "/", "_"} & set(name) else f"{notice[:1].upper()}{notice[1:]}"


def _about_state(run: RunData) -> Iterator[Advice]:
    name = run.folder.name
    goes_on = f"{typed('tune.search')} --resume {name} goes on from there."
    if run.state == RUNNING:
        text = "This page shows what was known when it was written."
        yield Advice("warning", "The search is still running", text)
    elif run.state == CUT_OFF:
        text = f"It ended without writing its result; what had been reported is here. {goes_on}"
        yield Advice("warning", "The search was cut off", text)
    elif run.state == "interrupted":
        yield Advice("warning", "The search was stopped before its end", goes_on)


def _about_trials(run: RunData) -> Iterator[Advice]:
    trials = current_trials(run.records)
    total = len(trials)
    if total == 0:
        yield Advice("warning", "No trials yet", "Nothing has been started.")
        return
    for state, hint in {
        State.FAILED: "See the reasons below; the configuration was not judged.",
        State.DIVERGED: "Their loss became infinite or NaN: a lower learning rate or a stricter "
        "max_grad_norm avoids that.",
    }.items():
        count = sum(record.state == state for record in trials)
        if count >= max(1, math.ceil(_MANY * total)):
            yield Advice("warning", f"{count} of {counted(total, 'trial')} {state}", hint)
    stuck = at_chance(run)
    if stuck is not None and len(stuck[0]) >= max(2, math.ceil(_MANY * total)):
        found, chance = stuck
        title = f"{len(found)} of {total} trials are no better than guessing"
        text = (
            f"Guessing gives a {metric_words(run.metric)} of {chance:.4f} here. Their learning "
            "rate or initialisation did not let them learn; a narrower range saves that time."
        )
        yield Advice("warning", title, text)


def _about_selection(run: RunData, judged: WinnerScore | None) -> Iterator[Advice]:
    if judged is None:
        return
    if judged.selected_on_test and judged.candidates > 1 and not run.confirmation:
        text = (
            "The trials were compared on the test split, so the winner's score there is the best "
            f"of {judged.candidates}, not a measurement of a classifier chosen beforehand."
        )
        clean = f"metric: {run.metric.replace('test', 'val')}"
        extra = "" if run.texts("validation") else ", with data.validation_fraction: 0.1"
        text += f" For an unbiased score search with {clean}{extra}."
        yield Advice("advice", "The test split picked the winner", text)
    if judged.record.state == State.PRUNED:
        reached = judged.record.curve[-1]["epoch"]
        text = (
            f"It led at epoch {reached:.3g} of {run.milestones[-1]:g} and was stopped "
            "there, so it may be better after full training: its whole configuration, above, "
            "trains to the end."
        )
        yield Advice("advice", "The winner was stopped early", text)
    if judged.n_within_interval and not run.confirmation:
        plural = "s lie" if judged.n_within_interval > 1 else " lies"
        yield Advice(
            "advice",
            f"{judged.n_within_interval} other trial{plural} within the winner's interval",
            "It is not clear which of them is the best; train them again with other seeds, or take "
            "the cheapest.",
        )
    if all(record.state != State.COMPLETE for record in run.records):
        text = "The winner was judged before its training was over."
        yield Advice("warning", "No trial was trained to its end", text)


def _about_edge(hit: BoundaryHit) -> Advice:
    end = "upper" if hit.side == "high" else "lower"
    inside = "All" if hit.inside == hit.best else f"{hit.inside} of"
    bound = getattr(hit.wider, hit.side)
    return Advice(
        "advice",
        f"The best values of {hit.name} lie at its {end} edge",
        f"{inside} the {hit.best} best trials lie in the {end} tenth of its range, so the best "
        f"value may lie beyond. Search it {'up' if hit.side == 'high' else 'down'} "
        f"to {bound:g}.",
        range_yaml(hit),
    )


def _about_curves(run: RunData) -> Iterator[Advice]:
    found = shape(run)
    if found is None:
        return
    who = "the best complete trial" if found.trials == 1 else f"the {found.trials} best trials"
    epochs = f"between epoch {found.from_epoch:.3g} and {found.to_epoch:.3g}"
    if found.overfitting:
        if found.fall > found.noise:
            what = f"On average {who} lost {found.fall:.4f} between their best rung and the last."
        else:
            what = f"The held-out loss of {who} rose again while the training loss fell."
        text = f"{what} Fewer epochs, dropout or word_dropout would help."
        yield Advice("advice", "The best trials overfit", text)
    elif found.rising:
        text = (
            f"{who.capitalize()} still gained {found.last_gain:.4f} {epochs}, more than the "
            f"noise of {found.noise:.4f}. Train longer:"
        )
        longer = f"train: {{epochs: {2 * run.milestones[-1]:g}}}"
        yield Advice("advice", "The best curves still rise at the end", text, longer)
    if found.saturated:
        scheduler = run.config.search.scheduler
        grace = f"grace_period: {scheduler.grace_period / 3:.2g}"
        if scheduler.grace_texts is not None:
            grace = f"grace_texts: {max(1, scheduler.grace_texts // 3)}"
        text = (
            f"After the first rung {who} gained {found.later_gain:.4f}, which may be chance. An "
            "earlier first rung and fewer epochs would cost less:"
        )
        earlier = f"search: {{scheduler: {{{grace}}}}}"
        yield Advice("advice", "The curves are flat from the first rung on", text, earlier)
