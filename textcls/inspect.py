"""`python -m textcls.inspect FILE`: what is in a file of labelled texts, and what may be wrong."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence

from textcls.exceptions import TextclsError

_CLASSES_SHOWN = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures and findings of a data set; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m textcls.inspect", description=__doc__)
    parser.add_argument("data", help="a local file or folder, a hub name, or synthetic")
    parser.add_argument(
        "--text", metavar="COLUMNS", help="columns that make the text: subject,body"
    )
    parser.add_argument("--label", metavar="COLUMN", help="the column that holds the label")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any key of data, such as data.encoding=cp1252; repeatable",
    )
    options = parser.parse_args(argv)
    given = {"name": options.data, "text_columns": options.text, "label_column": options.label}
    try:
        for line in _lines({key: value for key, value in given.items() if value}, options.set):
            print(line)
    except TextclsError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 0  # `head` has seen enough
    return 0


def _lines(given: Mapping[str, str], settings: Sequence[str]) -> Iterator[str]:
    from textcls.config.loader import Override, load_config
    from textcls.config.models import DataConfig, Section

    class DataFile(Section):
        data: DataConfig = DataConfig()

    overrides = [Override(f"data.{key}", value, key) for key, value in given.items()]
    data = load_config(DataFile, None, [*overrides, *settings]).data

    from textcls.data.dataset import check_local, locate
    from textcls.data.inspection import figures_of, inspect_dataset
    from textcls.text.encoding import encode_texts
    from textcls.text.tokenizer import choose_tokenizer

    check_local(data)
    dataset = locate(data).read()
    yield from dataset.notices
    for name, split in figures_of(dataset).items():
        yield (
            f"{name}: {split.texts:,} texts of {split.shortest:,} to {split.longest:,} characters, "
            f"half of them up to {split.median:,}"
        )
        shown = sorted(split.per_class.items(), key=lambda item: -item[1])
        yield from (
            f"  {json.dumps(label, ensure_ascii=False)}: {count:,} ({count / split.texts:.1%})"
            for label, count in shown[:_CLASSES_SHOWN]
        )
        if len(shown) > _CLASSES_SHOWN:
            yield f"  and {len(shown) - _CLASSES_SHOWN:,} more classes"
    texts = dataset.splits["train"].texts
    tokenizer: str = data.tokenizer
    if tokenizer == "auto":
        tokenizer = choose_tokenizer(texts[:: max(1, len(texts) // 2_000)].to_pylist())
    encoding = encode_texts(dataset, data.max_length, data.min_count, tokenizer)
    if (lengths := encoding.lengths) is not None:
        yield (
            f"tokens ({tokenizer}): half of the texts have up to {lengths.median:,}, nine of ten "
            f"up to {lengths.ninth_decile:,}, the longest {lengths.longest:,}; data.max_length "
            f"{data.max_length:,} cuts {lengths.texts_cut:.1%} of the texts and leaves out "
            f"{lengths.tokens_cut:.1%} of the tokens"
        )
    findings = inspect_dataset(dataset)
    yield from (f"look: {finding}" for finding in findings)
    if not findings:
        yield "nothing looks wrong"


if __name__ == "__main__":
    sys.exit(main())
