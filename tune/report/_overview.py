"""The result in words, the winner's parameters to copy, and what to do next."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from textcls.command_line import typed
from textcls.training.metrics import wilson_interval
from tune.analysis.advice import Advice, advise
from tune.analysis.run_data import RunData
from tune.analysis.timeline import Timeline
from tune.analysis.winner_score import Score, WinnerScore, interval_of_mean
from tune.config import grid
from tune.config.metrics import HELD_OUT, Metric, accuracy_name, metric_words, parse_metric
from tune.config.parameters import all_parameters
from tune.config.search_file import summarise_search
from tune.formatting import NONE, counted, duration
from tune.report import _html
from tune.report._html import Child, Html, tag
from tune.report._trials import leaderboard_section as standings
from tune.run_folder import leaderboard

_SURE = 0.05
_LARGE = 0.6
"""Of the texts: with a larger class than that, accuracy alone says little."""
_UNEVEN = 5.0
"""Texts of the commonest class for one of the rarest: from there on macro F1 is told as well."""
_EVEN = 1.2  # as above; below that the classes are called even
_NOTHING = 0.00005  # what rounds to 0.0000

_STATES = {
    "complete": "complete",
    "interrupted": "stopped early",
    "failed": "without a winner",
    "running": "still running",
    "cut off": "cut off",
}


def heading_section(run: RunData) -> Html:
    """Return the run's name, what was searched, and how the search ended."""
    state = tag("span", _STATES.get(run.state, run.state),
                class_=f"state {run.state.replace(' ', '-')}")  # fmt: skip
    return tag(
        "header",
        tag("p", "Hyperparameter search ", state, class_="eyebrow"),
        tag("h1", run.folder.name),
        tag("p", summarise_search(run.config), class_="lead"),
    )


def result_section(run: RunData, judged: WinnerScore | None, line: Timeline) -> list[Html]:
    """Return the score, the sentences, the search in numbers and the best trials.

    Args:
        run: The search.
        judged: Its winner; None while no trial has reached a rung.
        line: Its trials in the order of time.
    """
    parts = [tag("div", _figure(run, judged), _numbers(run, line), class_="hero")]
    parts += [tag("p", sentence) for sentence in sentences(run, judged)]
    if ended_by := run.result.get("ended_by"):
        parts.append(tag("p", f"Further trials were not worth the wait. {ended_by['reason']}."))
    parts += _previous(run)
    if run.config.configurations:
        from tune.results import winner

        head, rows = winner.configurations_table(run.config, run.records)
        parts += [tag("h3", "The named configurations"), _html.table(head, rows)]
    parts += _confirmed(run)
    if run.records:
        parts += [tag("h3", "The best trials"), standings(run)]
    return parts


def _previous(run: RunData) -> list[Html]:
    """Return how the winner compares with that of the run that this one started from."""
    found = run.result.get("previous")
    if not found:
        return []
    parts = [tag("h3", "The winner before"), tag("p", found["sentence"])]
    if found.get("texts") and "only_new" in found and "only_old" in found:
        text = (
            f"Of these texts, {found['only_new']:,} are labelled correctly by the new one alone "
            f"and {found['only_old']:,} by the old one alone."
        )
        parts.append(tag("p", text))
    return [*parts, *(tag("p", note) for note in found.get("notes", ()))]


def _confirmed(run: RunData) -> list[Html]:
    """Return the values of the best trials with fresh seeds, and those of the ensemble."""
    found: list[Html] = []
    confirmation = run.confirmation
    if confirmation:
        share = parse_metric(run.metric).is_share
        rows = [_standing(standing, share=share) for standing in confirmation["standings"]]
        head = ["trial", "mean", "deviation", "95 % interval", "seeds", "in the search"]
        found += [tag("h3", "Confirmed with fresh seeds"), _html.table(head, rows)]
        why = (
            f"Preferred: {run.preference}." if run.preference else _confirmed_sentence(confirmation)
        )
        found.append(tag("p", why))
    ensemble = run.result.get("ensemble")
    if ensemble:
        numbers = ", ".join(str(number) for number in ensemble["trials"])
        text = f"Trials {numbers} together, their probabilities averaged, label "
        found += [tag("h3", "The ensemble"), tag("p", text + _shares(ensemble) + " correctly.")]
    return found


def _shares(result: Mapping[str, Any]) -> str:
    """Say which share of each split's texts is labelled correctly, for the splits read."""
    return " and ".join(
        f"{result[accuracy_name(split)]:.4f} of the {split} texts"
        for split in HELD_OUT
        if accuracy_name(split) in result
    )


