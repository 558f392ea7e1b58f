"""`textcls-tune predict RUN "text" ...`: the label of each text and its probability.

Texts are arguments, lines of standard input, or the rows of a file, which keeps its columns.
"""

import argparse
import math
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textcls.command_line import CommandParser, typed
from textcls.exceptions import BundleError, TextclsError
from textcls.output import one_line, printable, run_command

if TYPE_CHECKING:
    from textcls.analysis.explanation import Explanation
    from textcls.data.tables.prediction import Choice
    from textcls.runtime.predictor import EnsemblePredictor, Predictor

LINES_AT_ONCE = 1024
WORDS_SHOWN = 10
"""Words that `--why` names of a text by default."""
_PROGRESS_S = 0.2  # between two lines of progress

EPILOG = """\
examples:
  textcls-tune predict my-run "The striker scored twice"
  textcls-tune predict my-run "The striker scored twice" --why
  textcls-tune predict my-run --input new.csv --output labelled.csv
  textcls-tune predict my-run --input new.jsonl --output labelled.parquet --text subject,body
  textcls-tune predict my-run --input new.csv --output out.csv --threshold 0.8 --below unsure
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Predict what the arguments ask for, and print it or write it to a file.

    Args:
        argv: The arguments without the program's name; by default those of this process.

    Returns:
        The exit code: 0, or 1 where classifier or texts cannot be used, which standard error
        explains.

    Raises:
        SystemExit: With code 2 where an argument is wrong or two do not go together.
    """
    parser = make_parser()
    options = parser.parse(argv)
    if options.text and options.input:
        parser.error("name texts or --input, not both")
    if options.output and not options.input:
        parser.error("--output belongs to --input FILE")
    if options.why and options.input:
        parser.error("--why explains texts and lines of standard input, not files")
    try:
        return _run(options)
    except TextclsError as error:
        print(_encodable(printable(str(error))), file=sys.stderr)
        return 1
    except ValueError as error:
        parser.error(str(error))


def make_parser() -> CommandParser:
    """Return the parser of this command's options."""
    parser = CommandParser(
        "textcls.predict",
        "Print the label of each text and its probability.",
        epilog=EPILOG,
        intermixed=True,
    )
    parser.add_bundle_arguments()
    add = parser.add_argument
    add("text", nargs="*", help="texts; without any, lines from standard input")
    add(
        "--input",
        type=Path,
        metavar="FILE",
        help="a file of texts: .csv, .tsv, .jsonl, .json, .parquet, .xlsx, or .txt with a text on "
        "each line; also compressed, as .csv.gz",
    )
    add(
        "--output",
        type=Path,
        metavar="FILE",
        help="where its rows go with the columns label and probability; its ending decides the "
        "format",
    )
    add(
        "--text",
        dest="columns",
        metavar="COLUMN[,COLUMN]",
        help="the columns of --input that make the text; by default those of the training",
    )
    add("--encoding", help="the encoding of --input; by default detected from its content")
    add("--top", type=int, default=1, metavar="K", help="show the K most probable labels")
    add("--all-probabilities", action="store_true", help="show the probability of every label")
    add(
        "--coverage",
        type=_coverage,
        metavar="P",
        help="show the set of labels that holds the true one with this probability, such as 0.95",
    )
    add("--threshold", type=float, metavar="P", help="below this probability, show --below instead")
    add("--below", metavar="LABEL", help="the label for texts below --threshold")
    add(
        "--why",
        nargs="?",
        type=_words_shown,
        const=WORDS_SHOWN,
        metavar="K",
        help=f"show the K words that moved the decision most; by default {WORDS_SHOWN}. "
        "Put it after the texts",
    )
    add("--batch", type=_count, metavar="N", help="texts predicted together")
    add("--jobs", type=_count, metavar="N", help="threads that predict; by default all cores")
    add("--quiet", action="store_true", help="no progress")
    return parser


def _shown(text: str) -> str:
    """Return a text for one line of a terminal, without what a terminal would obey."""
    return _encodable(one_line(text))


