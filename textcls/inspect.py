"""`python -m textcls.inspect FILE`: what is in a file of labelled texts, and what may be wrong."""

import json
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from textcls.command_line import CommandParser
from textcls.config.models import DataConfig, Section
from textcls.exceptions import TextclsError
from textcls.output import printable, run_command

if TYPE_CHECKING:
    from textcls.data.dataset import TextDataset

_ABOUT = "Print what is in a file of labelled texts, and what may be wrong with it."
_CLASSES_SHOWN = 20
_TEXTS_LOOKED_AT = 2_000


class DataFile(Section):
    """The part of a search space that says where the texts come from."""

    data: DataConfig = DataConfig()
    """Where the texts come from."""


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures and findings of a data set.

    Args:
        argv: The arguments without the program's name; by default those of this process.

    Returns:
        The exit code: 0, or 1 where the data cannot be read, which standard error then explains.
        Findings do not change it.
    """
    options = make_parser().parse(argv)
    try:
        for line in _describe(_configuration(options)):
            print(printable(line))
    except TextclsError as error:
        print(printable(str(error)), file=sys.stderr)
        return 1
    return 0


def make_parser() -> CommandParser:
    """Return the parser of this command's options."""
    parser = CommandParser("textcls.inspect", _ABOUT)
    add = parser.add_argument
    add("data", metavar="DATA", help="a local file or folder, a hub name, or synthetic")
    add("--text", metavar="COLUMNS", help="columns that make the text, such as subject,body")
    add("--label", metavar="COLUMN", help="the column that holds the label")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any key of data, such as data.encoding=cp1252",
    )
    return parser


def _configuration(options: Namespace) -> DataConfig:
    from textcls.config.loader import Override, load_config

    keys = {"name": options.data, "text_columns": options.text, "label_column": options.label}
    flags = {"name": "DATA", "text_columns": "--text", "label_column": "--label"}
    overrides = [
        Override(f"data.{key}", value, flags[key])
        for key, value in keys.items()
        if value is not None
    ]
    return load_config(DataFile, None, [*overrides, *options.set]).data


def _describe(data: DataConfig) -> Iterator[str]:
    """Yield the notices of reading, the figures of each split, and the findings."""
    from textcls.data.dataset import check_local, locate
    from textcls.data.inspection import inspect_dataset

    check_local(data)
    dataset = locate(data).read()
    yield from dataset.notices
    yield from _figures(dataset)
    yield _tokens(dataset, data)
    findings = inspect_dataset(dataset)
    yield from (f"look: {finding}" for finding in findings)
    if not findings:
        yield "nothing looks wrong"


def _figures(dataset: "TextDataset") -> Iterator[str]:
    from textcls.data.inspection import figures_of

    for name, split in figures_of(dataset).items():
        yield (
            f"{name}: {split.texts:,} texts of {split.shortest:,} to {split.longest:,} characters, "
            f"half of them up to {split.median:,}"
        )
        shown = sorted(split.per_class.items(), key=lambda item: -item[1])
        for label, count in shown[:_CLASSES_SHOWN]:
            quoted = json.dumps(label, ensure_ascii=False)
            yield f"  {quoted}: {count:,} ({count / split.texts:.1%})"
        if len(shown) > _CLASSES_SHOWN:
            yield f"  and {len(shown) - _CLASSES_SHOWN:,} more classes"


def _tokens(dataset: "TextDataset", data: DataConfig) -> str:
    from textcls.text.encoding import TextLengths, token_counts
    from textcls.text.tokenizer import choose_tokenizer

    texts = dataset.splits["train"].texts
    tokenizer: str = data.tokenizer
    if tokenizer == "auto":
        step = -(-len(texts) // _TEXTS_LOOKED_AT)
        tokenizer = choose_tokenizer([texts[i].as_py() for i in range(0, len(texts), step)])
    lengths = TextLengths.of(token_counts(texts, tokenizer), data.max_length)
    return (
        f"tokens ({tokenizer}): half of the texts of train have up to {lengths.median:,}, nine of "
        f"ten up to {lengths.ninth_decile:,}, the longest {lengths.longest:,}; data.max_length "
        f"{data.max_length:,} cuts {lengths.texts_cut:.1%} of them and leaves out "
        f"{lengths.tokens_cut:.1%} of the tokens"
    )


if __name__ == "__main__":
    sys.exit(run_command(main))