def _confirmed_sentence(confirmation: Mapping[str, Any]) -> str:
    """Say why the first is the winner, and how certain that is."""
    text = (
        "The trial with the highest mean is the best: its seeds had no part in the choice of the "
        "trials."
    )
    p_value = confirmation["p_value"]
    if p_value is None:
        return text
    text += f" First against second, paired by seed: p = {p_value:.2g}"
    return text + ("." if p_value < _SURE else ", so which of the two is better may be chance.")


def _standing(standing: Mapping[str, Any], *, share: bool) -> list[Child]:
    interval = interval_of_mean(standing["values"], share=share)
    return [
        _html.trial_link(standing["number"]),
        f"{standing['mean']:.4f}",
        f"{standing['deviation']:.4f}",
        f"{interval[0]:.4f} to {interval[1]:.4f}" if interval else NONE,
        str(len(standing["values"])),
        f"{standing['searched']:.4f}",
    ]


def sentences(run: RunData, judged: WinnerScore | None) -> list[str]:
    """Describe the result: how good, how certain, how it was chosen."""
    if run.fallback is not None:
        return [_fallback_sentence(run.fallback)]
    if judged is None:
        reasons = dict.fromkeys(each.message for each in run.records if each.message)
        why = f" Messages of the trials: {'; '.join(list(reasons)[:3])}." if reasons else ""
        return [f"No trial has reached its first rung, so there is no result.{why}"]
    found = [_score_sentence(judged, score) for score in judged.scores]
    if not found:
        found = [f"Trial {judged.record.number} reached a {metric_words(run.metric)} of "
                 f"{judged.value:.4f}."]  # fmt: skip
    if run.preference is not None:
        found.append(f"The winner was preferred: {run.preference}.")
    elif run.chosen_on:
        chosen = _confirmation_sentence if run.confirmation else _selection_sentence
        found.append(chosen(run, judged))
    alone = (run.result.get("best") or {}).get("linear_alone")
    if alone and run.result["best"].get("number") == judged.record.number:
        found.append(
            f"The linear classifier in it, alone, labels {_shares(alone)} "
            "correctly; the encoder adds the rest."
        )
    return found


def _fallback_sentence(best: Mapping[str, Any]) -> str:
    return f"{best['fallback'].get('reason')} It labels {_shares(best)} correctly."


def _fallback_figure(run: RunData, best: Mapping[str, Any]) -> Html:
    """Return the test accuracy where the choice was made on other texts, else what decided."""
    who = run.fallback_name.removesuffix(" alone")
    measured, texts = best.get(accuracy_name("test")), run.texts("test")
    if measured is None or texts is None or run.chosen_on == "test":
        value = f"{best.get('value', 0.0):.4f}"
        words = f"{metric_words(run.metric)} of {who}"
        return tag("div", tag("p", value, class_="big"), tag("p", words))
    return tag(
        "div",
        tag("p", f"{measured:.4f}", class_="big"),
        tag("p", f"test accuracy of {who}"),
        _interval(measured, *wilson_interval(measured, texts)),
        tag("p", f"chosen by {metric_words(run.metric)}: {best.get('value', 0.0):.4f}"),
    )


def _score_sentence(judged: WinnerScore, score: Score) -> str:
    who = f"Trial {judged.record.number}"
    if score.seeds > 1:
        text = (
            f"{who}, trained again with {score.seeds} fresh seeds, has a mean {score.split} "
            f"accuracy of {score.accuracy:.4f}."
        )
        if score.interval is not None:
            low, high = score.interval
            text += (
                f" The 95 % interval of that mean, by the seeds alone, runs from {low:.4f} to "
                f"{high:.4f}."
            )
        return f"{text} Its best seed, which is in best/, has {score.exported:.4f}."
    if score.interval is None or score.texts is None:
        return f"{who} has a {score.split} accuracy of {score.accuracy:.4f}."
    low, high = score.interval
    right = round(score.accuracy * score.texts)
    return (
        f"{who} labels {right:,} of the {counted(score.texts, f'{score.split} text')} correctly, "
        f"{score.accuracy:.4f}. For new texts of the same kind the 95 % interval, by the number of "
        f"texts alone, runs from {low:.4f} to {high:.4f}."
    )


def _confirmation_sentence(run: RunData, judged: WinnerScore) -> str:
    """Say how a winner was chosen that was trained again with fresh seeds."""
    standings = (run.confirmation or {})["standings"]
    seeds = counted(len(standings[0]["values"]), "fresh seed")
    if len(standings) == 1:
        text = f"It is the best of {counted(judged.candidates, 'trial')}, confirmed with {seeds}"
    else:
        text = f"It has the highest mean of the best {len(standings)} trials over {seeds}"
    text += f", by {metric_words(run.metric)}, on the {run.chosen_on} split"
    if not judged.selected_on_test:
        return f"{text}; the test split had no part in the choice."
    return f"{text}. The luck of a single seed is out of that mean, that of these texts is not."


