"""The result in words, the winner's parameters to take along, and what to do next."""

from collections.abc import Mapping
from typing import Any

import yaml

from tune.analysis.advice import Advice, advice
from tune.analysis.run_data import SPLITS, History
from tune.analysis.timeline import Timeline
from tune.analysis.winner_score import Score, Verdict
from tune.config.parameters import parameters
from tune.config.search_file import summary
from tune.formatting import NONE, duration
from tune.report import _html
from tune.report._html import Html, tag
from tune.report._trials import leaderboard as standings
from tune.report._trials import words
from tune.run_folder import leaderboard

_NOTHING = 0.00005  # what rounds to 0.0000

_STATES = {
    "complete": "complete",
    "interrupted": "stopped early",
    "failed": "without a winner",
    "running": "still running",
    "cut off": "cut off",
}


def heading(history: History) -> Html:
    """The run's name, what was searched, and how the search ended."""
    state = tag("span", _STATES.get(history.state, history.state),
                class_=f"state {history.state.replace(' ', '-')}")  # fmt: skip
    return tag(
        "header",
        tag("p", "Hyperparameter search ", state, class_="eyebrow"),
        tag("h1", history.folder.name),
        tag("p", summary(history.search), class_="lead"),
    )


def result(history: History, judged: Verdict | None, line: Timeline) -> list[Html]:
    """The figure, the sentences, the search in numbers and the best trials."""
    parts = [tag("div", _figure(history, judged), _numbers(history, line), class_="hero")]
    parts += [tag("p", sentence) for sentence in sentences(history, judged)]
    if history.search.configurations:
        from tune.results import winner

        head, rows = winner.comparison(history.search, history.records)
        parts += [tag("h3", "The named configurations"), _html.table(head, rows)]
    parts += _confirmed(history)
    if history.records:
        parts += [tag("h3", "The best trials"), standings(history)]
    return parts


def _confirmed(history: History) -> list[Html]:
    """What the best trials reached with fresh seeds, and what they reach together."""
    found: list[Html] = []
    confirmation = (history.result.get("best") or {}).get("confirmation")
    if confirmation:
        rows = [_standing(standing) for standing in confirmation["standings"]]
        head = ["trial", "mean", "deviation", "95 % interval", "seeds", "in the search"]
        found += [tag("h3", "Confirmed with fresh seeds"), _html.table(head, rows)]
        text = "The highest mean wins: its seeds had no part in the choice of the trials."
        if confirmation["p_value"] is not None:
            p_value = f"{confirmation['p_value']:.2g}"
            text += f" First against second, paired by seed: p = {p_value}."
        found.append(tag("p", text))
    ensemble = history.result.get("ensemble")
    if ensemble:
        numbers = ", ".join(str(number) for number in ensemble["trials"])
        text = f"Trials {numbers} together, their probabilities averaged, label "
        found += [tag("h3", "The ensemble"), tag("p", text + _shares(ensemble) + " correctly.")]
    return found


def _shares(result: Mapping[str, Any]) -> str:
    """What of each split's texts is labelled correctly, for the splits that were read."""
    return " and ".join(
        f"{result[f'{prefix}_accuracy']:.4f} of the {split} texts"
        for prefix, split in SPLITS.items()
        if f"{prefix}_accuracy" in result
    )


def _standing(standing: Mapping[str, Any]) -> list[str]:
    interval = standing["interval"]
    return [
        str(standing["number"]),
        f"{standing['mean']:.4f}",
        f"{standing['deviation']:.4f}",
        f"{interval[0]:.4f} to {interval[1]:.4f}" if interval else NONE,
        str(len(standing["values"])),
        f"{standing['searched']:.4f}",
    ]


def sentences(history: History, judged: Verdict | None) -> list[str]:
    """The result in words: how good, how certain, how it was chosen."""
    if judged is None:
        reasons = dict.fromkeys(each.message for each in history.records if each.message)
        why = f" The trials say: {'; '.join(list(reasons)[:3])}." if reasons else ""
        return [f"No trial has reached its first rung, so there is no result.{why}"]
    found = [_score_sentence(judged, score) for score in judged.scores]
    if not found:
        found = [f"Trial {judged.record.number} reached a {words(history.metric)} of "
                 f"{judged.value:.4f}."]  # fmt: skip
    found.append(_selection_sentence(history, judged))
    alone = (history.result.get("best") or {}).get("linear_alone")
    if alone and history.result["best"].get("number") == judged.record.number:
        found.append(
            f"The linear classifier in it, alone, labels {_shares(alone)} "
            "correctly; the encoder adds the rest."
        )
    return found


def _score_sentence(judged: Verdict, score: Score) -> str:
    who = f"Trial {judged.record.number}"
    if score.interval is None or score.texts is None:
        return f"{who} has a {score.split} accuracy of {score.accuracy:.4f}."
    low, high = score.interval
    right = round(score.accuracy * score.texts)
    return (
        f"{who} labels {right:,} of the {score.texts:,} {score.split} texts correctly, "
        f"{score.accuracy:.4f}. For new texts of the same kind the 95 % interval, by the number of "
        f"texts alone, runs from {low:.4f} to {high:.4f}."
    )


