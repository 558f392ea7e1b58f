"""`textcls-tune push RUN USER/NAME`: publish a classifier on the Hugging Face hub."""

import sys
from collections.abc import Sequence

from textcls.command_line import CommandParser
from textcls.exceptions import TextclsError
from textcls.output import one_line, printable

EPILOG = """\
A token that may write comes from `hf auth login` or the variable HF_TOKEN.

examples:
  textcls-tune push my-run ann/tickets --private
  textcls-tune push my-run ann/tickets --license mit --language en
  textcls-tune predict hf://ann/tickets "My parcel is two days late"
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Publish the classifier.

    Args:
        argv: The arguments; by default those of this process.

    Returns:
        The exit code.
    """
    options = make_parser().parse(argv)
    try:
        from textcls.push.publication import publish_bundle
        from textcls.runtime.loading import find_bundle

        folder = find_bundle(options.run, options.runs_dir)
        page = publish_bundle(
            folder,
            options.name,
            private=options.private,
            licence=options.licence,
            languages=options.language,
        )
    except TextclsError as error:
        print(printable(str(error)), file=sys.stderr)
        return 1
    print(f"{one_line(page)} (textcls-tune predict hf://{options.name})")
    return 0


def make_parser() -> CommandParser:
    """Return the parser of this command's options."""
    parser = CommandParser(
        "textcls.push", "Publish a classifier on the Hugging Face hub.", epilog=EPILOG
    )
    parser.add_bundle_arguments()
    add = parser.add_argument
    add("name", metavar="USER/NAME", help="the repository; created if it does not exist")
    add("--private", action="store_true", help="make a new repository private")
    add("--license", dest="licence", metavar="ID", help="licence for the model card, such as mit")
    add(
        "--language",
        action="append",
        default=[],
        metavar="CODE",
        help="language of the texts for the model card, such as en; repeatable",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
