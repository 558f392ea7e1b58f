"""`python -m textcls.predict RUN/best "text" ...`: the label of each text and its probability."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from textcls.command_line import CommandParser
from textcls.exceptions import TextclsError
from textcls.output import one_line, printable

LINES_AT_ONCE = 1024


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line per text: label, probability, text, separated by tabs; return the exit code."""
    options = make_parser().parse(argv)
    texts = options.text or _lines()
    try:
        _print_predictions(options.folder, texts)
    except TextclsError as error:
        print(printable(str(error)), file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 0  # `head` has seen enough
    return 0


def make_parser() -> CommandParser:
    """Return the parser of this command's options."""
    parser = CommandParser("textcls.predict", "Print the label of each text and its probability.")
    parser.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="an exported classifier, such as runs/NAME/best",
    )
    parser.add_argument("text", nargs="*", help="texts; without any, lines from standard input")
    return parser


def _lines() -> Iterator[str]:
    for line in sys.stdin.buffer:
        yield line.decode("utf-8", errors="replace").rstrip("\r\n")


def _print_predictions(folder: Path, texts: Iterable[str]) -> None:
    from textcls import ensemble  # torch takes a second: --help need not wait for it

    loaded = ensemble.load_ensemble(folder)
    stream = iter(texts)
    while some := list(islice(stream, LINES_AT_ONCE)):
        for text, row in zip(some, loaded.probabilities(some), strict=True):
            label = loaded.label_names[row.argmax()]
            print(f"{one_line(label)}\t{row.max():.4f}\t{one_line(text)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