def _encodable(text: str) -> str:
    """Write out what no encoding has: the halves of a character that was cut in two."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _count(value: str) -> int:
    number = int(value)
    if number < 1:
        raise ValueError
    return number


def _coverage(value: str) -> float:
    try:
        found = float(value)
    except ValueError:
        found = math.nan
    if not 0.0 < found < 1.0:
        raise argparse.ArgumentTypeError(
            f"must be a probability above 0 and below 1, such as 0.95, but is {value!r}"
        )
    return found


def _words_shown(value: str) -> int:
    if not value.isascii() or not value.isdecimal() or int(value) < 1:
        raise argparse.ArgumentTypeError(
            f"must be a number of words, at least 1, but is {value!r}; put texts before --why"
        )
    return int(value)


def _run(options: argparse.Namespace) -> int:
    from textcls.data.tables.prediction import Choice

    choice = Choice(options.top, options.threshold, options.below, options.all_probabilities)
    from textcls.runtime.loading import find_bundle, load_predictor

    folder = find_bundle(options.run, options.runs_dir)
    predictor = load_predictor(folder)
    if options.coverage is not None:
        choice = replace(choice, least=_least_probability(predictor, options.coverage, folder))
    source = options.input or _named_file(options.text)
    if options.why and source is not None:
        raise ValueError("--why explains texts and lines of standard input, not files")
    if source is not None and options.output is not None:
        _predict_file(predictor, source, options, choice)
    elif source is not None:
        _print_file(predictor, source, options, choice)
    else:
        _check_columns(options)
        _print_predictions(predictor, options.text or _lines(), options, choice)
    return 0


def _least_probability(
    predictor: "Predictor | EnsemblePredictor", coverage: float, folder: Path
) -> float:
    from textcls.calibration.conformal import threshold_of
    from textcls.runtime.predictor import EnsemblePredictor

    if isinstance(predictor, EnsemblePredictor):
        raise BundleError(
            f"{folder}: an ensemble has no scores of held-out texts for --coverage; predict with "
            "one of its members' folders"
        )
    return threshold_of(predictor.files.description, coverage)


def _check_columns(options: argparse.Namespace) -> None:
    if options.columns or options.encoding:
        raise ValueError("--text and --encoding belong to --input FILE")


def _named_file(texts: Sequence[str]) -> Path | None:
    """Return the only argument as a file, where it is one; its name is hardly meant as a text."""
    if len(texts) != 1 or len(texts[0]) > 4096 or "\0" in texts[0]:
        return None
    from textcls.data.tables.reading import KINDS

    path = Path(texts[0])
    try:
        is_table = path.is_file() and any(s.lower() in KINDS for s in path.suffixes[-2:])
    except OSError:
        return None
    if is_table:
        print(
            f"{_shown(texts[0])}: is a file, so its rows are predicted; as an option: "
            f"{typed('textcls.predict')} RUN --input FILE --output FILE",
            file=sys.stderr,
        )
    return path if is_table else None


def _column_names(options: argparse.Namespace) -> list[str] | None:
    return [name.strip() for name in options.columns.split(",")] if options.columns else None


def _predict_file(
    predictor: "Predictor | EnsemblePredictor",
    source: Path,
    options: argparse.Namespace,
    choice: "Choice",
) -> None:
    from textcls.data.tables.prediction import PORTION, predict_file

    bar = _ProgressLine(quiet=options.quiet)
    done = predict_file(
        predictor,
        source,
        options.output,
        choice,
        columns=_column_names(options),
        encoding=options.encoding,
        portion=options.batch or PORTION,
        jobs=options.jobs,
        say=bar.say,
        progress=bar.show,
    )
    bar.end(done)


def _print_file(
    predictor: "Predictor | EnsemblePredictor",
    source: Path,
    options: argparse.Namespace,
    choice: "Choice",
) -> None:
    from tempfile import TemporaryDirectory

    from textcls.data.tables.prediction import predicted, trained_columns
    from textcls.data.tables.reading import open_table

    with TemporaryDirectory(prefix="textcls-", ignore_cleanup_errors=True) as scratch:
        table = open_table(
            source,
            Path(scratch),
            columns=_column_names(options),
            trained=trained_columns(predictor),
            encoding=options.encoding,
        )
        for notice in table.notices:
            print(_shown(notice), file=sys.stderr)
        size = options.batch or LINES_AT_ONCE
        for portion, rows in predicted(predictor, table, size, options.jobs):
            _print_rows(predictor.label_names, portion.texts, rows, choice)


def _lines() -> Iterator[str]:
    for number, line in enumerate(sys.stdin.buffer):
        text = line.decode("utf-8", errors="replace").rstrip("\r\n")
        if number == 0 and _is_header(text):
            print(
                "standard input is read as a text on each line, but its first line looks like the "
                "names of columns: --input FILE reads a table",
                file=sys.stderr,
            )
        yield text


def _is_header(line: str) -> bool:
    """Tell whether a line names two columns of texts and labels, as a table's first line does."""
    from textcls.data.tables.reading import COLUMN_NAMES

    names = [name.strip(" \"'").lower() for name in re.split(r"[,;|\t]", line)]
    return sum(name in COLUMN_NAMES for name in names) > 1


