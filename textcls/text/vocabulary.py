"""The words that a classifier knows, and their ids."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

PAD = "<pad>"
"""Fills up shorter rows; its id is 0. No token: the tokenizer splits at the brackets."""
UNK = "<unk>"
"""Stands for every word outside the vocabulary; its id is 1. No token either."""

PAD_ID = 0
UNK_ID = 1


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words in the order of their ids: `<pad>`, `<unk>`, then the words themselves.

    Raises:
        ValueError: The two special words are not in front, or a word occurs twice.
    """

    words: tuple[str, ...]
    index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.words[:2] != (PAD, UNK):
            raise ValueError(f"a vocabulary starts with {PAD}, {UNK}, not with {self.words[:2]}")
        object.__setattr__(self, "index", {word: i for i, word in enumerate(self.words)})
        if len(self.index) != len(self.words):
            raise ValueError(f"{len(self.words) - len(self.index)} words more than once")

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """Return the ids of some tokens.

        Args:
            tokens: In lower case, as the vocabulary's words are.

        Returns:
            An id for each token, that of `<unk>` for words that the vocabulary lacks. A text
            without tokens is one `<unk>`, so that no row is empty.
        """
        index = self.index
        return [index.get(token, UNK_ID) for token in tokens] or [UNK_ID]


def build_vocabulary(
    counts: Mapping[str, int], min_count: int = 1, extra: Iterable[str] = ()
) -> Vocabulary:
    """Return the words that occur often enough, most frequent first, ties alphabetical.

    Args:
        counts: Occurrences of each word in train.
        min_count: Occurrences that a word needs.
        extra: Words that follow alphabetically; those that `counts` holds are left out: a word that
            train has too rarely stays unknown.
    """
    kept = sorted(word for word, count in counts.items() if count >= min_count)
    kept.sort(key=counts.__getitem__, reverse=True)  # stable, so ties stay alphabetical
    return Vocabulary((PAD, UNK, *kept, *sorted(set(extra) - counts.keys())))
