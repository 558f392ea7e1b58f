"""`python -m textcls.predict RUN/best "text" ...`: the label of each text and its probability."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from textcls.exceptions import TextclsError

LINES_AT_ONCE = 1024


def main(argv: list[str] | None = None) -> int:
    """Print a line per text: label, probability, text, separated by tabs; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m textcls.predict", description=__doc__)
    parser.add_argument("folder", type=Path, help="an exported classifier, such as runs/NAME/best")
    parser.add_argument("text", nargs="*", help="texts; without any, lines from standard input")
    options = parser.parse_args(argv)
    texts = options.text or _lines()
    try:
        _predict(options.folder, texts)
    except TextclsError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 0  # `head` has seen enough
    return 0


def _lines() -> Iterator[str]:
    for line in sys.stdin.buffer:
        yield line.decode("utf-8", errors="replace").rstrip("\r\n")


def _predict(folder: Path, texts: Iterable[str]) -> None:
    from textcls import ensemble  # torch takes a second: --help need not wait for it

    loaded = ensemble.load_ensemble(folder)
    stream = iter(texts)
    while some := list(islice(stream, LINES_AT_ONCE)):
        for text, row in zip(some, loaded.probabilities(some), strict=True):
            label = loaded.label_names[row.argmax()]
            print(f"{label}\t{row.max():.4f}\t{' '.join(text.split())}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
