"""`textcls-tune check RUN FILE`: whether a classifier still suits new texts.

With labels its accuracy on them is compared with the one that is recorded in the classifier;
without, the texts and what is predicted for them are compared with its held-out texts.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textcls.command_line import CommandParser
from textcls.exceptions import DataError, TextclsError
from textcls.output import one_line, printable, run_command

if TYPE_CHECKING:
    from textcls.check._new_texts import NewTexts
    from textcls.runtime.predictor import EnsemblePredictor, Predictor

PASSED, FAILED, CHANGED = 0, 1, 3
"""Exit codes: the texts suit the classifier; it could not be told; they do not."""
_TOLERANCE = 0.01
_SHOWN = 90  # characters of a text
EPILOG = """\
exit code: 0 the texts suit the classifier, 3 they do not, 1 it cannot be decided, 2 wrong arguments

examples:
  textcls-tune check my-run labelled.csv
  textcls-tune check my-run new.csv --no-labels
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Check the classifier against a file of new texts, and print the verdict.

    Args:
        argv: The arguments without the program's name; by default those of this process.

    Returns:
        The exit code: 0, 3 where the texts differ or accuracy has fallen, or 1 where the check
        failed, which standard error explains.
    """
    options = make_parser().parse(argv)
    try:
        return _run(options)
    except TextclsError as error:
        print(printable(str(error)), file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        return FAILED


def make_parser() -> CommandParser:
    """Return the parser of this command's options."""
    parser = CommandParser(
        "textcls.check", "Tell whether a classifier still suits new texts.", epilog=EPILOG
    )
    parser.add_bundle_arguments()
    add = parser.add_argument
    add(
        "file",
        type=Path,
        metavar="FILE",
        help="new texts: .csv, .tsv, .jsonl, .json, .parquet, .xlsx or .txt",
    )
    add("--text", dest="columns", metavar="COLUMN[,COLUMN]", help="the columns that make the text")
    add("--label", metavar="COLUMN", help="the column that holds the label")
    add("--no-labels", action="store_true", help="ignore labels, and compare the texts alone")
    add("--encoding", help="the encoding of FILE; by default detected from its content")
    add(
        "--tolerance",
        type=_share,
        default=_TOLERANCE,
        metavar="SHARE",
        help="how far accuracy may fall; by default 0.01, one percentage point",
    )
    add("--json", type=Path, metavar="FILE", help="write the figures to a file as well")
    return parser


def _share(value: str) -> float:
    found = float(value)
    if not 0.0 <= found <= 1.0:
        raise ValueError
    return found


def _run(options: argparse.Namespace) -> int:
    from textcls.check._new_texts import examine
    from textcls.runtime.loading import find_bundle, load_predictor

    predictor = load_predictor(find_bundle(options.run, options.runs_dir))
    columns = options.columns
    found = examine(
        predictor,
        options.file,
        columns=[name.strip() for name in columns.split(",")] if columns else None,
        label=options.label,
        with_labels=not options.no_labels,
        encoding=options.encoding,
        say=lambda sentence: print(one_line(sentence), file=sys.stderr),
    )
    drifted, document = _tell_drift(predictor, found, str(options.file))
    if found.labels is None:
        if drifted is None:
            raise DataError(
                f"{options.file}: no labels were read, and without them nothing can be measured"
            )
        verdict = (
            f"the texts differ from those that the classifier knows: {', '.join(drifted)}"
            if drifted
            else "the texts are like those that the classifier knows"
        )
        bad = bool(drifted)
    else:
        bad, verdict, labelled = _tell_accuracy(predictor, found, options.tolerance)
        document |= labelled
    print(f"Verdict: {printable(verdict)}")
    if options.json is not None:
        _write(options.json, {**document, "verdict": verdict, "passed": not bad})
    return CHANGED if bad else PASSED


def _write(path: Path, document: dict[str, Any]) -> None:
    try:
        path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error


