"""Choose the columns that make the text and the label: as named, by their names, by content.

A guess is said, with three rows. Where two columns are as good, nothing is guessed: the error
gives the options to choose with.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from textcls.config.models import DataConfig
from textcls.data._columns import Chosen
from textcls.data._faults import counted, listed, quoted
from textcls.exceptions import DataError

LABEL = "label"
DEFAULT_TEXTS = (("text",), ("title", "description"))

TEXT_NAMES = (
    *("text", "review", "sentence", "tweet", "message", "content", "body", "comment", "question"),
    *("utterance", "document", "article", "description", "post", "sms", "news", "query", "phrase"),
    *("statement", "abstract", "v2"),
)
SHORT_TEXT_NAMES = ("title", "headline", "subject", "summary")
"""Taken for the text where there is no longer one."""
LABEL_NAMES = (
    *("label", "class", "category", "target", "sentiment", "topic", "intent", "queue", "polarity"),
    *("emotion", "genre", "tag", "v1", "labels", "stars", "rating"),
)
KNOWN_NAMES = frozenset((*TEXT_NAMES, *SHORT_TEXT_NAMES, *LABEL_NAMES))

Sample = Mapping[str, Sequence[str]]
"""The first values of each column, or some from all over the file."""

_NO_TEXT = re.compile(r"(^|_)(id|ids|date|time|url|link|len|length|count|lang|language)$")
_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?")
_ROWS_SHOWN = 3
_SHOWN = 40  # characters of a text in a notice
_MUCH_LONGER = 1.5  # times the characters of the next column, and the text is plain
_MUCH_FEWER = 0.5  # of the distinct values of the next column, and the label is plain
_LONGEST_LABEL = 60  # characters


class NoLabelColumnError(DataError):
    """The columns of the text are there and that of the label is not; `place` has the file."""

    place = ""


@dataclass(frozen=True, slots=True)
class _Content:
    """What the values of one column look like."""

    rows: int
    distinct: int
    length: float
    """Mean number of characters."""
    numeric: bool
    whole: bool
    """All of them are integers."""
    binary: bool = False
    """All of them are 0 or 1."""

    @classmethod
    def of(cls, values: Sequence[str]) -> "_Content":
        kept = [value.strip() for value in values if value.strip()]
        length = sum(map(len, kept)) / max(1, len(kept))
        numeric = bool(kept) and all(_NUMBER.fullmatch(value) for value in kept)
        whole = numeric and all(float(value).is_integer() for value in kept)
        binary = {"0", "1"} == set(kept)
        return cls(len(kept), len(set(kept)), length, numeric, whole, binary)

    @property
    def may_be_text(self) -> bool:
        return self.distinct > 1 and not self.numeric

    @property
    def may_be_label(self) -> bool:
        few = 2 <= self.distinct <= max(2, self.rows // 2) and self.length <= _LONGEST_LABEL
        return few and (not self.numeric or self.whole)


def choose_columns(
    place: str, present: Sequence[str], data: DataConfig, sample: Sample, hint: str = ""
) -> Chosen:
    """Pick the columns that the configuration names, else the usual ones, else guess.

    Args:
        place: The file, as messages call it.
        present: The names of its columns.
        data: The configuration; the columns it names are taken as they are.
        sample: Values of the columns, to guess by.
        hint: Ends the message where a column is missing.

    Raises:
        DataError: A named column is missing, or two columns are as good; the message gives the
            columns that are there and the options to choose with.
    """
    chosen = usual_columns(present, data)
    if not set(chosen.all) <= set(present):
        _refuse_missing(place, present, data, hint)
        chosen = _guess(place, present, data, sample, hint)
    twice = [name for name in chosen.all if present.count(name) > 1]
    if twice:
        raise DataError(f"{place}: more than one column is called {quoted(twice)}; expected one")
    return chosen


def choose_texts(
    place: str,
    present: Sequence[str],
    asked: Sequence[str] | None,
    trained: Sequence[str] | None,
    sample: Sample,
) -> tuple[tuple[str, ...], str]:
    """Pick the columns that make the text, where no label is needed.

    Args:
        place: The file, as messages call it.
        present: The names of its columns.
        asked: The columns that were named; they are taken as they are.
        trained: Those that the training read, taken where all of them are there.
        sample: Values of the columns, to guess by.

    Returns:
        The columns, and a sentence on how they were guessed; "" where they were not.

    Raises:
        DataError: A named column is missing, or no column or several look like the text.
    """
    if asked:
        missing = [name for name in asked if name not in present]
        if missing:
            raise DataError(
                f"{place}: no column {quoted(missing)} (--text); its columns are {quoted(present)}"
                + _similar(missing, present)
            )
        return tuple(asked), ""
    usual = (trained or (), *DEFAULT_TEXTS)
    found = next((names for names in usual if names and set(names) <= set(present)), None)
    if found is not None:
        return tuple(found), ""
    if len(present) == 1:
        return tuple(present), ""
    names = [name for name in dict.fromkeys(present) if name.strip()]
    content = {name: _Content.of(sample.get(name, ())) for name in names}
    found_texts = _texts(names, content)
    texts = [name for name in names if name in found_texts]
    if len(texts) != 1:
        what = f"{quoted(texts)} may each be the text" if texts else "no column looks like the text"
        example = ",".join(texts or list(present)[:1])
        raise DataError(
            f"{place}: {what}; its columns are {quoted(present)}. Name them, such as "
            f"--text {_shell(example)}"
        )
    first = " ".join(next(iter(sample.get(texts[0], ())), "").split())
    shown = first if len(first) <= _SHOWN else first[: _SHOWN - 3] + "..."
    return tuple(texts), (
        f"{place}: {texts[0]!r} is used as the text, such as {shown!r}; --text names another"
    )


def usual_columns(present: Sequence[str], data: DataConfig) -> Chosen:
    """Return the columns to look for: those of the configuration, else the usual ones."""
    usual = (texts for texts in DEFAULT_TEXTS if set(texts) <= set(present))
    texts = data.text_columns or next(usual, DEFAULT_TEXTS[0])
    return Chosen(tuple(texts), data.label_column or LABEL)


def _refuse_missing(place: str, present: Sequence[str], data: DataConfig, hint: str) -> None:
    """Raise DataError where a column that was named is not there."""
    missing = [
        f"{name!r} (data.text_columns)" for name in data.text_columns or () if name not in present
    ]
    if data.label_column is not None and data.label_column not in present:
        missing.append(f"{data.label_column!r} (data.label_column)")
    if missing:
        noun = "column" if len(missing) == 1 else "columns"
        wanted = (*(data.text_columns or ()), data.label_column or LABEL)
        message = f"{place}: no {noun} {' and '.join(missing)}; its columns are {quoted(present)}"
        found = message + (_similar(wanted, present) or hint)
        if len(missing) == 1 and set(data.text_columns or ()) <= set(present):
            error = NoLabelColumnError(found)
            error.place = place
            raise error
        raise DataError(found)


def _similar(wanted: Sequence[str], present: Sequence[str]) -> str:
    """Ask about columns that look like the missing ones; "" where none does."""
    lower = {name.lower(): name for name in present}
    near = [
        lower[match]
        for name in wanted
        if name not in present
        for match in difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.75)
    ]
    return f"; did you mean {listed([repr(name) for name in near])}?" if near else ""


def _guess(
    place: str, present: Sequence[str], data: DataConfig, sample: Sample, hint: str
) -> Chosen:
    names = [name for name in dict.fromkeys(present) if name.strip()]
    content = {name: _Content.of(sample.get(name, ())) for name in names}
    usual = usual_columns(present, data)
    texts: Sequence[str] = usual.texts if set(usual.texts) <= set(present) else ()
    labels: Sequence[str] = [usual.label] if usual.label in present else ()
    free = [name for name in names if name not in (*texts, *labels)]
    if not labels:
        labels = _labels(free, content, sample)
        free = [name for name in free if name not in labels]
    if not texts:
        texts = _texts(free, content)
        if not data.label_column and len(labels) > 1:
            labels = [name for name in labels if name not in texts]
    if len(labels) != 1 or not (data.text_columns or usual.texts == texts or len(texts) == 1):
        raise DataError(_undecided(place, present, texts, labels, content, hint))
    chosen = Chosen(tuple(texts), labels[0])
    return replace(chosen, notices=(_said(place, chosen, names, content, sample),))


def _words(name: str) -> str:
    """Write a name in lower case, its words joined by underscores: `review_text`."""
    parts = re.sub(r"([a-z])([A-Z])", r"\1_\2", name)
    return "_".join(re.findall(r"[^\W_]+", parts.lower()))


def _named(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the columns that are called like one of `known`; else those whose name holds one."""
    whole = [name for name in names if _words(name) in known]
    if whole:
        return whole
    ends = tuple(f"_{word}" for word in known), tuple(f"{word}_" for word in known)
    return [n for n in names if _words(n).endswith(ends[0]) or _words(n).startswith(ends[1])]


