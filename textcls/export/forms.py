"""Write a classifier in another form, as the options of a command say."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from textcls.command_line import CommandParser
from textcls.exceptions import BundleError, DataError, TextclsError
from textcls.output import one_line, printable

if TYPE_CHECKING:
    from textcls.runtime.predictor import Predictor

_TEXTS = 500


def add_export_options(parser: CommandParser) -> None:
    """Add the classifier, what to write of it, and the texts to compare on.

    Args:
        parser: Of a command.
    """
    parser.add_bundle_arguments()
    parser.add_argument(
        "--small",
        type=Path,
        metavar="FOLDER",
        help="write a classifier of about a quarter of the size to a folder; its labels are "
        "compared with those of the whole one on held-out texts, and printed",
    )
    parser.add_argument("--onnx", type=Path, metavar="FILE", help="write an ONNX model to a file")
    parser.add_argument(
        "--rows",
        type=Path,
        metavar="FILE",
        help="texts on which the result is compared with predict; by default the held-out texts of "
        "the training for --small, texts made of its words for --onnx",
    )
    parser.add_argument(
        "--data",
        metavar="DATA",
        help="where the data of the training lies now, for --small; by default that of the run, "
        "else what has the recorded name here",
    )


def write_form(options: argparse.Namespace) -> int:
    """Do what the options of a command say.

    Args:
        options: As `add_export_options` defines them; either `small` or `onnx` is given.

    Returns:
        The exit code: 0, or 1 where nothing is written, which standard error explains.
    """
    out = options.small or options.onnx
    try:
        return _run(options)
    except TextclsError as error:
        print(printable(str(error)), file=sys.stderr)
    except OSError as error:
        print(printable(f"{out}: cannot be written: {error.strerror or error}"), file=sys.stderr)
    return 1


def _run(options: argparse.Namespace) -> int:
    from textcls.runtime.loading import find_bundle, load_predictor
    from textcls.runtime.predictor import EnsemblePredictor

    folder = find_bundle(options.run, options.runs_dir)
    predictor = load_predictor(folder)
    if isinstance(predictor, EnsemblePredictor):
        raise BundleError(
            f"{folder}: an ensemble is several classifiers; export its members' folders one by one"
        )
    if options.small is not None:
        return _write_small(folder, predictor, options)
    return _write_onnx(predictor, options.onnx, options.rows)


def _write_small(folder: Path, predictor: "Predictor", options: argparse.Namespace) -> int:
    from textcls.export._training_texts import read_held_out
    from textcls.export.small_bundle import HeldOut, write_small
    from textcls.runtime.bundle_files import check_replaceable

    out, rows = options.small, options.rows
    check_replaceable(out)
    if out.resolve() == folder.resolve():
        raise BundleError(f"{out}: is the classifier itself; name another folder")
    if rows is not None:
        held_out = HeldOut(rows.name, _read_texts(rows))
    else:
        held_out = read_held_out(
            predictor.files.description, lambda each: print(one_line(each)), options.data
        )
    found = write_small(predictor.files, held_out, out)
    left = [f"{found.words[1]:,} of {found.words[0]:,} words of the encoder"]
    if found.features is not None:
        left.append(f"{found.features[1]:,} of {found.features[0]:,} features")
    print(
        printable(
            f"{out}: {_bytes_of(out):,} bytes instead of {_bytes_of(folder):,}, with "
            f"{' and '.join(left)}"
        )
    )
    print(
        printable(
            f"{found.changed:,} of {found.texts:,} texts of {found.split} get another label"
            + (
                "; how many were right nobody knows, they have no labels"
                if found.accuracy is None
                else f"; accuracy {found.accuracy[0]:.4f} before, {found.accuracy[1]:.4f} now"
            )
        )
    )
    return 0


def _bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def _write_onnx(predictor: "Predictor", out: Path, rows: Path | None) -> int:
    from textcls.export.onnx_model import export_onnx

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