def _tell_drift(
    predictor: "Predictor | EnsemblePredictor", found: "NewTexts", place: str
) -> tuple[list[str] | None, dict[str, Any]]:
    """Print how the texts differ; return the names of what drifted, None where nobody can say."""
    from textcls.analysis.drift import LEAST_TEXTS, find_drift
    from textcls.runtime.predictor import EnsemblePredictor

    first = predictor.members[0] if isinstance(predictor, EnsemblePredictor) else predictor
    reference = first.files.description.reference
    document: dict[str, Any] = {"texts": len(found.predictions)}
    if reference is None or found.measured is None:
        print(
            "The classifier holds no statistics of its held-out texts (an earlier version exported "
            "it, or there were none), so words, lengths and predictions cannot be compared."
        )
        return None, document
    if found.measured.texts < LEAST_TEXTS:
        print(
            f"{one_line(place)}: {found.measured.texts} texts are too few to compare words, "
            f"lengths and predictions; {LEAST_TEXTS} are needed"
        )
        return None, document
    drifts = find_drift(reference, found.measured, predictor.label_names)
    print(f"{found.measured.texts:,} texts, beside {reference.texts:,} of {reference.split}:")
    names = [one_line(each.name) for each in drifts]
    width = max(map(len, names))
    for name, each in zip(names, drifts, strict=True):
        mark = "   differs" if each.drifted else ""
        print(f"  {name.ljust(width)}  {each.before:>7} -> {each.now:>7}{mark}")
    document["drift"] = [asdict(each) for each in drifts]
    return [name for name, each in zip(names, drifts, strict=True) if each.drifted], document


def _tell_accuracy(
    predictor: "Predictor | EnsemblePredictor", found: "NewTexts", tolerance: float
) -> tuple[bool, str, dict[str, Any]]:
    """Print accuracy and macro F1; return whether they are worse, the verdict and the figures."""
    from textcls.analysis.labelled import accuracy_change, score_labels

    assert found.labels is not None  # noqa: S101
    score = score_labels(found.labels, found.predictions, len(predictor.label_names))
    for line in _score_lines(found, score):
        print(line)
    for line in _mistake_lines(predictor, found):
        print(line)
    recorded, texts, where = _recorded(predictor)
    document: dict[str, Any] = {"score": asdict(score), "recorded_accuracy": recorded}
    if recorded is None:
        raise DataError(
            "the classifier's accuracy on held-out texts is not recorded in it, so there is "
            "nothing to compare with"
        )
    change = accuracy_change(recorded, texts, score)
    document["change"] = asdict(change)
    by = (
        f"{score.accuracy:.4f} against {recorded:.4f} on {where}: {change.change:+.4f}, "
        f"99 % interval {change.low:+.4f} to {change.high:+.4f}"
    )
    worse = change.is_worse(tolerance)
    what = "accuracy has fallen" if worse else "accuracy holds"
    return worse, f"{what}, {by}", document


def _mistake_lines(predictor: "Predictor | EnsemblePredictor", found: "NewTexts") -> Iterator[str]:
    """Yield the most confident mistakes with the words that moved the decision."""
    from textcls.analysis.mistake_words import tell_words, words_behind

    if not found.mistakes:
        return
    cases = [(each.text, each.label) for each in found.mistakes]
    yield "Most confident mistakes, with the log-odds of the words that moved the decision:"
    for each, words in zip(found.mistakes, words_behind(predictor, cases), strict=True):
        text = one_line(each.text)
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN].rstrip()} ..."
        prediction, label = one_line(each.prediction), one_line(each.label)
        yield f"  {prediction} {each.probability:.4f}, labelled {label}: {shown}"
        if words:
            yield f"    {tell_words(words, each.prediction, each.label)}"


def _score_lines(found: "NewTexts", score: Any) -> Iterator[str]:
    low, high = score.accuracy_interval
    yield (
        f"Accuracy   {score.accuracy:.4f}, 95 % interval {low:.4f} to {high:.4f} "
        f"({score.texts:,} texts, labels of the column {one_line(str(found.label_column))})"
    )
    low, high = score.macro_f1_interval
    yield f"Macro F1   {score.macro_f1:.4f}, 95 % interval {low:.4f} to {high:.4f}"
    if found.unknown and found.labels is not None:
        shown = ", ".join(one_line(repr(name)) for name in found.unknown[:3])
        yield (
            f"{int((found.labels < 0).sum()):,} texts have labels that the classifier does not "
            f"know, such as {shown}; they count as mistakes"
        )


def _recorded(
    predictor: "Predictor | EnsemblePredictor",
) -> tuple[float | None, int | None, str]:
    """Return the accuracy on held-out texts, their number where it is known, and their name."""
    from textcls.runtime.predictor import EnsemblePredictor

    first = predictor.members[0] if isinstance(predictor, EnsemblePredictor) else predictor
    reference = first.files.description.reference
    if reference is not None and reference.accuracy is not None:
        return reference.accuracy, reference.texts, f"{reference.texts:,} of {reference.split}"
    result = first.about.get("result") or {}
    for key, name in (("test_accuracy", "test"), ("val_accuracy", "validation")):
        value = result.get(key)
        if isinstance(value, float) and 0.0 <= value <= 1.0:
            return value, None, f"{name} (of how many texts is not recorded)"
    return None, None, ""


if __name__ == "__main__":
    sys.exit(run_command(main))
