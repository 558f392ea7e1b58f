r"""Split texts into WordPunct tokens: runs of letters and digits, runs of punctuation between them.

The tokens are those of NLTK's `WordPunctTokenizer` (the pattern ``\w+|[^\w\s]+`` under the
`regex` engine, as NLTK compiles it since 3.10.3; the tests compare the two). NLTK itself is not
imported: that takes a second.
"""

import re
from collections.abc import Iterable

import regex

_PATTERN = r"\w+|[^\w\s]+"
# On ASCII both engines agree, and `re` needs half the time: 0.7 s against 1.4 s for 127,600 texts
# of AG News. Beyond ASCII they differ: `re` tears a combining mark from its letter.
_ASCII_TOKENS = re.compile(_PATTERN, re.ASCII)
_TOKENS = regex.compile(_PATTERN)
# A text longer than this many characters a token is searched in its head first.
_HEAD = 16


def tokenize(text: str, max_length: int) -> list[str]:
    """Return the first `max_length` WordPunct tokens of `text` in lower case.

    A text of white space alone has none.
    """
    return lower_case(tokenize_cased(text, max_length))


def lower_case(tokens: Iterable[str]) -> list[str]:
    """Return the tokens in lower case, each by itself.

    The whole text at once would give other tokens: "İ" grows a combining dot, and a sigma's form
    depends on what follows it.
    """
    return list(map(str.lower, tokens))


def tokenize_cased(text: str, max_length: int) -> list[str]:
    """Return the first `max_length` WordPunct tokens of `text` as they are written."""
    head = text[: _HEAD * max_length]
    tokens = _split(head)
    # The cut can only shorten the last token of the head, so more than enough tokens are right.
    if len(tokens) <= max_length and len(head) < len(text):
        tokens = _split(text)
    return tokens[:max_length]


def _split(text: str) -> list[str]:
    return (_ASCII_TOKENS if text.isascii() else _TOKENS).findall(text)
