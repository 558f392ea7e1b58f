"""`textcls-tune export RUN --small FOLDER` or `--onnx FILE`: a classifier for other places."""

import sys
from collections.abc import Sequence

from textcls.command_line import CommandParser
from textcls.export.forms import add_export_options, write_form
from textcls.output import run_command

EPILOG = """\
examples:
  textcls-tune export my-run --small my-run-small
  textcls-tune export my-run --onnx classifier.onnx --rows new.csv
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Write the classifier in another form, and print what was written.

    Args:
        argv: The arguments without the program's name; by default those of this process.

    Returns:
        The exit code: 0, or 1 where nothing is written, which standard error explains.
    """
    parser = make_parser()
    options = parser.parse(argv)
    if (options.small is None) == (options.onnx is None):
        parser.error("name what to write: --small FOLDER or --onnx FILE")
    return write_form(options)


def make_parser() -> CommandParser:
    """Return the parser of this command's options."""
    parser = CommandParser(
        "textcls.export",
        "Write a classifier as a small bundle, or as an ONNX model.",
        epilog=EPILOG,
    )
    add_export_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
