"""Tell whether texts are English, by their most common words."""

from collections.abc import Sequence

from textcls.text.tokenizer import tokenize

_COMMON = frozenset(
    (
        *("the", "and", "that", "with", "this", "are", "you", "not", "have", "from"),
        *("what", "how", "which", "who", "they", "it", "there", "when"),
    )
)
"""Common English words that are no common words of Dutch, German, Spanish or Swedish."""
_SHARE = 0.03
"""Of the tokens: AG News has 0.08, titles of programmers' questions 0.09, German news 0.001."""
_TOKENS = 200  # of a text


def is_english(texts: Sequence[str]) -> bool:
    """Tell whether most of some texts are English.

    Args:
        texts: A sample; a few hundred are plenty.

    Example:
        >>> is_english(["The printer is out of ink and that is not new."])
        True
        >>> is_english(["Der Drucker hat keine Tinte mehr."])
        False
    """
    tokens = [token for text in texts for token in tokenize(text, _TOKENS)]
    return sum(token in _COMMON for token in tokens) > _SHARE * len(tokens)
