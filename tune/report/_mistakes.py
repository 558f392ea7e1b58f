"""The report's section on the winner's errors: confusion matrix, most confident mistakes."""

from textcls.analysis import mistake_words
from tune.analysis.class_table import HEAD, class_rows
from tune.analysis.error_analysis import ErrorAnalysis, Mistake
from tune.analysis.run_data import RunData
from tune.config.metrics import accuracy_name
from tune.formatting import counted
from tune.report import _html
from tune.report._html import Html, tag

_CLASSES = 24  # of a matrix; more would be read by nobody
_INK = 45  # per cent of colour in the strongest cell: the number stays readable
_LONGEST = 600  # characters of a text


def mistakes_section(run: RunData, examined: ErrorAnalysis | str) -> list[Html]:
    """Return the matrix and the texts, or the reason why there are none."""
    if isinstance(examined, str):
        return [tag("p", examined, class_="gap")]
    parts = [_matrix(examined)]
    recorded = run.best.curve[run.best.best_rung or 0] if run.best else {}
    expected = recorded.get(accuracy_name(examined.split))
    few = 2 / int(examined.confusion.sum())  # texts that another order of sums may tip over
    if expected is not None and abs(expected - examined.accuracy) > few:
        differs = (
            f"Read again, the classifier labels {examined.accuracy:.4f} of the texts correctly, "
            f"while its trial had recorded {expected:.4f}."
        )
        parts.insert(0, tag("p", differs, class_="gap"))
    if not examined.mistakes:
        return [*parts, tag("p", "It makes no mistake on this split.", class_="gap")]
    shown = len(examined.mistakes)
    which = f"The {shown} of {examined.wrong:,} mistakes" if shown < examined.wrong else "The texts"
    which = "The one text" if examined.wrong == 1 else which
    lead = (
        f"{which} of which the winner is most certain. Where a label is wrong in the data, it is "
        "often found here. The words below a text are those that moved the decision most: by the "
        "linear classifier exactly, by the encoder through leaving them out."
    )
    return [
        *parts,
        tag("h3", "Most confident mistakes"),
        tag("p", lead),
        tag("ol", *map(_mistake, examined.mistakes), class_="mistakes"),
    ]


def _matrix(examined: ErrorAnalysis) -> Html:
    names = examined.label_names
    wrong = examined.confusion.sum(axis=1) - examined.confusion.diagonal()
    order = sorted(range(len(names)), key=lambda at: -int(wrong[at]))[:_CLASSES]
    shown = sorted(order)
    head = tag("tr", tag("th", "label \\ prediction", class_="corner"),
               *(tag("th", names[at], scope="col") for at in shown))  # fmt: skip
    strongest = _most_wrong(examined)
    rows = [
        tag("tr", tag("th", names[row], scope="row"),
            *(_cell(examined, row, column, strongest) for column in shown))
        for row in shown
    ]  # fmt: skip
    total = int(examined.confusion.sum())
    note = f"{counted(total, f'{examined.split} text')}, {examined.wrong:,} of them wrong."
    if len(shown) < len(names):
        note += f" The {len(shown)} of {len(names)} classes with most mistakes."
    return tag(
        "figure",
        tag("figcaption", tag("b", "Confusion matrix"), tag("span", note)),
        tag("div", tag("table", tag("thead", head), tag("tbody", *rows), class_="confusion"),
            class_="scroll", tabindex="0"),
        _html.details("Table by class, with 95 % intervals", _html.table(
            list(HEAD), class_rows(examined.per_class()),
            numeric=[False, True, True, True, True])),
        id="confusion-matrix", class_="plain",
    )  # fmt: skip


def _cell(examined: ErrorAnalysis, row: int, column: int, most_wrong: float) -> Html:
    count = int(examined.confusion[row, column])
    share = _share(examined, row, column)
    strongest = 1.0 if row == column else most_wrong
    label, prediction = examined.label_names[row], examined.label_names[column]
    what = "right" if row == column else f"taken for {prediction}"
    tip = f"{count:,} of the texts labelled {label} ({share:.1%}): {what}"
    return tag(
        "td", f"{count:,}", data_tip=tip, style=f"--ink-share:{_INK * share / strongest:.0f}%",
        class_="hit" if row == column else None,
    )  # fmt: skip


def _share(examined: ErrorAnalysis, row: int, column: int) -> float:
    return int(examined.confusion[row, column]) / (int(examined.confusion[row].sum()) or 1)


def _most_wrong(examined: ErrorAnalysis) -> float:
    """Return the largest share of a class that is taken for one other."""
    wrong = (
        _share(examined, row, column)
        for row in range(len(examined.label_names))
        for column in range(len(examined.label_names))
        if row != column
    )
    return max(wrong, default=0.0) or 1.0


def _mistake(each: Mistake) -> Html:
    text = each.text if len(each.text) <= _LONGEST else each.text[:_LONGEST].rstrip() + " …"
    return tag(
        "li",
        tag("p", tag("b", each.label), " taken for ", tag("b", each.prediction),
            tag("span", f"{each.probability:.1%} against {each.for_label:.1%}", class_="sure")),
        tag("blockquote", text),
        _words(each),
    )  # fmt: skip


def _words(each: Mistake) -> Html | None:
    """Return the words that moved the decision, with their log-odds."""
    if not each.words:
        return None
    told = mistake_words.tell_words(each.words, each.prediction, each.label)
    return tag("p", "Log-odds by word, ", told, class_="why")
