"""Summarise a run in a few lines: for a pull request, a paper, or the output of a notebook."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from tune.analysis.run_data import RunData
from tune.analysis.winner_score import Score, score_winner
from tune.config.metrics import HELD_OUT, Metric, accuracy_name, metric_words
from tune.config.search_file import summarise_search
from tune.formatting import counted, duration, value_text
from tune.run_folder import leaderboard
from tune.study.front import front_ends

_VERSIONS = ("textcls-tune", "torch", "ray", "optuna")
_CELL = "text-align:left;vertical-align:top;padding:1px 12px 1px 0"
_LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Summary:
    """A run's name and its facts, each under a label.

    Example:
        >>> told = Summary("tickets", (("Test accuracy", "0.9167"),))
        >>> print(told.markdown(), end="")
        **tickets**
        <BLANKLINE>
        | | |
        | --- | --- |
        | Test accuracy | 0.9167 |
    """

    name: str
    rows: tuple[tuple[str, str], ...]

    def markdown(self) -> str:
        """Return a table for a pull request or a page."""
        lines = [f"**{_for_markdown(self.name)}**", "", "| | |", "| --- | --- |"]
        lines += [f"| {label} | {_for_markdown(text)} |" for label, text in self.rows]
        return "\n".join(lines) + "\n"

    def latex(self) -> str:
        """Return a `tabular` for a paper; it needs no package."""
        rows = [rf"{_for_latex(label)} & {_for_latex(text)} \\" for label, text in self.rows]
        head = [r"\begin{tabular}{lp{0.7\linewidth}}", r"\hline"]
        return "\n".join([f"% {self.name}", *head, *rows, r"\hline", r"\end{tabular}"]) + "\n"

    def html(self) -> Markup:
        """Return the facts as a table for a notebook, every text escaped; without the name."""
        cell = Markup(
            '<tr><th style="{0};white-space:nowrap">{1}</th><td style="{0}">{2}</td></tr>'
        )
        rows = Markup().join(cell.format(_CELL, label, text) for label, text in self.rows)
        return Markup('<table style="margin:4px 0">{}</table>').format(rows)


FORMATS: Mapping[str, Callable[[Summary], str]] = {
    "markdown": Summary.markdown,
    "latex": Summary.latex,
}
"""How a summary is written, by the name of the form."""


def summarise_run(run: RunData) -> Summary:
    """Summarise a run that has ended or still runs.

    Args:
        run: The run.

    Returns:
        Search, data, trials, winner, what it was chosen by, its accuracy on each split with the
        95 % interval, and what it ran on; what is not known is left out.
    """
    return Summary(run.folder.name, tuple((label, text) for label, text in _rows(run) if text))


def _rows(run: RunData) -> Iterator[tuple[str, str]]:
    yield "Search", summarise_search(run.config)
    yield "Data", _data(run)
    yield "Vectors", _vectors(run)
    yield "Trials", _trial_counts(run)
    judged = score_winner(run)
    if run.fallback is not None:
        yield "Winner", run.fallback_name
    elif judged is not None:
        params = [
            f"{key} {value_text(value)}" for key, value in run.shown_params(judged.record).items()
        ]
        yield "Winner", f"trial {judged.record.number}: {', '.join(params)}".removesuffix(": ")
        yield f"Chosen by {metric_words(run.metric)}", _chosen(run, judged.value)
    if run.cost is not None:
        yield "Front", front_ends(run.front, run.cost)
    best = run.result.get("best") or {}
    scores = {score.split: score for score in judged.scores} if judged is not None else {}
    for split in reversed(HELD_OUT):
        if run.fallback is not None:
            share = best.get(accuracy_name(split))
            yield (
                f"{split.capitalize()} accuracy",
                "" if share is None else _alone(run, split, share),
            )
        elif split in scores:
            yield f"{split.capitalize()} accuracy", _accuracy(run, scores[split])
        name = Metric("macro_f1", split).name
        yield f"{split.capitalize()} macro F1", f"{best[name]:.4f}" if name in best else ""
    yield "Run on", _run_on(run)


def _data(run: RunData) -> str:
    texts = run.corpus.get("texts", {})
    sizes = ", ".join(f"{count:,} {split}" for split, count in texts.items())
    name = str(run.corpus.get("data", ""))
    return f"{name}: {sizes} texts" if name and sizes else name


def _vectors(run: RunData) -> str:
    instead = {used: asked for asked, used in run.used_vectors.items()}
    corpora = run.environment.get("corpora") or []
    names = dict.fromkeys(str(each["vectors"]) for each in corpora if each.get("vectors"))
    return ", ".join(f"{name} (for {instead[name]})" if name in instead else name for name in names)


def _trial_counts(run: RunData) -> str:
    ends = [
        f"{count:,} {name}"
        for name, count in leaderboard.count_states(run.records).items()
        if count
    ]
    seconds = run.result.get("seconds")
    took = f" in {duration(seconds)}" if seconds and not run.environment.get("resumed") else ""
    state = "" if run.state == "complete" else f"; the search is {run.state}"
    return f"{len(run.chains):,} ({', '.join(ends)}){took}{state}" if ends else run.state


def _chosen(run: RunData, value: float) -> str:
    texts = run.texts(run.chosen_on)
    where = f" on {counted(texts, f'{run.chosen_on} text')}" if texts else ""
    if (first := run.confirmed) is None:
        how = "preferred to the best" if run.preference else "the best of the trials"
        return f"{value:.4f}{where}, {how}"
    seeds = counted(len(first["values"]), "fresh seed")
    return f"{first['mean']:.4f}, the mean of {seeds}"


def _alone(run: RunData, split: str, share: float) -> str:
    from textcls.training.metrics import wilson_interval

    texts = run.texts(split)
    interval = wilson_interval(share, texts) if texts else None
    return _accuracy(run, Score(split, share, texts, interval))


def _accuracy(run: RunData, score: Score) -> str:
    text = f"{score.accuracy:.4f}"
    if score.seeds > 1:
        text += f", mean of {score.seeds} fresh seeds"
    if score.interval is not None:
        low, high = score.interval
        text += f", 95 % interval {low:.4f} to {high:.4f}"
    if score.texts:
        text += f", {counted(score.texts, 'text')}"
    return f"{text}; the trials were compared on them" if score.split == run.chosen_on else text


def _run_on(run: RunData) -> str:
    about = run.environment
    versions = about.get("versions", {})
    parts = [f"{name} {versions[name]}" for name in _VERSIONS if name in versions]
    machine = about.get("machine") or {}
    if machine.get("cpus"):
        parts.append(counted(machine["cpus"], "CPU core"))
    if about.get("seed") is not None:
        parts.append(f"seed {about['seed']}")
    return ", ".join(parts)


def _for_markdown(text: str) -> str:
    return "".join(
        f"\\{letter}" if letter in "\\`*_|<>[]" else letter for letter in " ".join(text.split())
    )


def _for_latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in " ".join(text.split()))
