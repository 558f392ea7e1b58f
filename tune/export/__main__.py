"""`textcls-tune export RUN`: the winner or another trial of a search, for other places."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from textcls.command_line import CommandParser
from textcls.output import one_line, printable, run_command

if TYPE_CHECKING:
    from tune.analysis.run_data import RunData
    from tune.results.other_trial import KeptTrial

EPILOG = """\
examples:
  textcls-tune export my-run --prefer small --out my-run-small
  textcls-tune export my-run --trial 7 --out trial-7
  textcls-tune export my-run --small my-run-compact
  textcls-tune export my-run --onnx classifier.onnx --rows new.csv
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Write a classifier of a run in the form that was asked for, and print what was written.

    Args:
        argv: The arguments without the program's name; by default those of this process.

    Returns:
        The exit code: 0, or 1 where nothing is written, which standard error explains.

    Raises:
        SystemExit: With code 2 where an argument is wrong or two do not go together.
    """
    from textcls.export.forms import write_form

    parser = make_parser()
    options = parser.parse(argv)
    if wrong := _misfit(options):
        parser.error(wrong)
    if options.trial is None and options.prefer is None:
        options.data = options.data or _data_of_run(options)
        return write_form(options)

    from textcls.exceptions import TextclsError

    try:
        return _export_trial(options)
    except TextclsError as error:
        print(printable(str(error)), file=sys.stderr)
    except OSError as error:
        print(
            printable(f"{error.filename or options.out}: {error.strerror or error}"),
            file=sys.stderr,
        )
    return 1


def make_parser() -> CommandParser:
    """Return the parser of this command's options."""
    from textcls.export.forms import add_export_options

    parser = CommandParser(
        "tune.export",
        "Write the classifier of a run, or of another of its trials, to a folder, as a small "
        "bundle, or as an ONNX model.",
        epilog=EPILOG,
    )
    add_export_options(parser)
    which = parser.add_argument_group("another trial of a search than its winner")
    one = which.add_mutually_exclusive_group()
    one.add_argument(
        "--prefer",
        choices=("accurate", "small", "fast"),
        help="the best trial, or the smallest or fastest within one standard error of it, of those "
        "that kept their checkpoints",
    )
    one.add_argument("--trial", type=int, metavar="N", help="a trial by its number")
    which.add_argument(
        "--out", type=Path, metavar="FOLDER", help="write its classifier as a search would"
    )
    which.add_argument(
        "--storage", metavar="URL", help="open this database where the run names it, from now on"
    )
    return parser


def _misfit(options: argparse.Namespace) -> str | None:
    """Say which options are missing or contradict each other; None where they fit."""
    another = options.trial is not None or options.prefer is not None
    forms = [options.small, options.onnx, options.out]
    if options.out is not None and not another:
        return "--out is for --prefer or --trial: the winner's folder is RUN/best"
    if sum(each is not None for each in forms) != 1:
        named = "--out FOLDER, --small FOLDER or --onnx FILE"
        return f"name one thing to write: {named if another else named.partition(', ')[2]}"
    if options.trial is not None and options.trial < 0:
        return f"argument --trial: must be at least 0, but is {options.trial}"
    return None


def _export_trial(options: argparse.Namespace) -> int:
    from textcls.exceptions import BundleError
    from textcls.export.forms import write_form
    from textcls.runtime.bundle_files import check_replaceable
    from tune.analysis.run_data import load_run
    from tune.results import other_trial
    from tune.run_folder import paths
    from tune.study import databases

    databases.allow_named(options.storage)
    run = load_run(paths.find(paths.runs_dir(options.runs_dir), options.run))
    if options.out is not None:
        check_replaceable(options.out)
        if options.out.resolve() == run.folder.best.resolve():
            raise BundleError(f"{options.out}: holds the winner of the run; name another folder")
    if options.trial is not None:
        chosen = other_trial.trial_of(run, options.trial)  # before the texts are read
    corpora = other_trial.prepare_again(run, lambda each: print(one_line(each), file=sys.stderr))
    if options.prefer is not None:
        chosen = other_trial.preferred_trial(run, options.prefer, corpora)
    if options.out is not None:
        other_trial.export_kept(run, chosen, corpora, options.out)
        print(printable(f"{options.out}: {_description(run, chosen)}"))
        return 0
    with TemporaryDirectory(prefix="textcls-", ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch) / f"trial-{chosen.record.number}"
        other_trial.export_kept(run, chosen, corpora, folder)
        print(printable(_description(run, chosen)))
        place = options.data or run.config.data.name
        told = {**vars(options), "run": str(folder), "data": place}
        return write_form(argparse.Namespace(**told))


def _data_of_run(options: argparse.Namespace) -> str | None:
    """Return the data that a run searched; None where a classifier's folder is named."""
    from textcls.exceptions import TextclsError
    from textcls.runtime.loading import BEST, find_bundle
    from tune.config import search_file
    from tune.run_folder.paths import RunFolder

    try:
        folder = find_bundle(options.run, options.runs_dir)
        run = RunFolder(folder.parent)
        if folder.name != BEST or not run.space.is_file():
            return None
        return search_file.load_search(run.space).data.name
    except TextclsError:  # which is said where the classifier is read
        return None


def _description(run: "RunData", chosen: "KeptTrial") -> str:
    """Say which trial is written, how good it was and what it takes."""
    from tune.formatting import format_params

    record = chosen.record
    told = [f"trial {record.number}", f"{run.metric} {record.value:.4f}"]
    if (cost := run.costs.get(record.number)) is not None:
        told += [f"{cost.parameters:,} parameters", f"{cost.bytes / 1e6:.2f} MB"]
    told.append(format_params(run.shown_params(record)))
    reason = chosen.reason and f"\n{chosen.reason[0].upper()}{chosen.reason[1:]}."
    return ", ".join(each for each in told if each) + reason


if __name__ == "__main__":
    sys.exit(run_command(main))