def _selection_sentence(history: History, judged: Verdict) -> str:
    many = judged.candidates > 1
    among = (
        f"the best of {judged.candidates} trials, compared at {judged.evaluations} rungs"
        if many
        else "the only trial with a result"
    )
    split = "test" if judged.selected_on_test else "validation"
    text = f"It is {among} by {words(history.metric)}, on the {split} split"
    if not judged.selected_on_test:
        return f"{text}; the test split had no part in the choice."
    if not many or judged.flattery is None:
        return f"{text}."
    if judged.flattery < _NOTHING:
        return f"{text}. It leads so clearly that having chosen it there hardly flatters it."
    return (
        f"{text}: what served to choose no longer measures, so the figure flatters. Choosing among "
        f"values as close as these adds {judged.flattery:.4f} on average if the trials err "
        "independently of each other, and less the more they err alike."
    )


def best_parameters(history: History, judged: Verdict | None) -> list[Html]:
    """What was searched, and the whole configuration, as YAML to copy."""
    if judged is None:
        return [tag("p", "There is no best trial yet.", class_="gap")]
    return [
        _html.copyable(searched_yaml(history, judged), "the best parameters"),
        _html.details(
            "The whole configuration",
            tag(
                "p",
                "The whole configuration, seed included. Saved as best.yaml it trains again with ",
                tag("code", "python -m textcls.train --config best.yaml"),
                ".",
            ),
            _html.copyable(whole_yaml(history, judged), "the whole configuration"),
        ),
    ]


def searched_yaml(history: History, judged: Verdict) -> str:
    """The winner's parameters under the sections that they belong to."""
    sections: dict[str, dict[str, Any]] = {}
    for name, value in history.params(judged.record).items():
        parameter = parameters()[name]
        plain = list(value) if isinstance(value, tuple) else value
        sections.setdefault(parameter.section, {})[parameter.field] = plain
    about = f"# trial {judged.record.number} of {history.folder.name}"
    title = f"{about}: {words(history.metric)} {judged.value:.4f}\n"
    return title + (_yaml(sections) if sections else "# nothing was searched\n")


def whole_yaml(history: History, judged: Verdict) -> str:
    """Everything that the winner was trained with."""
    model, embeddings, train = history.search.configuration(history.params(judged.record))
    seed = train.seed + history.origin(judged.record)  # each trial has a seed of its own
    sections = {
        "data": history.search.data,
        "embeddings": embeddings,
        "model": model,
        "train": train.model_copy(update={"seed": seed}),
    }
    return _yaml({name: section.model_dump(mode="json") for name, section in sections.items()})


def suggestions(history: History, judged: Verdict | None) -> list[Html]:
    """Warnings and advice."""
    found = advice(history, judged)
    if not found:
        return [tag("p", "Nothing stands out.", class_="gap")]
    return [tag("ul", *map(_item, found), class_="advice")]


def _item(each: Advice) -> Html:
    line = _html.copyable(each.yaml, "this line") if each.yaml else None
    kind = "warning" if each.kind == "warning" else "hint"
    return tag("li", tag("b", each.title), tag("p", each.text), line, class_=kind)


def _figure(history: History, judged: Verdict | None) -> Html:
    headline = judged.headline if judged else None
    if judged is None or headline is None:
        value = f"{judged.value:.4f}" if judged else NONE
        return tag("div", tag("p", value, class_="big"), tag("p", words(history.metric)))
    parts = [
        tag("p", f"{headline.accuracy:.4f}", class_="big"),
        tag("p", f"{headline.split} accuracy of trial {judged.record.number}"),
    ]
    if headline.interval:
        parts.append(_interval(headline.accuracy, *headline.interval))
    if history.metric != f"{headline.prefix}_accuracy":
        parts.append(tag("p", f"chosen by {words(history.metric)}: {judged.value:.4f}"))
    return tag("div", *parts)


def _interval(value: float, low: float, high: float) -> Html:
    middle = 100 * (value - low) / ((high - low) or 1.0)
    return tag(
        "div",
        tag("span", f"{low:.4f}"),
        tag("span", tag("i", style=f"left:{middle:.1f}%"), class_="whisker"),
        tag("span", f"{high:.4f}"),
        tag("small", "95 % interval"),
        class_="interval",
    )


def _numbers(history: History, line: Timeline) -> Html:
    counts = {name: count for name, count in leaderboard.counts(history.records).items() if count}
    running = len(history.records) - sum(counts.values())
    if running:
        counts["running"] = running
    asked = history.search.search.samples
    ends = ", ".join(f"{count} {name}" for name, count in counts.items())
    texts = history.texts("train")
    trained = f"{line.epochs * texts:,.0f} texts" if texts else f"{line.epochs:.1f} epochs"
    if texts:
        trained += f" ({line.epochs:.1f} epochs)"
    seconds = history.result.get("seconds")
    facts = [
        ("Trials", f"{len(history.records)}" + (f" of {asked}" if running else "")),
        ("", ends),
        ("Searching", duration(line.seconds) + (
            f", {duration(seconds)} with start and end" if seconds else "")),
        ("Trained", trained),
        ("Trial time", f"{duration(line.busy_seconds)}, up to {line.lanes} at a time"),
        ("Data", str(history.corpus.get("data", history.search.data.name))),
    ]  # fmt: skip
    rows = [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts if value]
    return tag("dl", *rows, class_="facts")


def _yaml(content: Any) -> str:
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    return text
