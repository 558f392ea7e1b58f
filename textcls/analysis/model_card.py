"""Describe an exported classifier in a model card: Markdown with Hugging Face's front matter."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from textcls.exceptions import BundleError
from textcls.output import one_line
from textcls.runtime.bundle_files import About, Description, Reduction
from textcls.training.metrics import wilson_interval

CARD = "README.md"
"""The card's file in a classifier's folder."""
LINEAR_ALONE = "linear_alone"
"""The key by which a classifier says that its encoder is empty."""
_LABELS_SHOWN = 50
_SPECIAL = str.maketrans({each: f"\\{each}" for each in "\\`*_{}[]<>()#|!"})


def card_text(description: Description, *, members: int = 1) -> str:
    """Return the model card of a classifier; what only a person knows is left to fill in.

    Args:
        description: Of the classifier; of an ensemble, of its first member.
        members: How many classifiers an ensemble averages.

    Returns:
        Markdown with Hugging Face's front matter.
    """
    about = description.about.without_folders()
    description = description.model_copy(update={"about": about})
    front = _yaml(_metadata(description))
    note = "# license and language: to be filled in, and the licence of the data with them\n"
    return f"---\n{note}{front}---\n\n" + "\n".join(_body(description, members)) + "\n"


def write_card(folder: Path, description: Description) -> None:
    """Write the model card of a classifier into its folder.

    Args:
        folder: The folder.
        description: Of the classifier.

    Raises:
        OSError: It cannot be written.
    """
    (folder / CARD).write_text(card_text(description), encoding="utf-8")


def with_metadata(card: str, path: Path, licence: str | None, languages: Sequence[str]) -> str:
    """Return a card whose front matter names a licence and languages; the rest stays as it is.

    Args:
        card: The card.
        path: Where it came from, for the message.
        licence: The identifier of a licence; None to leave it.
        languages: Codes of languages; none to leave them.

    Raises:
        BundleError: Its front matter cannot be read.
    """
    if licence is None and not languages:
        return card
    given: dict[str, Any] = {}
    if licence is not None:
        given["license"] = licence
    if languages:
        given["language"] = list(languages)
    parts = card.split("---\n", 2)
    if len(parts) < 3 or parts[0]:
        return f"---\n{_yaml(given)}---\n\n{card}"
    try:
        found = yaml.safe_load(parts[1]) or {}
        if not isinstance(found, dict):
            raise TypeError("it is not a mapping")
    except (yaml.YAMLError, TypeError, RecursionError) as error:
        raise BundleError(
            f"{path}: its front matter is no YAML ({one_line(str(error))})"
        ) from error
    return (
        f"---\n{_yaml(given | {k: v for k, v in found.items() if k not in given})}---\n{parts[2]}"
    )


def _metadata(description: Description) -> dict[str, Any]:
    """Return what the hub reads: library, task, tags, metrics and, where measured, results."""
    found: dict[str, Any] = {
        "library_name": "textcls-tune",
        "pipeline_tag": "text-classification",
        "tags": ["text-classification", description.model.name, "textcls-tune"],
        "metrics": ["accuracy", "f1"],
    }
    reference = description.reference
    if reference is None or reference.accuracy is None:
        return found
    measured = [
        ("accuracy", "Accuracy", reference.accuracy),
        ("f1", "Macro F1", reference.macro_f1),
    ]
    trained_on = one_line(_data_name(description.about))
    found["model-index"] = [
        {
            "name": "text classifier",
            "results": [
                {
                    "task": {"type": "text-classification", "name": "Text classification"},
                    "dataset": {
                        "type": "text",
                        "name": trained_on,
                        "split": reference.split,
                    },
                    "metrics": [
                        {"type": kind, "name": name, "value": round(value, 4)}
                        for kind, name, value in measured
                        if value is not None
                    ],
                }
            ],
        }
    ]
    return found


def _yaml(content: Mapping[str, Any]) -> str:
    text: str = yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)
    return text


def _body(description: Description, members: int) -> Iterator[str]:
    about, model = description.about, description.model
    names = description.label_names
    yield "# A text classifier"
    yield ""
    shown = ", ".join(_plain(name) for name in names[:_LABELS_SHOWN])
    more = f" and {len(names) - _LABELS_SHOWN:,} more" if len(names) > _LABELS_SHOWN else ""
    yield f"It gives a text one of {len(names):,} labels: {shown}{more}."
    yield ""
    if members > 1:
        yield (
            f"The probabilities of {members:,} classifiers, averaged. What follows is about the "
            "first of them."
        )
        yield ""
    linear = " with a linear classifier of words beside it" if model.linear_weight else ""
    what = (
        f"A {model.name.upper()} of hidden size {model.hidden_size}{linear}; it reads the first "
        f"{description.max_length:,} tokens of a text."
    )
    if (about.model_extra or {}).get(LINEAR_ALONE):
        what = "A linear classifier of words, pairs of words and capitals; it reads whole texts."
    yield f'{what} `textcls-tune predict FOLDER "text"` predicts with it.'
    yield from (
        "",
        "## Data",
        "",
        f"Trained on {_plain(_data_name(about))}.",
    )
    yield from ("", "## Accuracy", "", *_accuracy(description))
    yield from ("", "## How it was selected", "", _selection(about.search))
    yield from ("", "## Calibration", "", _calibration(description))
    if description.reduction is not None:
        yield from ("", "## Size", "", _reduction(description.reduction))
    yield from ("", "## Limits", "")
    yield (
        "It gives every text one of its labels, also a text of another kind or language; "
        "`textcls-tune check FOLDER FILE` tells whether new texts are like those that it knows. "
        "What the data is biased by, it repeats. Intended use and licence: to be filled in."
    )


def _data_name(about: About) -> str:
    """Return what the data is called, without the folders before it: they tell whose machine."""
    name = str((about.configuration or {}).get("data", {}).get("name", "data not recorded"))
    used = str((about.provenance or {}).get("data", ""))
    last = re.split(r"[/\\]", name.rstrip("/\\"))[-1]
    if used.startswith(name):  # of the hub, whose names have a slash
        return name
    # What took its place is called "NAME (more)".
    return last if not used or used.startswith(last) else used.partition(" (")[0]


def _accuracy(description: Description) -> Iterator[str]:
    reference = description.reference
    if reference is None or reference.accuracy is None:
        yield "Not recorded: there were no held-out texts."
        return
    low, high = wilson_interval(reference.accuracy, reference.texts)
    yield "| measured on | texts | accuracy | 95 % interval | macro F1 |"
    yield "| --- | --- | --- | --- | --- |"
    macro = "" if reference.macro_f1 is None else f"{reference.macro_f1:.4f}"
    yield (
        f"| {_plain(reference.split)} | {reference.texts:,} | {reference.accuracy:.4f} | "
        f"{low:.4f} to {high:.4f} | {macro} |"
    )


def _selection(search: dict[str, Any] | None) -> str:
    if not search:
        return "Trained in one configuration, without a search."
    metric = search.get("metric")
    known = metric is not None
    words = f"The best trial of a search by {_plain(metric)}" if known else "The best of a search"
    if search.get("trained_on_validation"):
        words += ", trained again on train and validation together"
    if str(metric).startswith("test_"):
        words += "; the trials were compared on the test split, so its accuracy there is optimistic"
    return words + "."


def _calibration(description: Description) -> str:
    found = description.calibration
    if found is None:
        return "The probabilities are not calibrated."
    margin = ""
    if found.margin_power:
        margin = f" times (1 + the gap of the two largest) to the power of {found.margin_power:.3f}"
    return (
        f"Logits are divided by {found.temperature:.3f}{margin}, found on {found.texts:,} texts of "
        f"{_plain(found.split)}; expected calibration error {found.ece_before:.4f} before and "
        f"{found.ece_after:.4f} after."
    )


def _reduction(found: Reduction) -> str:
    features = ""
    if found.features is not None:
        features = f" and {found.features[1]:,} of {found.features[0]:,} features"
    accuracy = ""
    if found.accuracy is not None:
        accuracy = f"; accuracy {found.accuracy[0]:.4f} before, {found.accuracy[1]:.4f} after"
    return (
        f"A small form of a larger classifier: {found.words[1]:,} of {found.words[0]:,} words of "
        f"the encoder{features}, a byte for each number. {found.changed:,} of {found.texts:,} "
        f"texts of {_plain(found.split)} get another label{accuracy}. The accuracy above is that "
        "of the larger classifier."
    )


def _plain(value: Any) -> str:
    """Return a value as one line that Markdown takes as it is."""
    return one_line(str(value)).translate(_SPECIAL)