def _print_predictions(
    predictor: "Predictor | EnsemblePredictor",
    texts: Iterable[str],
    options: argparse.Namespace,
    choice: "Choice",
) -> None:
    stream = iter(texts)
    while some := list(islice(stream, options.batch or LINES_AT_ONCE)):
        rows = predictor.probabilities(some)
        if not options.why:
            _print_rows(predictor.label_names, some, rows, choice)
            continue
        from textcls.analysis.explanation import explain_text

        for text, row in zip(some, rows, strict=True):
            _print_rows(predictor.label_names, [text], row[None], choice)
            print("\n".join(_why_lines(explain_text(predictor, text), options.why)))
            sys.stdout.flush()


def _why_lines(why: "Explanation", most: int) -> list[str]:
    """Return the lines that say which words moved a decision."""
    label, against = _shown(why.label), _shown(why.against)
    lines = [
        f"  {label} against {against}: log-odds {why.log_odds:+.2f} = encoder {why.encoder:+.2f}, "
        f"linear {why.linear:+.2f} (of that {why.linear_bias:+.2f} without any word)"
    ]
    if not why.words:
        return [*lines, "  the text has no words"]
    shown = why.words[:most]
    names = [_shown(each.word) + (f" x{each.count}" if each.count > 1 else "") for each in shown]
    width = max(map(len, (*names, "word")))
    lines.append(f"  {'word'.ljust(width)}  {'both':>7}  {'encoder':>7}  {'linear':>7}")
    lines += [
        f"  {name.ljust(width)}  {each.total:+7.2f}  {each.encoder:+7.2f}  {each.linear:+7.2f}"
        for name, each in zip(names, shown, strict=True)
    ]
    left = why.words[most:]
    if left:
        rest = sum(each.total for each in left)
        lines.append(f"  {rest:+.2f} by {len(left)} more {'word' if len(left) == 1 else 'words'}")
    return lines


def _print_rows(
    label_names: Sequence[str], texts: Sequence[str], rows: Any, choice: "Choice"
) -> None:
    columns = choice.columns(rows, label_names)
    names = choice.names(label_names)
    told = 2 * min(choice.top, len(label_names)) + (choice.least is not None)
    for text, *values in zip(texts, *columns, strict=True):
        fields = [_field(value) for value in values[:told]]
        if choice.everything:
            every = zip(names[told:], values[told:], strict=True)
            fields.append(" ".join(f"{_shown(n.partition('_')[2])}={p:.4f}" for n, p in every))
        print("\t".join([*fields, _shown(text)]))
    sys.stdout.flush()


def _field(value: str | float) -> str:
    return f"{value:.4f}" if isinstance(value, float) else _shown(value)


class _ProgressLine:
    """A line on standard error, at a terminal only, that tells rows and speed."""

    def __init__(self, *, quiet: bool) -> None:
        self._live = not quiet and sys.stderr.isatty()
        self._quiet = quiet
        self._began = self._last = time.perf_counter()

    def say(self, sentence: str) -> None:
        """Print a notice."""
        print(_shown(sentence), file=sys.stderr)

    def show(self, done: int, total: int | None) -> None:
        """Show how far it is."""
        now = time.perf_counter()
        if self._live and now - self._last > _PROGRESS_S:
            self._last = now
            of = f" of {total:,}" if total else ""
            speed = done / (now - self._began)
            print(f"\r{done:,}{of} texts, {speed:,.0f} a second ", end="", file=sys.stderr)

    def end(self, done: int) -> None:
        """Print the sum."""
        seconds = time.perf_counter() - self._began
        if not self._quiet:
            start = "\r" if self._live else ""
            print(
                f"{start}{done:,} texts in {seconds:.1f} s, {done / max(seconds, 1e-9):,.0f} a "
                "second",
                file=sys.stderr,
            )


if __name__ == "__main__":
    sys.exit(run_command(main))