def _selection_sentence(run: RunData, judged: WinnerScore) -> str:
    many = judged.candidates > 1
    among = (
        f"the best of {judged.candidates:,} trials ({judged.evaluations:,} measurements)"
        if many
        else "the only trial with a result"
    )
    text = f"It is {among} by {metric_words(run.metric)}, on the {run.chosen_on} split"
    if judged.n_equal:
        others = "another trial has" if judged.n_equal == 1 else f"{judged.n_equal:,} others have"
        text += f" ({others} the same value)"
    if not judged.selected_on_test:
        return f"{text}; the test split had no part in the choice."
    if not many or judged.selection_bias is None:
        return f"{text}."
    if judged.selection_bias < _NOTHING and judged.n_within_interval == 0:
        return (
            f"{text}. It leads so clearly that picking it there hardly makes its score optimistic."
        )
    return (
        f"{text}. The test split picked the winner, so this score is optimistic: choosing among "
        f"values as close as these adds {judged.selection_bias:.4f} on average if the trials err "
        "independently of each other, and less the more they err alike."
    )


def best_parameters(run: RunData, judged: WinnerScore | None) -> list[Html]:
    """Return the winner's searched parameters and its whole configuration, as YAML to copy."""
    if judged is None:
        return [tag("p", "There is no best trial yet.", class_="gap")]
    alone = run.fallback is not None and not run.fallback.get("params")
    why = "The linear classifier has no such parameters: these are those of the best trial."
    return [
        *([tag("p", why)] if alone else []),
        _html.copyable(searched_yaml(run, judged), "the best parameters"),
        *([] if run.own_objective else [_whole_configuration(run, judged)]),
    ]


def _whole_configuration(run: RunData, judged: WinnerScore) -> Html:
    return _html.details(
        "The whole configuration",
        tag(
            "p",
            "The whole configuration, seed included. Saved as best.yaml it trains again with ",
            tag("code", f"{typed('textcls.train')} --config best.yaml"),
            ".",
        ),
        _html.copyable(whole_yaml(run, judged), "the whole configuration"),
    )


def searched_yaml(run: RunData, judged: WinnerScore) -> str:
    """Return the winner's parameters under the sections that they belong to."""
    sections: dict[str, dict[str, Any]] = {}
    for name, value in run.params(judged.record).items():
        plain = list(value) if isinstance(value, tuple) else value
        known = all_parameters().get(name)
        section, field = (known.section, known.field) if known else ("params", name)
        sections.setdefault(section, {})[field] = plain
    about = f"# trial {judged.record.number} of {run.folder.name}"
    title = f"{about}: {metric_words(run.metric)} {judged.value:.4f}\n"
    return title + (_yaml(sections) if sections else "# nothing was searched\n")


def whole_yaml(run: RunData, judged: WinnerScore) -> str:
    """Return everything that the winner was trained with."""
    model, embeddings, train = run.config.configuration(run.params(judged.record))
    seed = train.seed + run.origin(judged.record)  # each trial has a seed of its own
    sections = {
        "data": run.config.data,
        "embeddings": embeddings,
        "model": model,
        "train": train.model_copy(update={"seed": seed}),
    }
    return _yaml({name: section.model_dump(mode="json") for name, section in sections.items()})


def suggestions(run: RunData, judged: WinnerScore | None) -> list[Html]:
    """Return warnings and advice."""
    found = advise(run, judged)
    if not found:
        return [tag("p", "Nothing stands out.", class_="gap")]
    return [tag("ul", *map(_item, found), class_="advice")]


def _item(each: Advice) -> Html:
    line = _html.copyable(each.yaml, "this line") if each.yaml else None
    kind = "warning" if each.kind == "warning" else "hint"
    return tag("li", tag("b", each.title), tag("p", each.text), line, class_=kind)


def _figure(run: RunData, judged: WinnerScore | None) -> Html:
    headline = judged.headline if judged else None
    if run.fallback is not None:
        return _fallback_figure(run, run.fallback)
    if judged is None or headline is None:
        value = f"{judged.value:.4f}" if judged else NONE
        return tag("div", tag("p", value, class_="big"), tag("p", metric_words(run.metric)))
    parts = [
        tag("p", f"{headline.accuracy:.4f}", class_="big"),
        tag("p", f"{headline.split} accuracy of trial {judged.record.number}"),
    ]
    if headline.seeds > 1:
        parts.append(tag("p", f"mean of {headline.seeds} fresh seeds"))
    if headline.interval:
        parts.append(_interval(headline.accuracy, *headline.interval))
    parts += [tag("p", line) for line in _other_measures(run, judged, headline)]
    return tag("div", *parts)