def _labels(free: Sequence[str], content: Mapping[str, _Content], sample: Sample) -> list[str]:
    """Return the columns that may be the label, as good as each other; one where it is clear."""
    fit = [name for name in free if not content[name].rows or content[name].may_be_label]
    for known in (LABEL_NAMES[:1], LABEL_NAMES):
        if found := _one_of_equals(_named(fit, known) or _named(free, known)[:1], sample):
            return found
    fit = [
        name
        for name in fit
        if content[name].rows
        and not _NO_TEXT.search(_words(name))
        and not _named([name], TEXT_NAMES)
    ]
    fit.sort(key=lambda name: content[name].distinct)
    if len(fit) > 1 and content[fit[0]].distinct > _MUCH_FEWER * content[fit[1]].distinct:
        most = content[fit[0]].distinct / _MUCH_FEWER
        return _one_of_equals([n for n in fit if content[n].distinct < most], sample)
    return fit[:1]


def _one_of_equals(names: list[str], sample: Sample) -> list[str]:
    """Return only the first of columns that say the same, such as `label, label_text`."""
    if len(names) < 2:
        return names
    first = sample.get(names[0], ())
    for other in names[1:]:
        pairs = set(zip(first, sample.get(other, ()), strict=False))
        if not len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs):
            return names
    return names[:1]


