r"""Split texts into tokens, by a tokenizer that is called by its name.

`wordpunct`: runs of letters and digits, and runs of punctuation between them. The tokens are those
of NLTK's `WordPunctTokenizer` (the pattern ``\w+|[^\w\s]+`` under the `regex` engine, as NLTK
compiles it since 3.10.3; the tests compare the two). NLTK itself is not imported: that takes a
second.

`characters`: the same, but each character of a script that puts no blanks between words is a token
of its own, with the marks that belong to it; so is each syllable of Korean, whose words take their
endings along. Under `wordpunct` a whole clause of Chinese is one token, and most were never seen.
"""

import re
from collections.abc import Iterable, Sequence

import regex

WORDPUNCT, CHARACTERS = "wordpunct", "characters"

_PATTERN = r"\w+|[^\w\s]+"
# On ASCII both engines agree, and `re` needs half the time: 0.7 s against 1.4 s for 127,600 texts
# of AG News. Beyond ASCII they differ: `re` tears a combining mark from its letter.
_ASCII_TOKENS = re.compile(_PATTERN, re.ASCII)
_TOKENS = regex.compile(_PATTERN)
# U+30FC makes a vowel of kana long and belongs to no script.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\u30fc\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Hangul}"
_CHARACTERS = regex.compile(
    rf"[[{_UNSPACED}]&&\w]\p{{M}}*|[\w--[{_UNSPACED}]]+|[^\w\s]+", regex.VERSION1
)
_UNSPACED_LETTERS = regex.compile(rf"[[{_UNSPACED}]&&\p{{L}}]", regex.VERSION1)
_LETTERS = regex.compile(r"\p{L}")
# A text longer than this many characters a token is searched in its head first.
_HEAD = 16
_CHARACTER_SHARE = 0.1
"""Of the letters: with more, clauses of such scripts are a matter of more than a few names."""


def choose_tokenizer(texts: Sequence[str]) -> str:
    """Return the name of the tokenizer that suits the scripts of some texts.

    Args:
        texts: A sample of the texts; some hundreds tell.

    Returns:
        "characters" where more than a tenth of the letters belong to scripts that put no blanks
        between words, or to Korean; else "wordpunct".

    Example:
        >>> choose_tokenizer(["The striker scored twice."]), choose_tokenizer(["今天天气很好"])
        ('wordpunct', 'characters')
    """
    letters = sum(len(_LETTERS.findall(text)) for text in texts)
    unspaced = sum(len(_UNSPACED_LETTERS.findall(text)) for text in texts if not text.isascii())
    return CHARACTERS if unspaced > _CHARACTER_SHARE * letters else WORDPUNCT


def tokenize(text: str, max_length: int, tokenizer: str = WORDPUNCT) -> list[str]:
    """Return the first tokens of a text, in lower case.

    Args:
        text: A text of any script; one of white space alone has no tokens.
        max_length: Tokens that are returned at most.
        tokenizer: "wordpunct" or "characters".

    Returns:
        The tokens, in their order.

    Example:
        >>> tokenize("It's over: 2-1!", 6)
        ['it', "'", 's', 'over', ':', '2']
    """
    return lower_case(tokenize_cased(text, max_length, tokenizer))


def lower_case(tokens: Iterable[str]) -> list[str]:
    """Return the tokens in lower case, each by itself.

    The whole text at once would give other tokens: "İ" grows a combining dot, and a sigma's form
    depends on what follows it.

    Args:
        tokens: What `tokenize_cased` returned.

    Returns:
        As many tokens.

    Example:
        >>> lower_case(["The", "Striker"])
        ['the', 'striker']
    """
    return list(map(str.lower, tokens))


def tokenize_cased(text: str, max_length: int, tokenizer: str = WORDPUNCT) -> list[str]:
    """Return the first tokens of a text, as they are written.

    Args:
        text: A text of any script; one of white space alone has no tokens.
        max_length: Tokens that are returned at most.
        tokenizer: "wordpunct" or "characters".

    Returns:
        The tokens, in their order; `lower_case` makes those of `tokenize` of them.
    """
    head = text[: _HEAD * max_length]
    tokens = _split(head, tokenizer)
    # The cut can only shorten the last token of the head, so more than enough tokens are right.
    if len(tokens) <= max_length and len(head) < len(text):
        tokens = _split(text, tokenizer)
    return tokens[:max_length]


def _split(text: str, tokenizer: str) -> list[str]:
    if text.isascii():
        return _ASCII_TOKENS.findall(text)
    return (_CHARACTERS if tokenizer == CHARACTERS else _TOKENS).findall(text)
