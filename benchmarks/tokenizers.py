"""Compare NLTK's stemmers and TweetTokenizer with the project's tokens, by the linear classifier.

    python benchmarks/tokenizers.py FILE.csv [FILE.csv ...] --language german

Each FILE has the columns text and label; train files only, so that the test splits stay unread. The
linear classifier is trained on two thirds of the texts and asked about the rest, for each third,
with several orders of the texts: accuracy with words and pairs alone, and with n-grams of
characters as well, of which a search takes the better.

What NLTK cuts is written into the text so that the project's own tokenizer gives it back: stems
keep a capital at their beginning, and a token of TweetTokenizer with signs in it becomes a word.
"""

import argparse
import csv
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from textcls.config.models import DataConfig
from textcls.data.in_memory import memory_dataset
from textcls.models.linear import PENALTY, score_settings
from textcls.text.encoding import encode_texts, selected, stratified_folds
from textcls.text.tokenizer import tokenize_cased

_WHOLE = 1 << 30  # tokens: texts are not cut


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each file and way to cut texts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--language", default="english", help="of Snowball's stemmers")
    parser.add_argument("--most", type=int, default=4_000, help="texts of each file")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args(argv)
    for file in options.files:
        with file.open(encoding="utf-8", newline="") as rows:
            table = list(csv.DictReader(rows))
        order = np.random.default_rng(0).permutation(len(table))[: options.most]
        texts, labels = ([table[at][key] for at in order] for key in ("text", "label"))
        for name, cut in ways(options.language).items():
            plain, characters = accuracies([cut(text) for text in texts], labels, options.seeds)
            print(
                f"{file.parent.name:14} {name:10} words {np.mean(plain):.4f}, "
                f"with characters {np.mean(characters):.4f} "
                f"({', '.join(f'{each:.4f}' for each in characters)})",
                flush=True,
            )
    return 0


def ways(language: str) -> dict[str, Callable[[str], str]]:
    """Return what is done to a text before the project's tokenizer cuts it, by name."""
    from nltk.stem.snowball import SnowballStemmer
    from nltk.tokenize import TweetTokenizer

    stemmer, tweets = SnowballStemmer(language), TweetTokenizer(reduce_len=True)
    known: dict[str, str] = {}

    def stem(word: str) -> str:
        if word not in known:
            found = stemmer.stem(word)
            known[word] = found.capitalize() if word[:1].isupper() else found
        return known[word]

    def as_word(token: str) -> str:
        if token.isalnum() or (not any(map(str.isalnum, token)) and len(set(token)) == 1):
            return token
        return "".join(each if each.isalnum() else f"zq{ord(each)}" for each in token)

    return {
        "ours": lambda text: text,
        "Snowball": lambda text: " ".join(map(stem, tokenize_cased(text, _WHOLE))),
        "tweets": lambda text: " ".join(map(as_word, tweets.tokenize(text))),
    }


def accuracies(
    texts: Sequence[str], labels: Sequence[str], seeds: int
) -> tuple[list[float], list[float]]:
    """Return the accuracy of each seed, without and with n-grams of characters."""
    data = memory_dataset((texts, labels), DataConfig(name="memory"))
    encoding = encode_texts(data, _WHOLE, 1)
    split, words = encoding.uncut.splits["train"], encoding.uncut.vocabulary.words
    found: tuple[list[float], list[float]] = ([], [])
    for seed in range(seeds):
        mixed = selected(split, np.random.default_rng(seed).permutation(len(split)))
        folds = stratified_folds(mixed.labels, 3)
        for spelling, values in zip((None, words), found, strict=True):
            right = 0
            for fold in range(3):
                known, new = (
                    selected(mixed, np.flatnonzero(some)) for some in (folds != fold, folds == fold)
                )
                usual = [(PENALTY, "none")]
                (scores,) = score_settings(known, new, len(data.label_names), usual, words=spelling)
                right += int((scores.argmax(axis=1) == new.labels).sum())
            values.append(right / len(mixed))
    return found


if __name__ == "__main__":
    sys.exit(main())