def _texts(free: Sequence[str], content: Mapping[str, _Content]) -> list[str]:
    """Return the columns that may be the text, as good as each other; one where it is clear."""
    for known in (TEXT_NAMES, SHORT_TEXT_NAMES):
        named = [name for name in _named(free, known) if not _NO_TEXT.search(_words(name))]
        found = [n for n in named if not content[n].rows or content[n].may_be_text] or named[:1]
        if found:
            return found
    fit = [name for name in free if content[name].may_be_text]
    fit.sort(key=lambda name: -content[name].length)
    if len(fit) > 1 and content[fit[0]].length < _MUCH_LONGER * content[fit[1]].length:
        least = content[fit[0]].length / _MUCH_LONGER
        return [name for name in fit if content[name].length > least]
    return fit[:1]


def _undecided(
    place: str,
    present: Sequence[str],
    texts: Sequence[str],
    labels: Sequence[str],
    content: Mapping[str, _Content],
    hint: str,
) -> str:
    """Say which columns it could be, with the options to paste."""
    lines = []
    for what, found in (("text", texts), ("label", labels)):
        if len(found) > 1:
            lines.append(f"{quoted(found)} may each be the {what}")
        elif not found:
            lines.append(f"no column looks like the {what}")
    left = [n for n in present if n.strip() and n not in (*texts, *labels)] or list(present)
    text = ",".join(texts) if texts else max(left, key=lambda n: content[n].length)
    label = labels[0] if labels else next((n for n in reversed(left) if n != text), left[-1])
    options = f"--text {_shell(text)} --label {_shell(label)}"
    if len(labels) > 1 and all(content[name].binary for name in labels):
        lines[-1] += " (each is 0 or 1; a classifier reads one column that names the class)"
    return (
        f"{place}: {' and '.join(lines)}; its columns are {quoted(present)}. Name them, such as "
        f"{options} (data.text_columns, data.label_column){hint}"
    )


def _shell(word: str) -> str:
    return word if re.fullmatch(r"[\w,.-]+", word) else "'" + word.replace("'", "'\\''") + "'"


def _said(
    place: str,
    chosen: Chosen,
    names: Sequence[str],
    content: Mapping[str, _Content],
    sample: Sample,
) -> str:
    rows = []
    for i in range(min(_ROWS_SHOWN, len(sample.get(chosen.label, ())))):
        text = " ".join(" ".join(sample[name][i] for name in chosen.texts).split())
        text = text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
        rows.append(f"{sample[chosen.label][i].strip()!r} for {text!r}")
    classes = counted(content[chosen.label].distinct, "value") if chosen.label in content else ""
    example = f": {'; '.join(rows)}" if rows else ""
    long = [n for n in names if n not in chosen.all and content[n].may_be_text]
    more = [n for n in long if _named([n], (*TEXT_NAMES, *SHORT_TEXT_NAMES))]
    others = f"; {quoted(more)} could be read as well" if more else ""
    return (
        f"{place}: {quoted(chosen.texts)} is used as the text and {chosen.label!r} "
        f"({classes}) as the label{example}{others}. --text and --label (data.text_columns, "
        "data.label_column) name others"
    )