def _other_measures(run: RunData, judged: WinnerScore, headline: Score) -> Iterator[str]:
    """Yield macro F1 where one class is large, and what the trials were compared by otherwise."""
    yield from _macro_f1(run, headline)
    if run.metric == accuracy_name(headline.split):
        return
    same = Metric(parse_metric(run.metric).measure, headline.split)
    measured = (run.result.get("best") or {}).get(same.name)
    if measured is not None and same.name not in (run.metric, accuracy_name(headline.split)):
        yield f"{same.words}: {measured:.4f}"
    if (first := run.confirmed) is not None:
        seeds = counted(len(first["values"]), "fresh seed")
        yield f"chosen by {metric_words(run.metric)} over {seeds}: {first['mean']:.4f}"
    else:
        yield f"chosen by {metric_words(run.metric)}: {judged.value:.4f}"


def _macro_f1(run: RunData, headline: Score) -> Iterator[str]:
    """Yield macro F1 where accuracy says little: classes differ much in their number of texts."""
    macro = Metric("macro_f1", headline.split)
    measured = (run.result.get("best") or {}).get(macro.name)
    counts = run.corpus.get("texts_per_class", {}).get(headline.split, {})
    if measured is None or not counts or headline.seeds > 1:
        return
    if parse_metric(run.metric).measure == "macro_f1":
        return
    most, fewest = max(counts.values()), min(counts.values())
    share = most / max(1, sum(counts.values()))
    if share > _LARGE:
        name = max(counts, key=counts.__getitem__)
        yield f"macro F1: {measured:.4f} ({name} alone has {share:.0%} of the texts)"
    elif most >= _UNEVEN * fewest:
        yield f"macro F1: {measured:.4f} (every class counts alike, the rare ones too)"


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


def _numbers(run: RunData, line: Timeline) -> Html:
    counts = leaderboard.count_states(run.records)
    counts = {name: count for name, count in counts.items() if count}
    running = len(run.chains) - sum(counts.values())
    if running:
        counts["running"] = running
    asked = grid.trial_count(run.config)
    ends = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    texts = run.texts("train")
    trained = f"{line.epochs:.1f} epochs"
    if texts:
        trained = f"{counted(round(line.epochs * texts), 'text')} ({trained})"
    facts = [
        ("Trials", f"{len(run.chains):,}" + (f" of {asked:,}" if running else "")),
        ("", ends),
        ("Searching", _searching(run, line)),
        ("Trained", trained),
        ("Trial time", f"{duration(line.busy_seconds)}, up to {line.lanes} at a time"),
        ("Classes", _classes(run)),
        ("Data", run.data_name),
        ("Vectors", _vectors(run)),
    ]  # fmt: skip
    rows = [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts if value]
    return tag("dl", *rows, class_="facts")


def _classes(run: RunData) -> str:
    """Say how many classes there are, and how even they are among the texts that measure."""
    per_split = run.corpus.get("texts_per_class", {})
    split = next((each for each in HELD_OUT if per_split.get(each)), None)
    if split is None:
        return ""
    counts = per_split[split]
    whole = max(1, sum(counts.values()))
    rarest, commonest = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if counts[commonest] <= _EVEN * counts[rarest]:
        return f"{len(counts)}, about {1 / len(counts):.0%} of the {split} texts each"
    return (
        f"{len(counts)}, from {counts[rarest] / whole:.1%} ({rarest}) to "
        f"{counts[commonest] / whole:.0%} ({commonest}) of the {split} texts"
    )


def _vectors(run: RunData) -> str:
    corpora = run.environment.get("corpora") or []
    return ", ".join(dict.fromkeys(str(each["vectors"]) for each in corpora if "vectors" in each))


def _searching(run: RunData, line: Timeline) -> str:
    """Say how long the search took; what is recorded with start and end is the last start's."""
    text, seconds = duration(line.seconds), run.result.get("seconds")
    if not seconds:
        return text
    resumed = len(run.environment.get("resumed", ()))
    if resumed:
        return f"{text} in {resumed + 1} starts, the last of which took {duration(seconds)}"
    return f"{text}, {duration(seconds)} with start and end" if seconds > line.seconds else text


def _yaml(content: Any) -> str:
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    return text
