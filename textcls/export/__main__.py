"""`textcls-tune export RUN --onnx FILE`: a classifier as an ONNX model."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from textcls.command_line import CommandParser
from textcls.exceptions import BundleError, DataError, TextclsError
from textcls.output import printable, run_command

_TEXTS = 500


def main(argv: Sequence[str] | None = None) -> int:
    """Write the classifier as an ONNX model, and print what was written.

    Args:
        argv: The arguments without the program's name; by default those of this process.

    Returns:
        The exit code: 0, or 1 where the model is not written, which standard error explains.
    """
    options = make_parser().parse(argv)
    try:
        return _run(options.run, options.runs_dir, options.onnx, options.rows)
    except TextclsError as error:
        print(printable(str(error)), file=sys.stderr)
    except OSError as error:
        print(
            printable(f"{options.onnx}: cannot be written: {error.strerror or error}"),
            file=sys.stderr,
        )
    return 1


def make_parser() -> CommandParser:
    """Return the parser of this command's options."""
    parser = CommandParser("textcls.export", "Write a classifier as an ONNX model.")
    parser.add_bundle_arguments()
    parser.add_argument(
        "--onnx", type=Path, required=True, metavar="FILE", help="the file to write"
    )
    parser.add_argument(
        "--rows",
        type=Path,
        metavar="FILE",
        help="texts on which the model is compared with predict; by default made of its words",
    )
    return parser


def _run(run: str, runs_dir: str, out: Path, rows: Path | None) -> int:
    from textcls.export.onnx_model import export_onnx
    from textcls.runtime.loading import find_bundle, load_predictor
    from textcls.runtime.predictor import EnsemblePredictor

    folder = find_bundle(run, runs_dir)
    predictor = load_predictor(folder)
    if isinstance(predictor, EnsemblePredictor):
        raise BundleError(
            f"{folder}: an ensemble is not one ONNX model; export its members' folders one by one"
        )
    words = (*predictor.files.words, *(predictor.files.linear_words or ()))
    texts = _made_texts(words) if rows is None else _read_texts(rows)
    agreement = export_onnx(predictor, out, texts)
    print(
        f"{out}: {out.stat().st_size:,} bytes, described in {out.name}.json; same labels as "
        f"predict on {agreement.texts:,} texts, logits differ by at most {agreement.largest:.1e}"
    )
    return 0


def _made_texts(words: Sequence[str]) -> list[str]:
    """Return texts of random words, some unknown, one without words, of 1 to 200 tokens."""
    rng = np.random.default_rng(0)
    known = [word for word in words[2:] if word.strip()] or ["word"]
    found = [""]
    for length in np.geomspace(1, 200, _TEXTS - 1).astype(int).tolist():
        some = [known[i] for i in rng.integers(0, len(known), length).tolist()]
        some[int(rng.integers(length))] += "zq" if rng.random() < 0.3 else ""
        found.append(" ".join(w.capitalize() if rng.random() < 0.2 else w for w in some))
    return found


def _read_texts(path: Path) -> list[str]:
    from tempfile import TemporaryDirectory

    from textcls.data.tables.reading import open_table

    with TemporaryDirectory(prefix="textcls-", ignore_cleanup_errors=True) as scratch:
        table = open_table(path, Path(scratch))
        texts = [text for portion in table.portions(2048) for text in portion.texts]
    if not texts:
        raise DataError(f"{path}: has no texts; expected at least one row")
    return texts


if __name__ == "__main__":
    sys.exit(run_command(main))
